# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From tags that may go to manifests that may go: what something kept needs stays.

A manifest becomes a candidate only where something says positively that it may go; then everything that is no
candidate keeps what it needs. Circles, and whatever nothing speaks about, therefore stay.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import TOMBSTONE
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import Graph
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.succession import in_succession


@dataclass(frozen=True)
class Intent:
    """What may go by itself.

    TAGS: image tags that a policy deletes. COMPANIONS: companion tags that must stay whatever their subject
    does. ORPHANS: companion tags, and followers by digest, whose subject is gone and that may go. LOOSE:
    untagged manifests that may go. PINNED: digests that never go.
    """

    tags: t.FrozenSet[str]
    companions: t.FrozenSet[str]
    orphans: t.FrozenSet[str]
    loose: t.FrozenSet[str]
    pinned: t.FrozenSet[str]


@dataclass(frozen=True)
class Outcome:
    """GOING: tags that go.

    DOOMED: digests that go. CAUSES: for a kept digest that another one needs, (why, that digest).
    """

    going: t.FrozenSet[str]
    doomed: t.FrozenSet[str]
    causes: t.Mapping[str, t.Tuple[str, str]]


def close(graph: Graph, intent: Intent) -> Outcome:
    """Work out what really goes. Linear in the number of manifests, tags and links between them."""
    going, candidates = _Spread(graph, intent).run()
    causes = _needed(graph, candidates)
    doomed = {digest for digest in candidates if digest not in causes}
    stays = {
        tag
        for tag in going
        if any(subject in graph.manifests and subject not in doomed for subject in graph.companions.get(tag, ()))
    }
    return Outcome(frozenset(going - stays), frozenset(doomed), causes)


class _Spread:
    """Carries 'may go' from tags to manifests, from indexes to children, from subjects to companions."""

    def __init__(self, graph: Graph, intent: Intent) -> None:
        self.graph = graph
        self.intent = intent
        self.going: t.Set[str] = set()
        self.candidates: t.Set[str] = set()
        self.waiting: t.List[str] = []
        self.tags_left = {digest: len(tags) for digest, tags in graph.tags_of.items()}
        self.subjects_left: t.Dict[str, int] = {}

    def run(self) -> t.Tuple[t.Set[str], t.Set[str]]:
        graph, intent = self.graph, self.intent
        for tag, subjects in graph.companions.items():
            if tag in intent.companions:
                continue
            present = [subject for subject in subjects if subject in graph.manifests]
            known = all(subject in graph.manifests or graph.is_gone(subject) for subject in subjects)
            if present and known:
                self.subjects_left[tag] = len(present)
            elif tag in intent.orphans:
                self._tag_goes(tag)
        for tag in intent.tags:
            self._tag_goes(tag)
        for digest in intent.loose:
            self._may_go(digest)
        for digest in intent.orphans & graph.followers:
            self._may_go(digest)
        while self.waiting:
            self._spread_from(self.waiting.pop())
        return self.going, self.candidates

    def _spread_from(self, digest: str) -> None:
        graph = self.graph
        for child in graph.children(digest):
            if child in graph.inner:
                self._may_go(child)
        for referrer in graph.referrers.get(digest, ()):
            if referrer in graph.followers:
                self._may_go(referrer)
        for tag in graph.companion_tags_of.get(digest, ()):
            if tag in self.subjects_left:
                self.subjects_left[tag] -= 1
                if not self.subjects_left[tag]:
                    self._tag_goes(tag)

    def _tag_goes(self, tag: str) -> None:
        digest = self.graph.digest_of[tag]
        self.going.add(tag)
        self.tags_left[digest] -= 1
        if not self.tags_left[digest]:
            self._may_go(digest)

    def _may_go(self, digest: str) -> None:
        if digest in self.candidates or digest in self.intent.pinned or self.tags_left.get(digest):
            return
        if digest in self.graph.manifests and self.graph.manifests[digest].kind != TOMBSTONE:
            self.candidates.add(digest)
            self.waiting.append(digest)


def _needed(graph: Graph, candidates: t.Set[str]) -> t.Dict[str, t.Tuple[str, str]]:
    """What the manifests that are no candidates need, and why.

    Breadth first in a fixed order, so reasons do not vary.
    """
    causes: t.Dict[str, t.Tuple[str, str]] = {}
    queue = sorted(digest for digest in graph.manifests if digest not in candidates)
    seen = set(queue)
    for digest in queue:
        for why, other in _needs(graph, digest):
            if other != digest and other not in causes:
                causes[other] = (why, digest)
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return causes


def _needs(graph: Graph, digest: str) -> t.Iterator[t.Tuple[str, str]]:
    for child in graph.children(digest):
        yield "child of", child
    for referrer in graph.referrers.get(digest, ()):
        yield "refers to", referrer
    for tag in graph.companion_tags_of.get(digest, ()):
        yield "refers to", graph.digest_of[tag]


def deletion_order(graph: Graph, doomed: t.AbstractSet[str]) -> t.List[str]:
    """DOOMED so that an index goes before its children and a subject before what refers to it.

    Among those that may go next, images go before companions, then by digest.
    """

    def rank(digest: str) -> t.Tuple[bool, str]:
        tags = graph.tags_of.get(digest, ())
        return bool(graph.manifests[digest].subject) or any(tag in graph.companions for tag in tags), digest

    after = {digest: {other for _why, other in _needs(graph, digest) if other in doomed} for digest in doomed}
    return in_succession(after, rank)
