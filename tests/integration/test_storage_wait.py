# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_storage_wait sees what real pushes leave in a real store."""

from __future__ import annotations

import os

import requests
from ansible_collections.fleetops.container_registry.tests.rig import modules


def test_uploads_that_run_and_that_have_ended_are_seen(registry, pusher):
    def look(quiet: float) -> dict:
        where = {"storage_root": str(registry.store_root), "quiet": quiet, "timeout": 0}
        result = modules.run_module("registry_storage_wait", where)
        assert not result.failed, result.msg
        assert result["changed"] is False
        return result.data

    pusher.image("team/ended", "v1")
    ended = look(3600)
    assert (ended["quiet"], ended["last_repository"]) == (False, "team/ended")
    for folder, _folders, _files in os.walk(
        registry.store_root / "docker/registry/v2/repositories/team/ended/_uploads"
    ):
        os.utime(folder, (1, 1))
    assert look(3600)["quiet"] is True
    begun = requests.post(f"{registry.url}/v2/team/running/blobs/uploads/", timeout=10)
    assert begun.status_code == 202
    running = look(3600)
    assert (running["quiet"], running["last_repository"]) == (False, "team/running")
    assert look(0)["quiet"] is True
