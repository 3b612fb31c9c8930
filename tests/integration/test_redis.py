# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry's cache in a real Redis, in a database that holds somebody else's keys, too."""

from __future__ import annotations

import json

import pytest
import requests
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.redis_server import (
    DATABASE,
    FOREIGN,
    PASSWORD,
    RedisServer,
)
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain


@pytest.fixture
def redis_server(tmp_path):
    server = obtain(lambda: RedisServer(tmp_path))
    yield server
    server.stop()


def blob_status(url: str, repository: str, digest: str) -> int:
    return requests.head(f"{url}/v2/{repository}/blobs/{digest}", timeout=10).status_code


def test_what_was_collected_is_forgotten_and_nothing_else(registry_factory, registry_version, redis_server):
    registry = registry_factory(cache="redis", extra=redis_server.settings(registry_version))
    pusher = Pusher(registry.url)
    gone = pusher.image("team/app", "old")
    layer = json.loads(gone.body)["layers"][0]["digest"]
    assert blob_status(registry.url, "team/app", layer) == 200
    deleted = modules.run_module("registry_manifest_delete", {"url": registry.url, "references": ["team/app:old"]})
    assert not deleted.failed, deleted.msg
    registry.stop()
    registry.collect()
    registry.start()
    # the trap: a restart does not help, and a push would skip this layer
    assert blob_status(registry.url, "team/app", layer) == 200
    cached = redis_server.keys() - FOREIGN
    assert cached
    where = {"host": "127.0.0.1", "port": redis_server.port, "database": DATABASE, "password": PASSWORD}
    checked = modules.run_module("registry_cache_clear", where, check=True)
    assert (checked["changed"], checked["keys_found"], checked["keys_removed"]) == (True, len(cached), 0)
    assert redis_server.keys() == cached | FOREIGN
    cleared = modules.run_module("registry_cache_clear", where)
    assert (cleared["changed"], cleared["keys_found"], cleared["keys_removed"]) == (True, len(cached), len(cached))
    assert redis_server.keys() == FOREIGN
    assert modules.run_module("registry_cache_clear", where)["changed"] is False
    assert blob_status(registry.url, "team/app", layer) == 404
    again = pusher.image("team/app", "new", words="others")
    assert blob_status(registry.url, "team/app", json.loads(again.body)["layers"][0]["digest"]) == 200


def test_what_stands_in_the_way_is_named(redis_server):
    where = {"host": "127.0.0.1", "port": redis_server.port, "database": DATABASE}
    refused = modules.run_module("registry_cache_clear", dict(where, password="wrong pony"))
    assert refused.failed
    assert f"127.0.0.1:{redis_server.port}, database {DATABASE}" in refused.msg
    assert "Check username and password" in refused.msg
    assert "wrong pony" not in refused.output
    nobody = modules.run_module("registry_cache_clear", dict(where, port=free_port(), password=PASSWORD))
    assert "as seen from this host" in nobody.msg
