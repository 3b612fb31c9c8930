# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tombstone: an empty index that doomed tags are moved onto, so that one DELETE drops a whole batch of them.

Distribution 2.x cannot delete a tag, only a manifest with all its tags. An index without children needs no blob and is
accepted by 2.8 and 3.1. Its annotations name the run and, for each tag of its batch, the digest that the tag named before, so
that an interrupted batch can be finished or undone from the registry's content alone.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    TOMBSTONE,
    TOMBSTONE_ANNOTATION,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    digest_of,
    is_digest,
    is_tag,
)

TAGS_ANNOTATION = TOMBSTONE_ANNOTATION + ".tags"

# The length of a DELETE grows with the tags it drops, and a tag pushed while it runs can be dropped too.
MAX_BATCH = 100

# Beyond the year 9999.
_LATEST = 1e12


@dataclass(frozen=True)
class Parked:
    """What a tag was before it was moved onto a tombstone. PUSHED in seconds since the epoch, None where unknown."""

    digest: str
    pushed: t.Optional[float] = None


@dataclass(frozen=True)
class Tombstone:
    """A tombstone to be pushed."""

    body: bytes
    digest: str
    media_type: str = media_types.OCI_INDEX


def make_tombstone(run: str, tags: t.Mapping[str, Parked]) -> Tombstone:
    """The tombstone of run RUN for at most MAX_BATCH tags. Same input, same bytes."""
    before = {name: [parked.digest, parked.pushed] for name, parked in tags.items()}
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [],
        "annotations": {TOMBSTONE_ANNOTATION: run, TAGS_ANNOTATION: json.dumps(before, sort_keys=True)},
    }
    body = json.dumps(document, sort_keys=True).encode("utf-8")
    return Tombstone(body, digest_of(body))


def read_tombstone(manifest: Manifest) -> t.Dict[str, Parked]:
    """What the tags of a tombstone were before; empty for any other manifest and for annotations that do not hold together."""
    if manifest.kind != TOMBSTONE:
        return {}
    try:
        before = json.loads(manifest.annotations.get(TAGS_ANNOTATION, ""))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(before, dict) or len(before) > MAX_BATCH:
        return {}
    parked = {}
    for name, entry in before.items():
        if not (is_tag(name) and isinstance(entry, list) and len(entry) == 2):
            return {}
        digest, pushed = entry
        if not (isinstance(digest, str) and is_digest(digest)):
            return {}
        parked[name] = Parked(digest, _instant(pushed))
    return parked


def _instant(value: t.Any) -> t.Optional[float]:
    """VALUE as seconds since the epoch; None for no number, and for one beyond any date (which could not be saved or compared)."""
    if type(value) not in (int, float) or not abs(value) < _LATEST:
        return None
    return float(value)
