# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real registries of every version, as fixtures."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain


@pytest.fixture(params=VERSIONS)
def registry_version(request):
    """Each version in turn; where its program cannot be had, the test is skipped (in CI: fails)."""
    obtain(lambda: registry_binary(request.param))
    return request.param


@pytest.fixture
def registry_factory(tmp_path, registry_version):
    """Starts registries of this version; all of them are ended after the test."""
    started = []

    def start(**settings):
        process = RegistryProcess(registry_version, tmp_path / f"registry{len(started)}", **settings)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def registry(registry_factory):
    """A registry in which deletes are enabled."""
    return registry_factory()


@pytest.fixture
def pusher(registry):
    """Pushes to the registry."""
    return Pusher(registry.url)


@pytest.fixture
def run_module(registry):
    """Runs an API module on the registry."""

    def run(name, arguments=None, **options):
        return modules.run_module(name, dict({"url": registry.url}, **(arguments or {})), **options)

    return run


@pytest.fixture
def stage(tmp_path):
    """Makes scenes, and ends their registries."""
    from ansible_collections.fleetops.container_registry.tests.rig.scene import Scene

    scenes = []

    def make(version: str, environment=None) -> Scene:
        scene = Scene(tmp_path / f"scene{len(scenes)}", version, environment)
        scenes.append(scene)
        return scene

    yield make
    for scene in scenes:
        scene.unmark("hold-collector")
        scene.registry.stop()
