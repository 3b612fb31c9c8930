# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role beside a real systemd: on a unit that runs the program, and on podman containers that units manage."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.deployed import Story
from ansible_collections.fleetops.container_registry.tests.rig.podman_support import Podman
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import push_image
from ansible_collections.fleetops.container_registry.tests.rig.systemd_support import (
    Systemd,
    UnitOfContainer,
    UnitOfProgram,
)

# Four plays on four registries; slow where others work beside them.
pytestmark = pytest.mark.timeout(1200)
# "new" and "quadlet": the container is made by each start of the unit. "kept": the unit starts and stops the one that is there.
CONTAINERS = {"new": "3.1", "quadlet": "2.8", "kept": "2.8"}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    home = tmp_path_factory.mktemp("systemd")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as ends:
        systemd = obtain(lambda: Systemd(home / "systemd"))
        ends.callback(systemd.stop)
        podman = obtain(lambda: Podman(tmp_path_factory.mktemp("podman"), systemd.words))
        ends.callback(podman.stop)
        for name, value in podman.environment.items():
            patch.setenv(name, value)
        registries = {"program": obtain(lambda: UnitOfProgram(systemd, "3.1", home / "program"))}
        for name, version in CONTAINERS.items():
            registries[name] = obtain(
                lambda name=name, version=version: UnitOfContainer(
                    systemd, podman, name, version, home / name, made_by=name
                )
            )
        yield Story(home, registries, systemd.words)


@pytest.fixture(params=("program", *CONTAINERS))
def name(request):
    return request.param


def test_check_mode_touches_nothing(story, name):
    before, after = story.moments[0][name], story.moments[1][name]
    assert vars(before) == vars(after)


def test_the_main_job_is_done(story, name):
    before, after = story.moments[0][name], story.moments[2][name]
    assert after.identity == before.identity
    assert after.tags == {tag: before.tags[tag] for tag in ("1.3", "1.4")}
    assert after.bytes < before.bytes * 0.6
    assert (before.delete, after.delete) == ("disabled", "enabled")
    assert after.owner == before.owner
    assert after.process != before.process
    added = [line for line in after.config.splitlines() if line not in before.config.splitlines()]
    assert [line.strip() for line in added] == ["delete:", "enabled: true"]


def test_the_second_run_changes_nothing_and_restarts_nothing(story, name):
    after, again = story.moments[2][name], story.moments[3][name]
    assert story.plays[2].recap(name)["changed"] == 0
    assert vars(again) == vars(after)


def test_a_stopped_registry_is_collected_and_its_unit_is_active_again(story):
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
    for name in CONTAINERS:
        assert story.registries[name].process.startswith("active"), name


def test_the_program_that_a_process_claims_to_be_is_not_run(story, tmp_path):
    proof, program = tmp_path / "proof", tmp_path / "claimed"
    program.write_text(f"#!/bin/sh\necho $(id -u) >>{proof}\n", encoding="utf-8")
    program.chmod(0o755)
    # A registry that somebody has taken over, and that has replaced itself.
    turned = tmp_path / "registry"
    turned.write_text(f"#!/bin/bash\nexec -a {program} bash -c 'sleep 600; :' serve /etc/x.yml\n", encoding="utf-8")
    turned.chmod(0o755)
    with story.registries["program"].run_by(turned):
        play = story.site.role("garbage_collect", "--check", "--limit", "program")
    assert play.status != 0
    assert "and its unit says" in " ".join(play.failure.split())
    assert not proof.exists()


def test_a_unit_that_is_not_there_is_named(story):
    play = story.site.role("report", "--limit", "program", registry_service="nobody.service")
    assert play.status != 0
    assert "nobody.service" in play.failure
