# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A play that is killed as it comes to this task or that: the next run finds what was left, gives the registry back and finishes.

The watchdog's lease is long here, so that it is the next run that does it; test_window_killed.py leaves it to the watchdog.
"""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.role_support import PLAYBOOKS
from ansible_collections.fleetops.container_registry.tests.rig.window_support import kill_play, until

# In their order; what is between two of them is killed at some time or other, too, since a kill takes a moment.
READONLY = [
    "Make the lock",
    "Remember the configuration as it was",
    "Take the lease on the window",
    "Leave the marker",
    "Set read-only in the configuration",
    "Restart the registry by command",
    "Prove that nobody can write",
    "Start the collector",
    "Wait for the collector",
    "Make sure that nothing works in the window any more",
    "Write the configuration as it was",
    "Prove that the registry is as it was",
    "Release the lease on the window",
    "Take the marker away",
    "Remove the lock",
]
STOPPED = [
    "Leave the marker",
    "Stop the registry by command",
    "Ask whether it still answers",
    "Start the collector",
    "Wait for the collector",
    "Start the registry by command",
    "Take the marker away",
]
POINTS = [("readonly", task) for task in READONLY] + [("stopped", task) for task in STOPPED]

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("mode, task", POINTS)
def test_the_next_run_gives_the_registry_back_and_finishes(stage, mode, task):
    scene = stage("2.8" if POINTS.index((mode, task)) % 2 else "3.1")
    settings = {"registry_garbage_collect_mode": mode}
    run = scene.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect", **settings)
    log = scene.site.home / "background.log"

    def came_to_it() -> bool:
        return f": {task}]" in log.read_text(encoding="utf-8")

    until(lambda: came_to_it() or run.poll() is not None, lambda: log.read_text(encoding="utf-8")[-4000:])
    assert came_to_it(), log.read_text(encoding="utf-8")[-4000:]
    kill_play(run)
    again = scene.collect(**settings)
    assert again.status == 0, again.output[-6000:]
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes
    last = scene.collect(**settings)
    assert last.status == 0, last.output[-6000:]
    assert last.recap("one")["changed"] == 0
