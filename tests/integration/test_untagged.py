# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pushing over a tag leaves a manifest that no API lists: it is found in the store, or in the collector's dry run, and goes by policy."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store

POLICIES = [
    {"name": "tags", "keep_newest": 5},
    {"name": "left over", "untagged": True, "delete": "all"},
]


def scan_of(registry, source, path):
    """A file that names every manifest, from the store's scan or from the collector's dry run."""
    if source == "store":
        done = modules.run_module(
            "registry_storage_info", {"storage_root": str(registry.store_root), "output": str(path)}
        )
    else:
        arguments = {
            "argv": registry.gc_argv,
            "config_path": str(registry.config_path),
            "manifests_output": str(path),
        }
        done = modules.run_module("registry_garbage_collect", arguments, check=True)
    assert not done.failed, done.msg
    return str(path)


@pytest.mark.parametrize("source", ["store", "collector"])
def test_latest_pushed_twenty_times_gives_back_nineteen(registry, pusher, run_module, tmp_path, source):
    sizes = []
    for number in range(20):
        index, children = pusher.multi("team/app", "latest", created=number, words=f"latest {number}")
        sizes.append(sum(store.pull(registry.url, "team/app", "latest").values()))
    artifact = pusher.artifact("team/app", None, subject=index)
    assert len(store.revisions(registry.store_root, "team/app")) == 61
    before = store.blob_bytes(registry.store_root)
    arguments = {
        "policies": POLICIES,
        "backup_dir": str(tmp_path / "backup"),
        "store_scan": scan_of(registry, source, tmp_path / "scan"),
        "find_hidden_tags": False,
    }
    done = run_module("registry_prune", arguments)
    assert not done.failed, done.msg
    assert store.revisions(registry.store_root, "team/app") == {
        index.digest,
        artifact.digest,
        *(child.digest for child in children),
    }
    registry.stop()
    registry.collect()
    registry.start()
    assert before - store.blob_bytes(registry.store_root) == sum(sizes[:-1]) == done["totals"]["bytes_freed"]
    assert store.pull(registry.url, "team/app", "latest")
    assert store.pull(registry.url, "team/app", artifact.digest)
    store.skopeo_copy_all(registry.url, "team/app", "latest", tmp_path / "pulled")
    arguments["store_scan"] = scan_of(registry, source, tmp_path / "again")
    assert run_module("registry_prune", arguments)["changed"] is False


def test_without_a_scan_nobody_knows_and_nothing_untagged_goes(registry, pusher, run_module, tmp_path):
    for number in range(3):
        pusher.image("team/app", "latest", created=number, words=str(number))
    done = run_module("registry_prune", {"policies": POLICIES, "backup_dir": str(tmp_path / "backup")})
    assert not done.failed, done.msg
    assert done["totals"]["untagged_manifests"] is None
    assert len(store.revisions(registry.store_root, "team/app")) == 3


def test_a_first_sighting_by_the_collector_only_starts_the_clock(registry, pusher, run_module, tmp_path):
    """Its dry run tells no times, so an age counts from the first run that saw the manifest without a tag."""
    for number in range(3):
        pusher.image("team/app", "latest", created=number, words=str(number))
    arguments = {
        "policies": [{"name": "left over", "untagged": True, "keep_younger_than": "1d"}],
        "backup_dir": str(tmp_path / "backup"),
        "store_scan": scan_of(registry, "collector", tmp_path / "scan"),
        "find_hidden_tags": False,
    }
    first = run_module("registry_prune", arguments)
    assert first["changed"] is False
    assert len(store.revisions(registry.store_root, "team/app")) == 3
    state = tmp_path / "backup" / "state.json"
    text = state.read_text(encoding="utf-8")
    assert text.count("sha256:") == 2
    document = json.loads(text)
    for registry_state in document["registries"].values():
        for seen in registry_state["untagged"].values():
            for digest in seen:
                seen[digest] -= 2 * 86400
    state.write_text(json.dumps(document), encoding="utf-8")
    second = run_module("registry_prune", arguments)
    assert second["deleted"]["manifests"] == 2
    assert len(store.revisions(registry.store_root, "team/app")) == 1
