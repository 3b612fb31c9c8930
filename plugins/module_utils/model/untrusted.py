# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else wrote: how it is shown, and how much of it is read."""

from __future__ import annotations

MOST_SHOWN = 300


def printable(text: str, limit: int = MOST_SHOWN, lines: bool = False) -> str:
    """TEXT as a terminal may show it, cut to LIMIT characters: on one line, or with LINES as many as it has."""
    cut = text[: limit + 1]
    cut = "".join(char if char.isprintable() or (lines and char == "\n") else " " for char in cut).strip()
    return cut if len(cut) <= limit else cut[: limit - 3] + "..."


def json_parts(body: bytes) -> int:
    """At most so many objects, lists, keys and values are in the JSON BODY: each becomes far more memory than its two bytes."""
    return sum(body.count(sign) for sign in (b"{", b"[", b",", b":"))
