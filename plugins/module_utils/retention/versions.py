# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions that people write as tags, and their order."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.ordering import (
    NaturalKey,
    natural_key,
)

# A tag cannot hold '+', so build metadata comes after '_' instead; both are read.
_VERSION = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)(?:-([0-9A-Za-z.-]+))?(?:[_+][0-9A-Za-z._-]*)?\Z")
# 1.2rc1, 3.0.0b2: only after a dotted number, or half of all short commit ids would be versions.
_ATTACHED = re.compile(
    r"[vV]?([0-9]+(?:\.[0-9]+)+)[.-]?((?:alpha|beta|preview|pre|rc|dev|a|b|c|m)[.-]?[0-9]*)(?:[_+][0-9A-Za-z._-]*)?\Z",
    re.IGNORECASE,
)
_CALENDAR = re.compile(r"[vV]?([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[-.]([0-9A-Za-z.-]+))?(?:[_+][0-9A-Za-z._-]*)?\Z")
# 2024-11-03T0900: read as a pre-release of 2024 it would be lower than every date of that year.
_ODD_CALENDAR = re.compile(r"[vV]?[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?![0-9])")

# Release numbers, 1 for a release and 0 for a pre-release, identifiers of the pre-release.
VersionKey = t.Tuple[t.Tuple[int, ...], int, t.Tuple[t.Tuple[int, int, NaturalKey], ...]]


def parse_version(text: str) -> t.Optional[VersionKey]:
    """A key that orders the version TEXT among versions; None if TEXT is none.

    1.2 equals 1.2.0, a leading v is ignored, what follows '-' is a pre-release and lower than its release,
    what follows '_' is build metadata and ignored (semver.org, with rc10 above rc9). 2024-11-03 is read as
    2024.11.3, and 2024-11-03-2, the second of that day, as 2024.11.3.2. What else begins with a date is no version.
    """
    calendar = _CALENDAR.match(text)
    if calendar:
        *date, more = calendar.groups()
        numbers = re.split("[-.]", more) if more else []
        if all(number.isdigit() for number in numbers):
            return _release(date + numbers), 1, ()
        return _release(date), 0, _pre_release(more)
    if _ODD_CALENDAR.match(text):
        return None
    match = _VERSION.match(text) or _ATTACHED.match(text)
    if not match:
        return None
    release = _release(match.group(1).split("."))
    if match.group(2) is None:
        return release, 1, ()
    return release, 0, _pre_release(match.group(2))


def _pre_release(text: str) -> t.Tuple[t.Tuple[int, int, NaturalKey], ...]:
    return tuple(_identifier(part) for part in text.lower().split("."))


def _release(numbers: t.Iterable[str]) -> t.Tuple[int, ...]:
    parts = [int(number) for number in numbers]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _identifier(text: str) -> t.Tuple[int, int, NaturalKey]:
    """By semver.org 11.4: numbers by value, and below words."""
    return (0, int(text), ()) if text.isdigit() else (1, 0, natural_key(text))
