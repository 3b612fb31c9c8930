# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for what somebody names: manifests to delete by tag or digest, or tags to take off alone."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import Manifest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import Reference
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Snapshot,
    Tag,
)

NAMED = "named"


@dataclass(frozen=True)
class Refusal:
    """A named reference that must not be deleted like this: REASON says why and which option would allow it."""

    reference: str
    reason: str


@dataclass(frozen=True)
class NamedPlan:
    """What naming REFERENCES comes to.

    ABSENT: they name nothing that is listed, which is what was wanted. TORN: (repository, digest) of manifests that are wanted
    out of indexes that stay.
    """

    plan: Plan
    refusals: t.Tuple[Refusal, ...] = ()
    absent: t.Tuple[str, ...] = ()
    torn: t.FrozenSet[t.Tuple[str, str]] = frozenset()


def plan_deletion(
    snapshot: Snapshot,
    references: t.Sequence[Reference],
    shared_tags: bool,
    index_child: bool,
    lost: t.AbstractSet[t.Tuple[str, str]] = frozenset(),
) -> NamedPlan:
    """The plan that deletes the manifests that REFERENCES name, with their tags.

    SHARED_TAGS allows what takes along tags that are not named; INDEX_CHILD allows children of an index that stays. Children of
    a deleted index that no tag and no other index of the repository needs go too, and so does what the snapshot knows as unfinished.
    LOST: (repository, tag) of dangling tags that an earlier run of the same has left, and that can go with their manifest put back.
    """
    plans: t.List[RepositoryPlan] = []
    refusals: t.List[Refusal] = []
    absent: t.List[str] = []
    for repository, named in _by_repository(snapshot, references):
        if repository.problem:
            refusals.extend(Refusal(str(reference), repository.problem) for reference in named)
            continue
        result = _delete_named(repository, named, shared_tags, index_child, lost)
        plans.append(result[0])
        refusals.extend(result[1])
        absent.extend(result[2])
    torn = frozenset(
        (plan.name, manifest.digest) for plan in plans for manifest in plan.doomed_manifests if manifest.reason == NAMED
    )
    return NamedPlan(
        Plan(snapshot.taken_at, tuple(plans)), tuple(refusals), tuple(absent), torn if index_child else frozenset()
    )


def plan_untagging(snapshot: Snapshot, references: t.Sequence[Reference]) -> NamedPlan:
    """The plan that takes off the tags that REFERENCES name and keeps every manifest."""
    plans: t.List[RepositoryPlan] = []
    refusals: t.List[Refusal] = []
    absent: t.List[str] = []
    for repository, named in _by_repository(snapshot, references):
        if repository.problem:
            refusals.extend(Refusal(str(reference), repository.problem) for reference in named)
            continue
        wanted = {reference.tag for reference in named}
        present = {tag.name for tag in repository.tags}
        absent.extend(str(reference) for reference in named if reference.tag not in present)
        parked = _parked_with(repository, {tag.name for tag in repository.tags if tag.name in wanted})
        tags = tuple(
            PlannedTag(
                tag.name,
                tag.digest,
                *((UNTAG, NAMED) if tag.name in wanted else (KEEP, "not named")),
                pushed=tag.pushed,
                parked=parked.get(tag.name, ""),
            )
            for tag in repository.tags
        )
        plans.append(RepositoryPlan(repository.name, tags))
    return NamedPlan(Plan(snapshot.taken_at, tuple(plans)), tuple(refusals), tuple(absent))


def _by_repository(
    snapshot: Snapshot, references: t.Sequence[Reference]
) -> t.List[t.Tuple[Repository, t.List[Reference]]]:
    seen = {repository.name: repository for repository in snapshot.repositories}
    named: t.Dict[str, t.List[Reference]] = {}
    for reference in references:
        named.setdefault(reference.repository, []).append(reference)
    return [(seen.get(name, Repository(name)), entries) for name, entries in sorted(named.items())]


def _delete_named(
    repository: Repository,
    named: t.Sequence[Reference],
    shared_tags: bool,
    index_child: bool,
    lost: t.AbstractSet[t.Tuple[str, str]],
) -> t.Tuple[RepositoryPlan, t.List[Refusal], t.List[str]]:
    tagged = {tag.name: tag.digest for tag in repository.tags}
    digests: t.Dict[str, Reference] = {}
    refusals: t.List[Refusal] = []
    absent: t.List[str] = []
    for reference in named:
        if (repository.name, reference.tag) in lost:
            continue
        if reference.tag is not None and reference.tag in tagged and tagged[reference.tag] is None:
            reason = "the tag dangles: the registry lists it without a manifest. Take it off with registry_tag_delete"
            refusals.append(Refusal(str(reference), reason))
            continue
        digest = reference.digest or tagged.get(reference.tag or "")
        if digest is None or digest not in repository.manifests:
            absent.append(str(reference))
        else:
            digests.setdefault(digest, reference)
    named_tags = {reference.tag for reference in named if reference.tag}
    doomed = list(digests) + _lonely_children(repository, set(digests))
    going = set(doomed)
    links = _Links(repository)
    for digest, reference in digests.items():
        refusals.extend(_refuse(links, digest, reference, named_tags, going, shared_tags, index_child))
    parked = _parked_with(repository, {tag.name for tag in repository.tags if tag.digest in going})
    tags = tuple(
        PlannedTag(
            tag.name,
            tag.digest,
            *_fate(repository, tag, going, named_tags, lost),
            pushed=tag.pushed,
            parked=parked.get(tag.name, ""),
        )
        for tag in repository.tags
    )
    manifests = [
        _planned(
            repository.manifests[digest],
            DELETE,
            NAMED if digest in digests else repository.unfinished.get(digest, "child of a deleted index only"),
        )
        for digest in _index_first(repository, doomed)
    ]
    manifests += [
        _planned(manifest, KEEP, "not named")
        for digest, manifest in sorted(repository.manifests.items())
        if digest not in going
    ]
    return RepositoryPlan(repository.name, tags, tuple(manifests)), refusals, absent


def _fate(
    repository: Repository,
    tag: Tag,
    going: t.AbstractSet[str],
    named_tags: t.AbstractSet[str],
    lost: t.AbstractSet[t.Tuple[str, str]],
) -> t.Tuple[str, str]:
    """What happens to TAG, and why."""
    if tag.digest in going or (repository.name, tag.name) in lost:
        return DELETE, NAMED if tag.name in named_tags else "on a named manifest"
    return KEEP, "not named"


def _parked_with(repository: Repository, going: t.AbstractSet[str]) -> t.Dict[str, str]:
    """Tags that an interrupted run has left on the same tombstone as one of the tags GOING, with that tombstone.

    It goes with those, so the others that stand on it have to be put back. Other tombstones are left to the run that made them.
    """
    tombstones = {tag.parked for tag in repository.tags if tag.name in going and tag.parked}
    return {tag.name: tag.parked for tag in repository.tags if tag.parked in tombstones}


class _Links:
    """Which tags, in order, and which indexes lead to each digest of a repository."""

    def __init__(self, repository: Repository) -> None:
        self.tags: t.Dict[str, t.List[str]] = {}
        self.parents: t.Dict[str, t.List[str]] = {}
        for name, digest in sorted((tag.name, tag.digest) for tag in repository.tags if tag.digest):
            self.tags.setdefault(digest, []).append(name)
        for manifest in repository.manifests.values():
            for child in {child.digest for child in manifest.children}:
                self.parents.setdefault(child, []).append(manifest.digest)

    def name(self, digest: str) -> str:
        """DIGEST with the tags that name it."""
        names = self.tags.get(digest)
        return "%s (%s)" % (", ".join(names), digest) if names else digest


def _refuse(
    links: _Links,
    digest: str,
    reference: Reference,
    named_tags: t.Set[str],
    going: t.Set[str],
    shared_tags: bool,
    index_child: bool,
) -> t.Iterator[Refusal]:
    others = [name for name in links.tags.get(digest, ()) if name not in named_tags]
    if others and not shared_tags:
        reason = (
            "its manifest %s also carries the tags %s, which would go with it; name them too, set shared_tags: delete, or take"
            " the one tag off with registry_tag_delete" % (digest, ", ".join(others))
        )
        yield Refusal(str(reference), reason)
    staying = sorted(links.name(parent) for parent in links.parents.get(digest, ()) if parent not in going)
    if staying and not index_child:
        reason = (
            "it is part of the index %s, which would be left broken; delete the index instead, or set index_child: delete"
            % ", ".join(staying)
        )
        yield Refusal(str(reference), reason)


def _lonely_children(repository: Repository, named: t.Set[str]) -> t.List[str]:
    """Children, nested ones too, of the NAMED that nothing which stays needs, and likewise what an earlier run has left of its own."""
    below = _reach(repository, named).union(repository.unfinished) - named
    roots = {tag.digest for tag in repository.tags if tag.digest and tag.digest not in named}
    roots.update(digest for digest in repository.manifests if digest not in below and digest not in named)
    return sorted(below - _reach(repository, roots))


def _reach(repository: Repository, roots: t.Iterable[str]) -> t.Set[str]:
    """ROOTS and everything below them that the repository has."""
    reached: t.Set[str] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        manifest = repository.manifests.get(digest)
        if manifest is not None and digest not in reached:
            reached.add(digest)
            waiting.extend(child.digest for child in manifest.children)
    return reached


def _index_first(repository: Repository, doomed: t.Sequence[str]) -> t.List[str]:
    """DOOMED with every index before its children; what is cyclic comes last, in order of digest."""
    parents = dict.fromkeys(doomed, 0)
    for digest in doomed:
        for child in {entry.digest for entry in repository.manifests[digest].children}:
            if child in parents:
                parents[child] += 1
    ready = sorted(digest for digest, count in parents.items() if not count)
    ordered: t.List[str] = []
    while ready:
        digest = ready.pop(0)
        ordered.append(digest)
        for child in sorted({entry.digest for entry in repository.manifests[digest].children}):
            if child in parents:
                parents[child] -= 1
                if not parents[child]:
                    ready.append(child)
    return ordered + sorted(set(doomed) - set(ordered))


def _planned(manifest: Manifest, action: str, reason: str) -> PlannedManifest:
    return PlannedManifest(manifest.digest, manifest.media_type, manifest.kind, manifest.size, action, reason)
