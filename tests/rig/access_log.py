# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry says that it answered, and when, to the microsecond (log level info)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

INFO = {"REGISTRY_LOG_LEVEL": "info"}

_LINE = re.compile(
    r'time="(?P<time>[^"]+)Z" level=\w+ msg="response completed(?: with error)?" .*http\.request\.method=(?P<method>\w+) '
    r'.*http\.request\.uri="?(?P<path>[^" ]+)"? http\.request\.useragent="?(?P<agent>.*?)"? '
    r'.*http\.response\.duration="?(?P<duration>[0-9.]+)(?P<unit>ns|µs|ms|s)"? http\.response\.status=(?P<status>\d+)'
)
_UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Answered:
    """One request. START and END in seconds since the epoch; NAME is what follows the last slash of its path."""

    method: str
    path: str
    agent: str
    status: int
    start: float
    end: float

    @property
    def name(self) -> str:
        """The tag or digest of a manifest's path."""
        return self.path.rpartition("/")[2]


def read_access_log(path: Path) -> list[Answered]:
    """Every request of the log at PATH, in the order of their answers."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        # Nanoseconds, without the zeros at the end; the standard library reads six digits.
        whole, _dot, fraction = match["time"].partition(".")
        end = datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))
        took = float(match["duration"]) * _UNITS[match["unit"]]
        found.append(Answered(match["method"], match["path"], match["agent"], int(match["status"]), end - took, end))
    return found
