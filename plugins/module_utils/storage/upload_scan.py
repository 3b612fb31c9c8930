# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Uploads that were begun in a repository and not ended."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import parse_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.regular_file import (
    NotRegular,
    open_regular,
)


class Upload(t.NamedTuple):
    """An upload. STARTED in seconds since the epoch; SIZE in bytes of what has come so far."""

    name: str
    started: float
    size: int


def read_uploads(folder: str) -> t.List[Upload]:
    """The uploads in FOLDER, a repository's _uploads, sorted by name. Empty if there is no such folder.

    One without a readable start (the registry itself never removes those) counts from the last change of its folder. Raises
    OSError if FOLDER cannot be read.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(
                (entry for entry in listing if entry.is_dir(follow_symlinks=False)), key=lambda entry: entry.name
            )
    except FileNotFoundError:
        return []
    found = []
    for entry in entries:
        try:
            started = _started(os.path.join(entry.path, "startedat"))
            if started is None:
                started = entry.stat().st_mtime
        except OSError:
            continue  # ended meanwhile
        try:
            size = os.stat(os.path.join(entry.path, "data")).st_size
        except OSError:
            size = 0
        found.append(Upload(entry.name, started, size))
    return found


def _started(path: str) -> t.Optional[float]:
    try:
        with open_regular(path) as stream:
            return parse_instant(stream.read(64).decode("ascii", "replace"))
    except (FileNotFoundError, NotRegular):
        return None
