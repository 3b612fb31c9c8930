# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the policies, and what overrides them, say about each thing in one repository by itself."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Tag
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.clauses import (
    Facts,
    Verdict,
    judge,
    judge_untagged,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.closure import Intent
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import (
    Policies,
    Policy,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.dates import created_times
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.govern import (
    Governed,
    governing_tag,
    governing_untagged,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import Graph
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Options


@dataclass
class Verdicts:
    """Verdicts by name of image tag (TAGS), of companion tag that stays anyway (COMPANIONS), and by digest.

    LOOSE: untagged manifests; FOLLOWERS: untagged companions that go or stay by themselves. PINNED: digests
    that never go, and why. ORPHANS: companion tags and followers whose subject is gone; REMOVED: those of
    them that may go; SPARED: those that stay though orphans are to go, and why.
    """

    facts: Facts
    tags: t.Dict[str, Verdict] = field(default_factory=dict)
    companions: t.Dict[str, Verdict] = field(default_factory=dict)
    loose: t.Dict[str, Verdict] = field(default_factory=dict)
    pinned: t.Dict[str, str] = field(default_factory=dict)
    orphans: t.Set[str] = field(default_factory=set)
    removed: t.Set[str] = field(default_factory=set)
    spared: t.Dict[str, str] = field(default_factory=dict)

    @property
    def intent(self) -> Intent:
        """What may go by itself."""
        unfinished = self.facts.graph.repository.unfinished
        loose = {digest for digest, verdict in self.loose.items() if not verdict.keep}
        return Intent(
            tags=frozenset(name for name, verdict in self.tags.items() if not verdict.keep),
            companions=frozenset(self.companions),
            orphans=frozenset(self.removed),
            loose=frozenset(loose.union(unfinished)),
            pinned=frozenset(self.pinned),
        )


def reach_verdicts(
    graph: Graph, policies: Policies, options: Options, now: float, elsewhere: t.Callable[[str], str]
) -> Verdicts:
    """Apply POLICIES to the repository of GRAPH; NOW in seconds since the epoch.

    ELSEWHERE(digest): why another repository may have what this one lacks, '' if none has it.
    """
    name = graph.repository.name
    here = [policy for policy in policies.policies if policy.governs_repository(name)]
    for_tags = [policy for policy in here if not policy.untagged]
    for_untagged = [policy for policy in here if policy.untagged]
    verdicts = Verdicts(Facts(graph, now, created_times(graph, now), options.pulls))
    _pin(verdicts, policies)
    _judge_images(verdicts, policies, for_tags)
    _judge_companions(verdicts, policies, options, for_tags, elsewhere)
    _judge_untagged(verdicts, options, for_untagged, elsewhere)
    return verdicts


def _pin(verdicts: Verdicts, policies: Policies) -> None:
    graph = verdicts.facts.graph
    name, missing = graph.repository.name, graph.repository.missing
    broken = [
        digest
        for digest, manifest in graph.manifests.items()
        if any(child.digest in missing and child.digest not in graph.manifests for child in manifest.children)
    ]
    for digest, tag in graph.repository.unlisted.items():
        verdicts.pinned[digest] = reasons.NOT_LISTED % tag
    for digest in graph.upwards(broken):
        verdicts.pinned[digest] = reasons.BROKEN_MANIFEST
    why = policies.protected.why_digest
    protected: t.Dict[str, t.List[str]] = {}
    for digest, manifest in graph.manifests.items():
        words = why(name, digest)
        if not words and manifest.config_descriptor is not None:
            words = why(name, manifest.config_descriptor.digest)
        if words:
            protected.setdefault(words, []).append(digest)
    for words, digests in sorted(protected.items()):
        for digest in graph.upwards(digests):
            verdicts.pinned[digest] = reasons.leads_to_protected(words)
    for words, digests in protected.items():
        verdicts.pinned.update(dict.fromkeys(digests, reasons.protected(words)))


def _override(verdicts: Verdicts, policies: Policies, tag: Tag) -> t.Optional[Verdict]:
    """What keeps TAG whatever a policy says, if anything does."""
    if tag.hold:
        return Verdict(True, "kept: %s" % tag.hold)
    why = policies.protected.why_tag(verdicts.facts.graph.repository.name, tag.name)
    if why:
        return Verdict(True, reasons.protected(why))
    pinned = verdicts.pinned.get(tag.digest or "")
    if pinned is not None:
        return Verdict(True, reasons.BROKEN if pinned == reasons.BROKEN_MANIFEST else pinned)
    return None


def _judge_images(verdicts: Verdicts, policies: Policies, candidates: t.Sequence[Policy]) -> None:
    graph = verdicts.facts.graph
    governed: t.Dict[str, t.Tuple[Policy, t.List[Tag]]] = {}
    for name, tag in graph.images.items():
        found = governing_tag(candidates, graph, name, tag.digest or "")
        if found is None:
            verdicts.tags[name] = Verdict(True, reasons.NOT_GOVERNED)
        elif found.doubt:
            verdicts.tags[name] = _doubtful(found)
        elif verdicts.pinned.get(tag.digest or "") == reasons.BROKEN_MANIFEST:
            # Nobody can pull it whole, so it takes no place from one that is.
            verdicts.tags[name] = Verdict(True, reasons.BROKEN, found.policy.name)
        else:
            governed.setdefault(found.policy.name, (found.policy, []))[1].append(tag)
    for policy, tags in governed.values():
        verdicts.tags.update(judge(policy, tags, verdicts.facts))
    for name, tag in graph.images.items():
        override = _override(verdicts, policies, tag)
        if override is not None:
            verdicts.tags[name] = Verdict(True, override.reason, verdicts.tags[name].policy)


def _judge_companions(
    verdicts: Verdicts,
    policies: Policies,
    options: Options,
    candidates: t.Sequence[Policy],
    elsewhere: t.Callable[[str], str],
) -> None:
    """Companions follow their subject; of the policies only keep: all and keep_tags bear on them."""
    graph = verdicts.facts.graph
    live = {tag.name: tag for tag in graph.repository.tags if tag.name in graph.companions}
    for name, subjects in graph.companions.items():
        tag = live[name]
        found = governing_tag(candidates, graph, name, tag.digest or "")
        stays = _override(verdicts, policies, tag)
        if stays is None and found is not None:
            stays = _doubtful(found) if found.doubt else _explicit_keep(found.policy, name)
        if all(graph.is_gone(subject) for subject in subjects):
            verdicts.orphans.add(name)
            # The run that deleted its subject was to delete it, too, and did not reach it.
            left_over = name in graph.repository.unfinished_tags
            if stays is None and left_over:
                verdicts.removed.add(name)
            elif stays is None and options.remove_orphans and found is not None:
                _remove_orphan(verdicts, name, subjects, elsewhere)
        if stays is not None:
            verdicts.companions[name] = stays


def _remove_orphan(verdicts: Verdicts, name: str, subjects: t.Iterable[str], elsewhere: t.Callable[[str], str]) -> None:
    """Let the orphan NAME go, unless what it is about is in another repository: signatures may have one of their own."""
    why = [text for text in (elsewhere(subject) for subject in subjects) if text]
    if why:
        verdicts.spared[name] = why[0]
    else:
        verdicts.removed.add(name)


def _doubtful(governed: Governed) -> Verdict:
    return Verdict(True, reasons.kept(governed.policy.name, governed.doubt), governed.policy.name)


def _explicit_keep(policy: Policy, tag: str) -> t.Optional[Verdict]:
    if policy.keep_all:
        return Verdict(True, reasons.kept(policy.name, "keep: all"), policy.name)
    pattern = policy.keep_tags.match(tag) if policy.keep_tags is not None else None
    if pattern is not None:
        return Verdict(True, reasons.kept(policy.name, "matches keep_tags %s" % pattern), policy.name)
    return None


def _judge_untagged(
    verdicts: Verdicts, options: Options, candidates: t.Sequence[Policy], elsewhere: t.Callable[[str], str]
) -> None:
    graph = verdicts.facts.graph
    orphans = {digest for digest in graph.followers if graph.is_gone(graph.manifests[digest].subject or "")}
    verdicts.orphans |= orphans
    revisions = graph.repository.revisions
    for digest in sorted(graph.loose | orphans):
        found = governing_untagged(candidates, graph, digest)
        if found is None:
            verdict = Verdict(True, "kept: untagged, no policy governs it")
        elif found.doubt:
            verdict = _doubtful(found)
        elif revisions is None and not found.policy.keep_all:
            # Another untagged index, which nobody could list, may need it.
            verdict = Verdict(
                True,
                reasons.kept(found.policy.name, "untagged manifests could not be listed"),
                found.policy.name,
            )
        elif graph.repository.doubt:
            verdict = Verdict(True, reasons.kept(found.policy.name, graph.repository.doubt), found.policy.name)
        else:
            revision = (revisions or {}).get(digest)
            since = revision.untagged_since if revision is not None else None
            verdict = judge_untagged(found.policy, digest, since, verdicts.facts)
        if digest in graph.loose:
            verdicts.loose[digest] = verdict
        elif options.remove_orphans and not verdict.keep:
            _remove_orphan(verdicts, digest, (graph.manifests[digest].subject or "",), elsewhere)
