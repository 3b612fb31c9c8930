# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as a module returns it: totals, details as asked for, and tags before and after."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    Guard,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.guards import live_tags

DETAILS_NONE = "none"
DETAILS_DELETED = "deleted"
DETAILS_ALL = "all"


def plan_summary(plan: Plan) -> t.Dict[str, t.Any]:
    """Totals of PLAN as it stands, what a guard holds included; bytes_freed leaves out held repositories.

    Tags on a tombstone and dangling ones are not counted among the tags. untagged_manifests is None unless
    every repository's untagged manifests could be listed.
    """
    parts = [repository_summary(repository) for repository in plan.repositories]
    untagged = [repository.untagged for repository in plan.repositories]
    known = [number for number in untagged if number is not None]
    return {
        "plan_id": plan.identity,
        "taken_at": format_instant(plan.taken_at),
        "repositories_seen": len(parts),
        "repositories_affected": len(plan.actionable),
        "repositories_held": sum(1 for repository in plan.repositories if repository.held),
        "tags_seen": sum(part["tags_seen"] for part in parts),
        "tags_kept": sum(part["tags_kept"] for part in parts),
        "tags_untagged": sum(part["tags_untagged"] for part in parts),
        "tags_deleted": sum(part["tags_deleted"] for part in parts),
        "tags_dangling": sum(part["tags_dangling"] for part in parts),
        "manifests_deleted": sum(part["manifests_deleted"] for part in parts),
        "untagged_manifests": sum(known) if len(known) == len(untagged) else None,
        "bytes_freed": plan.bytes_freed,
        "blocked_by": blocked_by(plan),
        "warnings": list(plan.warnings),
    }


def blocked_by(plan: Plan) -> t.List[t.Dict[str, t.Any]]:
    """Every guard that holds something: those of the run first (repository is ''), then by repository."""
    guards = list(plan.guards)
    for repository in plan.repositories:
        guards.extend(repository.guards)
    return [_guard(guard) for guard in guards]


def repository_summary(repository: RepositoryPlan) -> t.Dict[str, t.Any]:
    """Totals of one repository."""
    live = live_tags(repository)
    actions = [tag.action for tag in live]
    return {
        "name": repository.name,
        "tags_seen": len(live),
        "tags_kept": actions.count(KEEP),
        "tags_untagged": actions.count(UNTAG),
        "tags_deleted": actions.count(DELETE),
        "tags_dangling": _dangling(repository),
        "manifests_deleted": len(repository.doomed_manifests),
        "untagged_manifests": repository.untagged,
        "bytes_own": repository.bytes_own,
        "bytes_shared": repository.bytes_shared,
        "problem": repository.problem,
        "blocked_by": [_guard(guard) for guard in repository.guards],
    }


def repository_details(plan: Plan, details: str = DETAILS_DELETED) -> t.List[t.Dict[str, t.Any]]:
    """One dictionary for each repository, with its tags and manifests.

    DETAILS: none (an empty list), deleted (repositories in which something goes or which something holds,
    with what goes), or all.
    """
    if details == DETAILS_NONE:
        return []
    entries = []
    for repository in plan.repositories:
        everything = details == DETAILS_ALL
        tags = repository.tags if everything else repository.doomed_tags + repository.stranded_tags
        manifests = repository.manifests if everything else repository.doomed_manifests
        if everything or tags or manifests or repository.held:
            entry = repository_summary(repository)
            entry["tags"] = [_tag(tag) for tag in tags]
            entry["manifests"] = [_manifest(manifest) for manifest in manifests]
            entries.append(entry)
    return entries


def plan_diff(plan: Plan) -> t.Dict[str, str]:
    """The tags before and after, as text, of every repository in which PLAN would change a tag."""
    before: t.List[str] = []
    after: t.List[str] = []
    for repository in plan.actionable:
        if repository.doomed_tags:
            before.append("%s:" % repository.name)
            before.extend("  - %s" % tag.name for tag in repository.tags)
            stay = ["  - %s" % tag.name for tag in repository.tags if tag.action == KEEP]
            after.append("%s:%s" % (repository.name, "" if stay else " []"))
            after.extend(stay)
    return {"before": _lines(before), "after": _lines(after)}


def _dangling(repository: RepositoryPlan) -> int:
    return sum(1 for tag in repository.tags if tag.digest is None)


def _guard(guard: Guard) -> t.Dict[str, t.Any]:
    return {
        "name": guard.name,
        "repository": guard.repository,
        "message": guard.message,
        "passes_with": guard.passes_with,
    }


def _tag(tag: PlannedTag) -> t.Dict[str, t.Any]:
    return {
        "name": tag.name,
        "digest": tag.digest,
        "action": tag.action,
        "reason": tag.reason,
        "policy": tag.policy,
        "created": format_instant(tag.created),
        "pushed": format_instant(tag.pushed),
    }


def _manifest(manifest: PlannedManifest) -> t.Dict[str, t.Any]:
    return {
        "digest": manifest.digest,
        "media_type": manifest.media_type,
        "kind": manifest.kind,
        "size": manifest.size,
        "action": manifest.action,
        "reason": manifest.reason,
    }


def _lines(lines: t.Sequence[str]) -> str:
    return "".join("%s\n" % line for line in lines)
