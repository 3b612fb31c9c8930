# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that a killed run has left stopped: its program and its configuration are in no process any more."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    PLAYBOOKS,
    Site,
    answers,
    push_image,
)
from ansible_collections.fleetops.container_registry.tests.rig.service_support import Served
from ansible_collections.fleetops.container_registry.tests.rig.window_support import kill_play, until

POLICIES = [{"name": "all", "keep_newest": 1}]


@pytest.fixture
def served(tmp_path):
    made = obtain(lambda: Served("2.8", tmp_path / "service"))
    yield made
    made.stop()


def test_without_a_watchdog_the_next_run_starts_it_again(served, tmp_path):
    for day in range(3):
        push_image(served.url, "team/app", f"1.{day}", day)
    settings = {
        **served.deployment(),
        # Once it is stopped, nothing else tells it from another registry of this host.
        "registry_config_path": str(served.config),
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "registry_url": served.url,
        "registry_state_dir": str(tmp_path / "state"),
        "registry_policies": POLICIES,
        "registry_max_delete_percent": 90,
        "registry_blob_grace": "0s",
        "registry_window_quiet": 0,
        "registry_garbage_collect_mode": "stopped",
        "registry_window_watchdog": False,
    }
    site = Site(tmp_path / "site", {"one": settings})
    run = site.begin(str(PLAYBOOKS / "role.yml"), test_entry="main")
    log = site.home / "background.log"
    until(
        lambda: ": Ask whether it still answers]" in log.read_text(encoding="utf-8") or run.poll() is not None,
        lambda: log.read_text(encoding="utf-8")[-4000:],
    )
    kill_play(run)
    assert answers(served.url) == "down", log.read_text(encoding="utf-8")[-4000:]
    again = site.role("garbage_collect")
    assert again.status == 0, again.output[-5000:]
    assert again.result("one", "repair")["restarted"] is True
    assert answers(served.url) == "enabled"
