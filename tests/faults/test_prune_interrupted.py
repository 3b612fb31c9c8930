# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A prune that ends in its middle for other reasons than test_prune_killed has, or whose work is undone before it is finished."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.kept_watch import KeptWatch
from ansible_collections.fleetops.container_registry.tests.rig.small_disk import SmallDisk
from ansible_collections.fleetops.container_registry.tests.rig.tripwire import Tripwire

NAME = "team/app"
# The first writes of every run: may we delete, push, untag?
PROBES = 3
KEEP_ALL = [{"name": "all", "keep": "all"}]
KEEP_3 = [{"name": "all", "keep_newest": 3}]


@pytest.fixture
def wire(registry):
    """The way to the registry of every run: a journal is about an address."""
    with Tripwire(registry.url) as tripwire:
        yield tripwire


@pytest.fixture
def backup(tmp_path):
    made = tmp_path / "backup"
    made.mkdir()
    return made


@pytest.fixture
def start(warm, wire, backup):
    """Starts registry_prune with OPTIONS, one request at a time."""

    def begin(policies=None, **options):
        arguments = {
            "url": wire.url,
            "policies": policies or KEEP_3,
            "backup_dir": str(backup),
            "max_delete_percent": 100,
            "workers": 1,
            "retries": 0,
        }
        return warm.start("registry_prune", {**arguments, **options})

    return begin


@pytest.fixture
def kill_at(start, wire):
    """Runs registry_prune and kills its process at its WRITEth write."""

    def run(write, after, policies=None, **options):
        runs = []

        def pull():
            runs[0].kill()

        wire.trip_at(write, after, pull)
        runs.append(start(policies, **options))
        assert runs[0].finish().status < 0, f"the run has fewer than {write} writes"
        wire.disarm()

    return run


@pytest.fixture
def finish(start):
    def run(policies=None, **options):
        done = start(policies, **options).finish()
        assert not done.failed, done.msg
        return done

    return run


def kept_of(registry, *tags):
    return {tag: store.digest(registry.url, NAME, tag) for tag in tags}


def open_journals(backup):
    texts = [path.read_text() for path in backup.glob("*.jsonl")]
    return sum('"type":"ready"' in text and '"type":"finished"' not in text for text in texts)


# --- undone before it was finished


@pytest.mark.parametrize(("write", "after"), [(1, True), (3, True), (6, False), (6, True), (7, True), (8, True)])
def test_what_a_killed_run_has_left_on_a_tombstone_can_be_restored(
    warm, registry, pusher, wire, kill_at, finish, backup, write, after
):
    """Six tags are moved (writes 1 to 6), the tombstone goes (7), then the images (8 and on)."""
    images = pusher.many(NAME, 9)
    before = {f"t{number}": image.digest for number, image in enumerate(images)}
    kept = {tag: before[tag] for tag in ("t6", "t7", "t8")}
    with KeptWatch(registry.url, NAME, kept) as watch:
        kill_at(PROBES + write, after, strategy="tombstone")
        moved = store.tags(registry.store_root, NAME)
        assert moved != before
        (path,) = backup.glob("*.jsonl")
        back = warm.run("registry_manifest_restore", {"url": wire.url, "backup_file": str(path), "hold": "0d"})
        assert not back.failed, back.msg
        assert back["changed"] is True
        assert store.tags(registry.store_root, NAME) == before
        finish(KEEP_ALL)
        assert store.tags(registry.store_root, NAME) == before
    assert watch.answers and not watch.wrong, watch.wrong[:5]
    assert store.pull_all(registry.url, NAME) == before
    # Nothing of ours is left: neither a tombstone nor work for a later run.
    assert store.revisions(registry.store_root, NAME) == set(before.values())
    assert open_journals(backup) == 0


# --- a disk that fills up


@pytest.mark.parametrize("strategy", ["digest", "tombstone"])
def test_a_backup_disk_that_fills_up_loses_nothing_and_tells_what_went(
    registry, pusher, wire, start, finish, backup, strategy
):
    pusher.many(NAME, 103)
    before = store.tags(registry.store_root, NAME)
    kept = kept_of(registry, "t100", "t101", "t102")
    with SmallDisk(backup) as disk, KeptWatch(registry.url, NAME, kept) as watch:
        wire.trip_at(PROBES + 5, False, disk.fill)
        ended = start(strategy=strategy).finish()
        wire.disarm()
        assert ended.failed
        assert "No space left on device" in ended.msg and "same backup_dir" in ended.msg
        gone = len(before) - len(store.tags(registry.store_root, NAME))
        assert ended["changed"] is True
        assert 0 < ended["deleted"]["tags"] == gone
        left = store.revisions(registry.store_root, NAME)
        assert len(left) == len(before) - ended["deleted"]["manifests"]
        disk.make_room()
        finish(strategy=strategy)
        assert open_journals(backup) == 0
        assert finish(strategy=strategy)["changed"] is False
    assert watch.answers and not watch.wrong, watch.wrong[:5]
    assert store.pull_all(registry.url, NAME) == kept
    assert store.revisions(registry.store_root, NAME) == set(kept.values())


@pytest.mark.parametrize("strategy", ["digest", "tombstone"])
def test_a_store_whose_disk_fills_up_loses_nothing_that_is_kept(
    registry, wire, pusher, start, finish, backup, strategy
):
    """A deletion needs no room. A tag that is moved does, and the registry answers 500."""
    with SmallDisk(registry.store_root) as disk:
        pusher.many(NAME, 30)
        before = store.tags(registry.store_root, NAME)
        kept = kept_of(registry, "t27", "t28", "t29")
        with KeptWatch(registry.url, NAME, kept) as watch:
            wire.trip_at(PROBES + 4, True, disk.fill)
            ended = start(strategy=strategy).finish()
            wire.disarm()
            assert ended["changed"] is True
            assert ended.failed == (strategy == "tombstone"), ended.msg
            gone = len(before) - len(store.tags(registry.store_root, NAME))
            assert ended["deleted"]["tags"] == gone
            disk.make_room()
            finish(strategy=strategy)
            assert open_journals(backup) == 0
        assert watch.answers and not watch.wrong, watch.wrong[:5]
        assert store.pull_all(registry.url, NAME) == kept
        assert store.revisions(registry.store_root, NAME) == set(kept.values())
        registry.stop()


# --- a grace


@pytest.mark.parametrize("write", [2, -2, -1])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_with_a_grace_that_was_killed_is_finished_by_the_next(
    registry, pusher, kill_at, finish, backup, write, after
):
    """Six tags go, on 3.x with six writes, on 2.x with seven; the images wait for their grace and go after it."""
    writes = 6 if registry.family == "3.x" else 7
    images = pusher.many(NAME, 9)
    everything = {image.digest for image in images}
    kept = kept_of(registry, "t6", "t7", "t8")
    with KeptWatch(registry.url, NAME, kept) as watch:
        kill_at(PROBES + (write if write > 0 else writes + 1 + write), after, delete_grace="7d")
        finish(delete_grace="7d")
        assert store.tags(registry.store_root, NAME) == kept
        assert store.revisions(registry.store_root, NAME) == everything
        assert finish(delete_grace="7d")["changed"] is False
        # Eight days later, as far as the journals tell.
        for path in backup.glob("*.jsonl"):
            text = re.sub(r'"started_at":[0-9.]+', f'"started_at":{time.time() - 8 * 86400}', path.read_text())
            path.write_text(text)
        finish(delete_grace="7d")
    assert watch.answers and not watch.wrong, watch.wrong[:5]
    assert store.tags(registry.store_root, NAME) == kept
    assert store.revisions(registry.store_root, NAME) == set(kept.values())
    assert open_journals(backup) == 0
