# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an earlier run had planned to delete and did not reach, added to a look."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.reading import Reader, Reading
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository


@dataclass(frozen=True)
class Unfinished:
    """Of one repository: DIGESTS that a run has not deleted yet, with the reason in words, and TAGS that it had doomed."""

    digests: t.Mapping[str, str] = field(default_factory=dict)
    tags: t.FrozenSet[str] = frozenset()


def with_unfinished(client: RegistryClient, looked: Looked, unfinished: t.Mapping[str, Unfinished]) -> Looked:
    """LOOKED with the manifests of UNFINISHED (by repository) read, and marked as what an earlier run left to do.

    Digests that the registry no longer has, and those that a tag names again, are left out. Raises DeadlineExceeded; any other
    failure is the repository's problem.
    """
    seen = [repository for repository in looked.snapshot.repositories if repository.name in unfinished]
    if not seen:
        return looked
    reader = Reader(client, looked.bodies)
    readings = {}
    for repository in seen:
        reading = Reading(
            repository.name,
            manifests=dict(repository.manifests),
            missing=set(repository.missing),
            problem=repository.problem,
        )
        reading.want(unfinished[repository.name].digests)
        readings[repository.name] = reading
    reader.read_wanted(list(readings.values()))
    repositories = tuple(
        _added(repository, readings[repository.name], unfinished[repository.name]) if repository.name in readings else repository
        for repository in looked.snapshot.repositories
    )
    return replace(looked, snapshot=replace(looked.snapshot, repositories=repositories))


def _added(repository: Repository, reading: Reading, unfinished: Unfinished) -> Repository:
    tagged = {tag.digest for tag in repository.tags}
    return replace(
        repository,
        manifests=reading.manifests,
        missing=frozenset(reading.missing),
        problem=reading.problem,
        unfinished={
            digest: reason
            for digest, reason in unfinished.digests.items()
            if digest in reading.manifests and digest not in tagged
        },
        unfinished_tags=unfinished.tags,
    )
