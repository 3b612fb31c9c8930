# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role where the registry's cache is in Redis: it forgets what was collected, or the window does not open."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import requests
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.redis_server import FOREIGN, RedisServer
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    PLAYBOOKS,
    Operated,
    Site,
    answers,
    free_port,
)

SETTINGS = {"registry_policies": [{"name": "everything", "keep_newest": 1}], "registry_max_delete_percent": 90}


class Cached:
    """A registry that keeps its cache in Redis, and the layers that are in it."""

    def __init__(self, home: Path, version: str, redis: RedisServer) -> None:
        self.redis = redis
        self.registry = Operated(home / "registry", obtain(lambda: registry_binary(version)))
        self.registry.stop()
        text = self.registry.config.read_text(encoding="utf-8").replace("inmemory", "redis")
        text += "".join(f"{key}: {json.dumps(value)}\n" for key, value in redis.settings(version).items())
        self.registry.config.write_text(text, encoding="utf-8")
        self.registry.start()
        self.site = Site(home, {"one": self.registry.inventory()})
        self.push(1)
        self.push(2)

    def push(self, day: int) -> None:
        self.registry.push("team/app", f"1.{day}", day)

    def layer(self, tag: str) -> str:
        manifest = requests.get(
            f"{self.registry.url}/v2/team/app/manifests/{tag}",
            headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
            timeout=10,
        )
        return manifest.json()["layers"][0]["digest"]

    def has(self, digest: str) -> bool:
        return requests.head(f"{self.registry.url}/v2/team/app/blobs/{digest}", timeout=10).status_code == 200


@pytest.fixture(params=VERSIONS)
def cached(request, tmp_path):
    redis = obtain(lambda: RedisServer(tmp_path))
    try:
        made = Cached(tmp_path, request.param, redis)
        yield made
        made.registry.stop()
    finally:
        redis.stop()


def test_what_was_collected_is_forgotten_and_other_keys_stay(cached):
    gone, kept = cached.layer("1.1"), cached.layer("1.2")
    assert cached.has(gone)
    play = cached.site.role("main", **SETTINGS)
    assert play.status == 0, play.output[-5000:]
    assert not cached.has(gone)
    assert cached.has(kept)
    assert cached.redis.keys() >= FOREIGN
    assert list(cached.registry.tags("team/app")) == ["1.2"]
    # a cache that cannot be reached keeps the window closed
    cached.push(3)
    before = cached.registry.process
    nowhere = free_port()
    refused = cached.site.role("main", registry_redis={"host": "127.0.0.1", "port": nowhere}, **SETTINGS)
    assert refused.status != 0
    assert f"Redis server 127.0.0.1:{nowhere}" in refused.failure
    assert cached.registry.process == before
    assert not (cached.registry.state / "window.json").exists()


def test_a_cache_that_breaks_in_the_window_is_cleared_by_the_next_run(cached):
    (cached.registry.home / "hold-collector").touch()
    run = cached.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="main", **SETTINGS)
    while not (cached.registry.home / "collecting").exists():
        assert run.poll() is None, (cached.site.home / "background.log").read_text(encoding="utf-8")[-4000:]
        time.sleep(0.1)
    cached.redis.stop()
    (cached.registry.home / "hold-collector").unlink()
    assert run.wait(120) != 0
    told = (cached.site.home / "background.log").read_text(encoding="utf-8")
    cached.redis.start()
    # With a cache that vouches for what was collected, pushes would be acknowledged that nobody can pull.
    assert "could not be given back" in told and "Redis server" in told
    assert answers(cached.registry.url) == "read_only"
    assert (cached.registry.state / "window.json").exists()
    again = cached.site.role("main", **SETTINGS)
    assert again.status == 0, again.output[-5000:]
    assert not (cached.registry.state / "window.json").exists()
    assert cached.redis.keys() >= FOREIGN
    assert list(cached.registry.tags("team/app")) == ["1.2"]
