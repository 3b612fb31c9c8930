# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The offline prune, killed in the middle of its work: what stays is whole, the collector eats none of it, the next run finishes."""

from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store

TAGS, KEPT = 120, 10


@pytest.fixture
def planned(registry, pusher, tmp_path):
    """A stopped registry with many tags and a few indexes, and the plan that leaves the newest."""
    for number in range(TAGS):
        if number % 20 == 0:
            pusher.multi("team/app", f"v{number}", created=number)
        else:
            pusher.image("team/app", f"v{number}", created=number, size=20)
    plan = str(tmp_path / "plan")
    made = modules.run_module(
        "registry_prune",
        {
            "url": registry.url,
            "policies": [{"name": "newest", "keep_newest": KEPT}],
            "plan_file": plan,
            "max_delete_percent": 100,
        },
        check=True,
    )
    assert not made.failed, made.output
    registry.stop()
    return registry, {
        "storage_root": str(registry.store_root),
        "registry_stopped_or_read_only": True,
        "plan_file": plan,
        "plan_id": made["plan_id"],
        "url": registry.url,
        "backup_dir": str(tmp_path / "backup"),
        "details": "none",
    }


def entries(registry):
    """How much of the repository the registry still sees: tags, then manifests."""
    folder = registry.store_root / "docker/registry/v2/repositories/team/app/_manifests"
    return len(os.listdir(folder / "tags")) + len(os.listdir(folder / "revisions/sha256"))


def test_killed_at_many_points(planned, tmp_path):
    registry, arguments = planned
    original = tmp_path / "original"
    shutil.copytree(registry.store_root, original, symlinks=True)
    full = entries(registry)
    kept = {
        name: digest
        for name, digest in store.tags(registry.store_root, "team/app").items()
        if int(name[1:]) >= TAGS - KEPT
    }
    landed = set()
    for left in (full - 1, full - 60, full - 115, full - 150, full - 200):
        shutil.rmtree(registry.store_root)
        shutil.copytree(original, registry.store_root, symlinks=True)
        shutil.rmtree(arguments["backup_dir"], ignore_errors=True)
        running = modules.start_module("registry_storage_prune", arguments)
        while entries(registry) > left and running.poll() is None:
            pass  # a sleep would let it finish
        running.kill()
        running.communicate()
        landed.add(entries(registry))
        looked = modules.run_module("registry_storage_info", {"storage_root": str(registry.store_root)})
        assert all(one["safe"] for one in looked["would_free"])
        tags = store.tags(registry.store_root, "team/app")
        assert kept.items() <= tags.items()
        assert set(tags.values()) <= store.revisions(registry.store_root, "team/app")
        registry.start()
        assert set(store.pull_all(registry.url, "team/app")) == set(tags)
        registry.stop()
        again = modules.run_module("registry_storage_prune", arguments)
        assert not again.failed, again.output
        assert store.tags(registry.store_root, "team/app") == kept
        assert modules.run_module("registry_storage_prune", arguments)["changed"] is False
        for path in (tmp_path / "backup").iterdir():
            assert '"finished"' in path.read_text(encoding="utf-8"), (
                "a killed run's work is done, and its journal says so"
            )
        assert not list(registry.store_root.rglob("_fleetops_removed"))
        registry.collect()
    assert len(landed) > 1, "every kill came too late to prove anything"
    registry.start()
    assert set(store.pull_all(registry.url, "team/app")) == set(kept)


def test_what_a_killed_run_took_away_goes_without_its_plan(planned):
    """Nobody may ever carry out that plan again: whatever the next run of the module is for, it clears up."""
    registry, arguments = planned
    full = entries(registry)
    running = modules.start_module("registry_storage_prune", arguments)
    while entries(registry) > full - 60 and running.poll() is None:
        pass  # a sleep would let it finish
    running.kill()
    running.communicate()
    seen = (store.tags(registry.store_root, "team/app"), store.revisions(registry.store_root, "team/app"))
    assert list(registry.store_root.rglob("_fleetops_removed")), "the kill came too late to prove anything"

    def findings():
        looked = modules.run_module("registry_storage_info", {"storage_root": str(registry.store_root)})
        return [(one["code"], one["repository"]) for one in looked["findings"]]

    assert findings() == [("removal_unfinished", "team/app")]
    other = {"storage_root": str(registry.store_root), "registry_stopped_or_read_only": True}
    shown = modules.run_module("registry_storage_prune", other, check=True)
    done = modules.run_module("registry_storage_prune", other)
    for result in (shown, done):
        assert (result["changed"], result["swept_repositories"]) == (True, ["team/app"])
    assert not list(registry.store_root.rglob("_fleetops_removed"))
    assert seen == (store.tags(registry.store_root, "team/app"), store.revisions(registry.store_root, "team/app"))
    assert findings() == []
    assert modules.run_module("registry_storage_prune", other)["changed"] is False
    registry.start()
    assert set(store.pull_all(registry.url, "team/app")) == set(seen[0])
