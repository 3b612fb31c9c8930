# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of the role that need no registry: what they refuse, what they wait for, and what they leave to others."""

from __future__ import annotations

import base64
import json
import socket
import sys
import time

import pytest
import yaml
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import window
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.give_back import Orders
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease import Lease
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Site
from ansible_collections.fleetops.container_registry.tests.rig.window_support import run_out, until


@pytest.fixture
def site(tmp_path):
    """A host with settings, and no registry."""

    def make(**settings: object) -> Site:
        known = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_state_dir": str(tmp_path / "state"),
        }
        return Site(tmp_path, {"one": {**known, **settings}})

    return make


def test_a_registry_that_takes_connections_and_says_nothing_is_not_waited_for_again_and_again(site):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        waiting = site(registry_url=url, registry_ready_timeout=4, __registry_api_task="wait")
        begun = time.monotonic()
        play = waiting.role("on_api_host")
        took = time.monotonic() - begun
    assert play.status != 0
    assert "127.0.0.1" in play.failure
    # Two requests of the usual 30 seconds each would take longer.
    assert took < 55


def test_who_cannot_give_a_registry_back_leaves_it_to_the_watchdog(site, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    lease = Lease(str(state / "lease"))
    orders = Orders(run_id="left", collector_argv=[sys.executable], give_back=[["true"]])
    marker = {"mode": "readonly", "opened": "2026-11-26T10:00:00", "delete": "enabled", "collection": "left"}
    config = tmp_path / "config.yml"
    config.write_text("storage: {}\n", encoding="utf-8")
    marker["instances"] = [{"config": "", "delete": "enabled"}]
    (state / "window.json").write_text(json.dumps({**marker, "config": ""}), encoding="utf-8")
    window.hold(lease.path, orders, 300.0, 600.0, False)
    try:
        asked = site(registry_url="http://127.0.0.1:9")
        play = asked.role("prune")
        assert play.status != 0
        assert "left the registry in its maintenance window" in play.failure
        # Nor does it help to know the first registry only.
        half = asked.role(
            "prune",
            registry_deployment="command",
            registry_config_path=str(config),
            registry_argv=[sys.executable],
            registry_restart_command="true",
        )
        assert "worked on 1 further instances, and registry_instances names 0" in half.failure
        lease.insist("left")
        assert lease.watchdog_lives()
        assert (state / "window.json").exists()
        run_out(state)
        until(lambda: (lease.report() or {}).get("gave_back"), "the watchdog did nothing")
        after = asked.role("prune")
        assert "The watchdog on one gave the registry back" in after.output
        assert "Set registry_policies" in after.failure
        assert {path.name for path in state.iterdir()} <= {"backups"}
    finally:
        if lease.exists():
            lease.release(60.0)


@pytest.mark.parametrize(("mode", "told"), [("readonly", "restart"), ("stopped", "start")])
def test_a_container_that_does_not_answer_is_restarted_where_that_ends_its_collector(site, tmp_path, mode, told):
    config = tmp_path / "config.yml"
    config.write_text("storage: {}\n", encoding="utf-8")
    found = {
        **{name: str(config) for name in ("config_file", "config_shown", "collector_config")},
        **{f"{verb}_argv": ["touch", str(tmp_path / f"{verb}ed")] for verb in ("start", "restart", "stop")},
        "engine": "true",
        "config_kind": "file",
        "config_copy": str(tmp_path / "copy"),
        "collector_argv": ["true"],
        "collector_argv_stopped": ["true"],
        "environment": {},
    }
    text = base64.b64encode(config.read_bytes()).decode()
    left = {"mode": mode, "config": text, "delete": "enabled", "collection": "left"}
    asked = site(
        registry_url="http://127.0.0.1:9",
        registry_deployment="docker",
        registry_ready_timeout=1,
        __registry_found=found,
        __registry_left=left,
        __registry_config_was=text,
        __registry_config_stat={"stat": {"mode": "0644"}},
        __registry_window={},
        registry_repair_result={"watchdog": None},
    )
    play = asked.role("state/give_back")
    assert play.status != 0
    assert "127.0.0.1:9" in play.failure
    assert {verb for verb in ("start", "restart", "stop") if (tmp_path / f"{verb}ed").exists()} == {told}


def test_a_cache_that_cannot_be_told_is_refused_without_its_password(site):
    config = "storage: {cache: {blobdescriptor: redis}}\nredis: {addr: 'redis://me:hunter2@cache/0'}\n"
    asked = site(
        __registry_config_was=base64.b64encode(config.encode()).decode(),
        __registry_found={"environment": {}, "config_shown": "/etc/docker/registry/config.yml"},
    )
    play = asked.role("cache/find")
    assert play.status != 0
    assert "address is not HOST:PORT" in play.failure
    assert "registry_redis" in play.failure
    assert "hunter2" not in play.output
    assert "hunter2" not in asked.role("cache/find", "-vvv").output


def test_what_came_of_one_registry_is_forgotten_for_the_next(site, tmp_path):
    def uses(url: str, left: str) -> list:
        return [
            {
                "name": f"Prepare for {url}",
                "ansible.builtin.include_role": {
                    "name": "fleetops.container_registry.registry",
                    "tasks_from": "prepare",
                },
                "vars": {"registry_url": url},
            },
            {
                "name": "See what is left",
                "ansible.builtin.assert": {
                    "that": [
                        f"registry_prune_result.plan_id | default('') == '{left}'",
                        "__registry_dry_run == {}",
                        "__registry_window == {}",
                    ]
                },
            },
        ]

    pruned = {
        "name": "Prune",
        "ansible.builtin.set_fact": {
            "registry_prune_result": {"plan_id": "a", "deleted": {"manifests": 1}},
            "__registry_dry_run": {"blobs_eligible": 1},
            "__registry_window": {"collection": "1"},
        },
    }
    first, second = "http://a.example", "http://b.example"
    tasks = [*uses(first, ""), pruned, *uses(first, "a"), *uses(second, ""), *uses(first, "")]
    playbook = tmp_path / "twice.yml"
    playbook.write_text(
        yaml.safe_dump([{"hosts": "registries", "gather_facts": False, "tasks": tasks}]), encoding="utf-8"
    )
    play = site().play(str(playbook))
    assert play.status == 0, play.output[-3000:]


def test_a_scan_is_brought_with_the_python_of_the_api_host(tmp_path):
    scan = tmp_path / "scan" / "scan.jsonl.gz"
    scan.parent.mkdir()
    scan.write_bytes(b"rows")
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    # What the API modules run with there was said to the role, and is no other task's.
    there = {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python"}
    settings = {
        "registry_api_host": "api",
        "registry_api_python": sys.executable,
        "registry_state_dir": str(tmp_path / "state"),
        "__registry_scan_here": str(scan),
    }
    site = Site(tmp_path / "site", {"one": {**here, **settings}, "api": there})
    site.settings = {"TMPDIR": str(tmp_path)}
    places = {name: tmp_path / name for name in ("controller", "there")}
    for place in places.values():
        place.mkdir()
    known = {f"__registry_scan_{name}": {"path": str(place)} for name, place in places.items()}
    play = site.role("scan/bring", "--limit=one")
    assert play.status == 0, play.output[-3000:]
    play = site.role("scan/remove", "--limit=one", __registry_scan_place={"path": str(scan.parent)}, **known)
    assert play.status == 0, play.output[-3000:]
    assert not any(place.exists() for place in (scan.parent, *places.values()))
