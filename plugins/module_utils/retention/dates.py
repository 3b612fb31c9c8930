# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When images were created and pushed, as far as that can be believed."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import parse_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    CREATED_ANNOTATION,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import (
    NO_PLATFORM,
    Graph,
)

# Docker's first release is of March 2013. Reproducible builds say 1970 or 1980, some tools year 1.
EARLIEST = 1356998400.0
LATEST_AHEAD = 86400.0

# A copy of a store (cp, rsync without -a) writes every link anew: within seconds, or at some 50 files a
# second on a slow disk.
_BURST_SECONDS = 10.0
_BURST_SECONDS_PER_IMAGE = 0.02


def plausible(instant: t.Optional[float], now: float) -> t.Optional[float]:
    """INSTANT, or None if it is unknown, before 2013 or over a day after NOW (seconds since the epoch)."""
    if instant is None or not EARLIEST <= instant <= now + LATEST_AHEAD:
        return None
    return instant


def created_of(manifest: Manifest, now: float) -> t.Optional[float]:
    """What MANIFEST itself says: its annotation, else its config; None where neither is plausible."""
    annotated = plausible(parse_instant(manifest.annotations.get(CREATED_ANNOTATION)), now)
    if annotated is not None or manifest.config is None:
        return annotated
    return plausible(manifest.config.created, now)


def created_times(graph: Graph, now: float) -> t.Dict[str, float]:
    """The creation time of every manifest where it is known; an index without one has its newest child's.

    An index with an image whose config was not read has none: that image may be its newest.
    From the newest to the oldest, each time is handed up to the parents that have none: linear, whatever the
    nesting.
    """
    own = {digest: created_of(manifest, now) for digest, manifest in graph.manifests.items()}
    known = {digest: instant for digest, instant in own.items() if instant is not None}
    open_ones = _above_unread(graph, known)
    times = dict(known)
    for digest in sorted(sorted(known), key=lambda digest: known[digest], reverse=True):
        waiting = [digest]
        while waiting:
            for parent in graph.parents.get(waiting.pop(), ()):
                if parent not in times and parent not in open_ones:
                    times[parent] = known[digest]
                    waiting.append(parent)
    return times


def _above_unread(graph: Graph, known: t.Container[str]) -> t.Set[str]:
    """Indexes, nested too, whose date is not KNOWN and depends on an image (attestations aside) whose config was not read."""
    above: t.Dict[str, t.List[str]] = {}
    for digest, manifest in graph.manifests.items():
        if digest not in known:
            for child in manifest.children:
                if child.platform != NO_PLATFORM:
                    above.setdefault(child.digest, []).append(digest)
    waiting = [
        digest
        for digest, manifest in graph.manifests.items()
        if digest not in known and manifest.has_image_config and manifest.config is None
    ]
    found: t.Set[str] = set()
    while waiting:
        for parent in above.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def pushes_reliable(pushed: t.Iterable[float]) -> bool:
    """Whether the push times of several images (one each) tell anything: not if most lie within seconds."""
    times = sorted(pushed)
    window = _BURST_SECONDS + _BURST_SECONDS_PER_IMAGE * len(times)
    first = 0
    for last, instant in enumerate(times):
        while instant - times[first] > window:
            first += 1
        together = last - first + 1
        if together > 1 and 2 * together > len(times):
            return False
    return True
