# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of one repository, limits and sizes aside."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    TOMBSTONE,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.clauses import Verdict
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.closure import (
    Outcome,
    close,
    deletion_order,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import Policies
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import (
    Graph,
    build_graph,
    find_problem,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Options
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.verdicts import (
    Verdicts,
    reach_verdicts,
)

_NAMED = 3


@dataclass(frozen=True)
class Decided:
    """A repository's plan, its COMPANIONS (tags), and what is worth a warning: ODDITIES by (policy, what), and ORPHANS."""

    plan: RepositoryPlan
    companions: t.FrozenSet[str] = frozenset()
    oddities: t.Mapping[t.Tuple[str, str], t.List[str]] = field(default_factory=dict)
    orphans: t.Tuple[str, ...] = ()


def decide(
    repository: Repository, policies: Policies, options: Options, now: float, elsewhere: t.Callable[[str], str]
) -> Decided:
    """Decide about everything in REPOSITORY; NOW in seconds since the epoch. ELSEWHERE as reach_verdicts takes it.

    One that has a problem is left alone whole.
    """
    problem = find_problem(repository)
    if problem:
        return Decided(_left_alone(repository, problem))
    graph = build_graph(repository)
    verdicts = reach_verdicts(graph, policies, options, now, elsewhere)
    outcome = close(graph, verdicts.intent)
    return _Telling(graph, policies, options, verdicts, outcome).decided()


def _left_alone(repository: Repository, problem: str) -> RepositoryPlan:
    reason = reasons.left_alone(problem)
    tags = {
        tag.name: PlannedTag(tag.name, tag.digest, KEEP, reason, pushed=tag.pushed, parked=tag.parked)
        for tag in sorted(repository.tags, key=lambda tag: (tag.name, tag.digest or ""))
    }
    manifests = [
        replace(_planned(manifest, KEEP, reason), digest=digest)
        for digest, manifest in sorted(repository.manifests.items())
    ]
    return RepositoryPlan(repository.name, tuple(tags.values()), tuple(manifests), problem)


def _planned(manifest: Manifest, action: str, reason: str) -> PlannedManifest:
    return PlannedManifest(manifest.digest, manifest.media_type, manifest.kind, manifest.size, action, reason)


class _Telling:
    """Puts an outcome into words, tag by tag and manifest by manifest."""

    def __init__(
        self, graph: Graph, policies: Policies, options: Options, verdicts: Verdicts, outcome: Outcome
    ) -> None:
        self.graph = graph
        self.policies = policies
        self.options = options
        self.verdicts = verdicts
        self.outcome = outcome

    def decided(self) -> Decided:
        repository, graph = self.graph.repository, self.graph
        tags = [self._tag(tag) for tag in sorted(repository.tags, key=lambda tag: tag.name)]
        manifests = [
            _planned(graph.manifests[digest], DELETE, self._doomed_reason(digest))
            for digest in deletion_order(graph, self.outcome.doomed)
        ]
        for digest in sorted(graph.manifests):
            if digest not in self.outcome.doomed:
                manifests.append(_planned(graph.manifests[digest], KEEP, self._kept_reason(digest)))
        plan = RepositoryPlan(repository.name, tuple(tags), tuple(manifests), untagged=self._untagged())
        orphans = sorted(self.verdicts.orphans - self.outcome.going - self.outcome.doomed)
        return Decided(
            plan,
            frozenset(graph.companions),
            self.verdicts.facts.oddities,
            tuple(self._full_name(orphan) for orphan in orphans),
        )

    def _untagged(self) -> t.Optional[int]:
        graph = self.graph
        if graph.repository.revisions is None:
            return None
        followers = sum(
            1 for digest in graph.followers if not self._kept_subject((graph.manifests[digest].subject or "",))
        )
        return len(graph.loose) + followers

    def _full_name(self, name: str) -> str:
        repository = self.graph.repository.name
        return "%s@%s" % (repository, name) if name in self.graph.manifests else "%s:%s" % (repository, name)

    def _tag(self, tag: Tag) -> PlannedTag:
        verdict = self._tag_verdict(tag)
        created = self.verdicts.facts.created.get(tag.digest or "")
        action = KEEP
        reason = verdict.reason
        if not verdict.keep:
            stays = tag.digest in self.graph.manifests and tag.digest not in self.outcome.doomed
            action = UNTAG if stays else DELETE
            reason = reasons.untagged(reason, self._kept_reason(tag.digest or "")) if stays else reason
        return PlannedTag(tag.name, tag.digest, action, reason, verdict.policy, created, tag.pushed, tag.parked)

    def _tag_verdict(self, tag: Tag) -> Verdict:
        graph = self.graph
        if tag.name in graph.images:
            return self.verdicts.tags[tag.name]
        if tag.name in graph.companions:
            return self._companion_verdict(tag.name)
        if tag.digest is not None and tag.digest in graph.manifests:
            return Verdict(True, reasons.TOMBSTONE)
        why = self.policies.protected.why_tag(graph.repository.name, tag.name) or tag.hold
        if why:
            return Verdict(True, reasons.protected(why))
        if tag.name in graph.repository.unfinished_tags:
            return Verdict(False, reasons.UNFINISHED_GOES)
        if self.options.remove_dangling_tags:
            return Verdict(False, reasons.DANGLING_GOES)
        return Verdict(True, reasons.DANGLING)

    def _companion_verdict(self, name: str) -> Verdict:
        subjects = self.graph.companions[name]
        if name in self.outcome.going:
            if name in self.verdicts.removed:
                left_over = name in self.graph.repository.unfinished_tags
                return Verdict(False, reasons.UNFINISHED_GOES if left_over else reasons.orphaned(subjects[0], True))
            doomed = [subject for subject in subjects if subject in self.outcome.doomed]
            return Verdict(False, reasons.goes_with(doomed[0]))
        if name in self.verdicts.companions:
            return self.verdicts.companions[name]
        if name in self.verdicts.orphans:
            return Verdict(True, reasons.orphaned(subjects[0], False, self.verdicts.spared.get(name, "")))
        return Verdict(True, self._follower_reason(subjects))

    def _follower_reason(self, subjects: t.Sequence[str]) -> str:
        kept = self._kept_subject(subjects)
        if kept is None:
            unknown = [subject for subject in subjects if subject not in self.graph.manifests]
            return "kept: it is not known whether its subject %s is still there" % reasons.short(
                (unknown or subjects)[0]
            )
        own = {self.graph.digest_of.get(name) for name in self.graph.companion_tags_of.get(kept, ())}
        return reasons.CIRCLE if kept in own else reasons.follows(kept)

    def _kept_subject(self, subjects: t.Sequence[str]) -> t.Optional[str]:
        for subject in subjects:
            if subject in self.graph.manifests and subject not in self.outcome.doomed:
                return subject
        return None

    def _kept_reason(self, digest: str) -> str:
        graph = self.graph
        if graph.manifests[digest].kind == TOMBSTONE:
            return reasons.TOMBSTONE
        names = [name for name in graph.tags_of.get(digest, ()) if self._tag_stays(name)]
        if names:
            return "kept: named by %s" % _listed(names)
        if digest in self.outcome.causes:
            why, other = self.outcome.causes[digest]
            return "kept: %s %s, which is kept" % (why, reasons.short(other))
        if digest in self.verdicts.pinned:
            return self.verdicts.pinned[digest]
        verdict = self.verdicts.loose.get(digest)
        if verdict is not None:
            return verdict.reason
        if digest in self.verdicts.orphans:
            return reasons.orphaned(graph.manifests[digest].subject or "", False, self.verdicts.spared.get(digest, ""))
        if digest in graph.followers:
            return self._follower_reason((graph.manifests[digest].subject or "",))
        return "kept: nothing says that it may go"

    def _tag_stays(self, name: str) -> bool:
        verdict = self.verdicts.tags.get(name)
        return name not in self.outcome.going if verdict is None else verdict.keep

    def _doomed_reason(self, digest: str) -> str:
        graph = self.graph
        names = graph.tags_of.get(digest)
        if names:
            return "deleted: no kept tag needs it; it was %s" % _listed(names)
        if digest in graph.inner:
            for parent in graph.parents.get(digest, ()):
                if parent in self.outcome.doomed:
                    return "deleted: child of %s, which goes, and nothing kept needs it" % reasons.short(parent)
        if digest in graph.followers:
            subject = graph.manifests[digest].subject or ""
            if digest in self.verdicts.removed:
                return reasons.orphaned(subject, True)
            if subject in self.outcome.doomed:
                return reasons.goes_with(subject)
        verdict = self.verdicts.loose.get(digest)
        if verdict is not None and not verdict.keep:
            return verdict.reason
        given = graph.repository.unfinished.get(digest, "")
        return reasons.UNFINISHED_GOES + (": %s" % reasons.quoted(given) if given else "")


def _listed(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return "%s %s%s" % (
        "tag" if len(names) == 1 else "tags",
        shown,
        " and %d more" % more if more > 0 else "",
    )
