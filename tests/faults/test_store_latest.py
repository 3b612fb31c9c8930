# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What everybody's registry is full of: latest, pushed a hundred times, on every driver. The role gives the space of 99 back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.object_store import ENVIRONMENT, ObjectStore
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site

TIMES = 100
POLICIES = [{"name": "pushed over", "untagged": True, "delete": "all"}]
HOSTS = [f"{driver}-{version}" for driver in ("filesystem", "s3") for version in VERSIONS]
# A second run of all four would tell no more.
AGAIN = ("filesystem-2.8", "s3-3.1")


class Latest:
    """Four registries, and the role run twice on all of them."""

    def __init__(self, home: Path, object_store: ObjectStore, ending: contextlib.ExitStack) -> None:
        self.registries = {}
        self.digests = {}
        self._object_store = object_store
        inventory = {}
        for host in HOSTS:
            driver, version = host.split("-")
            program = obtain(lambda version=version: registry_binary(version))
            if driver == "s3":
                registry = Operated(home / host, program, ENVIRONMENT, object_store.config(f"/{host}"))
            else:
                registry = Operated(home / host, program)
            ending.callback(registry.stop)
            self.registries[host] = registry
            for day in range(TIMES):
                self.digests[host] = registry.push("team/app", "latest", day)
            inventory[host] = dict(registry.inventory(), registry_environment=registry.environment)
        self.before = {host: self.sizes(host) for host in HOSTS}
        self.site = Site(home / "site", inventory)
        self.plays = []
        for options in ([], ["--limit", ",".join(AGAIN)]):
            play = self.site.role("main", *options, registry_policies=POLICIES)
            assert play.status == 0, play.output[-6000:]
            self.plays.append(play)
            if not options:
                self.results = {host: play.result(host, "garbage_collect") for host in HOSTS}
        self.after = {host: self.sizes(host) for host in HOSTS}

    def sizes(self, host: str) -> dict[str, int]:
        if host.startswith("s3"):
            return self._object_store.sizes(f"/{host}")
        blobs = (self.registries[host].home / "data").glob("docker/registry/v2/blobs/*/*/*/data")
        return {path.parent.name: path.stat().st_size for path in blobs}


@pytest.fixture(scope="module")
def latest(tmp_path_factory):
    home = tmp_path_factory.mktemp("latest")
    with contextlib.ExitStack() as ending:
        yield Latest(home, ending.enter_context(obtain(lambda: ObjectStore(home))), ending)


@pytest.mark.parametrize("host", HOSTS)
def test_the_space_of_all_but_the_last_comes_back(latest, host):
    assert len(latest.before[host]) == 3 * TIMES
    assert len(latest.after[host]) == 3
    assert latest.results[host]["blobs_removed"] == 3 * (TIMES - 1)
    assert latest.registries[host].tags("team/app") == {"latest": latest.digests[host]}
    assert latest.digests[host].partition(":")[2] in latest.after[host]


@pytest.mark.parametrize("host", AGAIN)
def test_the_second_run_changes_nothing(latest, host):
    assert latest.plays[1].recap(host)["changed"] == 0
    assert (latest.registries[host].home / "restarts").read_text(encoding="utf-8").count("restart") == 3


def test_what_needs_the_disk_is_refused_before_anything_is_done(latest):
    refused = latest.site.role("garbage_collect", "--limit", "s3-3.1", registry_remove_empty_repositories=True)
    assert refused.status != 0
    assert "registry_remove_empty_repositories is true: this needs the registry's store on a disk" in refused.failure
