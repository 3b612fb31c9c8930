# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enabling deletes: in the file, in the registry that runs, and by name what stands in the way."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site, answers


@pytest.fixture
def operate(tmp_path):
    """Starts registries, and ends them."""
    started = []

    def start(version: str, environment=None) -> tuple[Operated, Site]:
        home = tmp_path / str(len(started))
        registry = Operated(home / "registry", obtain(lambda: registry_binary(version)), environment)
        started.append(registry)
        return registry, Site(home, {"one": registry.inventory()})

    yield start
    for registry in started:
        registry.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_quoted_true_is_mended_and_a_file_ahead_of_its_registry_is_put_into_force(operate, version):
    registry, site = operate(version)
    text = registry.config.read_text(encoding="utf-8")
    quoted = text.replace("http:\n", '    delete: {enabled: "true"}\nhttp:\n')
    registry.config.write_text(quoted, encoding="utf-8")
    registry.stop()
    registry.start()
    assert answers(registry.url) == "disabled"  # the trap: without a word
    mended = site.role("configure")
    assert mended.status == 0, mended.output[-4000:]
    assert registry.config.read_text(encoding="utf-8") == quoted.replace('"true"', "true")
    assert answers(registry.url) == "enabled"
    assert mended.result("one", "configure")["restarted"] is True
    # the registry runs with deletes off, while its file has them on
    good = registry.config.read_text(encoding="utf-8")
    registry.config.write_text(text, encoding="utf-8")
    registry.stop()
    registry.start()
    registry.config.write_text(good, encoding="utf-8")
    forced = site.role("configure")
    assert forced.status == 0, forced.output[-4000:]
    assert answers(registry.url) == "enabled"
    again = site.role("configure")
    assert again.recap("one")["changed"] == 0
    assert again.result("one", "configure")["restarted"] is False


@pytest.mark.parametrize(
    "version, name, value",
    [("2.8", "REGISTRY_STORAGE_DELETE_ENABLED", "1"), ("3.1", "REGISTRY_STORAGE_DELETE", "{enabled: false}")],
)
def test_an_environment_that_defeats_the_file_is_named(operate, version, name, value):
    registry, site = operate(version, {name: value})
    before = registry.config.read_bytes(), registry.process
    told = site.role("configure", registry_environment={name: value})
    assert told.status != 0
    assert f"environment variable {name}, which overrides" in told.failure
    assert (registry.config.read_bytes(), registry.process) == before


def test_an_environment_that_nobody_told_of_is_found_out_and_the_file_put_back(operate):
    name = "REGISTRY_STORAGE_DELETE_ENABLED"
    registry, site = operate("3.1", {name: "false"})
    script = registry.home / "restart"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("#!/bin/sh\n", f"#!/bin/sh\nexport {name}=false\n"), encoding="utf-8")
    before = registry.config.read_bytes()
    play = site.role("configure")
    assert play.status != 0
    assert "still answers that deletes are disabled" in play.failure
    assert name in play.failure
    assert "the configuration is as it was before" in play.failure
    assert registry.config.read_bytes() == before
    assert answers(registry.url) == "disabled"


def test_a_restart_that_fails_leaves_everything_as_it_was(operate):
    registry, site = operate("2.8")
    (registry.home / "fail-restarts").touch()
    before = registry.config.read_bytes(), registry.process
    play = site.role("configure")
    assert play.status != 0
    assert "no restart today" in play.failure
    assert "the configuration is as it was before" in play.failure
    assert (registry.config.read_bytes(), registry.process) == before
    assert answers(registry.url) == "disabled"


def test_what_somebody_changed_before_the_run_had_the_lock_stays(operate, tmp_path):
    registry, site = operate("3.1")
    role = {"name": "fleetops.container_registry.registry"}
    changed = registry.config.read_text(encoding="utf-8").replace("level: error", "level: warn")
    tasks = [
        {"name": "Prepare", "ansible.builtin.include_role": {**role, "tasks_from": "prepare"}},
        {
            "name": "Change it meanwhile",
            "ansible.builtin.copy": {"content": changed, "dest": str(registry.config), "mode": "0644"},
        },
        {"name": "Configure", "ansible.builtin.include_role": {**role, "tasks_from": "steps/configure"}},
    ]
    playbook = tmp_path / "meanwhile.yml"
    play = [{"name": "Configure", "hosts": "registries", "gather_facts": False, "tasks": tasks}]
    playbook.write_text(yaml.safe_dump(play, sort_keys=False), encoding="utf-8")
    done = site.play(str(playbook))
    assert done.status == 0, done.output[-4000:]
    assert answers(registry.url) == "enabled"
    assert "level: warn" in registry.config.read_text(encoding="utf-8")


def test_bad_settings_are_named_before_anything_is_touched(operate):
    registry, site = operate("3.1")
    before = registry.config.read_bytes(), registry.process
    for settings, message in [
        ({"registry_deployment": "dokcer"}, "registry_deployment must be one of: command, compose, docker"),
        ({"registry_config_path": "/nowhere/config.yml"}, "/nowhere/config.yml on one is not a file that can be read"),
        ({"registry_argv": []}, "needs registry_config_path, registry_argv"),
        ({"registry_lock_timeout": "soon"}, "must be a number with s, m, h, d or w"),
        ({"registry_url": f"http://127.0.0.1:{registry.port + 1}", "registry_retries": 0}, "127.0.0.1"),
    ]:
        play = site.role("configure", **settings)
        assert play.status != 0
        assert message in play.output, play.output[-3000:]
    assert (registry.config.read_bytes(), registry.process) == before


def test_a_registry_that_is_down_is_left_alone_and_its_owner_told_what_to_do(operate):
    registry, site = operate("3.1")
    before = registry.config.read_bytes()
    registry.stop()
    play = site.role("configure")
    assert play.status != 0
    assert "Nothing was changed" in play.failure
    assert "start it, and run this again" in play.failure
    assert registry.config.read_bytes() == before
