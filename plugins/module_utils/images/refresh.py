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
    """SEEN as it is now: tags are listed again, those that stay are resolved again, and whatever they have come to name is read.

    GOING: tags that are about to go. They are only listed: each is resolved right before it goes. A tag that is listed and has no manifest has the digest
    None. Raises RegistryError where anything cannot be read: then nothing may be deleted here.
    """
    reader = Reader(client, Bodies(client, most_bytes=0))
    reading = Reading(seen.name, manifests=dict(seen.manifests))
    before = {tag.name: tag for tag in seen.tags}
    listed = _listed(client, seen.name)
    tags = {name: before[name] for name in listed if name in going and name in before}
    staying = [(reading, name) for name in listed if name not in tags]
    for _reading, name, outcome in reader.each(lambda one, tag: client.head_manifest(one.name, tag), staying):
        if isinstance(outcome, NotFound):
            tags[name] = Tag(name, None)
        elif isinstance(outcome, RegistryError):
            raise outcome
        elif outcome is not None:
            tags[name] = _as_before(before.get(name), Tag(name, outcome.digest))
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


def _listed(client: RegistryClient, name: str) -> t.List[str]:
    try:
        return client.tags(name)
    except NotFound:
        return []


def _as_before(before: t.Optional[Tag], now: Tag) -> Tag:
    """A tag that has not moved since: with all that was known of it (a parked one still stands on its tombstone)."""
    if before is not None and now.digest == (before.parked or before.digest):
        return before
    return now
