# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that always tells how far something long is: one line of JSON, written over and over, so that it never grows."""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

_EVERY_SECONDS = 1.0
_WIDTH = 160


class ProgressLine:
    """Writes to PATH, at most once a second, or nowhere if that is None. A context manager; a symbolic link is not followed.

    Raises OSError if PATH cannot be opened. What goes wrong with it later ends the telling, never the work.
    """

    def __init__(self, path: t.Optional[str], total: int, total_bytes: int) -> None:
        self._total, self._total_bytes = total, total_bytes
        self._done = self._done_bytes = 0
        self._told = 0.0
        self._file: t.Optional[int] = None
        if path:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o600)

    def __enter__(self) -> ProgressLine:
        self._tell()
        return self

    def __exit__(self, *_unused: t.Any) -> None:
        self._tell()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def done(self, size: int) -> None:
        """One more piece, of SIZE bytes, is done."""
        self._done += 1
        self._done_bytes += size
        if time.monotonic() - self._told >= _EVERY_SECONDS:
            self._tell()

    def _tell(self) -> None:
        if self._file is None:
            return
        self._told = time.monotonic()
        numbers = {
            "blobs": self._done,
            "of_blobs": self._total,
            "bytes": self._done_bytes,
            "of_bytes": self._total_bytes,
        }
        # Padded: a shorter line over a longer one leaves nothing of that behind.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, json.dumps(numbers).encode("ascii").ljust(_WIDTH) + b"\n", 0)
