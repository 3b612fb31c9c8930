# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the manifests of one repository hang together: children, parents, subjects, companion tags.

Everything here is iterative and linear: whoever can push can write indexes that nest a thousand deep or name
each other.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    TOMBSTONE,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import companion_subject
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Tag,
)

# How BuildKit marks the attestations that it puts beside the images of an index.
NO_PLATFORM = "unknown/unknown"


@dataclass
class Graph:
    """One repository, indexed once.

    Live tags are those that name a manifest which is no tombstone: IMAGES, and COMPANIONS (by tag name, with
    the digests that they are about). DANGLING tags name nothing, TOMBSTONES are leftovers of an unfinished
    run. INNER: digests without a tag that a tagged manifest or an untagged companion has as child, nested
    too. LOOSE: the rest of what has no tag; FOLLOWERS: what has no tag and refers to a subject.
    """

    repository: Repository
    images: t.Dict[str, Tag] = field(default_factory=dict)
    companions: t.Dict[str, t.Tuple[str, ...]] = field(default_factory=dict)
    dangling: t.List[Tag] = field(default_factory=list)
    tombstones: t.List[Tag] = field(default_factory=list)
    tags_of: t.Dict[str, t.List[str]] = field(default_factory=dict)
    digest_of: t.Dict[str, str] = field(default_factory=dict)
    parents: t.Dict[str, t.List[str]] = field(default_factory=dict)
    referrers: t.Dict[str, t.List[str]] = field(default_factory=dict)
    companion_tags_of: t.Dict[str, t.List[str]] = field(default_factory=dict)
    inner: t.Set[str] = field(default_factory=set)
    loose: t.Set[str] = field(default_factory=set)
    followers: t.Set[str] = field(default_factory=set)

    @property
    def manifests(self) -> t.Mapping[str, Manifest]:
        """Every manifest that was read, by digest."""
        return self.repository.manifests

    def children(self, digest: str) -> t.Iterator[str]:
        """The children of DIGEST that exist here."""
        for child in self.manifests[digest].children:
            if child.digest in self.manifests:
                yield child.digest

    def upwards(self, digests: t.Iterable[str]) -> t.Set[str]:
        """DIGESTS and every index that leads to one of them."""
        return _reach(digests, lambda digest: self.parents.get(digest, ()))

    def downwards(self, digests: t.Iterable[str]) -> t.Set[str]:
        """DIGESTS that exist here, and everything that they have as child, nested too."""
        return _reach((digest for digest in digests if digest in self.manifests), self.children)

    def is_gone(self, digest: str) -> bool:
        """Whether the repository is known not to have DIGEST."""
        if digest in self.manifests:
            return False
        revisions = self.repository.revisions
        return digest in self.repository.missing or (revisions is not None and digest not in revisions)


def build_graph(repository: Repository) -> Graph:
    """Index REPOSITORY, in which find_problem found none."""
    graph = Graph(repository)
    manifests = repository.manifests
    for digest in sorted(manifests):
        for child in {child.digest for child in manifests[digest].children}:
            graph.parents.setdefault(child, []).append(digest)
        subject = manifests[digest].subject
        if subject:
            graph.referrers.setdefault(subject, []).append(digest)
    for tag in sorted(repository.tags, key=lambda tag: tag.name):
        _sort_tag(graph, tag)
    tagged = set(graph.tags_of) | {tag.digest for tag in graph.tombstones if tag.digest}
    bare = [digest for digest in manifests if digest not in tagged and manifests[digest].kind != TOMBSTONE]
    referring = [digest for digest in bare if manifests[digest].subject]
    below_tags = graph.downwards(tagged) - tagged
    roots = [digest for digest in referring if digest not in below_tags]
    below_referring: t.Set[str] = set()
    for root in roots:
        below_referring.update(graph.children(root))
    below = below_tags | (graph.downwards(below_referring) - tagged)
    for digest in bare:
        if manifests[digest].subject and digest not in below_tags:
            graph.followers.add(digest)
        elif digest in below:
            graph.inner.add(digest)
        else:
            graph.loose.add(digest)
    return graph


def find_problem(repository: Repository) -> str:
    """Why nothing in REPOSITORY can be decided; '' if everything can.

    What was not read may be an index that needs any other manifest, so one unread manifest leaves the whole
    repository alone.
    """
    if repository.problem:
        return repository.problem
    manifests, missing = repository.manifests, repository.missing
    names: t.Set[str] = set()
    for tag in sorted(repository.tags, key=lambda tag: tag.name):
        if tag.name in names:
            return "tag %s is listed twice" % tag.name
        names.add(tag.name)
        if tag.digest is not None and tag.digest not in manifests and not (tag.parked and tag.digest in missing):
            return "tag %s: its manifest %s was not read" % (tag.name, tag.digest)
    for digest in sorted(manifests):
        if manifests[digest].digest != digest:
            return "%s was read as %s" % (digest, manifests[digest].digest)
        for child in manifests[digest].children:
            if child.digest not in manifests and child.digest not in missing:
                return "%s, a child of %s, was not read" % (child.digest, digest)
    for digest in sorted(repository.revisions or ()):
        if digest not in manifests and digest not in missing:
            return "the untagged manifest %s was not read" % digest
    return ""


def _sort_tag(graph: Graph, tag: Tag) -> None:
    if tag.digest is None or tag.digest not in graph.manifests:
        graph.dangling.append(tag)
        return
    manifest = graph.manifests[tag.digest]
    if manifest.kind == TOMBSTONE:
        graph.tombstones.append(tag)
        return
    graph.tags_of.setdefault(tag.digest, []).append(tag.name)
    graph.digest_of[tag.name] = tag.digest
    subjects = {subject for subject in (companion_subject(tag.name), manifest.subject) if subject}
    if not subjects:
        graph.images[tag.name] = tag
        return
    graph.companions[tag.name] = tuple(sorted(subjects))
    for subject in subjects:
        graph.companion_tags_of.setdefault(subject, []).append(tag.name)


def _reach(start: t.Iterable[str], step: t.Callable[[str], t.Iterable[str]]) -> t.Set[str]:
    reached: t.Set[str] = set()
    waiting = list(start)
    while waiting:
        digest = waiting.pop()
        if digest not in reached:
            reached.add(digest)
            waiting.extend(step(digest))
    return reached
