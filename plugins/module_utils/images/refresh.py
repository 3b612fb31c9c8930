# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second look at one repository, right before something there is deleted."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound, RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.bodies import Bodies
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.reading import Reader, Reading
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository, Tag


def refresh(client: RegistryClient, seen: Repository, going: t.AbstractSet[str]) -> Repository:
    """SEEN as it is now: every tag is listed and resolved again, and whatever tags that stay have come to name is read.

    GOING: tags that are about to go; what they name need not be read. A tag that is listed and has no manifest has the digest
    None. Raises RegistryError where anything cannot be read: then nothing may be deleted here.
    """
    reader = Reader(client, Bodies(client, most_bytes=0))
    reading = Reading(seen.name, manifests=dict(seen.manifests))
    tags: t.Dict[str, Tag] = {}
    before = {tag.name: tag for tag in seen.tags}
    for _reading, name, outcome in reader.each(
        lambda one, tag: client.head_manifest(one.name, tag), [(reading, tag) for tag in client.tags(seen.name)]
    ):
        if isinstance(outcome, NotFound):
            tags[name] = Tag(name, None)
        elif isinstance(outcome, RegistryError):
            raise outcome
        elif outcome is not None:
            tags[name] = _as_before(before.get(name), Tag(name, outcome.digest))
            if name not in going:
                reading.want((outcome.digest,))
    for manifest in seen.manifests.values():
        reading.need(manifest)
    reader.read_wanted([reading])
    return replace(
        seen,
        tags=tuple(tags[name] for name in sorted(tags)),
        manifests=reading.manifests,
        missing=frozenset(reading.missing),
        problem=reading.problem,
    )


def _as_before(before: t.Optional[Tag], now: Tag) -> Tag:
    """A tag that has not moved since: with all that was known of it (a parked one still stands on its tombstone)."""
    if before is not None and now.digest == (before.parked or before.digest):
        return before
    return now
