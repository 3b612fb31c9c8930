# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The window in which garbage is collected: whatever goes wrong, the registry is given back as it was found."""

from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    PLAYBOOKS,
    Operated,
    Site,
    answers,
)


class Scene:
    """A registry with deletes on and some garbage."""

    def __init__(self, home, version: str, environment=None) -> None:
        self.registry = Operated(home / "registry", obtain(lambda: registry_binary(version)), environment)
        try:
            text = self.registry.config.read_text(encoding="utf-8")
            enabled = "    delete: {enabled: true}   # since 2024\nhttp:\n"
            self.registry.config.write_text(text.replace("http:\n", enabled), encoding="utf-8")
            self.registry.stop()
            self.registry.start()
            kept = self.registry.push("team/app", "kept", 1)
            gone = self.registry.push("team/app", "gone", 2)
            with self.registry.client() as client:
                client.delete_manifest("team/app", gone)
            self.tags = {"kept": kept}
            self.config = self.registry.config.read_bytes()
            self.bytes = self.registry.bytes_on_disk()
            self.process = self.registry.process
            self.site = Site(home, {"one": dict(self.registry.inventory(), registry_environment=environment or {})})
        except BaseException:
            self.registry.stop()
            raise

    def collect(self, *options, **settings):
        return self.site.role("garbage_collect", *options, **settings)

    def mark(self, name: str) -> None:
        (self.registry.home / name).touch()

    def unmark(self, name: str) -> None:
        (self.registry.home / name).unlink(missing_ok=True)

    @property
    def state(self) -> set[str]:
        return {path.name for path in self.registry.state.iterdir()} if self.registry.state.exists() else set()

    @property
    def restarts(self) -> int:
        log = self.registry.home / "restarts"
        return log.read_text(encoding="utf-8").count("restart") if log.exists() else 0

    def is_as_it_was(self) -> None:
        """Configuration, deletes, images, and nothing of ours left lying about."""
        assert self.registry.config.read_bytes() == self.config
        assert answers(self.registry.url) == "enabled"
        assert self.registry.tags("team/app") == self.tags
        assert self.state <= {"backups"}

    def wait_for(self, name: str) -> None:
        for _try in range(600):
            if (self.registry.home / name).exists():
                return
            time.sleep(0.1)
        raise AssertionError(f"{name} did not come: {(self.site.home / 'background.log').read_text()[-3000:]}")


@pytest.fixture
def stage(tmp_path):
    """Makes scenes, and ends their registries."""
    scenes = []

    def make(version: str, environment=None) -> Scene:
        scene = Scene(tmp_path / f"scene{len(scenes)}", version, environment)
        scenes.append(scene)
        return scene

    yield make
    for scene in scenes:
        scene.unmark("hold-collector")
        scene.registry.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_stopped_mode_collects_and_starts_the_registry_again(stage, version):
    scene = stage(version)
    play = scene.collect(registry_garbage_collect_mode="stopped")
    assert play.status == 0, play.output[-4000:]
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes
    assert scene.registry.process != scene.process
    assert play.result("one", "garbage_collect")["bytes_freed"] == scene.bytes - scene.registry.bytes_on_disk()


def test_check_mode_and_limits_open_no_window(stage):
    scene = stage("3.1")
    checked = scene.collect("--check")
    assert checked.status == 0, checked.output[-4000:]
    assert checked.recap("one")["changed"] == 1
    assert checked.result("one", "garbage_collect")["blobs_eligible"] == 3
    limited = scene.collect(registry_garbage_collect_max_blobs=2)
    assert limited.status != 0
    assert "registry_garbage_collect_max_blobs" in limited.failure
    assert "max_blobs=3" in limited.failure
    young = scene.collect(registry_blob_grace="2h")
    assert young.status == 0, young.output[-4000:]
    assert young.recap("one")["changed"] == 0
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_a_collector_that_fails(stage):
    scene = stage("2.8")
    scene.mark("fail-collector")
    play = scene.collect()
    assert play.status != 0
    assert "the disk said no" in play.failure
    assert "the registry is as it was before" in play.failure
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == scene.bytes
    scene.unmark("fail-collector")
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes


@pytest.mark.parametrize("version", VERSIONS)
def test_a_damaged_store_is_named_and_not_collected(stage, version):
    scene = stage(version)
    revisions = scene.registry.home / "data/docker/registry/v2/repositories/team/app/_manifests/revisions"
    link = revisions / "sha256" / scene.tags["kept"].split(":")[1] / "link"
    intact = link.read_bytes()
    link.write_bytes(b"")
    play = scene.collect()
    assert play.status != 0
    assert str(link) in play.failure.replace("\\", "")
    assert "was not touched" in play.failure
    link.write_bytes(intact)
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_layers_that_are_missing_beside_manifests_stop_the_window(stage):
    # plain garbage collection of 2.x would take these images away, without a word
    scene = stage("2.8")
    scene.registry.push("another", "one", 3)
    held = scene.registry.bytes_on_disk()
    layers = scene.registry.home / "data/docker/registry/v2/repositories/team/app/_layers"
    layers.rename(scene.registry.home / "aside")
    play = scene.collect()
    assert play.status != 0
    assert "team/app" in play.failure
    (scene.registry.home / "aside").rename(layers)
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == held


def test_a_restart_that_fails_before_anything_happened(stage):
    scene = stage("2.8")
    scene.mark("fail-restarts")
    play = scene.collect()
    assert play.status != 0
    assert "no restart today" in play.failure
    assert "the registry is as it was before" in play.failure
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_a_restart_that_fails_after_the_collection(stage):
    scene = stage("3.1")
    scene.mark("break-restarts")
    play = scene.collect()
    assert play.status != 0
    assert "could not be given back" in play.failure
    assert "no restart today" in play.failure
    assert "window.json" in play.failure
    # its file is as it was, and it still serves, but read-only
    assert scene.registry.config.read_bytes() == scene.config
    assert answers(scene.registry.url) == "read_only"
    assert "window.json" in scene.state
    assert "lock" not in scene.state
    checked = scene.collect("--check")
    assert checked.status != 0
    assert "left the registry in its maintenance window" in checked.failure
    scene.unmark("break-restarts")
    scene.unmark("fail-restarts")
    # what somebody has written into it since is not overwritten
    changed = scene.config + b"# by hand\n"
    scene.registry.config.write_bytes(changed)
    refused = scene.collect()
    assert refused.status != 0
    assert "was changed by somebody since" in refused.failure
    assert scene.registry.config.read_bytes() == changed
    assert "window.json" in scene.state
    scene.registry.config.write_bytes(scene.config)
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()


def test_a_run_that_is_killed_while_it_collects(stage):
    scene = stage("3.1")
    scene.mark("hold-collector")
    process = scene.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect")
    scene.wait_for("collecting")
    beside = scene.collect()
    assert beside.status != 0
    assert "Another run works on this registry" in beside.failure
    assert answers(scene.registry.url) == "read_only"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    scene.unmark("hold-collector")
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()


def test_an_environment_that_forbids_the_window_is_named(stage):
    scene = stage("3.1", {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": false}'})
    play = scene.collect()
    assert play.status != 0
    assert "REGISTRY_STORAGE_MAINTENANCE_READONLY" in play.failure
    assert "registry_garbage_collect_mode: stopped" in play.failure
    scene.is_as_it_was()
    assert scene.registry.process == scene.process


def test_a_registry_that_does_not_become_read_only_is_not_collected(stage):
    scene = stage("2.8", {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": false}'})
    # the role is not told, and the restart command sets the variable by itself
    text = (scene.registry.home / "restart").read_text(encoding="utf-8")
    exported = "#!/bin/sh\nexport REGISTRY_STORAGE_MAINTENANCE_READONLY='{\"enabled\": false}'\n"
    (scene.registry.home / "restart").write_text(text.replace("#!/bin/sh\n", exported), encoding="utf-8")
    play = scene.collect(registry_environment={})
    assert play.status != 0
    assert "does not answer as read-only" in play.failure
    assert "REGISTRY_STORAGE_MAINTENANCE_READONLY" in play.failure
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == scene.bytes
