# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as people write them (90d, 12h, 2w, 1y, 30m), and lengths of time in words."""

from __future__ import annotations

import re
import typing as t

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
_DURATION = re.compile(r"([0-9]{1,6})([smhdwy])\Z")
_WORDS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def parse_duration(text: t.Any) -> t.Optional[float]:
    """Seconds that TEXT stands for: one whole number and one unit (s, m = minutes, h, d, w, y = 365 days).

    None for anything else and for a duration of zero, whatever its type.
    """
    match = _DURATION.match(text) if isinstance(text, str) else None
    seconds = int(match.group(1)) * _UNITS[match.group(2)] if match else 0.0
    return seconds or None


def in_words(seconds: float) -> str:
    """SECONDS in the largest unit up to days that it fills, rounded down: '3 days', '1 hour', '0 seconds'."""
    for size, name in _WORDS:
        if seconds >= size or size == 1.0:
            count = max(0, int(seconds // size))
            return "%d %s%s" % (count, name, "" if count == 1 else "s")
    return ""
