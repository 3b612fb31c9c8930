# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Natural order of names, and places in a ranking."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_DIGITS = re.compile(r"([0-9]+)")

NaturalKey = t.Tuple[t.Tuple[int, int, str], ...]


@dataclass(frozen=True)
class Place:
    """Where an image stands: POSITION from 1 (the newest) among TOTAL.

    TIED: below the last place kept, yet equal to it.
    """

    position: int
    total: int
    kept: bool
    tied: bool


def natural_key(text: str) -> NaturalKey:
    """A key that orders numbers within names by value: build-9 before build-10, and digits before letters."""
    pieces = _DIGITS.split(text)
    return tuple((0, int(piece), "") if index % 2 else (1, 0, piece) for index, piece in enumerate(pieces) if piece)


def rank(images: t.Mapping[str, t.Any], count: int) -> t.Dict[str, Place]:
    """Rank IMAGES (digest -> order key, the highest is the newest); the best COUNT are kept, and ties."""
    ordered = sorted(sorted(images), key=lambda digest: images[digest], reverse=True)
    if not ordered:
        return {}
    last = images[ordered[min(count, len(ordered)) - 1]]
    total = len(ordered)
    places = {}
    for position, digest in enumerate(ordered, 1):
        tied = position > count and images[digest] == last
        places[digest] = Place(position, total, position <= count or tied, tied)
    return places


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th, 22nd ..."""
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return "%d%s" % (number, suffix)
