# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An approved plan, held against the registry as it is now. Approval covers its numbers, never what is protected or held."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import KEEP, Plan, RepositoryPlan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository, Snapshot
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.confirm import Moved, confirm
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import Protected

_PROTECTED_SINCE = "protected since the plan was made"


def confirm_approved(
    saved: Plan, snapshot: Snapshot, protected: Protected
) -> t.Tuple[Plan, t.List[t.Tuple[str, Moved]]]:
    """What of SAVED may still be carried out on SNAPSHOT, and (repository, what) for everything that may not."""
    seen = {repository.name: repository for repository in snapshot.repositories}
    entries: t.List[RepositoryPlan] = []
    moved: t.List[t.Tuple[str, Moved]] = []
    for planned in saved.repositories:
        repository = seen.get(planned.name)
        if repository is None:
            if not planned.is_noop:
                reason = "the repository is gone, or not among those of this run"
                moved.append((planned.name, Moved(planned.name, reason)))
            continue
        if repository.problem:
            entries.append(replace(planned, problem=repository.problem))
            continue
        there = tuple(
            entry for entry in planned.manifests if entry.action != KEEP or entry.digest not in repository.missing
        )
        planned = replace(planned, manifests=there)
        spared = _spared(repository, protected)
        confirmed = confirm(_spare(planned, repository, protected, spared), repository, wanted=frozenset(spared))
        moved.extend((planned.name, entry) for entry in confirmed.moved)
        entries.append(confirmed.plan)
    return replace(saved, repositories=tuple(entries), guards=()), moved


def _spared(repository: Repository, protected: Protected) -> t.Dict[str, str]:
    """Digests that are protected or held by now, and of every index above them, with the reason."""
    held = {tag.digest: tag.hold for tag in repository.tags if tag.hold and tag.digest}
    spared = dict.fromkeys(_leading_to(set(held), repository), "something in it is held since the plan was made")
    spared.update(held)
    protects = _leading_to(_protected_digests(repository, protected), repository)
    spared.update(dict.fromkeys(protects, _PROTECTED_SINCE))
    return spared


def _spare(
    planned: RepositoryPlan, repository: Repository, protected: Protected, spared: t.Mapping[str, str]
) -> RepositoryPlan:
    """PLANNED with every tag and manifest kept that is SPARED, and every tag that is protected or held by name."""
    reasons = {tag.name: tag.hold for tag in repository.tags if tag.hold}
    for tag in planned.tags:
        if protected.covers_tag(planned.name, tag.name):
            reasons[tag.name] = _PROTECTED_SINCE
        elif tag.digest is not None and tag.digest in spared:
            reasons.setdefault(tag.name, spared[tag.digest])
    tags = tuple(
        replace(tag, action=KEEP, reason=reasons[tag.name]) if tag.action != KEEP and tag.name in reasons else tag
        for tag in planned.tags
    )
    manifests = tuple(
        replace(manifest, action=KEEP, reason=spared[manifest.digest])
        if manifest.action != KEEP and manifest.digest in spared
        else manifest
        for manifest in planned.manifests
    )
    return replace(planned, tags=tags, manifests=manifests)


def _protected_digests(repository: Repository, protected: Protected) -> t.Set[str]:
    found = set()
    for digest, manifest in repository.manifests.items():
        config = manifest.config_descriptor.digest if manifest.config_descriptor else ""
        if protected.covers_digest(repository.name, digest) or protected.covers_digest(repository.name, config):
            found.add(digest)
    return found


def _leading_to(digests: t.Set[str], repository: Repository) -> t.Set[str]:
    """DIGESTS and every index above them."""
    parents: t.Dict[str, t.List[str]] = {}
    for digest, manifest in repository.manifests.items():
        for child in manifest.children:
            parents.setdefault(child.digest, []).append(digest)
    reached: t.Set[str] = set()
    waiting = list(digests)
    while waiting:
        digest = waiting.pop()
        if digest not in reached:
            reached.add(digest)
            waiting.extend(parents.get(digest, ()))
    return reached
