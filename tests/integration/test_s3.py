# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images in an object store: nothing on the disk to scan, and all of it over the API and the registry's own collector."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.object_store import ENVIRONMENT, ObjectStore
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated

POLICIES = [
    {"name": "tags", "keep_newest": 2},
    {"name": "pushed over", "untagged": True, "delete": "all"},
]


@pytest.fixture(scope="module")
def object_store(tmp_path_factory):
    with obtain(lambda: ObjectStore(tmp_path_factory.mktemp("s3"))) as running:
        yield running


@pytest.fixture(params=VERSIONS)
def registry(request, object_store, tmp_path):
    program = obtain(lambda: registry_binary(request.param))
    text = object_store.config(f"/r{request.param}").replace(
        "    redirect:", "    delete: {{enabled: true}}\n    redirect:"
    )
    operated = Operated(tmp_path / "registry", program, ENVIRONMENT, text)
    yield operated
    operated.stop()


def test_untagged_manifests_go_by_the_collectors_word_and_the_space_comes_back(registry, object_store, tmp_path):
    root = "/r" + ("2.8" if "docker-registry" in str(registry.program) else "3.1")
    pusher = Pusher(registry.url)
    for number in range(4):
        index, children = pusher.multi("team/app", "latest", created=number, words=f"latest {number}")
        pusher.image("team/app", f"v{number}", created=number, words=f"version {number}")
    before = object_store.sizes(root)
    collector = {
        "argv": [str(registry.program)],
        "config_path": str(registry.config),
        "manifests_output": str(tmp_path / "manifests"),
    }

    def collect(check):
        return modules.run_module("registry_garbage_collect", collector, check=check, env=ENVIRONMENT)

    named = collect(True)
    assert not named.failed, named.output
    assert (named["manifests_count"], named["blobs_eligible"], named["bytes_eligible"]) == (16, 0, None)
    pruned = modules.run_module(
        "registry_prune",
        {
            "url": registry.url,
            "policies": POLICIES,
            "store_scan": str(tmp_path / "manifests"),
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
        },
    )
    assert not pruned.failed, pruned.output
    assert pruned["deleted"] == {"tags": 3, "untagged": 0, "restored": 0, "manifests": 12}
    registry.stop()
    done = collect(False)
    assert not done.failed, done.output
    registry.start()
    after = object_store.sizes(root)
    assert sum(before.values()) - sum(after.values()) == pruned["totals"]["bytes_freed"]
    assert done["blobs_removed"] == len(before) - len(after)
    assert set(store.pull_all(registry.url, "team/app")) == {"latest", "v3"}
    assert {child.digest.partition(":")[2] for child in [index, *children]} <= set(after)
