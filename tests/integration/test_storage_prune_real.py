# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store modules on the stores of real registries: the same plan, the same result as over the API."""

from __future__ import annotations

import operator
import os

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher

POLICIES = [
    {"name": "releases", "repositories": ["team/*"], "keep_newest": 2},
    {"name": "left over", "untagged": True, "delete": "all"},
]


def fill(registry):
    """Tags that share, indexes that nest, pushes over a tag, a signature and a nested name."""
    pusher = Pusher(registry.url)
    for n in range(6):
        pusher.image("team/app", f"v{n}", created=n)
    for n in range(4):
        pusher.image("team/app", "latest", created=10 + n, words=f"latest {n}")
    old, _children = pusher.multi("team/multi", "old", created=1)
    new, _children = pusher.multi("team/multi", ["new", "newest"], created=9)
    pusher.multi("team/multi", "middle", created=5)
    pusher.cosign("team/multi", old)
    pusher.cosign("team/multi", new)
    pusher.artifact("team/multi", subject=new)
    pusher.image("team/app/sub", "only", created=1)
    pusher.image("other", "x", created=1)


def module(name, arguments, **options):
    return modules.run_module(name, arguments, **options)


def contents(registry):
    names = ("team/app", "team/multi", "team/app/sub", "other")
    return {name: (store.tags(registry.store_root, name), store.revisions(registry.store_root, name)) for name in names}


@pytest.fixture
def planned(registry_factory, tmp_path):
    """A filled registry, and a plan of it that is made with its store's scan."""

    def make(**settings):
        registry = registry_factory(**settings)
        fill(registry)
        scan, plan = str(tmp_path / f"{registry.port}.scan"), str(tmp_path / f"{registry.port}.plan")
        looked = module("registry_storage_info", {"storage_root": str(registry.store_root), "output": scan})
        assert not looked.failed, looked.output
        made = module(
            "registry_prune",
            {
                "url": registry.url,
                "policies": POLICIES,
                "store_scan": scan,
                "plan_file": plan,
                "max_delete_percent": 100,
            },
            check=True,
        )
        assert not made.failed, made.output
        assert made["totals"]["tags_deleted"] > 5
        assert made["totals"]["manifests_deleted"] > 8
        return registry, plan, made["plan_id"], scan

    return make


def offline(registry, plan, plan_id, **options):
    how = {name: options.pop(name) for name in ("check", "diff") if name in options}
    arguments = {
        "storage_root": str(registry.store_root),
        "registry_stopped_or_read_only": True,
        "plan_file": plan,
        "plan_id": plan_id,
        "url": registry.url,
        "backup_dir": str(registry.home / "backup"),
    }
    return module("registry_storage_prune", dict(arguments, **options), **how)


def test_the_same_plan_has_the_same_result_as_over_the_api(planned, tmp_path):
    over_api, plan, plan_id, scan = planned()
    done = module(
        "registry_prune",
        {
            "url": over_api.url,
            "policies": POLICIES,
            "store_scan": scan,
            "plan_file": plan,
            "plan_id": plan_id,
            "apply_plan": True,
            "backup_dir": str(tmp_path / "backup-api"),
        },
    )
    assert not done.failed, done.output
    on_disk, plan, plan_id, _scan = planned(delete=False)
    on_disk.stop()
    shown = offline(on_disk, plan, plan_id, check=True)
    pruned = offline(on_disk, plan, plan_id, backup_dir=str(tmp_path / "backup-disk"), diff=True)
    assert not pruned.failed, pruned.output
    assert shown["planned"] == pruned["planned"] == pruned["deleted"]
    assert contents(over_api) == contents(on_disk)
    again = offline(on_disk, plan, plan_id)
    assert again["changed"] is False
    on_disk.start()
    for name, (tags, _revisions) in contents(on_disk).items():
        assert store.pull_all(on_disk.url, name) == tags
    on_disk.stop()
    for registry in (over_api, on_disk):
        registry.collect()
    assert store.blobs(over_api.store_root) == store.blobs(on_disk.store_root)
    on_disk.start()
    for name, (tags, _revisions) in contents(on_disk).items():
        assert store.pull_all(on_disk.url, name) == tags


def test_a_plan_made_at_another_address_is_refused_and_leaves_the_store_as_it_is(planned):
    registry, plan, plan_id, _scan = planned()
    before = contents(registry)
    registry.stop()
    other = "https://registry.example"
    for check in (True, False):
        refused = offline(registry, plan, plan_id, url=other + "/", check=check)
        assert refused.failed
        assert registry.url in refused.msg
        assert f"url is {other}. Make the plan at that address" in refused.msg
    assert contents(registry) == before
    assert not (registry.home / "backup").exists()
    pruned = offline(registry, plan, plan_id, url=registry.url + "/")
    assert not pruned.failed, pruned.output
    assert contents(registry) != before


def test_a_backup_of_the_store_restores_over_the_api(planned, tmp_path):
    registry, plan, plan_id, _scan = planned()
    before = contents(registry)
    registry.stop()
    pruned = offline(registry, plan, plan_id, backup_dir=str(tmp_path / "backup"))
    assert not pruned.failed, pruned.output
    assert contents(registry) != before
    registry.start()
    restored = module("registry_manifest_restore", {"url": registry.url, "backup_file": pruned["backup_file"]})
    assert not restored.failed, restored.output
    assert contents(registry) == before


def test_emptied_repositories_leave_the_catalog(registry_factory):
    registry = registry_factory()
    pusher = Pusher(registry.url)
    digest = pusher.image("team/old", "x").digest
    pusher.image("team/old/nested", "y")
    deleted = module(
        "registry_manifest_delete", {"url": registry.url, "references": [f"team/old@{digest}"], "shared_tags": "delete"}
    )
    assert not deleted.failed, deleted.output
    looked = module("registry_storage_info", {"storage_root": str(registry.store_root)})
    assert looked["emptied_repositories"] == ["team/old"]
    registry.stop()
    arguments = {
        "storage_root": str(registry.store_root),
        "registry_stopped_or_read_only": True,
        "remove_empty_repositories": True,
        "empty_repository_grace": 0,
    }
    removed = module("registry_storage_prune", arguments)
    assert removed["removed_repositories"] == ["team/old"]
    assert module("registry_storage_prune", arguments)["changed"] is False
    assert "eligible for deletion" in registry.collect()
    registry.start()
    catalog = module("registry_catalog_info", {"url": registry.url})
    assert "team/old/nested" in catalog.output
    assert '"team/old"' not in catalog.output
    assert store.pull_all(registry.url, "team/old/nested")
    pusher = Pusher(registry.url)
    pusher.image("team/old", "again")
    assert store.pull_all(registry.url, "team/old")


def test_the_scan_reads_what_real_pushes_write(registry_factory, tmp_path):
    registry = registry_factory()
    fill(registry)
    looked = module(
        "registry_storage_info", {"storage_root": str(registry.store_root), "details": "all", "verify_digests": True}
    )
    assert not looked.failed, looked.output
    assert looked["findings"] == []
    assert looked["blobs_count"] == len(store.blobs(registry.store_root))
    assert looked["blobs_bytes"] == store.blob_bytes(registry.store_root)
    rows = {row["name"]: row for row in looked["repositories"]}
    for name, (tags, revisions) in contents(registry).items():
        assert (rows[name]["tags"], rows[name]["manifests"]) == (len(tags), len(revisions))
    assert rows["team/app"]["untagged"] == 3
    since = [one["untagged_since"] for one in rows["team/app"]["untagged_manifests"]]
    pushed = [one["pushed"] for one in rows["team/app"]["untagged_manifests"]]
    assert all(map(operator.ge, since, pushed))
    assert {one["blobs"] for one in looked["would_free"]} == {0}


def test_garbage_collect_as_a_module(registry_factory, tmp_path):
    registry = registry_factory()
    pusher = Pusher(registry.url)
    for n in range(5):
        pusher.image("team/app", "latest", created=n, words=f"{n}")
    manifests = str(tmp_path / "manifests")
    arguments = {
        "argv": registry.gc_argv,
        "config_path": str(registry.config_path),
        "storage_root": str(registry.store_root),
        "manifests_output": manifests,
    }
    clean = module("registry_garbage_collect", arguments, check=True)
    assert (clean["changed"], clean["blobs_eligible"], clean["manifests_count"]) == (False, 0, 5)
    pruned = module(
        "registry_prune",
        {
            "url": registry.url,
            "policies": [{"name": "old", "untagged": True, "delete": "all"}],
            "backup_dir": str(tmp_path / "backup"),
            "store_scan": manifests,
            "find_hidden_tags": False,
            "max_delete_percent": 100,
        },
    )
    assert not pruned.failed, pruned.output
    assert pruned["deleted"]["manifests"] == 4
    registry.stop()
    foretold = module("registry_storage_info", {"storage_root": str(registry.store_root)})
    family = next(one for one in foretold["would_free"] if one["family"] == registry.family)
    held = module("registry_garbage_collect", dict(arguments, max_blobs=1))
    assert held.failed
    assert f"max_blobs={family['blobs']}" in held.msg
    assert held["blobs_eligible"] == family["blobs"]
    before = store.blob_bytes(registry.store_root)
    done = module("registry_garbage_collect", arguments, diff=True)
    assert (done["changed"], done["family"]) == (True, registry.family)
    assert (done["blobs_removed"], done["bytes_freed"]) == (family["blobs"], family["bytes"])
    assert before - store.blob_bytes(registry.store_root) == done["bytes_freed"]
    assert done["diff"]["before"]["blobs_eligible"] == family["blobs"]
    assert module("registry_garbage_collect", arguments)["changed"] is False
    registry.start()
    assert list(store.pull_all(registry.url, "team/app")) == ["latest"]


@pytest.mark.parametrize(
    "name, arguments, reason",
    [
        ("registry_storage_info", {"storage_root": "/nowhere"}, "is no folder"),
        ("registry_storage_prune", {"storage_root": "/nowhere"}, "registry_stopped_or_read_only=true"),
        (
            "registry_storage_prune",
            {"storage_root": "/nowhere", "registry_stopped_or_read_only": True},
            "is no folder",
        ),
        ("registry_garbage_collect", {"argv": ["/nowhere"], "config_path": "/c"}, "cannot run /nowhere"),
        ("registry_garbage_collect", {"argv": [], "config_path": "/c"}, "argv must name"),
    ],
)
def test_bad_input_fails_with_a_reason(name, arguments, reason):
    result = module(name, arguments)
    assert result.failed
    assert reason in result.msg
    assert result["changed"] is False


def test_a_damaged_plan_file_is_refused(tmp_path):
    (tmp_path / "store").mkdir()
    path = tmp_path / "plan"
    path.write_bytes(os.urandom(100))
    result = module(
        "registry_storage_prune",
        {"storage_root": str(tmp_path / "store"), "registry_stopped_or_read_only": True, "plan_file": str(path)},
    )
    assert result.failed
    assert str(path) in result.msg
