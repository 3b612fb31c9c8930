# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Four writers push all the time while a run deletes: what was acknowledged is there afterwards, but for the gaps that the docs name.

The protocol has no compare-and-swap, so between the request that confirms what a tag names and the write that takes it off, a push
is lost. The registry's own log tells when each request was in the registry. With -rP, pytest prints what was measured.
"""

from __future__ import annotations

import json
import random
import statistics
import threading
import time

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.access_log import INFO, read_access_log
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher

REPOSITORY = "busy/app"
IMAGES = 120
KEEP = 20
WRITERS = 4
# The log's clock is the registry's, the writers' is ours; both are this machine's.
SLACK = 0.002


class Push:
    """A push that was acknowledged: between START and END the registry had it. PROMOTED: the digest is a doomed image's."""

    def __init__(self, tag, digest, start, end, promoted):
        self.tag, self.digest, self.start, self.end, self.promoted = tag, digest, start, end, promoted

    def overlaps(self, windows):
        return any(self.start <= until + SLACK and self.end >= since - SLACK for since, until in windows)


class Writer(threading.Thread):
    """Pushes new images over doomed tags, over a kept tag and under new tags, and doomed images under new tags; each its own."""

    def __init__(self, url, number, images, doomed, deleting, over):
        super().__init__(daemon=True)
        self.pusher = Pusher(url)
        self.number = number
        self.images = images
        self.doomed = doomed[number::WRITERS]
        self.deleting, self.over = deleting, over
        self.random = random.Random(number)
        self.acknowledged = []
        self.refused = []

    def run(self):
        count = 0
        while not self.over.is_set():
            count += 1
            kind = self.random.choice(["doomed", "kept", "new", "new", "promoted"])
            if kind in ("doomed", "promoted") and not self.deleting.is_set():
                kind = "new"
            tag = f"{kind}-{self.number}-{count}"
            if kind == "kept":
                tag = f"t{IMAGES - 1 - self.number}"
            if kind == "doomed":
                tag = self.random.choice(self.doomed)
            # What is pushed over a kept tag is as new as before, so that the plan stays what it is.
            image = self.images[tag if kind == "kept" else self.random.choice(self.doomed)]
            document = json.loads(image.body)
            if kind != "promoted":
                document["annotations"] = {"push": f"{self.number} {count}"}
            body = json.dumps(document).encode()
            start = time.time()
            try:
                pushed = self.pusher.raw_manifest(REPOSITORY, tag, body, image.media_type)
            except RuntimeError as refused:
                self.refused.append((tag, Push(tag, "", start, time.time(), kind == "promoted"), str(refused)))
            else:
                self.acknowledged.append(Push(tag, pushed.digest, start, time.time(), kind == "promoted"))
            # As many pushes as a hundred builders make, and not so many that every doomed tag has moved at once.
            time.sleep(self.random.uniform(0, 0.01))


class Gaps:
    """When the run's own requests were in the registry, by what they were about."""

    def __init__(self, registry):
        self.everything = [entry for entry in read_access_log(registry.log_path) if f"/{REPOSITORY}/" in entry.path]
        self.requests = [entry for entry in self.everything if "python-requests" not in entry.agent]
        self.heads = {}
        for entry in self.requests:
            if entry.method == "HEAD":
                self.heads.setdefault(entry.name, []).append(entry)
        self.writes = [entry for entry in self.requests if entry.method in ("PUT", "DELETE")]
        self.lists = [entry for entry in self.requests if "/tags/list" in entry.path]

    def of_tag(self, tag, first):
        """[(since, until)] from the confirmation of TAG to the write under its name."""
        return [(self.confirmed(tag, write), write.end) for write in self.writes if write.name == tag]

    def confirmed(self, tag, write):
        """When what TAG names was last asked before WRITE."""
        return max(head.start for head in self.heads[tag] if head.end <= write.start)

    def deletions(self, digests=None):
        """[(since, until)] of deletions by digest, of DIGESTS only if given."""
        return [
            (write.start, write.end)
            for write in self.writes
            if write.method == "DELETE" and ":" in write.name and (digests is None or write.name in digests)
        ]

    def promotions(self, digest, doomed):
        """[(since, until)] from the last look at all tags, before the first of DOOMED went, to the deletion of DIGEST."""
        first = min((since for since, _until in self.deletions(doomed)), default=0.0)
        looked = max((entry.start for entry in self.lists if entry.end <= first), default=0.0)
        return [(looked, until) for _since, until in self.deletions({digest})]


def milliseconds(windows):
    lengths = sorted(1000 * (until - since) for since, until in windows)
    if not lengths:
        return "none"
    return "median %.1f ms, 95%% %.1f ms, longest %.1f ms" % (
        statistics.median(lengths),
        lengths[int(len(lengths) * 0.95) - 1],
        lengths[-1],
    )


@pytest.mark.parametrize("strategy", ["digest", "tombstone", "tag"])
def test_what_four_writers_push_meanwhile_is_there_afterwards(
    warm, registry_factory, tmp_path, registry_version, strategy
):
    if strategy == "tag" and registry_version.startswith("2"):
        return  # 2.x deletes no tags
    registry = registry_factory(env=INFO)
    images = {f"t{n}": pushed for n, pushed in enumerate(Pusher(registry.url).many(REPOSITORY, IMAGES))}
    doomed = [f"t{n}" for n in range(IMAGES - KEEP)]
    deleting, over = threading.Event(), threading.Event()
    writers = [Writer(registry.url, number, images, doomed, deleting, over) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    arguments = {
        "url": registry.url,
        "policies": [{"name": "p", "tags": ["~^t[0-9]+$"], "keep_newest": KEEP}],
        "backup_dir": str(tmp_path / "backup"),
        "max_delete_percent": 100,
        "strategy": strategy,
    }
    run = warm.start("registry_prune", arguments)
    while run.running and not any('"ready"' in path.read_text() for path in tmp_path.glob("backup/*.jsonl")):
        time.sleep(0.005)
    ready = time.time()
    deleting.set()
    done = run.finish()
    over.set()
    for writer in writers:
        writer.join()
    # A registry can fail on a DELETE while somebody pushes the same. Then nothing is lost, it is said, and the next run finishes.
    assert not done["interrupted"], done.msg
    safe = ["is still there", "It was put back as it was", "HTTP 500"]
    # A push that failed, as its tag's folder was removed at that moment, leaves the tag listed, without a manifest.
    half_pushed = {tag for writer in writers for tag, _push, _text in writer.refused}
    safe += ["the tag %s is still listed" % tag for tag in half_pushed]
    assert all(any(text in error for text in safe) for error in done["errors"]), done["errors"]
    pushes = [push for writer in writers for push in writer.acknowledged]
    gaps = Gaps(registry)
    # A push whose tag's folder the registry removes at that moment fails there (HTTP 500), so its client knows and pushes again.
    for tag, push, text in [entry for writer in writers for entry in writer.refused]:
        removed = gaps.deletions() + gaps.of_tag(tag, ready)
        assert tag in doomed and "Path not found" in text and push.overlaps(removed), text
    last = {push.tag: push for push in sorted(pushes, key=lambda push: push.end)}
    now = {tag: store.digest(registry.url, REPOSITORY, tag) for tag in last}
    lost = [push for tag, push in last.items() if now[tag] != push.digest]
    planned = {images[tag].digest for tag in doomed}
    # What the docs name, per strategy, and nothing else.
    by_name = {tag: gaps.of_tag(tag, ready) for tag in doomed}
    for push in lost:
        allowed = gaps.promotions(push.digest, planned) if push.promoted else gaps.deletions({images[push.tag].digest})
        if strategy != "digest" and not push.promoted:
            # Both the tag's own gap, and the end of the tombstone that it stood on.
            allowed += by_name[push.tag] + gaps.deletions()
        near = [entry for entry in gaps.everything if entry.name == push.tag or entry.name == now[push.tag]]
        assert push.overlaps(allowed), (
            f"{push.tag} was pushed at {push.start} to {push.end}, and names {now[push.tag]}: {near}"
        )
        assert push.promoted or store.digest(registry.url, REPOSITORY, push.digest), "its manifest is lost, too"

    # A tag that was seen to have moved wins, and is reported.
    reported = {drift["name"] for drift in done["drifted"]}
    for tag in doomed:
        own = [push for push in pushes if push.tag == tag]
        asked = [head.start for head in gaps.heads.get(tag, ()) if head.start > ready]
        if own and asked and min(push.end for push in own) < min(asked) - SLACK:
            assert tag in reported, tag
    # What stays and was not pushed is as it was; what goes and was not pushed is gone, unless it was promoted.
    if done["errors"]:
        finished = warm.run("registry_prune", arguments)
        assert not finished.failed, finished.msg
    listed = set(store.listed(registry.url, REPOSITORY))
    promoted = {push.digest for push in pushes if push.promoted}
    for tag, image in images.items():
        if tag not in last and tag not in doomed:
            assert store.digest(registry.url, REPOSITORY, tag) == image.digest
        if tag not in last and tag in doomed and image.digest not in promoted:
            assert tag not in listed or (tag in half_pushed and not store.digest(registry.url, REPOSITORY, tag)), tag
    vanished = sorted(push.tag for push in lost if push.promoted)
    confirmed = [window for windows in by_name.values() for window in windows]
    if strategy == "digest":
        heads = {images[tag].digest: tag for tag in doomed}
        confirmed = [
            (gaps.confirmed(heads[write.name], write), write.end)
            for write in gaps.writes
            if write.method == "DELETE" and write.name in heads
        ]
    print(
        f"{registry_version} {strategy}: {len(pushes)} pushes acknowledged, {len(done['drifted'])} moved and left alone,"
        f" {len(lost) - len(vanished)} lost, {len(done['errors'])} errors, {len(vanished)} promotions lost; from HEAD to the end of its write:"
        f" {milliseconds(confirmed)}; one DELETE by digest: {milliseconds(gaps.deletions())}"
    )
