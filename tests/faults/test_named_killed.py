# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_manifest_delete and registry_tag_delete, killed at each of their writes: the same task again finishes.

No kept tag ever names anything else meanwhile. What is left is judged on the registry's disk.
"""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.kept_watch import KeptWatch
from ansible_collections.fleetops.container_registry.tests.rig.tripwire import Tripwire

# The first writes of every run: may we delete, push, untag?
PROBES = 3


class Case:
    """A repository with an index to go (tagged twice), an image to go, and an index that stays and has a child of the first."""

    def __init__(self, pusher, registry, name, backup):
        self.registry, self.name, self.backup = registry, name, backup
        self.index, self.children = pusher.multi(name, ["m", "m-too"], created=1)
        pusher.image(name, "old", created=2)
        pusher.index(name, "other", [self.children[0]])
        pusher.image(name, ["kept", "spare"], created=3)
        self.kept = {tag: store.digest(registry.url, name, tag) for tag in ("other", "kept", "spare")}
        self.left = {*self.kept.values(), self.children[0].digest}

    @property
    def arguments(self):
        references = [f"{self.name}:{tag}" for tag in ("m", "m-too", "old")]
        return {"references": references, "backup_dir": str(self.backup), "retries": 0}

    @property
    def tags(self):
        return store.tags(self.registry.store_root, self.name)

    @property
    def revisions(self):
        return store.revisions(self.registry.store_root, self.name)

    @property
    def open_journals(self):
        texts = [path.read_text() for path in self.backup.glob("*.jsonl")]
        return sum('"type":"ready"' in text and '"type":"finished"' not in text for text in texts)

    def lose(self, digest):
        """Take a manifest away and leave its tags, as a registry does that is killed inside a DELETE."""
        manifests = self.registry.store_root / "docker/registry/v2/repositories" / self.name / "_manifests"
        shutil.rmtree(manifests / "revisions/sha256" / digest.partition(":")[2])


@pytest.fixture
def case(pusher, registry, tmp_path):
    def make(name):
        return Case(pusher, registry, f"team/{name}", tmp_path / f"backup-{name}")

    return make


@pytest.fixture
def wire(registry):
    """The way to the registry of every run: a journal is about an address."""
    with Tripwire(registry.url) as tripwire:
        yield tripwire


def killed_at(warm, wire, module, arguments, write, after):
    """Run MODULE through WIRE until its WRITEth write, and kill its process there; False if it has ended before."""
    runs = []

    def pull():
        runs[0].kill()

    wire.trip_at(write, after, pull)
    runs.append(warm.start(module, {**arguments, "url": wire.url, "workers": 1}))
    ended = runs[0].finish()
    wire.disarm()
    if ended.status >= 0:
        assert not ended.failed, ended.msg
    return ended.status < 0


def again(warm, wire, module, arguments):
    done = warm.run(module, {**arguments, "url": wire.url})
    assert not done.failed, done.msg
    return done


def test_a_manifest_delete_that_was_killed_at_any_write_is_finished_by_the_same_task(warm, wire, registry, case):
    """Three DELETEs: the index, its one child that nothing else needs, and the image."""
    module = "registry_manifest_delete"
    killed = []
    for write in range(1, 10):
        for after in (False, True):
            one = case(f"d{write}-{int(after)}")
            with KeptWatch(registry.url, one.name, one.kept) as watch:
                if killed_at(warm, wire, module, one.arguments, write, after):
                    killed.append((write, after))
                again(warm, wire, module, one.arguments)
            assert watch.answers and not watch.wrong, watch.wrong[:5]
            assert (one.tags, one.revisions) == (one.kept, one.left), (write, after)
            assert one.open_journals == 0, (write, after)
            last = again(warm, wire, module, one.arguments)
            assert (last["changed"], one.open_journals) == (False, 0)
        if (write, False) not in killed:
            break
    assert killed == [(write, after) for write in range(1, PROBES + 4) for after in (False, True)]


def killed_before_the_child(warm, wire, case, name):
    """A run that has deleted the index, and left its child."""
    one = case(name)
    while one.index.digest in one.revisions:  # the image may go first
        assert killed_at(warm, wire, "registry_manifest_delete", one.arguments, PROBES + 1, True)
    assert one.index.digest not in one.revisions
    assert one.children[1].digest in one.revisions
    return one


def test_what_was_tagged_again_since_stays(warm, wire, registry, pusher, case):
    for name in ("tagged", "wrapped"):
        one = killed_before_the_child(warm, wire, case, name)
        if name == "tagged":
            pusher.tag(one.children[1], "back")
        else:
            pusher.index(one.name, "back", [one.children[1]])
        again(warm, wire, "registry_manifest_delete", one.arguments)
        assert set(one.tags) == {*one.kept, "back"}
        assert store.pull(registry.url, one.name, "back")
        assert one.open_journals == 0


def test_another_task_leaves_it_and_a_prune_finishes_it(warm, wire, case):
    one = killed_before_the_child(warm, wire, case, "other")
    other = {**one.arguments, "references": [f"{one.name}:spare", f"{one.name}:kept"]}
    refused = warm.run("registry_manifest_delete", {**other, "url": wire.url}, check=True)
    assert [entry["manifests"] for entry in refused["deleted"]] == [[one.kept["kept"]]]
    assert one.children[1].digest in one.revisions
    prune = {
        "policies": [{"name": "all", "keep": "all"}],
        "repositories": [one.name],
        "backup_dir": str(one.backup),
        "max_delete_percent": 100,
    }
    again(warm, wire, "registry_prune", prune)
    assert one.children[1].digest not in one.revisions
    assert one.kept.items() <= one.tags.items()
    assert one.left <= one.revisions


@pytest.mark.parametrize("check", [True, False])
def test_tags_that_a_killed_registry_has_left_go_with_the_same_task(warm, wire, registry, case, check):
    one = case(f"lost-{int(check)}")
    assert killed_at(warm, wire, "registry_manifest_delete", one.arguments, PROBES + 1, False)
    one.lose(one.index.digest)
    registry.restart()
    assert {"m", "m-too"} <= set(store.listed(registry.url, one.name))
    elsewhere = {**one.arguments, "backup_dir": str(one.backup) + "-other", "url": wire.url}
    refused = warm.run("registry_manifest_delete", elsewhere)
    assert refused.failed and "dangles" in refused.msg
    if check:
        planned = warm.run("registry_manifest_delete", {**one.arguments, "url": wire.url}, check=True)
        assert not planned.failed, planned.msg
        assert planned["deleted"][0]["tags"] == ["m", "m-too", "old"]
    done = again(warm, wire, "registry_manifest_delete", one.arguments)
    assert done["changed"] is True
    assert store.listed(registry.url, one.name) == sorted(one.kept)
    assert (one.tags, one.revisions, one.open_journals) == (one.kept, one.left, 0)


@pytest.mark.parametrize("strategy", ["auto", "tombstone"])
def test_a_tag_delete_that_was_killed_at_any_write_is_finished_by_the_same_task(warm, wire, registry, case, strategy):
    """What stays besides the kept tags: every manifest, and nothing of ours."""
    module = "registry_tag_delete"
    killed = []
    for write in range(1, 12):
        for after in (False, True):
            one = case(f"t{write}-{int(after)}")
            before = one.revisions
            arguments = {"references": one.arguments["references"], "strategy": strategy, "retries": 0}
            with KeptWatch(registry.url, one.name, one.kept) as watch:
                if killed_at(warm, wire, module, arguments, write, after):
                    killed.append((write, after))
                again(warm, wire, module, arguments)
            assert watch.answers and not watch.wrong, watch.wrong[:5]
            assert one.tags == one.kept, (write, after)
            assert one.revisions == before, (write, after)
            assert again(warm, wire, module, arguments)["changed"] is False
        if (write, False) not in killed:
            break
    writes = 3 if registry.family == "3.x" and strategy == "auto" else 4
    assert killed == [(write, after) for write in range(1, PROBES + writes + 1) for after in (False, True)]
