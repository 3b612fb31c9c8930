# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo: whatever a run has deleted comes back bit for bit, or is named with the reason why it cannot."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store

KEEP_1 = [{"name": "all", "tags": ["v*", "m*"], "keep_newest": 1}]


@pytest.fixture
def backup(tmp_path):
    return tmp_path / "backup"


@pytest.fixture
def prune(run_module, backup):
    def run(policies=None, **options):
        arguments = {"policies": policies or KEEP_1, "backup_dir": str(backup), "max_delete_percent": 100, **options}
        done = run_module("registry_prune", arguments)
        assert not done.failed, done.msg
        return done

    return run


@pytest.fixture
def restore(run_module):
    def run(done, check=False, **options):
        return run_module("registry_manifest_restore", {"backup_file": done["backup_file"], **options}, check=check)

    return run


@pytest.fixture
def filled(pusher):
    """Images, an index, a shared digest, an artifact and a signature, most of which KEEP_1 deletes."""
    for n in range(4):
        pusher.image("team/app", f"v{n}", created=n, media="docker" if n % 2 else "oci")
    for n in range(3):
        index, _children = pusher.multi("team/multi", f"m{n}", created=n)
        pusher.cosign("team/multi", index)
        pusher.artifact("team/multi", f"sbom{n}", subject=index)
    return pusher


def test_a_whole_run_comes_back_bit_for_bit(registry, filled, prune, restore, tmp_path):
    names = ("team/app", "team/multi")
    before = {name: (store.pull_all(registry.url, name), store.revisions(registry.store_root, name)) for name in names}
    done = prune()
    assert done["deleted"]["manifests"] > 6
    planned = restore(done, check=True)
    back = restore(done)
    assert not back.failed, back.msg
    assert planned["totals"] == back["totals"]
    after = {name: (store.pull_all(registry.url, name), store.revisions(registry.store_root, name)) for name in names}
    assert after == before
    store.skopeo_copy_all(registry.url, "team/multi", "m0", tmp_path / "pulled")
    again = restore(done)
    assert again["changed"] is False


def test_restored_tags_are_held_from_the_next_prune(registry, filled, prune, restore):
    done = prune()
    restore(done)
    held = prune()
    assert held["deleted"]["tags"] == 0
    assert "v0" in store.listed(registry.url, "team/app")
    restore(done, hold="0d")
    assert "v0" in store.listed(registry.url, "team/app")


def test_one_tag_comes_back_alone(registry, filled, prune, restore):
    done = prune()
    back = restore(done, repositories=["team/multi"], tags=["m0"])
    assert not back.failed, back.msg
    assert "m0" in store.pull_all(registry.url, "team/multi")
    assert "m1" not in store.listed(registry.url, "team/multi")
    assert store.listed(registry.url, "team/app") == ["v3"]


def test_a_tag_that_was_pushed_since_is_left_alone(registry, filled, prune, restore):
    done = prune()
    fresh = filled.image("team/app", "v0", created=50, words="pushed since")
    back = restore(done)
    assert back["totals"]["pushed_since"] == 1
    assert store.digest(registry.url, "team/app", "v0") == fresh.digest
    assert restore(done, overwrite=True)["changed"] is True
    assert store.digest(registry.url, "team/app", "v0") != fresh.digest


def test_after_collection_the_lost_are_named_and_layers_of_others_are_mounted(registry, pusher, prune, restore):
    pusher.image("team/app", "v0", created=0, words="also elsewhere")
    pusher.image("team/app", "v1", created=1, words="only here")
    pusher.image("team/app", "v2", created=2)
    pusher.image("other/copy", "kept", created=7, words="also elsewhere")
    done = prune([{"name": "app", "repositories": ["team/app"], "keep_newest": 1}])
    registry.stop()
    registry.collect()
    registry.start()
    back = restore(done)
    assert back.failed and "garbage collection" in back.msg
    assert store.listed(registry.url, "team/app") == ["v0", "v2"]
    assert store.pull_all(registry.url, "team/app")
    states = {tag["name"]: tag["state"] for entry in back["repositories"] for tag in entry["tags"]}
    assert states == {"v0": "restored", "v1": "lost"}


def test_a_stale_cache_is_not_believed(registry, pusher, prune, restore):
    """With the collector run and no restart, HEAD says 200 and PUT 201 although the blobs are gone."""
    pusher.image("team/app", "v0", created=0)
    pusher.image("team/app", "v1", created=1)
    store.pull_all(registry.url, "team/app")
    done = prune()
    registry.collect()
    back = restore(done)
    assert back.failed and "was taken by garbage collection" in back.msg
    assert store.listed(registry.url, "team/app") == ["v1"]
    assert store.pull_all(registry.url, "team/app")


def test_a_manifest_that_is_accepted_and_not_there_asks_for_a_restart(registry, pusher, prune, restore):
    """The blob of a manifest is not written where the cache has it, so its PUT is answered with 201 and changes nothing."""
    pusher.image("team/app", "v0", created=0, words="the same layer")
    pusher.image("team/app", "v1", created=1, words="the same layer")
    before = store.pull_all(registry.url, "team/app")
    done = prune()
    registry.collect()
    back = restore(done)
    assert back.failed and "restart the registry first, its cache is stale" in back.msg
    assert store.listed(registry.url, "team/app") == ["v1"]
    registry.stop()
    registry.start()
    again = restore(done)
    assert not again.failed, again.msg
    assert store.pull_all(registry.url, "team/app") == before


def test_a_damaged_backup_restores_nothing_wrong(registry, pusher, prune, run_module, tmp_path):
    pusher.image("team/app", "v0", created=0)
    pusher.image("team/app", "v1", created=1)
    done = prune()
    copy = tmp_path / "damaged.backup.jsonl"
    shutil.copy(done["backup_file"], copy)
    text = copy.read_text(encoding="utf-8")
    copy.write_text(text.replace("schemaVersion", "schemaversion"), encoding="utf-8")
    back = run_module("registry_manifest_restore", {"backup_file": str(copy)})
    assert back.failed and "damaged" in back.msg
    assert store.listed(registry.url, "team/app") == ["v1"]
