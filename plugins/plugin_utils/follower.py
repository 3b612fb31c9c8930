# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follows a progress file in a thread of its own, and hands over what is to be shown."""

from __future__ import annotations

import json
import threading
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import Step, step_of
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.progress_lines import Lines

# Seconds between two looks at the file.
_PAUSE = 0.5
# Far more than any record has.
_MOST_BYTES = 4096


def read_step(path: str) -> t.Optional[Step]:
    """The step in the file at PATH; None where there is none, or it is being written at this moment."""
    try:
        with open(path, "rb") as stream:
            return step_of(json.loads(stream.read(_MOST_BYTES)))
    except (OSError, ValueError):
        return None


class Follower:
    """While it is entered, SHOW is called with every line that is due."""

    def __init__(self, path: str, lines: Lines, show: t.Callable[[str], None]) -> None:
        self._path = path
        self._lines = lines
        self._show = show
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry-progress", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing is shown any more once this returns."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(_PAUSE):
            step = read_step(self._path)
            line = self._lines.due(step, time.monotonic()) if step is not None else ""
            if line:
                self._show(line)
