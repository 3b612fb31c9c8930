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
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.stored import read_dependants
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository


@dataclass(frozen=True)
class Unfinished:
    """Of one repository: DIGESTS that a run has not deleted yet, with the reason in words, and TAGS that it had doomed, with what
    each of them named. TAGLESS: manifests that it has not deleted either, and that no tag of its led to: policies judge them anew."""

    digests: t.Mapping[str, str] = field(default_factory=dict)
    tags: t.FrozenSet[t.Tuple[str, t.Optional[str]]] = frozenset()
    tagless: t.FrozenSet[str] = frozenset()


def with_digests(client: RegistryClient, looked: Looked, digests: t.Mapping[str, t.Iterable[str]]) -> Looked:
    """LOOKED with the manifests of DIGESTS (by repository) read too, as far as the registry has them, what they name, and what needs them.

    Raises DeadlineExceeded; any other failure is the repository's problem.
    """
    reader = Reader(client, looked.bodies)
    readings = {}
    for repository in looked.snapshot.repositories:
        if repository.name in digests:
            reading = Reading(
                repository.name,
                manifests=dict(repository.manifests),
                missing=set(repository.missing),
                problem=repository.problem,
            )
            reading.want(digests[repository.name])
            readings[repository.name] = reading
    reader.read_wanted(list(readings.values()))
    read_dependants(reader, list(readings.values()), looked.stored)
    repositories = tuple(
        _added(repository, readings[repository.name]) if repository.name in readings else repository
        for repository in looked.snapshot.repositories
    )
    return replace(looked, snapshot=replace(looked.snapshot, repositories=repositories))


def with_unfinished(client: RegistryClient, looked: Looked, unfinished: t.Mapping[str, Unfinished]) -> Looked:
    """LOOKED with the manifests of UNFINISHED (by repository) read, and all but the tagless marked as what an earlier run left to do.

    Digests that the registry no longer has, and those that a tag names again, are left out, as are tags that were pushed since.
    A tag on a tombstone whose manifest is gone dangles, and may go. Raises DeadlineExceeded; any other failure is the repository's problem.
    """
    looked = with_digests(
        client, looked, {name: entry.tagless.union(entry.digests) for name, entry in unfinished.items()}
    )
    repositories = tuple(
        _marked(repository, unfinished.get(repository.name, Unfinished()))
        for repository in looked.snapshot.repositories
    )
    return replace(looked, snapshot=replace(looked.snapshot, repositories=repositories))


def _added(repository: Repository, reading: Reading) -> Repository:
    return replace(repository, manifests=reading.manifests, missing=frozenset(reading.missing), problem=reading.problem)


def _marked(repository: Repository, unfinished: Unfinished) -> Repository:
    tagged = {tag.digest for tag in repository.tags}
    lost = {tag.name for tag in repository.tags if tag.parked and tag.digest in repository.missing}
    names = {name for name, _digest in unfinished.tags}
    doomed = {
        tag.name
        for tag in repository.tags
        if (tag.name, tag.digest) in unfinished.tags or (tag.digest is None and tag.name in names)
    }
    return replace(
        repository,
        tags=tuple(replace(tag, digest=None) if tag.name in lost else tag for tag in repository.tags),
        unfinished={
            digest: reason
            for digest, reason in unfinished.digests.items()
            if digest in repository.manifests and digest not in tagged
        },
        unfinished_tags=frozenset(doomed | lost),
        # The tag that a scan from before that run knows is one that the run took off.
        unlisted={digest: tag for digest, tag in repository.unlisted.items() if digest not in unfinished.digests},
    )
