# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task of Ansible's that works in a window by itself (async), and the wait for it, one bounded piece at a time."""

from __future__ import annotations

import json
import time

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_process import (
    WINDOW_MARKER,
    find_marked,
)

_STEP = 0.2


def wait_for_job(results_file: str, run_id: str, seconds: float) -> bool:
    """Wait up to SECONDS for the job that writes RESULTS_FILE; whether it has ended.

    Ansible writes the module's result there in place of a note that it was started. A job that has died without a word has
    ended, too, even if it has left a collector behind: its processes carry RUN_ID in their environment.
    """
    deadline = time.monotonic() + seconds
    missing = 0
    while True:
        if _has_result(results_file):
            return True
        # Twice, since the result is written just before the last of them ends.
        missing = 0 if find_marked(run_id, WINDOW_MARKER) else missing + 1
        if missing > 2:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_STEP)


def _has_result(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and ("started" not in found or bool(found.get("finished")))
