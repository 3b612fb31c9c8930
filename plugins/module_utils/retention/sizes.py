# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes that go and that stay, over digests: a blob is freed only if nothing kept anywhere needs it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import Manifest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository


@dataclass(frozen=True)
class Measured:
    """Plans with their bytes, the blobs of each one's doomed manifests, and those that nothing kept needs."""

    repositories: t.Tuple[RepositoryPlan, ...]
    doomed_blobs: t.Mapping[str, t.Mapping[str, int]]
    free: t.FrozenSet[str]


def measure(plans: t.Sequence[RepositoryPlan], repositories: t.Mapping[str, Repository]) -> Measured:
    """Fill in bytes_own and bytes_shared. A blob that several repositories give up is own in each of them.

    What a manifest claims about a blob's size is only a claim; of several the lowest counts. Layers that are
    not stored (foreign ones) count nothing.
    """
    sizes: t.Dict[str, int] = {}
    by_repository: t.Dict[str, t.Set[str]] = {}
    for plan in plans:
        used: t.Set[str] = set()
        for manifest in _manifests(plan, repositories, doomed=True):
            for digest, size in _stored(manifest):
                sizes[digest] = min(size, sizes.get(digest, size))
                used.add(digest)
        by_repository[plan.name] = used
    needed: t.Set[str] = set()
    for plan in plans:
        for manifest in _manifests(plan, repositories, doomed=False):
            needed.update(digest for digest, _size in _stored(manifest) if digest in sizes)
    measured = [
        replace(
            plan,
            bytes_own=sum(sizes[digest] for digest in by_repository[plan.name] - needed),
            bytes_shared=sum(sizes[digest] for digest in by_repository[plan.name] & needed),
        )
        for plan in plans
    ]
    blobs = {name: {digest: sizes[digest] for digest in used} for name, used in by_repository.items()}
    return Measured(tuple(measured), blobs, frozenset(set(sizes) - needed))


def bytes_freed(measured: Measured, plans: t.Sequence[RepositoryPlan]) -> int:
    """Bytes that garbage collection frees once everything in PLANS is gone that nothing holds."""
    held: t.Set[str] = set()
    going: t.Dict[str, int] = {}
    for plan in plans:
        if plan.held:
            held.update(measured.doomed_blobs[plan.name])
        else:
            going.update(measured.doomed_blobs[plan.name])
    return sum(size for digest, size in going.items() if digest in measured.free and digest not in held)


def _manifests(plan: RepositoryPlan, repositories: t.Mapping[str, Repository], doomed: bool) -> t.Iterator[Manifest]:
    read = repositories[plan.name].manifests
    for manifest in plan.manifests:
        if (manifest.action == DELETE) == doomed:
            yield read[manifest.digest]


def _stored(manifest: Manifest) -> t.Iterator[t.Tuple[str, int]]:
    yield manifest.digest, manifest.size
    for blob in manifest.blobs:
        if "foreign" not in blob.media_type and "nondistributable" not in blob.media_type:
            yield blob.digest, blob.size
