# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of runs as plain lists and dictionaries, as the modules document them."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.naming import NamedResult
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import Drift, Outcome
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.pruning import PruneResult
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.restore import (
    LOST,
    PRESENT,
    PUSHED_SINCE,
    RESTORED,
    Restored,
    RestoredRepository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import KEEP, Guard, Plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.summary import (
    plan_diff,
    plan_summary,
    repository_details,
)

Result = t.Dict[str, t.Any]

TOTALS = (
    "repositories_seen",
    "repositories_affected",
    "repositories_held",
    "tags_seen",
    "tags_kept",
    "tags_untagged",
    "tags_deleted",
    "tags_dangling",
    "manifests_deleted",
    "untagged_manifests",
    "bytes_freed",
)


def prune_report(result: PruneResult, details: str, check: bool, diff: bool) -> Result:
    """What registry_prune returns. DETAILS: none, deleted or all."""
    plan = result.plan
    report: Result = {
        "changed": not (plan.is_noop or result.blocked_by) if check else result.outcome.changed,
        "plan_id": result.plan_id,
        "totals": {name: value for name, value in plan_summary(plan).items() if name in TOTALS},
        "blocked_by": [guard_report(guard) for guard in result.blocked_by],
        "repositories": repository_details(plan, details),
        "drifted": [_drift(drift) for drift in result.drifted + tuple(result.outcome.drifted)],
        "plan_warnings": list(plan.warnings),
        "held": list(result.held),
        "skipped": [str(entry) for entry in (*result.skipped, *result.outcome.skipped)],
    }
    if diff:
        report["diff"] = plan_diff(plan)
    if check:
        return report
    report.update(_outcome_report(result.outcome))
    report["deleted"] = {
        "tags": sum(len(entry.deleted_tags) for entry in result.outcome.repositories),
        "untagged": sum(len(entry.untagged_tags) for entry in result.outcome.repositories),
        "restored": sum(len(entry.restored_tags) for entry in result.outcome.repositories),
        "manifests": sum(len(entry.deleted_manifests) for entry in result.outcome.repositories),
    }
    if result.backup_file:
        report["backup_file"] = result.backup_file
    return report


def warnings_of(report: Result, check: bool) -> t.List[str]:
    """What a prediction has to say aloud: that a real run would be held, which does not fail the plan."""
    held = report.get("blocked_by") if check else None
    return ["A real run would delete nothing: %s" % guard["message"] for guard in held or ()]


def named_report(result: NamedResult, check: bool, diff: bool) -> Result:
    """What registry_manifest_delete returns."""
    plan = result.named.plan
    if check:
        deleted = [
            (
                entry.name,
                [tag.name for tag in entry.doomed_tags],
                [manifest.digest for manifest in entry.doomed_manifests],
            )
            for entry in plan.actionable
        ]
    else:
        deleted = [
            (entry.name, entry.deleted_tags, entry.deleted_manifests)
            for entry in result.outcome.repositories
            if entry.changed
        ]
    report = _named_base(result, check)
    report["deleted"] = [
        {"repository": name, "tags": sorted(tags), "manifests": list(digests)}
        for name, tags, digests in sorted(deleted)
    ]
    if result.backup_file:
        report["backup_file"] = result.backup_file
    if diff:
        report["diff"] = _named_diff(plan)
    return report


def untag_report(result: NamedResult, check: bool, diff: bool) -> Result:
    """What registry_tag_delete returns."""
    plan = result.named.plan
    if check:
        untagged = [(entry.name, [tag.name for tag in entry.doomed_tags]) for entry in plan.actionable]
    else:
        untagged = [(entry.name, entry.untagged_tags) for entry in result.outcome.repositories if entry.changed]
    report = _named_base(result, check)
    report["untagged"] = [{"repository": name, "tags": sorted(tags)} for name, tags in sorted(untagged)]
    if not check:
        report["strategies"] = _strategies(result.outcome)
    if diff:
        report["diff"] = _named_diff(plan)
    return report


def restore_report(results: t.Sequence[RestoredRepository]) -> Result:
    """What registry_manifest_restore returns."""
    entries = [entry for result in results for entry in result.tags + result.manifests]
    lost = ["%s: %s" % (entry.name, entry.reason) for entry in entries if entry.state == LOST]
    return {
        "changed": any(result.changed for result in results),
        "repositories": [
            {
                "repository": result.name,
                "tags": [_restored(entry) for entry in result.tags],
                "manifests": [_restored(entry) for entry in result.manifests],
            }
            for result in results
        ],
        "totals": {
            state: sum(1 for entry in entries if entry.state == state)
            for state in (RESTORED, PRESENT, PUSHED_SINCE, LOST)
        },
        "errors": ["this cannot be put back: %s" % text for text in lost],
    }


def guard_report(guard: Guard) -> Result:
    """A guard as results show it."""
    return {
        "name": guard.name,
        "repository": guard.repository,
        "message": guard.message,
        "passes_with": guard.passes_with,
    }


def failure_of(report: Result, check: bool) -> str:
    """Why a task with this report fails, in words; empty if it does not."""
    if report.get("refused"):
        first = report["refused"][0]
        return _counted("%s is refused: %s" % (first["reference"], first["reason"]), len(report["refused"]), "refusal")
    blocked = report.get("blocked_by")
    if blocked and not check:
        return "Nothing was deleted: %s" % "; ".join(guard["message"] for guard in blocked)
    if report.get("interrupted"):
        return "The run was interrupted, and the next run finishes it: %s" % report["interrupted"]
    if report.get("errors"):
        return _counted(report["errors"][0], len(report["errors"]), "error")
    return ""


def _counted(text: str, number: int, what: str) -> str:
    return text if number == 1 else "%s (and %d more, see the result)" % (text, number - 1)


def _named_base(result: NamedResult, check: bool) -> Result:
    report: Result = {
        "changed": not (result.named.plan.is_noop or result.named.refusals or result.guard)
        if check
        else result.outcome.changed,
        "absent": sorted(result.named.absent),
        "refused": [{"reference": entry.reference, "reason": entry.reason} for entry in result.named.refusals],
        "blocked_by": [guard_report(result.guard)] if result.guard is not None else [],
        "drifted": [_drift(drift) for drift in result.outcome.drifted],
        "errors": result.outcome.errors + [str(entry) for entry in result.outcome.skipped],
        "interrupted": result.outcome.interrupted,
    }
    return report


def _outcome_report(outcome: Outcome) -> Result:
    return {
        "strategies": _strategies(outcome),
        "errors": list(outcome.errors),
        "interrupted": outcome.interrupted,
    }


def _strategies(outcome: Outcome) -> t.List[Result]:
    return [{"repository": entry.name, "strategy": entry.strategy} for entry in outcome.repositories if entry.changed]


def _drift(drift: Drift) -> Result:
    return {"repository": drift.repository, "name": drift.name, "reason": drift.reason}


def _restored(entry: Restored) -> Result:
    return {"name": entry.name, "digest": entry.digest, "state": entry.state, "reason": entry.reason}


def _named_diff(plan: Plan) -> Result:
    before, after = {}, {}
    for entry in plan.actionable:
        doomed = [manifest.digest for manifest in entry.doomed_manifests]
        before[entry.name] = {"tags": sorted(tag.name for tag in entry.tags), "manifests": sorted(doomed)}
        after[entry.name] = {"tags": sorted(tag.name for tag in entry.tags if tag.action == KEEP), "manifests": []}
    return {"before": before, "after": after}
