# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry's cache in a real Redis, in a database that holds somebody else's keys, too."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import debian_program
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

FOREIGN = {"blobs::mine", "repository::team/app", "repository::team/app::settings", "session:1", "blobs::sha256:short"}
PASSWORD = "correct horse"


class RedisServer:
    """A server of the test's own, ended by its pid."""

    def __init__(self, home):
        self.port = free_port()
        program = obtain(lambda: debian_program("redis-server", "redis-server"))
        self.words = [str(obtain(lambda: debian_program("redis-tools", "redis-cli"))), "-p", str(self.port), "-n", "3"]
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        self._process = subprocess.Popen(
            [str(program), *settings, "--dir", str(home)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        for _try in range(100):
            if self.say("PING") == ["PONG"]:
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError("no redis-server")

    def say(self, *words: str) -> list[str]:
        environment = {"REDISCLI_AUTH": PASSWORD}
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, env=environment, check=False)
        return done.stdout.split("\n")[:-1]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def redis_server(tmp_path):
    server = RedisServer(tmp_path)
    for key in FOREIGN:
        server.say("SET", key, "somebody's")
    yield server
    server.stop()


def redis_settings(version: str, server: RedisServer) -> dict:
    address = f"127.0.0.1:{server.port}"
    where = {"addr": address} if version.startswith("2") else {"addrs": [address]}
    return {"redis": {**where, "password": PASSWORD, "db": 3}}


def blob_status(url: str, repository: str, digest: str) -> int:
    import requests

    return requests.head(f"{url}/v2/{repository}/blobs/{digest}", timeout=10).status_code


def test_what_was_collected_is_forgotten_and_nothing_else(registry_factory, registry_version, redis_server):
    registry = registry_factory(cache="redis", extra=redis_settings(registry_version, redis_server))
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
    cached = {key for key in redis_server.say("KEYS", "*") if key not in FOREIGN}
    assert cached
    where = {"host": "127.0.0.1", "port": redis_server.port, "database": 3, "password": PASSWORD}
    checked = modules.run_module("registry_cache_clear", where, check=True)
    assert (checked["changed"], checked["keys_found"], checked["keys_removed"]) == (True, len(cached), 0)
    assert set(redis_server.say("KEYS", "*")) == cached | FOREIGN
    cleared = modules.run_module("registry_cache_clear", where)
    assert (cleared["changed"], cleared["keys_found"], cleared["keys_removed"]) == (True, len(cached), len(cached))
    assert set(redis_server.say("KEYS", "*")) == FOREIGN
    assert modules.run_module("registry_cache_clear", where)["changed"] is False
    assert blob_status(registry.url, "team/app", layer) == 404
    again = pusher.image("team/app", "new", words="others")
    assert blob_status(registry.url, "team/app", json.loads(again.body)["layers"][0]["digest"]) == 200


def test_what_stands_in_the_way_is_named(redis_server):
    where = {"host": "127.0.0.1", "port": redis_server.port, "database": 3}
    refused = modules.run_module("registry_cache_clear", dict(where, password="wrong pony"))
    assert refused.failed
    assert f"127.0.0.1:{redis_server.port}, database 3" in refused.msg
    assert "Check username and password" in refused.msg
    assert "wrong pony" not in refused.output
    nobody = modules.run_module("registry_cache_clear", dict(where, port=free_port(), password=PASSWORD))
    assert "as seen from this host" in nobody.msg
