# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instants as seconds since 1970-01-01 UTC, from and to the texts of RFC 3339."""

from __future__ import annotations

import calendar
import re
import time
import typing as t

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,32}))?(?:[Zz]|([+-])(\d\d):?(\d\d))?\Z",
    re.ASCII,
)
# RFC 3339 knows the years 1 to 9999.
_FIRST = -62135596800
_LAST = 253402300799


def parse_instant(text: t.Any) -> t.Optional[float]:
    """Seconds since the epoch for an RFC 3339 time; None for anything that is not one (wrong type, form or calendar day)."""
    match = _RFC3339.match(text) if isinstance(text, str) and len(text) <= 64 else None
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if year < 1 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 60:
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    fraction = float("0." + match.group(7)) if match.group(7) else 0.0
    offset = 0
    if match.group(8):
        offset = (int(match.group(9)) * 60 + int(match.group(10))) * 60 * (1 if match.group(8) == "+" else -1)
    return calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)) + fraction - offset


def format_instant(seconds: t.Optional[float]) -> t.Optional[str]:
    """The RFC 3339 text (UTC, whole seconds) of SECONDS since the epoch; None for None and for what no calendar holds."""
    if seconds is None or not _FIRST <= seconds <= _LAST:
        return None
    return time.strftime("%04d-%%m-%%dT%%H:%%M:%%SZ" % time.gmtime(seconds).tm_year, time.gmtime(seconds))
