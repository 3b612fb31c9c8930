# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small file system in memory that a test fills up and makes room in again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from .require import require


class SmallDisk:
    """Mounted at PLACE, which must be there, as long as it is entered. Needs root."""

    def __init__(self, place: Path, size: str = "8m") -> None:
        self.place = place
        self._size = size

    @property
    def _filler(self) -> Path:
        return self.place / "filler"

    def fill(self) -> None:
        """Leave no room at all."""
        with open(self._filler, "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"\0" * 4096)
            except OSError:
                return

    def make_room(self) -> None:
        """Undo it."""
        self._filler.unlink()

    def __enter__(self) -> SmallDisk:
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", str(self.place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        require(done.returncode == 0, "a mount of the test's own", f"it needs root: {done.stderr}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=True)
