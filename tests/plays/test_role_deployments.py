# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on a compose service, a podman container and an init script's service, all in one play: in check mode, for real, again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.compose_support import Composed
from ansible_collections.fleetops.container_registry.tests.rig.deployed import Story, wait
from ansible_collections.fleetops.container_registry.tests.rig.docker_support import Engine
from ansible_collections.fleetops.container_registry.tests.rig.podman_support import Podded, Podman
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import push_image
from ansible_collections.fleetops.container_registry.tests.rig.service_support import Served

# Four plays on three registries; slow where others work beside them.
pytestmark = pytest.mark.timeout(1200)
NAMES = ("compose", "podman", "service")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    home = tmp_path_factory.mktemp("deployments")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as ends:
        engine = obtain(lambda: Engine(tmp_path_factory.mktemp("engine")))
        ends.callback(engine.stop)
        podman = obtain(lambda: Podman(tmp_path_factory.mktemp("podman")))
        ends.callback(podman.stop)
        patch.setenv("DOCKER_HOST", engine.host)
        for name, value in podman.environment.items():
            patch.setenv(name, value)
        registries = {}
        registries["compose"] = obtain(lambda: Composed(engine, "3.1", home / "compose"))
        ends.callback(registries["compose"].stop)
        # Deletes are enabled by its environment alone.
        enabled = {"REGISTRY_STORAGE_DELETE_ENABLED": "true"}
        registries["podman"] = obtain(lambda: Podded(podman, "registry", "2.8", home / "podman", env=enabled))
        registries["service"] = obtain(lambda: Served("2.8", home / "service"))
        ends.callback(registries["service"].stop)
        yield Story(home, registries)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_check_mode_touches_nothing(story, name):
    before, after = story.moments[0][name], story.moments[1][name]
    assert vars(before) == vars(after)
    assert before.delete == ("enabled" if name == "podman" else "disabled")
    assert story.plays[0].recap(name)["changed"] >= 1


def test_the_main_job_is_done(story, name):
    before, after = story.moments[0][name], story.moments[2][name]
    assert after.tags == {tag: before.tags[tag] for tag in ("1.3", "1.4")}
    assert after.bytes < before.bytes * 0.6
    assert after.delete == "enabled"
    assert after.process != before.process


def test_the_container_is_the_same_and_only_what_was_asked_for_is_configured(story, name):
    before, after = story.moments[0][name], story.moments[2][name]
    assert after.identity == before.identity
    assert after.owner == before.owner
    if name == "podman":
        assert after.config == before.config
    else:
        lines = [line.strip() for line in after.config.splitlines()]
        added = ["delete:", "enabled: true"]
        position = lines.index("delete:")
        assert lines[position : position + 2] == added
        assert lines[:position] + lines[position + 2 :] == [line.strip() for line in before.config.splitlines()]


def test_the_second_run_changes_nothing_and_restarts_nothing(story, name):
    after, again = story.moments[2][name], story.moments[3][name]
    assert story.plays[2].recap(name)["changed"] == 0
    assert vars(again) == vars(after)


def test_compose_has_nothing_to_make_anew_afterwards(story):
    composed = story.registries["compose"]
    before = composed.identity, composed.process
    composed.compose("up", "--detach")
    assert (composed.identity, composed.process) == before


def test_a_stopped_registry_is_collected(story):
    for registry in story.registries.values():
        push_image(registry.url, "team/app", "2.0", 7)
        push_image(registry.url, "team/app", "2.1", 8)
    story.run("prune")
    before = story.moments[-1]
    story.run("garbage_collect", registry_garbage_collect_mode="stopped")
    for name, after in story.moments[-1].items():
        assert after.identity == before[name].identity, name
        assert after.config == before[name].config, name
        assert sorted(after.tags) == ["2.0", "2.1"], name
        assert after.bytes < before[name].bytes, name
        assert after.process != before[name].process, name


def test_the_program_that_a_users_process_names_is_not_run(story, tmp_path):
    registry = story.registries["service"]
    proof, program = tmp_path / "proof", tmp_path / "registry"
    program.write_text(f"#!/bin/sh\necho $(id -u) >>{proof}\n", encoding="utf-8")
    program.chmod(0o755)
    os.chown(program, 65534, 65534)
    registry.run("stop")
    # The one process of this host that seems to serve this configuration, and it is nobody's.
    command = [str(program), "-c", "sleep 600; :", "serve", str(registry.config)]
    process = subprocess.Popen(command, executable="/bin/sh", user=65534, env={}, start_new_session=True)
    try:
        settings = {"registry_config_path": str(registry.config)}
        play = story.site.role("garbage_collect", "--check", "--limit", "service", **settings)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        registry.run("start")
        wait(registry.url)
    assert play.status != 0
    message = " ".join(play.failure.split())
    assert f"runs with {program}, and others than root can write {program}" in message
    assert "registry_argv" in message
    assert not proof.exists()


def test_settings_that_only_a_process_has_are_not_taken(story):
    registry = story.registries["service"]
    defaults = registry.defaults.read_text(encoding="utf-8")
    registry.defaults.write_text(defaults.replace("moved", "elsewhere"), encoding="utf-8")
    try:
        play = story.site.role("garbage_collect", "--check", "--limit", "service")
    finally:
        registry.defaults.write_text(defaults, encoding="utf-8")
    assert play.status != 0
    message = " ".join(play.failure.split())
    assert "has REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY in its environment otherwise than" in message
    assert str(registry.data) not in message


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"registry_deployment": "compose", "registry_compose_service": "web"},
            "There is no container of the compose service web",
        ),
        ({"registry_deployment": "podman", "registry_container": "nobody"}, "There is no container nobody"),
        ({"registry_deployment": "service", "registry_service": "no-such-service"}, "no-such-service"),
    ],
)
def test_a_deployment_that_is_not_there_is_named(story, settings, message):
    play = story.site.role("report", "--limit", "service", **settings)
    assert play.status != 0
    assert message in " ".join(play.failure.split())
