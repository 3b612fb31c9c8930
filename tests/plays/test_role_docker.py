# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on registries in Docker containers, which are never made anew: both versions, in one play."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.deployed import Moment, Story, wait
from ansible_collections.fleetops.container_registry.tests.rig.docker_support import (
    CONFIG_INSIDE,
    OFFICIAL,
    Contained,
    Engine,
)
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Site, push_image

# version, whether the configuration is mounted, whether the image has the shape of the official one; by name of the host
CASES = {
    "mounted": ("3.1", True, False),
    "inside": ("2.8", False, False),
    "official2": ("2.8", True, True),
    "official3": ("3.1", False, True),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    started = obtain(lambda: Engine(tmp_path_factory.mktemp("engine")))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def story(engine, tmp_path_factory):
    home = tmp_path_factory.mktemp("docker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        registries = {}
        for name, (version, mounted, official) in CASES.items():
            image = engine.image(version, official=official)
            inside = OFFICIAL[version] if official else CONFIG_INSIDE
            registries[name] = Contained(
                engine, name, version, home / name, mounted=mounted, env={}, image=image, inside=inside
            )
        yield Story(home, registries)


@pytest.fixture(params=CASES)
def name(request):
    return request.param


def test_check_mode_touches_nothing(story, name):
    before, after = story.moments[0][name], story.moments[1][name]
    assert vars(before) == vars(after)
    assert before.delete == "disabled"
    assert story.plays[0].recap(name)["changed"] >= 2


def test_the_main_job_is_done(story, name):
    before, after = story.moments[0][name], story.moments[2][name]
    assert after.tags == {tag: before.tags[tag] for tag in ("1.3", "1.4")}
    assert after.bytes < before.bytes * 0.6
    assert after.delete == "enabled"


def test_the_container_is_the_same_and_its_configuration_keeps_owner_and_mode(story, name):
    before, after = story.moments[0][name], story.moments[2][name]
    assert after.identity == before.identity
    assert after.owner == before.owner
    added = "    rootdirectory: /var/lib/registry\n  delete:\n    enabled: true\n"
    assert after.config == before.config.replace("    rootdirectory: /var/lib/registry\n", added)


def test_the_second_run_changes_nothing_and_restarts_nothing(story, name):
    after, again = story.moments[2][name], story.moments[3][name]
    assert story.plays[2].recap(name)["changed"] == 0
    assert vars(again) == vars(after)


def test_a_stopped_registry_is_collected_from_a_container_beside_it(story, engine):
    for registry in story.registries.values():
        push_image(registry.url, "team/app", "2.0", 7)
        push_image(registry.url, "team/app", "2.1", 8)
    story.run("prune")
    before = story.moments[-1]
    story.run("garbage_collect", registry_garbage_collect_mode="stopped")
    for name, after in story.moments[-1].items():
        assert after.identity == before[name].identity
        assert (after.config, after.owner) == (before[name].config, before[name].owner)
        assert sorted(after.tags) == ["2.0", "2.1"]
        assert after.bytes < before[name].bytes
        assert after.process != before[name].process
        assert list(story.state(name).glob("*.config.yml")) == []
    names = engine.docker("ps", "-a", "--format", "{{.Names}}").split()
    assert sorted(names) == sorted(CASES)


@pytest.mark.parametrize(
    "entry, variable, value",
    [
        ("configure", "REGISTRY_STORAGE_DELETE_ENABLED", "false"),
        ("garbage_collect", "REGISTRY_STORAGE_MAINTENANCE", '{"readonly": {"enabled": false}}'),
    ],
)
def test_an_environment_that_defeats_the_file_is_found_in_the_container(
    story, engine, tmp_path, entry, variable, value
):
    name = entry.replace("_", "")
    registry = Contained(engine, name, "3.1", tmp_path, mounted=True, env={variable: value})
    try:
        wait(registry.url)
        push_image(registry.url, "team/app", "one", 1)
        blobs = registry.data / "docker/registry/v2/blobs/sha256/00" / ("0" * 64)
        blobs.mkdir(parents=True)
        (blobs / "data").write_bytes(b"garbage")
        before = Moment(registry)
        play = Site(tmp_path / "site", {name: registry.inventory()}).role(entry)
        assert play.status != 0
        assert variable in play.failure
        assert vars(Moment(registry)) == vars(before)
    finally:
        engine.docker("rm", "-f", name)


def test_a_container_that_is_not_there_is_named(story):
    play = story.site.role("report", registry_container="nobody")
    assert play.status != 0
    assert "There is no container nobody" in play.failure


def test_the_playbook_of_the_readme_works_as_pasted(story, engine, tmp_path):
    """Only the address is another one, and where the role keeps its state on this machine."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    pasted = text.partition("```yaml\n")[2].partition("```")[0]
    assert len(pasted.splitlines()) == 10
    registry = Contained(engine, "registry", "3.1", tmp_path, mounted=True, env={})
    try:
        wait(registry.url)
        for day in range(14):
            push_image(registry.url, "team/app", f"1.{day:02}", day)
        push_image(registry.url, "team/app", "latest", 0)
        before = Moment(registry)
        assert "http://127.0.0.1:5000" in pasted
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(pasted.replace("http://127.0.0.1:5000", registry.url), encoding="utf-8")
        here = {"registry_state_dir": str(registry.state), "registry_blob_grace": "0s", "ansible_become": False}
        here.update(ansible_connection="local", ansible_python_interpreter="{{ ansible_playbook_python }}")
        site = Site(tmp_path / "site", {"localhost": here})
        plays = [site.play(str(playbook), *options) for options in (["--check", "--diff"], [], [])]
        assert [play.status for play in plays] == [0, 0, 0], plays[1].output[-5000:]
        assert "1.00" in plays[0].output
        after = Moment(registry)
        assert sorted(after.tags) == [*(f"1.{day:02}" for day in range(4, 14)), "latest"]
        assert after.bytes < before.bytes
        assert after.identity == before.identity
        assert plays[2].recap("localhost")["changed"] == 0
    finally:
        engine.docker("rm", "-f", "registry")
