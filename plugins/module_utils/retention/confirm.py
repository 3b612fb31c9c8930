# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds a plan against what the repository looks like now: whatever has moved since is left alone and reported."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import companion_subject
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Tag,
)


@dataclass(frozen=True)
class Moved:
    """A tag or digest that is no longer what the plan was made for, and why it is left alone."""

    name: str
    reason: str


@dataclass(frozen=True)
class Confirmed:
    """What of a plan may still be carried out, and what may not."""

    plan: RepositoryPlan
    moved: t.Tuple[Moved, ...] = ()


def confirm(
    plan: RepositoryPlan,
    now: Repository,
    torn: t.AbstractSet[str] = frozenset(),
    wanted: t.AbstractSet[str] = frozenset(),
) -> Confirmed:
    """Reduce PLAN to what the repository as it is NOW still allows.

    A doomed tag that names something else by now stays, and so does one that was pushed again, where both know when. A doomed
    manifest that a staying tag has come to need, directly or as a child, stays, and so does what refers to it, companion tags
    included; any other doomed tag on it goes alone. The same holds
    for what refers to a manifest that was gone when the plan was made and is back. NOW must hold every manifest that its staying
    tags lead to; where one was not read, the whole repository is left alone. TORN: manifests that are to be torn out of indexes
    that stay, on request: only a tag saves them. WANTED: manifests that stay without a tag.
    """
    current = {tag.name: tag for tag in now.tags}
    moved = []
    tags = []
    going = set()
    for tag in plan.tags:
        seen = current.get(tag.name)
        if tag.action == KEEP:
            tags.append(tag)
            continue
        if seen is None:
            continue
        reason = _drift(tag, seen)
        if reason:
            moved.append(Moved(tag.name, reason))
            tags.append(replace(tag, digest=seen.digest, action=KEEP, reason="drifted: " + reason, parked=""))
        else:
            tags.append(tag)
            going.add(tag.name)
    roots = {tag.digest for tag in now.tags if tag.name not in going and tag.digest}
    roots.update(manifest.digest for manifest in plan.manifests if manifest.action == KEEP)
    roots.update(wanted)
    needed, unread = _closure(roots, now, torn)
    doomed = plan.doomed_manifests
    if unread and doomed:
        reason = "%s was pushed meanwhile and cannot be read, so what it needs is unknown" % sorted(unread)[0]
        kept = tuple(_kept(tag, reason) if tag.action != KEEP else tag for tag in tags)
        return Confirmed(replace(plan, tags=kept, problem=reason), (Moved(plan.name, reason),))
    came_back = (needed - {manifest.digest for manifest in plan.manifests}) | set(wanted)
    rescued = _rescued(plan, needed, came_back, now)
    for digest in sorted(rescued):
        moved.append(Moved(digest, "something that stays needs it now"))
    manifests = tuple(
        replace(manifest, action=KEEP, reason="drifted: something that stays needs it now")
        if manifest.digest in rescued
        else manifest
        for manifest in plan.manifests
    )
    subjects = rescued | came_back
    tags = [_spared(tag, subjects, now) if tag.action == DELETE and tag.digest in rescued else tag for tag in tags]
    return Confirmed(replace(plan, tags=tuple(tags), manifests=manifests), tuple(moved))


def _drift(tag: PlannedTag, seen: Tag) -> str:
    """Why the doomed TAG, which is SEEN like this now, is no longer what the plan was made for; '' if it is."""
    if seen.digest != tag.digest and seen.digest not in (None, tag.parked or None):
        return "it names %s now, not %s" % (seen.digest, tag.digest)
    if tag.pushed is not None and seen.pushed is not None and seen.pushed > tag.pushed:
        return "it was pushed again since the plan was made"
    return ""


def _spared(tag: PlannedTag, subjects: t.AbstractSet[str], now: Repository) -> PlannedTag:
    """A doomed TAG whose manifest stays after all: it stays too if it is about one of SUBJECTS, else it goes alone."""
    about = sorted(subjects & _subjects(tag, now))
    return _kept(tag, "it is about %s, which stays" % about[0]) if about else replace(tag, action=UNTAG)


def _kept(tag: PlannedTag, reason: str) -> PlannedTag:
    return replace(tag, action=KEEP, reason="drifted: " + reason)


def _closure(roots: t.Set[str], now: Repository, torn: t.AbstractSet[str]) -> t.Tuple[t.Set[str], t.Set[str]]:
    """Everything that ROOTS reach through children that are not TORN out, and those of them whose content is unknown (a missing child is known)."""
    needed: t.Set[str] = set()
    unread: t.Set[str] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        if digest in needed or digest in now.missing:
            continue
        needed.add(digest)
        manifest = now.manifests.get(digest)
        if manifest is None:
            unread.add(digest)
        else:
            waiting.extend(child.digest for child in manifest.children if child.digest not in torn)
    return needed, unread


def _subjects(tag: PlannedTag, now: Repository) -> t.Set[str]:
    """What TAG is about, by its name or by its manifest."""
    manifest = now.manifests.get(tag.digest or "")
    named = (companion_subject(tag.name), manifest.subject if manifest is not None else None)
    return {subject for subject in named if subject}


def _rescued(plan: RepositoryPlan, needed: t.Set[str], came_back: t.Set[str], now: Repository) -> t.Set[str]:
    """Doomed manifests that are NEEDED now, with their children and what refers to them, and what refers to what CAME_BACK."""
    pool = {manifest.digest for manifest in plan.doomed_manifests}
    referrers: t.Dict[str, t.List[str]] = {}
    for digest in pool:
        manifest = now.manifests.get(digest)
        if manifest is not None and manifest.subject:
            referrers.setdefault(manifest.subject, []).append(digest)
    for tag in plan.tags:
        if tag.action == DELETE and tag.digest in pool:
            for subject in _subjects(tag, now):
                referrers.setdefault(subject, []).append(tag.digest)
    rescued: t.Set[str] = set()
    waiting = [digest for digest in pool if digest in needed]
    for subject in came_back:
        waiting.extend(referrers.get(subject, ()))
    while waiting:
        digest = waiting.pop()
        if digest in rescued or digest not in pool:
            continue
        rescued.add(digest)
        waiting.extend(referrers.get(digest, ()))
        manifest = now.manifests.get(digest)
        if manifest is not None:
            waiting.extend(child.digest for child in manifest.children)
    return rescued
