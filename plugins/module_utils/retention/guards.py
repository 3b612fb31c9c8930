# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits that hold a plan or one repository of it, each with the value that would let this plan pass."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import TOMBSTONE
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    KEEP,
    Guard,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import companion_subject
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Options


@dataclass(frozen=True)
class Count:
    """LIVE tags of a repository (on tombstones and dangling ones aside), and how many of them are GOING."""

    live: int
    going: int


def live_tags(plan: RepositoryPlan) -> t.List[PlannedTag]:
    """The tags that count: those that name a manifest which is no tombstone."""
    if plan.problem:
        stones = {manifest.digest for manifest in plan.manifests if manifest.kind == TOMBSTONE}
        return [tag for tag in plan.tags if tag.digest is not None and tag.digest not in stones]
    real = {manifest.digest for manifest in plan.manifests if manifest.kind != TOMBSTONE}
    return [tag for tag in plan.tags if tag.digest in real]


def count(plan: RepositoryPlan) -> Count:
    """Count the tags of PLAN."""
    tags = live_tags(plan)
    return Count(len(tags), sum(1 for tag in tags if tag.action != KEEP))


def guard_repository(plan: RepositoryPlan, options: Options) -> RepositoryPlan:
    """PLAN with the guards that hold this repository."""
    guards = []
    tags = live_tags(plan)
    counted = count(plan)
    limits = options.guards
    if counted.going and not limits.allow_empty_repository and _emptied(tags):
        guards.append(
            Guard(
                "allow_empty_repository",
                "%s: no image would be left of %s; allow_empty_repository: true lets this pass"
                % (plan.name, _tags(counted.live)),
                True,
                plan.name,
            )
        )
    percent = limits.max_delete_percent_per_repository
    if percent is not None and counted.going * 100 > percent * counted.live:
        guards.append(_percent("max_delete_percent_per_repository", percent, counted, plan.name))
    return replace(plan, guards=tuple(guards)) if guards else plan


def guard_run(plans: t.Sequence[RepositoryPlan], options: Options) -> t.Tuple[Guard, ...]:
    """The guards that hold the whole run.

    What a repository's own guard holds does not go, so it does not count as going.
    """
    guards = []
    limits = options.guards
    counts = [count(plan) for plan in plans]
    total = Count(
        sum(counted.live for counted in counts),
        sum(counted.going for counted, plan in zip(counts, plans) if not plan.held),
    )
    if limits.max_delete_tags is not None and total.going > limits.max_delete_tags:
        guards.append(
            Guard(
                "max_delete_tags",
                "%s would go, at most %d may; max_delete_tags: %d lets this plan pass"
                % (_tags(total.going), limits.max_delete_tags, total.going),
                total.going,
            )
        )
    percent = limits.max_delete_percent
    if percent is not None and total.going * 100 > percent * total.live:
        guards.append(_percent("max_delete_percent", percent, total, ""))
    return tuple(guards)


def _emptied(tags: t.Sequence[PlannedTag]) -> bool:
    images = [tag for tag in tags if companion_subject(tag.name) is None]
    return all(tag.action != KEEP for tag in images or tags)


def _percent(name: str, limit: float, counted: Count, repository: str) -> Guard:
    # Rounded up, so that the value named is one that lets the plan pass.
    passes = -(-counted.going * 100 // counted.live)
    message = "%s%d of %s would go (%d%%), at most %g%% may; %s: %d lets this plan pass" % (
        "%s: " % repository if repository else "",
        counted.going,
        _tags(counted.live),
        passes,
        limit,
        name,
        passes,
    )
    return Guard(name, message, passes, repository)


def _tags(number: int) -> str:
    return "1 tag" if number == 1 else "%d tags" % number
