# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that would have to go alone and cannot go alone here: spared before anything is written, so that check mode says it, too."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.lost import LostTags
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import Skipped
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    Abilities,
    choose_strategy,
    goes_alone,
    why_no_move,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    KEEP,
    Plan,
    PlannedTag,
    RepositoryPlan,
)


def spare_stuck(plan: Plan, forced: str, abilities: Abilities, lost: LostTags) -> t.Tuple[Plan, t.Tuple[Skipped, ...]]:
    """PLAN in which tags stay that no strategy can take off here, and these. LOST: dangling tags that go with their manifest put back.

    Raises StrategyUnavailable where FORCED cannot be followed.
    """
    skipped: t.List[Skipped] = []
    repositories = [
        entry if entry.is_noop else _spare(entry, forced, abilities, lost, skipped) for entry in plan.repositories
    ]
    return (replace(plan, repositories=tuple(repositories)) if skipped else plan), tuple(skipped)


def _spare(
    plan: RepositoryPlan, forced: str, abilities: Abilities, lost: LostTags, skipped: t.List[Skipped]
) -> RepositoryPlan:
    if choose_strategy(forced, plan, abilities, journalled=True).move:
        return plan
    why = why_no_move(forced, abilities)
    tags: t.List[PlannedTag] = []
    for tag in plan.tags:
        if goes_alone(tag) and (plan.name, tag.name) not in lost:
            skipped.append(Skipped(plan.name, tag.name, tag.digest is None, why))
            tag = replace(tag, action=KEEP, reason="kept: %s. It would be %s" % (why, tag.reason))
        tags.append(tag)
    return replace(plan, tags=tuple(tags))
