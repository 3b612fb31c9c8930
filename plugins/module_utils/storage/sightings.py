# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a dry run first named what may go, for stores that tell no times: seen twice, long enough apart, is garbage."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import RecordFileInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    read_records,
    write_records,
)

_SCHEMA = "fleetops.container_registry.eligible"


class Sightings:
    """The sightings in the file PATH, as of NOW (seconds since the epoch). What is not seen this time is forgotten.

    A file that is not there, or cannot be used, is as good as none: then all is seen for the first time, and waits.
    """

    def __init__(self, path: str, now: float) -> None:
        self._path = path
        self._now = now
        self._before = _read(path, now)
        self._seen: t.Dict[str, float] = {}

    def first(self, name: str) -> float:
        """When NAME was first seen in a row of dry runs that all saw it; now, if never before. Notes that it is seen."""
        return self._seen.setdefault(name, self._before.get(name, self._now))

    def save(self) -> None:
        """Write what was seen this time, in one piece. Raises OSError."""
        os.makedirs(os.path.dirname(os.path.abspath(self._path)), mode=0o700, exist_ok=True)
        write_records(self._path, self._records())

    def _records(self) -> t.Iterator[t.Dict[str, t.Any]]:
        yield {"type": "header", "schema": _SCHEMA, "version": 1}
        for name, first in sorted(self._seen.items()):
            yield {"type": "eligible", "name": name, "first": first}


def _read(path: str, now: float) -> t.Dict[str, float]:
    found: t.Dict[str, float] = {}
    try:
        for record in read_records(path):
            name, first = record.get("name"), record.get("first")
            # A time to come is a clock that was wrong: it counts from now on.
            if isinstance(name, str) and isinstance(first, (int, float)) and first <= now:
                found[name] = float(first)
    except (FileNotFoundError, RecordFileInvalid):
        return {}
    return found
