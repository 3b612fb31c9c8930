# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds a plan against what the store holds now: whatever has moved since is left alone and reported."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    KEEP,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import companion_subject
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.reach import reached
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_scan import (
    RepositoryContents,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.tag_scan import read_history


@dataclass
class StillValid:
    """What of one repository's plan may still be carried out.

    MANIFESTS in the order in which they may go, and LEVELS the same in groups: those of one group must be gone for good before the
    next begins, which holds the children of its indexes. DRIFTED: (tag or digest, why it is left alone). PROBLEM, when not empty, says
    why nothing here may go.
    """

    name: str
    tags: t.List[PlannedTag] = field(default_factory=list)
    levels: t.List[t.List[PlannedManifest]] = field(default_factory=list)
    tombstones: t.List[str] = field(default_factory=list)
    drifted: t.List[t.Tuple[str, str]] = field(default_factory=list)
    problem: str = ""

    @property
    def manifests(self) -> t.List[PlannedManifest]:
        """All of LEVELS, in order."""
        return [manifest for level in self.levels for manifest in level]

    @property
    def is_noop(self) -> bool:
        """Whether there is nothing to do."""
        return bool(self.problem) or not (self.tags or self.levels or self.tombstones)


class Protection(t.Protocol):
    """What nobody may delete, by name or by digest (of a manifest, or of an image's config)."""

    def covers_tag(self, repository: str, tag: str) -> bool: ...

    def covers_digest(self, repository: str, digest: str) -> bool: ...


_PROTECTED = "it is protected"


def still_valid(
    plan: RepositoryPlan,
    now: RepositoryContents,
    tags_folder: str,
    protection: t.Optional[Protection] = None,
    configs: t.Optional[t.Mapping[str, str]] = None,
) -> StillValid:
    """Reduce PLAN to what the repository as it is NOW still allows. TAGS_FOLDER: its _manifests/tags. CONFIGS: of each image that
    is to go, the config's digest.

    A doomed tag that names something else by now stays. A doomed manifest stays if anything that stays needs it: a tag, an
    index (also one that the plan does not know), or a tag whose link is broken and that may have named it. What refers to a
    manifest that stays, by its subject or by its tag's name, stays with it, and so does that tag. What PROTECTION covers stays, with
    every index above it and every tag on these. If something that stays cannot be read, nobody knows what it needs, and nothing goes.
    """
    result = StillValid(plan.name)
    hidden = now.unreadable or ("%d of its links are broken" % now.broken_links if now.broken_links else "")
    if hidden and plan.doomed_manifests:
        result.problem = "not all of it can be read, so what its manifests are needed for is unknown: %s" % hidden
        result.drifted.append((plan.name, result.problem))
        return result
    spared = _spared(plan, now, protection, configs or {}) if protection else set()
    _take_tags(plan, now, protection, spared, result)
    doomed = {manifest.digest: manifest for manifest in plan.doomed_manifests if manifest.digest in now.manifests}
    tombstones = {tag.parked for tag in result.tags if tag.parked and tag.parked in now.manifests}
    roots = _roots(now, {tag.name for tag in result.tags}, tags_folder)
    roots.update(digest for digest in now.manifests if digest not in doomed and digest not in tombstones)
    roots.update(spared)
    # What is not there holds nothing: a signature of a child that is missing is an orphan.
    about = {tag.name: _subjects(tag, now) & now.manifests.keys() for tag in result.tags}
    referrers: t.Dict[str, t.List[str]] = {}
    for referrer, subject in now.subjects.items():
        if referrer in doomed and subject in now.manifests:
            referrers.setdefault(subject, []).append(referrer)
    for tag in result.tags:
        for subject in about[tag.name]:
            if tag.digest in doomed:
                referrers.setdefault(subject, []).append(tag.digest)
    staying = reached(roots, now.children(), referrers)
    unread = sorted(staying & now.unread)
    if unread and (doomed or result.tags):
        result.problem = "%s stays and cannot be read, so what it needs is unknown" % unread[0]
        result.drifted.append((plan.name, result.problem))
        return result
    rescued = staying & doomed.keys()
    result.drifted.extend(
        (digest, _PROTECTED if digest in spared else "something that stays needs it now") for digest in sorted(rescued)
    )
    kept = {tag.name: sorted(about[tag.name] & staying) for tag in result.tags}
    result.drifted.extend(
        (name, "it is about %s, which stays" % subjects[0]) for name, subjects in kept.items() if subjects
    )
    parking = {tag.parked for tag in result.tags if kept[tag.name]}
    result.tags = [tag for tag in result.tags if not kept[tag.name]]
    result.levels = _levels([manifest for digest, manifest in doomed.items() if digest not in rescued], now.parents)
    result.tombstones = sorted(tombstones - parking - staying - doomed.keys())
    return result


def _take_tags(
    plan: RepositoryPlan,
    now: RepositoryContents,
    protection: t.Optional[Protection],
    spared: t.AbstractSet[str],
    result: StillValid,
) -> None:
    """Put the tags of PLAN that may go by themselves into RESULT, and those that may not into what has drifted."""
    for tag in plan.tags:
        if tag.action == KEEP:
            if tag.parked and _names(now, tag.name) == tag.parked:
                result.drifted.append(
                    (tag.name, "an interrupted run has taken it off: registry_prune puts it back over the API")
                )
            continue
        reason = _drift(tag, now)
        if protection and tag.name in now.tags and (tag.digest in spared or protection.covers_tag(plan.name, tag.name)):
            reason = reason or _PROTECTED
        if reason:
            result.drifted.append((tag.name, reason))
        elif tag.name in now.tags:
            result.tags.append(tag)


def _roots(now: RepositoryContents, going: t.AbstractSet[str], tags_folder: str) -> t.Set[str]:
    """What the tags that stay name, and what those whose link is broken may have named."""
    roots = {tag.digest for tag in now.tags.values() if tag.name not in going}
    for name in now.broken_tags:
        roots.update(read_history(os.path.join(tags_folder, name, "index")))
    return roots


def _spared(
    plan: RepositoryPlan, now: RepositoryContents, protection: Protection, configs: t.Mapping[str, str]
) -> t.Set[str]:
    """Manifests that PROTECTION covers, and every index above them."""
    covered = {
        digest
        for digest in now.manifests
        if protection.covers_digest(plan.name, digest)
        or (digest in configs and protection.covers_digest(plan.name, configs[digest]))
    }
    return reached(covered, now.parents)


def _levels(
    manifests: t.Sequence[PlannedManifest], parents: t.Mapping[str, t.Sequence[str]]
) -> t.List[t.List[PlannedManifest]]:
    """MANIFESTS in groups, each in the given order: first those of which no index of MANIFESTS (PARENTS) stays, and so on."""
    left = {manifest.digest: manifest for manifest in manifests}
    levels = []
    while left:
        level = [
            manifest
            for digest, manifest in left.items()
            if not any(parent in left and parent != digest for parent in parents.get(digest, ()))
        ]
        # Indexes cannot name each other in a circle; should they seem to, one group is as good as another.
        level = level or list(left.values())
        levels.append(level)
        for manifest in level:
            del left[manifest.digest]
    return levels


def _subjects(tag: PlannedTag, now: RepositoryContents) -> t.Set[str]:
    """What TAG is about, by its name or by its manifest."""
    named = (companion_subject(tag.name), now.subjects.get(tag.digest or ""))
    return {subject for subject in named if subject}


def _names(now: RepositoryContents, tag: str) -> t.Optional[str]:
    return now.tags[tag].digest if tag in now.tags else None


def _drift(tag: PlannedTag, now: RepositoryContents) -> str:
    """Why the doomed TAG is not what the plan was made for; empty if it is, or is gone."""
    if tag.name in now.broken_tags:
        return "its link is broken, so what it names is unknown"
    seen = _names(now, tag.name)
    if seen is None or seen == tag.digest or (tag.parked and seen == tag.parked):
        return ""
    if tag.digest is None:
        return "" if seen not in now.manifests else "it names %s now, and named nothing" % seen
    return "it names %s now, not %s" % (seen, tag.digest)
