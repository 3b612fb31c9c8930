# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The window in which garbage is collected, where nothing goes wrong. tests/faults has what does."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS


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
    # Nor for what this run itself has pruned, where the disk tells how old that is.
    scene.registry.push("team/app", "late", 3)
    scene.bytes = scene.registry.bytes_on_disk()
    policies = [{"name": "kept", "tags": ["kept"], "keep": "all"}, {"name": "the rest", "delete": "all"}]
    pruned = scene.site.role(
        "main", registry_policies=policies, registry_max_delete_percent=90, registry_blob_grace="2h"
    )
    assert pruned.status == 0, pruned.output[-4000:]
    assert pruned.result("one", "prune")["deleted"]["manifests"] == 1
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes
