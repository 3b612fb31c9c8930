# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results on disk, with the machine that they come from."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Machine, versions, date, and how busy the machine was with other work."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ansible_core": version("ansible-core"),
        "requests": version("requests"),
        "load_before": round(os.getloadavg()[0], 1),
    }


class Records:
    """A JSON file that is whole after each entry."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path = path
        self._document: dict[str, Any] = {"environment": about, "results": []}

    def note(self, **facts: Any) -> None:
        """Add FACTS about the whole run."""
        self._document.update(facts)
        self._write()

    def add(self, entry: dict[str, Any]) -> None:
        """Add one result, with the load at its end."""
        entry["load"] = round(os.getloadavg()[0], 1)
        self._document["results"].append(entry)
        self._write()

    def _write(self) -> None:
        scratch = self._path.with_name(self._path.name + ".new")
        scratch.write_text(json.dumps(self._document, indent=1) + "\n", encoding="utf-8")
        os.replace(scratch, self._path)
