# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A grace between the loss of a manifest's tags and its own deletion, in which putting it back is putting back a tag."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    Plan,
    RepositoryPlan,
)


def defer_manifests(plan: Plan, due: t.Mapping[str, t.AbstractSet[str]]) -> t.Tuple[Plan, t.Dict[str, t.List[str]]]:
    """PLAN in which tags go and their manifests stay, and the manifests that wait, per repository.

    DUE: by repository, manifests whose grace is over, which still go. BYTES_FREED stays what it was: that is what comes back once
    the grace is over.
    """
    waiting: t.Dict[str, t.List[str]] = {}
    repositories = tuple(_defer(entry, due.get(entry.name, frozenset()), waiting) for entry in plan.repositories)
    return replace(plan, repositories=repositories), waiting


def _defer(plan: RepositoryPlan, due: t.AbstractSet[str], waiting: t.Dict[str, t.List[str]]) -> RepositoryPlan:
    if plan.is_noop:
        return plan
    later = [manifest.digest for manifest in plan.doomed_manifests if manifest.digest not in due]
    if later:
        waiting[plan.name] = later
    tags = tuple(
        replace(tag, action=UNTAG) if tag.action == DELETE and tag.digest not in due else tag for tag in plan.tags
    )
    manifests = tuple(
        replace(manifest, action=KEEP, reason="in its grace: " + manifest.reason)
        if manifest.action == DELETE and manifest.digest not in due
        else manifest
        for manifest in plan.manifests
    )
    return replace(plan, tags=tags, manifests=manifests)
