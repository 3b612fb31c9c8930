# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How tags leave a repository: with their manifest's DELETE, by a DELETE of the tag, or by way of a tombstone."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    KEEP,
    UNTAG,
    PlannedTag,
    RepositoryPlan,
)

AUTO = "auto"
DIGEST = "digest"
TAG = "tag"
TOMBSTONE = "tombstone"

NO_RIGHT_TO_PUSH = "taking it off alone needs the right to push, which these credentials do not have"
DIGEST_MOVES_NO_TAG = "strategy: digest takes no tag off alone, auto does"

# A DELETE by digest reads every tag of the repository: 31 to 44 microseconds a tag on two cores and a local disk. Up to this
# product of manifests and tags the whole costs about four seconds, and deleting by digest is the way with no race at all.
DIGEST_COST_LIMIT = 100 * 1000


class StrategyUnavailable(Exception):
    """A forced strategy that this registry or this run cannot follow; the text says why and what to do."""


@dataclass(frozen=True)
class Abilities:
    """What the registry lets us do. NATIVE_UNTAG: DELETE of a tag works (3.x). MAY_PUSH: we may PUT manifests, and a tombstone is known
    to work there. WHY_NOT: the reason where neither is so, in words. CLOSED: repositories that take no push though others do."""

    native_untag: bool
    may_push: bool = True
    why_not: str = NO_RIGHT_TO_PUSH
    closed: t.FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class Strategy:
    """MOVE: how tags are taken off (TAG, TOMBSTONE, or empty where that cannot be done). ALL: every doomed tag goes that way;
    otherwise only those whose manifest stays, and the others go with their manifest."""

    move: str
    all: bool


def goes_alone(tag: PlannedTag) -> bool:
    """Whether TAG goes and no manifest's deletion takes it along: its manifest stays, or is not there. A parked one goes with its tombstone."""
    return tag.action != KEEP and not tag.parked and (tag.action == UNTAG or tag.digest is None)


def why_no_move(forced: str, abilities: Abilities) -> str:
    """Why tags cannot be taken off alone, in words, where a strategy has no way to."""
    return DIGEST_MOVES_NO_TAG if forced == DIGEST else abilities.why_not


def choose_strategy(forced: str, plan: RepositoryPlan, abilities: Abilities, journalled: bool) -> Strategy:
    """The strategy for one repository. JOURNALLED: what goes is on disk, so that a next run knows of it.

    Raises StrategyUnavailable where FORCED cannot be done. Without a journal, a tag DELETE that is interrupted would leave
    manifests that the API no longer shows, so it is used only where no manifest is to go.
    """
    manifests = plan.doomed_manifests
    native = abilities.native_untag and (journalled or not manifests)
    if forced == TAG and not native:
        raise StrategyUnavailable(
            "strategy: tag needs a backup_dir, or an interruption would leave manifests that nobody can see"
            if abilities.native_untag
            else "strategy: tag needs a registry that deletes tags (Distribution 3.0 and later); use auto or tombstone"
        )
    may_push = abilities.may_push and plan.name not in abilities.closed
    if forced == TOMBSTONE and not may_push:
        raise StrategyUnavailable("use auto or digest instead of strategy: tombstone here: %s" % abilities.why_not)
    if forced in (TAG, TOMBSTONE):
        return Strategy(forced, all=True)
    if forced == DIGEST:
        return Strategy("", all=False)
    move = TAG if native else TOMBSTONE if may_push else ""
    cost = len(manifests) * len(plan.tags)
    return Strategy(move, all=bool(move) and cost > DIGEST_COST_LIMIT)


def strategy_name(strategy: Strategy, plan: RepositoryPlan) -> str:
    """The word that results use for how the tags of PLAN go."""
    moves = strategy.all or (not plan.doomed_manifests and any(tag.action == UNTAG for tag in plan.doomed_tags))
    return strategy.move if moves and strategy.move else DIGEST
