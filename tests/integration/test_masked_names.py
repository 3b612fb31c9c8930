# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names in which Ansible has masked a secret: as patterns they would match anything, so no module takes them."""

from __future__ import annotations

import importlib
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import FaultyServer, Reply

MASKED = "********/app"
POLICY = {"name": "all", "keep_newest": 1}
PRUNE = {"policies": [POLICY], "backup_dir": "/nowhere"}
COLLECT = {"argv": ["registry"], "config_path": "/nowhere"}
NO_URL = {
    path.stem for path in modules.ROOT.glob("plugins/modules/*.py") if "StoreModule" in path.read_text(encoding="utf-8")
}
# Each module with an option that has a masked name, and where in the options that is.
GIVEN = [
    ("registry_info", {"repository": MASKED}, "repository"),
    ("registry_catalog_info", {"patterns": ["team/*", MASKED]}, "patterns[1]"),
    ("registry_tags_info", {"repositories": [MASKED]}, "repositories[0]"),
    ("registry_tags_info", {"tags": ["VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"]}, "tags[0]"),
    ("registry_manifest_delete", {"references": ["team/app:1", f"{MASKED}:1"]}, "references[1]"),
    ("registry_manifest_delete", {"references": ["team/app:VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"]}, "references[0]"),
    ("registry_tag_delete", {"references": ["team/app:v-********"]}, "references[0]"),
    ("registry_prune", {**PRUNE, "repositories": [MASKED]}, "repositories[0]"),
    ("registry_prune", {**PRUNE, "protected": ["team/********:1"]}, "protected[0]"),
    ("registry_prune", {**PRUNE, "policies": [POLICY, {**POLICY, "tags": ["********"]}]}, "policies[1].tags[0]"),
    ("registry_prune", {**PRUNE, "policies": [{**POLICY, "repositories": [MASKED]}]}, "policies[0].repositories[0]"),
    ("registry_manifest_restore", {"backup_file": "/nowhere", "repositories": [MASKED]}, "repositories[0]"),
    ("registry_manifest_restore", {"backup_file": "/nowhere", "tags": ["********"]}, "tags[0]"),
    ("registry_storage_info", {"storage_root": "/nowhere/********"}, "storage_root"),
    ("registry_garbage_collect", {**COLLECT, "argv": ["docker", "exec", "********"]}, "argv[2]"),
    ("registry_storage_wait", {"storage_root": "/nowhere/********"}, "storage_root"),
    ("registry_cache_clear", {"host": "********.example.com"}, "host"),
    ("registry_window_lease", {"path": "/nowhere/********", "state": "released"}, "path"),
    ("registry_storage_prune", {"storage_root": "/nowhere", "plan_file": "/nowhere/********"}, "plan_file"),
]


def run_here(name, options, capsys):
    """Run a module within this process: many of them, and none comes as far as to do anything."""
    module = importlib.import_module(f"{modules.MODULES}.{name}")
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


def test_no_module_takes_one(capsys):
    every = {path.stem for path in modules.ROOT.glob("plugins/modules/*.py")}
    assert every - {name for name, _options, _place in GIVEN} == set(), "give each module a line in GIVEN"
    with FaultyServer(lambda _request: Reply(500)) as server:
        for name, options, place in GIVEN:
            url = {} if name in NO_URL else {"url": server.url}
            refused = run_here(name, {**url, **options}, capsys)
            assert refused["failed"] is True, (name, options)
            assert f"{place} holds a masked name" in refused["msg"], name
            assert "auth_file" in refused["msg"]
            assert refused["changed"] is False
        assert server.requests == []


def test_a_secret_may_look_as_it_likes(tmp_path):
    """A registry's configuration has secrets, and comments that may be a line of stars."""
    orders = {"config": "# ********\nversion: 0.1\n", "config_path": str(tmp_path / "config.yml")}
    options = {"path": str(tmp_path / "lease"), "state": "released", "orders": orders}
    assert "masked name" not in modules.run_module("registry_window_lease", options).output
    options = {"url": "http://127.0.0.1:1", "token": "********", "retries": 0}
    assert "cannot be reached" in modules.run_module("registry_catalog_info", options).msg


def test_a_password_in_a_name_is_told_and_neither_name_nor_files_of_such_names_delete(registry, pusher, tmp_path):
    pusher.image("team/app", "1")
    pusher.image("team/app", "2")
    pusher.image("team/web", ["1"])
    common = {"url": registry.url, "username": "robot", "password": "app"}

    listed = modules.run_module("registry_tags_info", common)
    assert "team/********" in [tag["repository"] for tag in listed["tags"]]
    assert "The password or token occurs in this result" in listed.output
    masked = next(tag for tag in listed["tags"] if "*" in tag["repository"])
    refused = modules.run_module(
        "registry_manifest_delete", {"url": registry.url, "references": [f"{masked['repository']}:{masked['name']}"]}
    )
    assert refused.failed and "masked" in refused.msg

    # The module's own files have the real names; a copy that went through a result has not, and is no plan and no backup.
    backups = tmp_path / "backups"
    policy = {"name": "all", "keep_newest": 1, "order_by": "name"}
    pruned = modules.run_module(
        "registry_prune", {**common, "policies": [policy], "backup_dir": str(backups), "max_delete_percent": 100}
    )
    assert not pruned.failed, pruned.msg
    assert store.listed(registry.url, "team/app") == ["2"]
    backup = tmp_path / "copy.backup.jsonl"
    (own,) = backups.glob("*.backup.jsonl")
    assert "team/app" in own.read_text(encoding="utf-8")
    backup.write_text(own.read_text(encoding="utf-8").replace("team/app", "team/********"), encoding="utf-8")
    refused = modules.run_module("registry_manifest_restore", {"url": registry.url, "backup_file": str(backup)})
    assert refused.failed and "masked" in refused.msg
    assert store.listed(registry.url, "team/app") == ["2"]
