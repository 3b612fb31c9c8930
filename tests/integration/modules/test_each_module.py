# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module once as ansible itself runs it, by the host fixtures of pytest-ansible."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.redis_server import (
    DATABASE,
    FOREIGN,
    PASSWORD,
    RedisServer,
)
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

PLUGINS = Path(__file__).resolve().parents[3] / "plugins" / "modules"
KEEP_2 = [{"name": "all", "keep_newest": 2}]
# What every module's result has.
OF_ANSIBLE = {
    "_ansible_no_log",
    "_ansible_parsed",
    "ansible_facts",
    "changed",
    "diff",
    "failed",
    "invocation",
    "msg",
    "warnings",
}

NOWHERE = {"url": "http://127.0.0.1:1", "retries": 0}
# Calls that fail at once, since nothing is there.
FAILING = {
    "registry_cache_clear": {"host": "127.0.0.1", "port": 1},
    "registry_storage_wait": {"storage_root": "/nowhere"},
    "registry_info": NOWHERE,
    "registry_catalog_info": NOWHERE,
    "registry_tags_info": NOWHERE,
    "registry_tag_delete": {**NOWHERE, "references": ["team/app:v0"]},
    "registry_manifest_delete": {**NOWHERE, "references": ["team/app:v0"]},
    "registry_prune": {**NOWHERE, "policies": KEEP_2, "backup_dir": "/nowhere"},
    "registry_manifest_restore": {**NOWHERE, "backup_file": "/nowhere/one.backup.jsonl"},
    "registry_garbage_collect": {"argv": ["/nowhere/registry"], "config_path": "/nowhere/config.yml"},
    "registry_storage_info": {"storage_root": "/nowhere"},
    "registry_storage_prune": {"storage_root": "/nowhere", "registry_stopped_or_read_only": True},
    "registry_window_lease": {"path": "/nowhere/lease", "state": "renewed", "run_id": "each"},
}


@pytest.fixture(params=["2.8", "3.1"])
def registry(request, tmp_path):
    process = obtain(lambda: RegistryProcess(request.param, tmp_path / "registry"))
    with process:
        pusher = Pusher(process.url)
        for number in range(3):
            pusher.image("team/app", f"v{number}", created=number)
        yield process


@pytest.fixture
def call(ansible_module):
    """Calls a module by its full name and returns its result."""

    def run(name, **arguments):
        called = getattr(ansible_module, f"fleetops.container_registry.{name}")(**arguments)
        result = called.contacted["localhost"]
        assert not result.get("failed"), result
        documented = modules.documented_returns(name)
        assert set(result) - OF_ANSIBLE <= set(documented)
        assert {key for key, when in documented.items() if when.startswith(("always", "success"))} <= set(result)
        return result

    return run


def _info(call, registry, backup):
    result = call("registry_info", url=registry.url)
    assert (result["family"], result["delete"]) == (registry.family, "enabled")


def _catalog(call, registry, backup):
    assert call("registry_catalog_info", url=registry.url)["repositories"] == ["team/app"]


def _tags(call, registry, backup):
    result = call("registry_tags_info", url=registry.url, depth="configs")
    assert "v2" in str(result)


def _tag_delete(call, registry, backup):
    assert call("registry_tag_delete", url=registry.url, references=["team/app:v0"])["changed"]
    assert store.listed(registry.url, "team/app") == ["v1", "v2"]


def _manifest_delete(call, registry, backup):
    assert call("registry_manifest_delete", url=registry.url, references=["team/app:v0"])["changed"]
    assert len(store.revisions(registry.store_root, "team/app")) == 2


def _prune(call, registry, backup):
    result = call("registry_prune", url=registry.url, policies=KEEP_2, backup_dir=backup)
    assert result["deleted"]["tags"] == 1
    return result


def _restore(call, registry, backup):
    backup_file = _prune(call, registry, backup)["backup_file"]
    assert call("registry_manifest_restore", url=registry.url, backup_file=backup_file)["changed"]
    assert store.listed(registry.url, "team/app") == ["v0", "v1", "v2"]


def _garbage_collect(call, registry, backup):
    _prune(call, registry, backup)
    registry.stop()
    result = call("registry_garbage_collect", argv=registry.gc_argv, config_path=str(registry.config_path))
    assert result["changed"]
    registry.start()
    assert store.pull_all(registry.url, "team/app")


def _storage_info(call, registry, backup):
    assert call("registry_storage_info", storage_root=str(registry.store_root))["changed"] is False


def _storage_prune(call, registry, backup):
    plan_file = f"{backup}.plan"
    _plan(registry, plan_file)
    registry.stop()
    result = call(
        "registry_storage_prune",
        storage_root=str(registry.store_root),
        plan_file=plan_file,
        backup_dir=backup,
        registry_stopped_or_read_only=True,
    )
    assert result["changed"]
    registry.start()
    assert store.listed(registry.url, "team/app") == ["v1", "v2"]


def _plan(registry, plan_file):
    """Save a plan in check mode, which pytest-ansible cannot ask for."""
    arguments = {"url": registry.url, "policies": KEEP_2, "plan_file": plan_file}
    assert not modules.run_module("registry_prune", arguments, check=True).failed


def _window_lease(call, registry, backup):
    orders = {"give_back": [["true"]], "collector_argv": registry.gc_argv, "config_path": str(registry.config_path)}
    path = f"{backup}.lease"
    held = call("registry_window_lease", path=path, state="held", run_id="each", orders=orders)
    assert held["held"]
    assert held["watchdog_pid"]
    assert call("registry_window_lease", path=path, state="renewed", run_id="each")["seconds_left"] > 200
    assert call("registry_window_lease", path=path, state="quiet", run_id="each", orders=orders)["certain"]
    assert call("registry_window_lease", path=path, state="released")["watchdog_report"] is None


def _cache_clear(call, registry, backup):
    # tests/integration/test_redis.py holds what is removed; here a database without a registry's keys is enough.
    home = Path(f"{backup}.redis")
    home.mkdir()
    server = obtain(lambda: RedisServer(home))
    try:
        cleared = call(
            "registry_cache_clear", host="127.0.0.1", port=server.port, database=DATABASE, password=PASSWORD, timeout=5
        )
        assert (cleared["changed"], cleared["keys_found"]) == (False, 0)
        assert server.keys() == FOREIGN
    finally:
        server.stop()


def _storage_wait(call, registry, backup):
    busy = call("registry_storage_wait", storage_root=str(registry.store_root), quiet=3600, timeout=0)
    assert not busy["quiet"]
    assert call("registry_storage_wait", storage_root=str(registry.store_root), quiet=0)["quiet"]


CASES = {
    "registry_cache_clear": _cache_clear,
    "registry_storage_wait": _storage_wait,
    "registry_info": _info,
    "registry_catalog_info": _catalog,
    "registry_tags_info": _tags,
    "registry_tag_delete": _tag_delete,
    "registry_manifest_delete": _manifest_delete,
    "registry_prune": _prune,
    "registry_manifest_restore": _restore,
    "registry_garbage_collect": _garbage_collect,
    "registry_storage_info": _storage_info,
    "registry_storage_prune": _storage_prune,
    "registry_window_lease": _window_lease,
}


def test_no_module_is_left_out():
    assert sorted(CASES) == sorted(FAILING) == sorted(path.stem for path in PLUGINS.glob("registry_*.py"))


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_works_as_ansible_runs_it(name, call, registry, tmp_path):
    CASES[name](call, registry, str(tmp_path / "backup"))


@pytest.mark.parametrize("name", sorted(FAILING))
def test_a_failure_returns_what_is_documented_for_it(name):
    _holds_to_its_documentation(name, modules.run_module(name, FAILING[name]))


def test_so_does_a_failure_by_a_damaged_plan(tmp_path):
    (tmp_path / "docker" / "registry" / "v2").mkdir(parents=True)
    plan_file = tmp_path / "plan.jsonl.gz"
    plan_file.write_text("no plan", encoding="utf-8")
    arguments = {"storage_root": str(tmp_path), "plan_file": str(plan_file)}
    result = modules.run_module("registry_storage_prune", arguments, check=True)
    assert "no usable record file" in result.msg
    _holds_to_its_documentation("registry_storage_prune", result)


def _holds_to_its_documentation(name, result):
    assert result.failed
    documented = modules.documented_returns(name)
    present = set(result.data) - OF_ANSIBLE
    assert present <= set(documented)
    assert {key for key, when in documented.items() if when == "always"} <= present
    assert {key for key in present if documented[key] == "success"} == set()
