# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be reached over edges between digests."""

from __future__ import annotations

import typing as t


def reached(start: t.AbstractSet[str], *edges: t.Mapping[str, t.Sequence[str]]) -> t.Set[str]:
    """START and all that EDGES lead to from it, in linear time; cycles are no matter."""
    seen = set(start)
    waiting = list(start)
    while waiting:
        current = waiting.pop()
        for edge in edges:
            for following in edge.get(current, ()):
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
    return seen
