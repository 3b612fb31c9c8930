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
            "find_hidden_tags": True,
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


def test_tags_that_are_not_listed_are_found_and_keep_their_images(registry, tmp_path):
    """Distribution 3.1.1 on S3 lists no tag whose name goes on where a listed one's ends."""
    hides = "docker-registry" not in str(registry.program)
    pusher = Pusher(registry.url)
    tags = ["build-1", "build-1.2", "build-10", "build-100", "latest", "latest2", "v1", "v1-rc"]
    for age, tag in enumerate(tags):
        pusher.image("team/hidden", tag, created=100 - age, words=f"{root_of(registry)} {tag}")
    left = pusher.image("team/hidden", "left", created=200, words="left").digest
    pusher.image("team/hidden", "left", created=0, words="left anew")
    tags.append("left")
    assert (set(store.listed(registry.url, "team/hidden")) < set(tags)) == hides
    named = modules.run_module(
        "registry_garbage_collect",
        {
            "argv": [str(registry.program)],
            "config_path": str(registry.config),
            "manifests_output": str(tmp_path / "manifests"),
        },
        check=True,
        env=ENVIRONMENT,
    )
    assert not named.failed, named.output
    before = {tag: store.digest(registry.url, "team/hidden", tag) for tag in tags}
    options = {
        "url": registry.url,
        "repositories": ["team/hidden"],
        "policies": [{"name": "pushed over", "untagged": True, "delete": "all"}],
        "store_scan": str(tmp_path / "manifests"),
        "backup_dir": str(tmp_path / "backup"),
        "max_delete_percent": 100,
    }
    doubtful = modules.run_module("registry_prune", options)
    assert not doubtful.failed, doubtful.output
    assert doubtful["deleted"]["manifests"] == (0 if hides else 1)
    done = modules.run_module("registry_prune", dict(options, find_hidden_tags=True))
    assert not done.failed, done.output
    assert done["deleted"]["manifests"] == (1 if hides else 0)
    assert {tag: store.digest(registry.url, "team/hidden", tag) for tag in tags} == before
    assert store.digest(registry.url, "team/hidden", left) is None
    listed = modules.run_module(
        "registry_tags_info",
        {"url": registry.url, "repositories": ["team/hidden"], "find_hidden_tags": True, "depth": "digests"},
    )
    assert [tag["name"] for tag in listed["tags"]] == sorted(tags)


def root_of(registry):
    return "r2.8" if "docker-registry" in str(registry.program) else "r3.1"
