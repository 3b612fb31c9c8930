# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real registries that are not CNCF Distribution, and Distribution as a pull-through cache."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import crane, olareg, zot
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.daemon import Daemon
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

CRANE, OLAREG, ZOT = "crane registry serve", "olareg", "zot"
KEEP_TWO = [{"name": "all", "keep_newest": 2}]


@pytest.fixture(params=[CRANE, OLAREG, ZOT])
def other(request, tmp_path):
    """Each of them, as (name, address)."""
    port = free_port()
    if request.param == CRANE:
        command = [str(obtain(crane)), "registry", "serve", "--address", f"127.0.0.1:{port}"]
    elif request.param == ZOT:
        settings = {
            "storage": {"rootDirectory": str(tmp_path / "store")},
            "http": {"address": "127.0.0.1", "port": str(port)},
            "log": {"level": "error"},
        }
        (tmp_path / "zot.json").write_text(json.dumps(settings), encoding="utf-8")
        command = [str(obtain(zot)), "serve", str(tmp_path / "zot.json")]
    else:
        folder = tmp_path / "store"
        folder.mkdir()
        command = [str(obtain(olareg)), "serve", "--addr", "127.0.0.1", "--port", str(port), "--api-delete"]
        command += ["--dir", str(folder)]
    with Daemon(command, port, tmp_path / "log"):
        yield request.param, f"http://127.0.0.1:{port}"


def test_everything_that_needs_only_the_api_works_on_other_registries(other, tmp_path):
    name, url = other
    pusher = Pusher(url)
    for number in range(5):
        pusher.image("team/app", f"v{number}", created=number)
    shared = pusher.image("team/app", ["stable", "latest"], created=9)
    index, children = pusher.multi("team/multi", "old", created=0)
    pusher.multi("team/multi", "new", created=1)

    def run(module, **arguments):
        result = modules.run_module(module, {"url": url, **arguments})
        assert not result.failed, result.msg
        return result

    # Looking does not leave anything behind: crane's registry takes an image whose config does not exist.
    info = run("registry_info", repository="team/app")
    assert (info["product"], info["delete"], info["can_untag"]) == ("unknown", "enabled", "native")
    assert (info["can_push"], info["advice"]) == ("allowed", [])
    assert store.listed(url, "team/app") == ["latest", "stable", "v0", "v1", "v2", "v3", "v4"]
    listed = modules.run_module("registry_catalog_info", {"url": url})
    if name != OLAREG:
        assert listed["repositories"] == ["team/app", "team/multi"]
    else:  # it has no catalog
        assert listed.failed and "option repositories" in listed.msg
    tags = run("registry_tags_info", repositories=["team/app"], depth="configs")["tags"]
    assert {tag["name"]: tag["created"] for tag in tags}["v3"] == "2025-01-04T00:00:00Z"

    assert run("registry_tag_delete", references=["team/app:stable"])["changed"]
    assert store.digest(url, "team/app", "latest") == shared.digest
    assert run("registry_manifest_delete", references=["team/multi:old", "team/app:v0"])["changed"]
    assert store.listed(url, "team/multi") == ["new"]
    assert store.pull_all(url, "team/multi")
    for gone in (index, *children):
        assert store.digest(url, "team/multi", gone.digest) is None
    assert not run("registry_manifest_delete", references=["team/multi:old", "team/app:v0"])["changed"]

    options = {"policies": KEEP_TWO, "repositories": ["team/app", "team/multi"], "backup_dir": str(tmp_path / "backup")}
    pruned = run("registry_prune", max_delete_percent=90, **options)
    assert (pruned["changed"], pruned["deleted"]["tags"], pruned["errors"]) == (True, 3, [])
    assert store.listed(url, "team/app") == ["latest", "v4"]
    assert not run("registry_prune", max_delete_percent=90, **options)["changed"]
    restored = run("registry_manifest_restore", backup_file=pruned["backup_file"])
    assert restored["changed"]
    assert store.listed(url, "team/app") == ["latest", "v1", "v2", "v3", "v4"]
    assert store.pull_all(url, "team/app")


def test_a_pull_through_cache_is_read_and_never_changed(registry_factory, tmp_path):
    upstream = registry_factory()
    pusher = Pusher(upstream.url)
    for number in range(4):
        pusher.image("team/app", f"v{number}", created=number)
    cache = registry_factory(extra={"proxy": {"remoteurl": upstream.url}})
    assert store.pull(cache.url, "team/app", "v0")
    assert modules.run_module("registry_info", {"url": cache.url, "repository": "team/app"})["delete"] == "proxy"
    tags = modules.run_module(
        "registry_tags_info", {"url": cache.url, "repositories": ["team/app"], "depth": "configs"}
    )
    assert not tags.failed, tags.msg
    assert [tag["created"] for tag in tags["tags"]] == [f"2025-01-0{day}T00:00:00Z" for day in range(1, 5)]
    pruned = modules.run_module(
        "registry_prune",
        {
            "url": cache.url,
            "policies": KEEP_TWO,
            "repositories": ["team/app"],
            "max_delete_percent": 90,
            "backup_dir": str(tmp_path / "backup"),
        },
    )
    assert pruned.failed
    assert "proxy.ttl" in pruned.msg
    untagged = modules.run_module("registry_tag_delete", {"url": cache.url, "references": ["team/app:v0"]})
    assert untagged.failed and "proxy.ttl" in untagged.msg
    for url in (cache.url, upstream.url):
        assert store.listed(url, "team/app") == ["v0", "v1", "v2", "v3"]
