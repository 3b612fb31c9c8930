# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves the clock of every Python that a test starts, so that a week passes at once. Registries keep the real time."""

from __future__ import annotations

from pathlib import Path

AHEAD = "TEST_CLOCK_AHEAD"

SITECUSTOMIZE = f"""\
import os
import time

_real, _ahead = time.time, float(os.environ.get("{AHEAD}", "0"))
time.time = lambda: _real() + _ahead
"""


def clock_ahead(home: Path, days: float) -> dict[str, str]:
    """The environment in which a Python believes that it is DAYS later; what that takes is written below HOME."""
    folder = home / "clock"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    return {"PYTHONPATH": str(folder), AHEAD: str(days * 86400)}
