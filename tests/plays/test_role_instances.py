# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two registries on one store behind a real nginx: both are in the window, or none, and both are as they were afterwards."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.nginx import nginx
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    PLAYBOOKS,
    Operated,
    Site,
    answers,
    free_port,
    push_image,
    tags_of,
)
from ansible_collections.fleetops.container_registry.tests.rig.window_support import kill_play

SETTINGS = {"registry_policies": [{"name": "everything", "keep_newest": 1}], "registry_max_delete_percent": 90}

SERVERS = """\
  upstream registries {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://registries; proxy_set_header Host $http_host; }}
  }}
"""


class Pair:
    """Two registries with configurations of their own on the first one's store, and a proxy before them."""

    def __init__(self, home: Path, version: str) -> None:
        program = obtain(lambda: registry_binary(version))
        self.first = Operated(home / "first", program)
        self.second = Operated(home / "second", program)
        self.both = (self.first, self.second)
        for registry in self.both:
            # One store, and one secret, without which an upload that begins at one of them cannot go on at the other.
            registry.stop()
            text = registry.config.read_text(encoding="utf-8").replace("http:", "http:\n    secret: of both")
            registry.config.write_text(text.replace(str(self.second.home / "data"), str(self.first.home / "data")))
            registry.start()
        further = self.second.inventory()
        names = ("registry_url", "registry_config_path", "registry_restart_command", "registry_start_command")
        instance = {name: further[name] for name in (*names, "registry_stop_command")}
        self.site = Site(home, {"one": dict(self.first.inventory(), registry_instances=[instance])})

    def stop(self) -> None:
        for registry in self.both:
            registry.stop()

    def state(self) -> list:
        return [(registry.config.read_bytes(), registry.process, answers(registry.url)) for registry in self.both]


@pytest.fixture(params=VERSIONS)
def pair(request, tmp_path):
    made = Pair(tmp_path, request.param)
    yield made
    made.stop()


@pytest.fixture
def proxy(pair, tmp_path):
    """The address of the nginx before the pair."""
    home = tmp_path / "nginx"
    home.mkdir()
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{registry.port};" for registry in pair.both)
    with nginx(home, SERVERS.format(servers=servers, port=port), port):
        yield f"http://127.0.0.1:{port}"


def wait_for(path: Path, run) -> None:
    while not path.exists():
        assert run.poll() is None, f"{path} did not come"
        time.sleep(0.1)


NOTE = b"# by hand\n"


def note_by_hand(pair: Pair) -> None:
    """Change both configurations while the registries are stopped: nothing of ours is in them, so what somebody writes stays."""
    for registry in pair.both:
        with registry.config.open("ab") as stream:
            stream.write(NOTE)


def test_both_are_in_the_window_and_both_come_back(pair, proxy):
    for day in range(3):
        push_image(proxy, "team/app", f"1.{day}", day)
    before = pair.first.bytes_on_disk()
    (pair.first.home / "hold-collector").touch()
    run = pair.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="main", **SETTINGS)
    wait_for(pair.first.home / "collecting", run)
    assert [answers(registry.url) for registry in pair.both] == ["read_only", "read_only"]
    # whichever of the two the proxy chooses
    for _try in range(4):
        with pytest.raises(Exception, match="(?i)read-only|405"):
            push_image(proxy, "team/app", "late", 9)
    assert list(tags_of(proxy, "team/app")) == ["1.2"]
    (pair.first.home / "hold-collector").unlink()
    assert run.wait(300) == 0, (pair.site.home / "background.log").read_text(encoding="utf-8")[-5000:]
    assert [answers(registry.url) for registry in pair.both] == ["enabled", "disabled"]
    assert "readonly" not in pair.second.config.read_text(encoding="utf-8")
    assert pair.first.bytes_on_disk() < before
    # In a container, only the first one's restart may end a collector that nobody sees.
    restarted = [(registry.home / "restarts").stat().st_mtime_ns for registry in pair.both]
    assert restarted == sorted(restarted)
    for day in (10, 11):
        push_image(proxy, "team/app", f"2.{day}", day)
    assert sorted(tags_of(proxy, "team/app")) == ["1.2", "2.10", "2.11"]


def test_where_one_cannot_the_others_are_not_collected_either(pair):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    assert pair.site.role("configure").status == 0
    assert pair.site.role("prune", **SETTINGS).status == 0
    (pair.second.home / "fail-restarts").touch()
    before, size = pair.state(), pair.first.bytes_on_disk()
    play = pair.site.role("garbage_collect")
    assert play.status != 0
    assert "no restart today" in play.output
    (pair.second.home / "fail-restarts").unlink()
    again = pair.state()
    assert [(config, delete) for config, _process, delete in again] == [
        (config, delete) for config, _process, delete in before
    ]
    assert again[1][1] == before[1][1]
    assert pair.first.bytes_on_disk() == size
    done = pair.site.role("garbage_collect")
    assert done.status == 0, done.output[-5000:]
    assert pair.first.bytes_on_disk() < size


def test_one_on_another_store_is_refused_and_none_is_touched(pair):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    before = pair.state()
    defeated = pair.site.role("main", registry_url=pair.first.url, **SETTINGS)
    assert defeated.status != 0
    assert "are not in force" in defeated.failure
    assert pair.state() == before
    assert len(pair.first.tags("team/app")) == 3
    assert pair.site.role("configure").status == 0
    assert pair.site.role("prune", **SETTINGS).status == 0
    pair.second.stop()
    text = pair.second.config.read_text(encoding="utf-8")
    pair.second.config.write_text(text.replace(str(pair.first.home / "data"), str(pair.second.home / "data")))
    pair.second.start()
    pair.second.push("team/other", "one", 1)
    before, size = pair.state(), pair.first.bytes_on_disk()
    play = pair.site.role("garbage_collect")
    assert play.status != 0
    assert "does not show team/app" in play.failure
    assert "serves another store" in play.failure
    assert pair.state() == before
    assert pair.first.bytes_on_disk() == size


@pytest.mark.parametrize("mode", ["readonly", "stopped"])
def test_a_mirror_is_no_instance_and_none_is_touched(pair, mode):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    assert pair.site.role("configure").status == 0
    assert pair.site.role("prune", **SETTINGS).status == 0
    pair.second.stop()
    shutil.copytree(pair.first.home / "data", pair.second.home / "data", dirs_exist_ok=True)
    text = pair.second.config.read_text(encoding="utf-8")
    pair.second.config.write_text(text.replace(str(pair.first.home / "data"), str(pair.second.home / "data")))
    pair.second.start()
    kept = store.pull_all(pair.first.url, "team/app")
    before, size = pair.state(), pair.first.bytes_on_disk()
    play = pair.site.role("garbage_collect", registry_garbage_collect_mode=mode)
    assert play.status != 0
    assert f"serves {pair.second.home / 'data'}, and the registry at" in play.failure
    assert "remove it from registry_instances" in play.failure
    assert pair.state() == before
    assert pair.first.bytes_on_disk() == size
    assert store.pull_all(pair.first.url, "team/app") == store.pull_all(pair.second.url, "team/app") == kept


def test_both_are_stopped_and_both_come_back(pair):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    assert pair.site.role("configure").status == 0
    before, size = pair.state(), pair.first.bytes_on_disk()
    mistyped = pair.site.role(
        "prune", registry_prune_method="storage", registry_garbage_collect_mode="stop", **SETTINGS
    )
    assert mistyped.status != 0
    assert "registry_garbage_collect_mode" in mistyped.failure
    assert pair.state() == before
    (pair.first.home / "hold-collector").touch()
    run = pair.site.begin(
        str(PLAYBOOKS / "role.yml"), test_entry="main", registry_garbage_collect_mode="stopped", **SETTINGS
    )
    wait_for(pair.first.home / "collecting", run)
    note_by_hand(pair)
    (pair.first.home / "hold-collector").unlink()
    assert run.wait(300) == 0, (pair.site.home / "background.log").read_text(encoding="utf-8")[-5000:]
    after = pair.state()
    assert [(config, delete) for config, _process, delete in after] == [
        (config + NOTE, delete) for config, _process, delete in before
    ]
    assert all(old[1] != new[1] for old, new in zip(before, after))
    assert pair.first.bytes_on_disk() < size
    assert list(pair.second.tags("team/app")) == ["1.2"]


def test_the_watchdog_gives_both_back(pair):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    (pair.first.home / "hold-collector").touch()
    run = pair.site.begin(
        str(PLAYBOOKS / "role.yml"),
        test_entry="main",
        registry_window_lease="21s",
        registry_ready_timeout=20,
        **SETTINGS,
    )
    wait_for(pair.first.home / "collecting", run)
    # Its workers are in sessions of their own, and the one that renews the lease would go on.
    kill_play(run)
    while [answers(registry.url) for registry in pair.both] != ["enabled", "disabled"]:
        time.sleep(1)
    (pair.first.home / "hold-collector").unlink()
    assert all("readonly" not in registry.config.read_text(encoding="utf-8") for registry in pair.both)
    processes = [registry.process for registry in pair.both]
    again = pair.site.role("report")
    assert again.status == 0, again.output[-4000:]
    done = pair.site.role("garbage_collect")
    assert done.status == 0, done.output[-4000:]
    assert [registry.process for registry in pair.both] != processes
    assert list(pair.second.tags("team/app")) == ["1.2"]


def test_without_a_watchdog_the_next_run_starts_both_again(pair):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    assert pair.site.role("configure").status == 0
    before = pair.state()
    (pair.first.home / "hold-collector").touch()
    run = pair.site.begin(
        str(PLAYBOOKS / "role.yml"),
        test_entry="main",
        registry_garbage_collect_mode="stopped",
        registry_window_watchdog=False,
        **SETTINGS,
    )
    wait_for(pair.first.home / "collecting", run)
    kill_play(run)
    lease = pair.first.state / "lease"
    assert lease.is_dir()
    assert not (lease / "watchdog.json").exists()
    assert [answers(registry.url) for registry in pair.both] == ["down", "down"]
    note_by_hand(pair)
    (pair.first.home / "hold-collector").unlink()
    again = pair.site.role("garbage_collect")
    assert again.status == 0, again.output[-4000:]
    assert [(config, delete) for config, _process, delete in pair.state()] == [
        (config + NOTE, delete) for config, _process, delete in before
    ]
    assert list(pair.second.tags("team/app")) == ["1.2"]


def test_the_others_come_back_where_the_first_one_cannot(pair):
    for day in range(3):
        pair.first.push("team/app", f"1.{day}", day)
    (pair.first.home / "hold-collector").touch()
    run = pair.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="main", registry_window_watchdog=False, **SETTINGS)
    wait_for(pair.first.home / "collecting", run)
    kill_play(run)
    assert [answers(registry.url) for registry in pair.both] == ["read_only", "read_only"]
    by_hand = pair.first.config.read_bytes() + NOTE
    pair.first.config.write_bytes(by_hand)
    play = pair.site.role("garbage_collect")
    assert play.status != 0
    assert "was changed by somebody since" in play.failure
    assert pair.first.config.read_bytes() == by_hand
    assert [answers(registry.url) for registry in pair.both] == ["read_only", "disabled"]
    assert "readonly" not in pair.second.config.read_text(encoding="utf-8")
    (pair.first.home / "hold-collector").unlink()
