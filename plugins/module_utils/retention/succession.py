# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An order in which everything comes before what must come after it, circles aside. Linear but for a heap, no recursion."""

from __future__ import annotations

import heapq
import typing as t

_Rank = t.Callable[[str], t.Any]


def in_succession(after: t.Mapping[str, t.Collection[str]], rank: _Rank) -> t.List[str]:
    """All keys of AFTER, each before those that AFTER names for it (keys as well); of several that may be next, the lowest RANK.

    What forms a circle comes together, by rank: after everything that leads to the circle and before everything behind it.
    """
    if not any(after.values()):
        return sorted(after, key=rank)
    member_of: t.Dict[str, int] = {}
    circles = _circles(after)
    for number, members in enumerate(circles):
        member_of.update(dict.fromkeys(members, number))
    behind: t.List[t.Set[int]] = [set() for _members in circles]
    before = [0] * len(circles)
    for node, others in after.items():
        behind[member_of[node]].update(member_of[other] for other in others)
    for number, others_behind in enumerate(behind):
        others_behind.discard(number)
        for other in others_behind:
            before[other] += 1
    ready = [(min(map(rank, circles[number])), number) for number in range(len(circles)) if not before[number]]
    heapq.heapify(ready)
    order: t.List[str] = []
    while ready:
        number = heapq.heappop(ready)[1]
        order.extend(sorted(circles[number], key=rank))
        for other in behind[number]:
            before[other] -= 1
            if not before[other]:
                heapq.heappush(ready, (min(map(rank, circles[other])), other))
    return order


def _circles(after: t.Mapping[str, t.Collection[str]]) -> t.List[t.List[str]]:
    """The keys of AFTER in sets that lead to each other (Tarjan's strongly connected components)."""
    found: t.Dict[str, int] = {}
    lowest: t.Dict[str, int] = {}
    open_nodes: t.Dict[str, None] = {}
    circles: t.List[t.List[str]] = []
    for root in after:
        if root in found:
            continue
        found[root] = lowest[root] = len(found)
        open_nodes[root] = None
        path = [(root, iter(after[root]))]
        while path:
            node, others = path[-1]
            other = next(others, None)
            if other is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == found[node]:
                    circles.append(_take_down_to(node, open_nodes))
            elif other not in found:
                found[other] = lowest[other] = len(found)
                open_nodes[other] = None
                path.append((other, iter(after[other])))
            elif other in open_nodes:
                lowest[node] = min(lowest[node], found[other])
    return circles


def _take_down_to(node: str, open_nodes: t.Dict[str, None]) -> t.List[str]:
    taken = [open_nodes.popitem()[0]]
    while taken[-1] != node:
        taken.append(open_nodes.popitem()[0])
    return taken
