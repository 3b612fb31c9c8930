# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed, or whose registry is, at any moment, is finished by the next one, which decides the same.

No kept tag ever resolves to anything else in between. What is left is judged on disk, after a collection by the registry's own
collector: by the tags, by the manifests, and by the bytes.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.kept_watch import KeptWatch
from ansible_collections.fleetops.container_registry.tests.rig.tripwire import Tripwire

# Pushed in an order of its own, so that order_by: pushed keeps others than order_by: created would.
PUSH_ORDER = (5, 0, 7, 2, 1, 6, 3, 4)
GOVERNED = ["odd-*", "even-*"]
LEFT_OVER = {"name": "left over", "untagged": True, "delete": "all"}

POLICIES = {
    "created": [{"name": "p", "tags": GOVERNED, "keep_newest": 2, "group_by": r"^(odd|even)-"}],
    "pushed": [{"name": "p", "tags": GOVERNED, "keep_newest": 3, "order_by": "pushed"}, LEFT_OVER],
    "labels": [{"name": "p", "tags": GOVERNED, "labels": {"env": "ci"}, "keep_newest": 2}],
}
KEPT = {
    "created": {"odd-7", "odd-5", "even-6", "even-4"},
    "pushed": {"even-6", "odd-3", "even-4"},
    "labels": {"odd-5", "even-4", "even-6", "odd-7"},
}
# More than one tombstone takes.
MANY = 120


def name_of(number):
    return f"{'odd' if number % 2 else 'even'}-{number}"


class Original:
    """A repository of images, indexes with a common child, a shared tag, signatures and a manifest without a tag; copied on disk.

    odd-1, which every policy dooms, has MANY more tags. pinned is a tag that no policy governs, on the doomed even-0.
    """

    def __init__(self, registry, pusher, many):
        self.registry = registry
        self.digests = {}
        self.many = [f"odd-1-{n}" for n in range(many)]
        common = pusher.image(
            "original", None, created=1, labels={"env": "ci"}, words="common", platform=("linux", "arm64")
        )
        pusher.image("original", name_of(6), created=60, words="pushed over")
        self.stray = store.digest(registry.url, "original", name_of(6))
        for number in PUSH_ORDER:
            labels = {"env": "ci" if number < 6 else "prod"}
            tag = name_of(number)
            if number in (2, 4):
                own = pusher.image("original", None, created=number, words=tag, labels=labels)
                pushed = pusher.index("original", tag, [own, common])
            else:
                pushed = pusher.image("original", tag, created=number, words=tag, labels=labels)
            self.digests[tag] = pushed.digest
            if number in (1, 4):
                pusher.cosign("original", pushed)
            if number == 0:
                pusher.tag(pushed, "pinned")
        self.digests["pinned"] = self.digests[name_of(0)]
        signature = self.digests[name_of(4)].replace(":", "-") + ".sig"
        self.digests[signature] = store.digest(registry.url, "original", signature)
        self.signature = signature
        tags = self.place("original") / "_manifests/tags"
        for hour, number in enumerate(PUSH_ORDER):
            os.utime(tags / name_of(number) / "current/link", (1_760_000_000 + hour * 3600,) * 2)
        for tag in self.many:
            subprocess.run(["cp", "-a", str(tags / "odd-1"), str(tags / tag)], check=True)
        self.needed = {
            tag: set(store.pull(registry.url, "original", tag)) & store.revisions(registry.store_root, "original")
            for tag in self.digests
        }

    def place(self, repository):
        return self.registry.store_root / "docker/registry/v2/repositories" / repository

    def copy(self, repository, strategy):
        """Another repository like this one. Under strategy: digest a shared tag cannot be taken off, so there is none."""
        subprocess.run(["cp", "-a", str(self.place("original")), str(self.place(repository))], check=True)
        if strategy == "digest":
            shutil.rmtree(self.place(repository) / "_manifests/tags/pinned")

    def kept(self, kind, strategy):
        """Tag to digest, of what POLICIES of KIND keep."""
        tags = KEPT[kind] | {self.signature} | (set() if strategy == "digest" else {"pinned"})
        return {tag: self.digests[tag] for tag in tags}

    def left(self, kind, strategy):
        """The manifests that are left: a policy about manifests without tags, and the scan for it, come with KIND pushed only."""
        needed = set().union(*(self.needed[tag] for tag in self.kept(kind, strategy)))
        return needed if kind == "pushed" else needed | {self.stray}


class Run:
    """registry_prune on one repository, with a fresh scan of the store where push times matter."""

    def __init__(self, warm, original, url, tmp_path, kind, strategy, repository):
        self.warm, self.original, self.kind, self.repository = warm, original, kind, repository
        self.scan = tmp_path / f"{repository}.scan"
        self.backup = tmp_path / f"backup-{repository}"
        self.arguments = {
            "url": url,
            "repositories": [repository],
            "policies": POLICIES[kind],
            "backup_dir": str(self.backup),
            "max_delete_percent": 100,
            "strategy": strategy,
            "workers": 2,
            "retries": 0,
            "details": "all",
        }

    def start(self, check=False):
        if self.kind == "pushed":
            root = str(self.original.registry.store_root)
            scanned = self.warm.run("registry_storage_info", {"storage_root": root, "output": str(self.scan)})
            assert not scanned.failed, scanned.msg
            self.arguments["store_scan"] = str(self.scan)
        return self.warm.start("registry_prune", self.arguments, check=check)

    @property
    def ready(self):
        """Whether the backup is on disk, so that the deletions begin."""
        return any('"ready"' in path.read_text() for path in self.backup.glob("*.jsonl"))

    def finish(self, check=False):
        done = self.start(check).finish()
        assert not done.failed, f"{self.repository}: {done.msg}"
        return done

    def planned(self, done):
        """Which tags the plan of a run keeps."""
        return {tag["name"] for entry in done["repositories"] for tag in entry["tags"] if tag["action"] == "keep"}


class Story:
    """Many repositories of one registry, each with a run that is killed once and finished by the next one."""

    def __init__(self, warm, registry, pusher, tmp_path, kind, many):
        self.original = Original(registry, pusher, many)
        self.warm, self.registry, self.tmp_path, self.kind = warm, registry, tmp_path, kind
        self.told = {}

    def begin(self, url, strategy, name):
        repository = f"{strategy}-{name}"
        self.original.copy(repository, strategy)
        return Run(self.warm, self.original, url, self.tmp_path, self.kind, strategy, repository)

    def judge_plan(self, url, strategy):
        """The first plan, by check mode, keeps what this file says."""
        run = self.begin(url, strategy, "planned")
        assert run.planned(run.finish(check=True)) == set(self.original.kept(self.kind, strategy))
        shutil.rmtree(self.original.place(run.repository))

    def killed_and_finished(self, run, strategy, kill):
        """Start RUN, let KILL end what it ends, and let a second run finish. No kept tag may move meanwhile.

        Of a tag that the registry was just removing, a directory without its link can be left. The registry lists it, and only a
        write under its name clears it, which is what strategy: digest never does: it says so, and what to do.
        """
        kept = self.original.kept(self.kind, strategy)
        with KeptWatch(self.registry.url, run.repository, kept) as watch:
            kill(run.start())
            done = run.finish()
            if strategy == "digest" and done["skipped"]:
                assert len(done["skipped"]) == 1, done["skipped"]
                assert "dangles and is kept: strategy: digest takes no tag off alone, auto does" in done["skipped"][0]
                run.arguments["strategy"] = "auto"
                done = run.finish()
        assert watch.answers
        assert not watch.wrong, f"{run.repository}: {watch.wrong[:5]}"
        assert run.planned(done) == set(kept), run.repository
        assert done["skipped"] == [], run.repository
        assert store.tags(self.registry.store_root, run.repository) == kept, run.repository
        self.told[run.repository] = strategy

    def judge(self):
        """After a collection: the manifests and the bytes of what is kept are there, and nothing else is."""
        shutil.rmtree(self.original.place("original"))
        self.registry.stop()
        self.registry.collect()
        self.registry.start()
        sizes = {}
        for repository, strategy in self.told.items():
            left = self.original.left(self.kind, strategy)
            assert store.revisions(self.registry.store_root, repository) == left, repository
        for repository in {strategy: repository for repository, strategy in self.told.items()}.values():
            for digest in self.original.left(self.kind, self.told[repository]):
                sizes.update(store.pull(self.registry.url, repository, digest))
        assert store.blob_bytes(self.registry.store_root) == sum(sizes.values())


def strategies(registry):
    return ["digest", "tombstone"] + (["tag"] if registry.family == "3.x" else [])


def moments(writes, kind):
    """(write, after it?) spread over a run of so many writes, others for each KIND. The first three writes are the probe's."""
    first = {"created": 4, "labels": 5, "pushed": 6}[kind]
    chosen = sorted({first, first + 2, (first + writes) // 2, writes - first % 3, writes})
    return [(write, (number + first) % 2 == 0) for number, write in enumerate(chosen)]


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_killed_at_any_write_the_next_run_finishes_and_decides_the_same(warm, registry, pusher, tmp_path, kind):
    story = Story(warm, registry, pusher, tmp_path, kind, many=2)
    with Tripwire(registry.url) as wire:
        for strategy in strategies(registry):
            wire.disarm()
            story.judge_plan(wire.url, strategy)
            wire.disarm()
            story.begin(wire.url, strategy, "whole").finish()
            for write, after in moments(wire.writes, kind):
                run = story.begin(wire.url, strategy, f"{write}-{int(after)}")

                def kill(process, write=write, after=after):
                    wire.trip_at(write, after, process.kill)
                    ended = process.finish()
                    wire.disarm()
                    assert ended.status < 0, f"the run has fewer than {write} writes"

                story.killed_and_finished(run, strategy, kill)
            assert run.finish()["changed"] is False, run.repository
    story.judge()


class Disk:
    """What of one repository is still there, fast enough to be asked thousands of times a second."""

    def __init__(self, original, repository):
        manifests = original.place(repository) / "_manifests"
        self._tags = str(manifests / "tags")
        self._revisions = str(manifests / "revisions/sha256")
        self._original = original
        self._before = set(os.listdir(self._revisions))
        self._tombstone = ""

    def has(self, tag):
        """Whether the manifest is there that TAG named at first."""
        return os.path.exists(f"{self._revisions}/{self._original.digests[tag].partition(':')[2]}/link")

    def tags_left(self):
        """How many of the many tags are left."""
        return sum(1 for tag in os.listdir(self._tags) if tag.startswith("odd-1-"))

    def tombstone_laid(self):
        """Whether a manifest is there, or was, that was not in the original."""
        if not self._tombstone:
            new = set(os.listdir(self._revisions)) - self._before
            self._tombstone = next(iter(new), "")
        return bool(self._tombstone)

    def tombstone_gone(self):
        """Whether a tombstone was there and is gone."""
        return self.tombstone_laid() and not os.path.exists(f"{self._revisions}/{self._tombstone}/link")

    def moved(self):
        """How many of the many tags stand on a tombstone, or did."""
        if not self.tombstone_laid():
            return 0
        found = f"index/sha256/{self._tombstone}"
        return sum(1 for tag in self._original.many if os.path.exists(f"{self._tags}/{tag}/{found}"))


# What the store shows when the registry is killed, and what must be left then for the kill to have come in time.
INSIDE = {
    "digest": [
        ("its manifest is gone", lambda disk: not disk.has("odd-1"), lambda disk: disk.tags_left()),
        ("its first tag is gone", lambda disk: disk.tags_left() < MANY, lambda disk: disk.tags_left()),
        ("half of its tags are gone", lambda disk: disk.tags_left() <= MANY // 2, lambda disk: disk.tags_left()),
        ("few of its tags are left", lambda disk: disk.tags_left() <= MANY // 10, lambda disk: disk.tags_left()),
        ("all of its tags are gone", lambda disk: not disk.tags_left(), lambda disk: True),
        ("an index is gone", lambda disk: not disk.has("even-2"), lambda disk: True),
    ],
    "tombstone": [
        ("the first tag moves", lambda disk: disk.tombstone_laid(), lambda disk: disk.tags_left()),
        ("half of the tags have moved", lambda disk: disk.moved() >= 50, lambda disk: disk.tags_left()),
        ("the tombstone is gone", lambda disk: disk.tombstone_gone(), lambda disk: disk.tags_left() > MANY - 90),
        ("its first tag is gone", lambda disk: disk.tags_left() < MANY, lambda disk: disk.tags_left() > MANY - 90),
        (
            "most of its tags are gone",
            lambda disk: disk.tags_left() <= MANY - 60,
            lambda disk: disk.tags_left() > MANY - 90,
        ),
        ("all tags are gone", lambda disk: not disk.tags_left(), lambda disk: disk.has("odd-1")),
        ("an index is gone", lambda disk: not disk.has("even-2"), lambda disk: True),
    ],
    "tag": [
        ("the first tag is gone", lambda disk: disk.tags_left() < MANY, lambda disk: disk.tags_left()),
        ("half of the tags are gone", lambda disk: disk.tags_left() <= MANY // 2, lambda disk: disk.tags_left()),
        ("all tags are gone", lambda disk: not disk.tags_left(), lambda disk: disk.has("odd-1")),
        ("an index is gone", lambda disk: not disk.has("even-2"), lambda disk: True),
        ("the manifest of many tags is gone", lambda disk: not disk.has("odd-1"), lambda disk: True),
    ],
}
ATTEMPTS = 4


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_the_registry_killed_inside_a_deletion_the_next_run_finishes_and_decides_the_same(
    warm, registry, pusher, tmp_path, kind
):
    story = Story(warm, registry, pusher, tmp_path, kind, many=MANY)
    missed = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        for strategy in strategies(registry):
            story.judge_plan(registry.url, strategy)
            for number, (what, seen, inside) in enumerate(INSIDE[strategy]):
                if kind != "created" and (number + len(kind)) % 2:
                    continue
                for attempt in range(ATTEMPTS):
                    run = story.begin(registry.url, strategy, f"{number}-{attempt}")
                    disk = Disk(story.original, run.repository)
                    in_time: list[bool] = []

                    def kill(process, run, disk, seen, inside, in_time):
                        while not run.ready and process.running:
                            time.sleep(0.005)
                        while not seen(disk) and process.running:
                            time.sleep(0.0002)
                        registry.kill()
                        in_time.append(bool(inside(disk)))
                        process.finish()
                        registry.start()

                    bound = functools.partial(kill, run=run, disk=disk, seen=seen, inside=inside, in_time=in_time)
                    story.killed_and_finished(run, strategy, bound)
                    if in_time[0]:
                        break
                else:
                    missed.append(f"{strategy}: {what}")
            assert run.finish()["changed"] is False, run.repository
    finally:
        sys.setswitchinterval(before)
    story.judge()
    assert len(missed) < 3, f"the registry could not be killed in time: {missed}"


def test_a_read_only_window_ends_a_run_cleanly(warm, registry, pusher, tmp_path):
    for number in range(8):
        pusher.image("team/app", f"v{number}", created=number)
    with Tripwire(registry.url) as wire:
        arguments = {
            "url": wire.url,
            "policies": [{"name": "p", "keep_newest": 2}],
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
            "retries": 0,
        }
        wire.trip_at(6, False, lambda: registry.restart(readonly=True))
        first = warm.run("registry_prune", arguments)
        assert first.failed and first["interrupted"], first.data
        assert first["deleted"]["manifests"] < 6
        registry.restart(readonly=False)
        wire.disarm()
        done = warm.run("registry_prune", arguments)
        assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == ["v6", "v7"]
