# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies + what a registry holds -> a plan.

Pure: the same input gives the same plan, in whatever order it arrives.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Snapshot
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import Policies
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.decide import decide
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import find_problem
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.guards import (
    guard_repository,
    guard_run,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.notices import (
    gather_warnings,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import (
    Guards,
    Options,
    Pulls,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.sizes import (
    bytes_freed,
    measure,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.validation import (
    PolicyInvalid,
)

__all__ = ["Guards", "Options", "Pulls", "make_plan", "refuse_without_pulls"]

_DEFAULTS = Options()


def refuse_without_pulls(policies: Policies, options: Options) -> None:
    """Raise PolicyInvalid if a policy asks when images were pulled and OPTIONS do not tell.

    Worth asking before any request.
    """
    if options.pulls is None:
        for policy in policies.policies:
            if policy.keep_pulled_within is not None:
                raise PolicyInvalid(
                    "%s: this needs pull times, which the registry's API does not tell, and none were given"
                    % policy.keep_pulled_within.text,
                    policy=policy.name,
                    key="keep_pulled_within",
                    value=policy.keep_pulled_within.text,
                )


def make_plan(snapshot: Snapshot, policies: Policies, options: Options = _DEFAULTS) -> Plan:
    """Plan what goes from SNAPSHOT by POLICIES; the time is the snapshot's own.

    Raises PolicyInvalid as refuse_without_pulls does, else never: a repository about which something is not
    known is left alone and says so.
    """
    refuse_without_pulls(policies, options)
    repositories = sorted(snapshot.repositories, key=lambda repository: repository.name)
    elsewhere = _elsewhere(snapshot, options)
    decided = [decide(repository, policies, options, snapshot.taken_at, elsewhere) for repository in repositories]
    measured = measure([entry.plan for entry in decided], {repository.name: repository for repository in repositories})
    companions = {entry.plan.name: entry.companions for entry in decided}
    plans = tuple(guard_repository(plan, options, companions[plan.name]) for plan in measured.repositories)
    return Plan(
        taken_at=snapshot.taken_at,
        repositories=plans,
        guards=guard_run(plans, options),
        warnings=gather_warnings(policies, repositories, decided, snapshot.complete),
        bytes_freed=bytes_freed(measured, plans),
    )


def _elsewhere(snapshot: Snapshot, options: Options) -> t.Callable[[str], str]:
    """Why any repository but the one that lacks a digest may have it, '' if none has. Worked out only where orphans are to go."""
    if not options.remove_orphans:
        return lambda _digest: ""
    found = {digest for repository in snapshot.repositories for digest in repository.manifests}
    found.update(digest for repository in snapshot.repositories for digest in repository.revisions or ())
    unknown = ""
    if not snapshot.complete:
        unknown = reasons.NOT_LOOKED_AT
    elif any(find_problem(repository) for repository in snapshot.repositories):
        unknown = reasons.NOT_READABLE
    return lambda digest: reasons.ELSEWHERE if digest in found else unknown
