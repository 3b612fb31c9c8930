# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that always tells how far a run is: one line, written over and over, so that it never grows."""

from __future__ import annotations

import json
import os
import threading
import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import Step

# A repository's name has at most 255 characters, and whoever follows wants one line.
LONGEST_NAME = 255


class ProgressFile:
    """Takes steps, from any thread. What goes wrong with the file ends the telling, never the run."""

    def __init__(self, path: str, mask: t.Callable[[str], str]) -> None:
        """PATH is made if it is absent; a symbolic link is not followed. MASK takes secrets out of a repository's name."""
        self._mask = mask
        self._lock = threading.Lock()
        self._length = 0
        self._file: t.Optional[int] = None
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            self._file = None

    def __call__(self, step: Step) -> None:
        """Put STEP in the place of the one before."""
        told = replace(step, repository=self._mask(step.repository)[:LONGEST_NAME])
        # Padded to the longest so far: a shorter record over a longer one leaves nothing of that behind.
        record = json.dumps(told.as_record()).encode("ascii")
        with self._lock:
            if self._file is None:
                return
            self._length = max(self._length, len(record))
            try:
                os.pwrite(self._file, record.ljust(self._length) + b"\n", 0)
            except OSError:
                self._end()

    def close(self) -> None:
        """End the telling."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
