# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole pruning run: look, decide, plan, back up, apply. The module only translates options and results."""

from __future__ import annotations

import typing as t
import uuid
from dataclasses import dataclass, field, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.hidden_tags import hides_none
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.apply import Applier
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.backup import back_up
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletable import find_abilities
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.earlier import (
    close_finished,
    due_journals,
    over_grace,
    protected_by_name,
    strike_tagged,
    unfinished_of,
    with_grace,
    with_pins,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.grace import defer_manifests
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    JournalWriter,
    unfinished_journals,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.leftovers import clear_tombstones
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.lost import (
    LostTags,
    find_lost,
    note_hopeless,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import (
    Drift,
    Outcome,
    Skipped,
    keep_outcome,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.plan_file import (
    PlanFileError,
    read_plan,
    write_plan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.state import (
    held_manifests,
    read_state,
    recall,
    remember,
    update_state,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    AUTO,
    Abilities,
    StrategyUnavailable,
    choose_strategy,
    why_no_move,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.stuck import spare_stuck
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked, Needs, look
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.selection import (
    names_without_patterns,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.unfinished import with_unfinished
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import KEEP, Guard, Plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import Progress
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import GARBAGE_COLLECT, Scan
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.approved import confirm_approved
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import Policies
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import Options, make_plan

# Why something is kept whatever a policy says, in the words of a plan.
HELD = "held after it was restored"
BY_NAME = "protected by the name of a tag that an earlier run has taken off"


@dataclass(frozen=True)
class PruneRequest:
    """What is asked of a run.

    REPOSITORIES: patterns that limit it, None for all. APPROVED: the saved plan's path, carried out instead of a new plan, and
    APPROVED_ID what it must be. PLAN_FILE: where the plan is saved. GRACE: seconds for which manifests stay after their tags
    went. CHECK: only plan. ASSUME_ENABLED: deletes that are switched off are no obstacle in check mode.
    """

    policies: Policies
    options: Options
    repositories: t.Optional[t.Sequence[str]] = None
    scan: t.Optional[Scan] = None
    approved: str = ""
    approved_id: str = ""
    plan_file: str = ""
    backup_dir: str = ""
    strategy: str = AUTO
    grace: float = 0.0
    check: bool = False
    assume_enabled: bool = False


@dataclass
class PruneResult:
    """What a run came to. BLOCKED_BY holds it as a whole; OUTCOME is empty where nothing was carried out.

    PLAN_ID: what the plan is called, of which PLAN has put off what has its grace, and spared what is SKIPPED.
    UNSAVED: repositories that were left alone for want of a backup. HELD_TAGS: tags ('repository:tag') that are held from pruning.
    """

    plan: Plan
    blocked_by: t.Tuple[Guard, ...] = ()
    outcome: Outcome = field(default_factory=Outcome)
    drifted: t.Tuple[Drift, ...] = ()
    backup_file: str = ""
    unsaved: t.FrozenSet[str] = frozenset()
    held: t.Tuple[str, ...] = ()
    plan_id: str = ""
    skipped: t.Tuple[Skipped, ...] = ()


def prune(
    client: RegistryClient, request: PruneRequest, now: float, progress: t.Optional[Progress] = None
) -> PruneResult:
    """Carry out REQUEST at NOW (seconds since the epoch). PROGRESS is told of every step, from any thread.

    Raises RegistryError where the registry cannot be read, JournalError, StateError or PlanFileError where a file of ours cannot
    be used, and StrategyUnavailable. Nothing has been deleted then: what fails later is in the outcome.
    """
    url = client.address.base
    journals = unfinished_journals(request.backup_dir, url) if request.backup_dir else []
    due = due_journals(journals, request.grace, now)
    policies = with_grace(request.policies, journals, due)
    state = read_state(request.backup_dir, url) if request.backup_dir else None
    held = held_manifests(state, now) if state is not None else frozenset()
    policies = with_pins(policies, held, HELD)
    saved = _approved(request, url)
    looked = _look(client, request, _wanted(policies, saved), now, progress)
    strike_tagged(journals, looked.snapshot, request.check)
    # Without what has a tag: an interrupted run has not taken it off, so this one may, and a grace begins once it is off.
    policies = with_pins(with_grace(request.policies, journals, due), held, HELD)
    looked = with_unfinished(client, looked, unfinished_of(due))
    by_name = protected_by_name(due, policies.protected, looked.snapshot)
    policies = with_pins(policies, by_name, BY_NAME)
    if request.policies.needs.untagged and request.scan is not None and request.scan.source == GARBAGE_COLLECT:
        looked = _with_doubt(client, looked)
    seen = looked.snapshot
    if state is not None:
        looked = replace(looked, snapshot=recall(seen, state))
    plan = make_plan(looked.snapshot, policies, request.options)
    result = PruneResult(plan, plan.guards)
    if saved is not None:
        plan, moved = confirm_approved(saved, looked.snapshot, policies.protected)
        result = PruneResult(plan, drifted=tuple(Drift(name, entry.name, entry.reason) for name, entry in moved))
    result.held = tuple(
        "%s:%s" % (repository.name, tag.name)
        for repository in looked.snapshot.repositories
        for tag in repository.tags
        if tag.hold
    ) + tuple(sorted("%s@%s" % pinned for pinned in (held_manifests(state, now) if state is not None else frozenset())))
    result.plan_id = result.plan.identity
    if request.plan_file:
        # Whole: the run that applies it leaves what has its grace to a later one, and writes that into its journal.
        write_plan(request.plan_file, replace(result.plan, url=url))
    deferred: t.Mapping[str, t.Sequence[str]] = {}
    if request.grace:
        result.plan, deferred = defer_manifests(result.plan, over_grace(due))
    abilities, guard = find_abilities(
        client, result.plan, request.check and request.assume_enabled, alone=request.strategy == AUTO
    )
    lost: LostTags = {}
    if guard is not None:
        result.blocked_by += (guard,)
    else:
        _require_grace(request.strategy, result.plan, deferred, abilities)
        lost = find_lost(looked, due)
        if not result.blocked_by:
            # Raises what cannot be followed before there is a journal, which a later run would finish.
            result.plan, result.skipped = spare_stuck(result.plan, request.strategy, abilities, lost)
    if request.check or result.blocked_by:
        return result
    run = uuid.uuid4().hex[:12]
    if deferred or not result.plan.is_noop:
        _carry_out(client, request, looked, result, abilities, deferred, run, now, progress, lost)
    skipped = (*result.skipped, *result.outcome.skipped)
    with keep_outcome(result.outcome):
        note_hopeless(lost, result.outcome.skipped, due)
        if not result.outcome.interrupted:
            result.outcome.repositories.extend(clear_tombstones(client, looked, due))
        close_finished(
            due, looked.snapshot, result.plan, result.outcome, skipped, result.unsaved, by_name, saved is not None, run
        )
    if state is not None:
        with keep_outcome(result.outcome):
            update_state(request.backup_dir, url, lambda current: remember(current, seen))
    return result


def _approved(request: PruneRequest, url: str) -> t.Optional[Plan]:
    """The plan to carry out, if one was approved. Raises PlanFileError, also for one of another registry than that at URL."""
    if not request.approved:
        return None
    saved = read_plan(request.approved, request.approved_id)
    if saved.url != url:
        raise PlanFileError(
            "the plan file %s is of the registry at %s, and url is %s. Nothing was deleted; make the plan there"
            % (request.approved, saved.url or "no known address", url)
        )
    return saved


def _require_grace(strategy: str, plan: Plan, deferred: t.Mapping[str, t.Sequence[str]], abilities: Abilities) -> None:
    """Raise StrategyUnavailable where tags on DEFERRED manifests cannot be taken off before these."""
    for entry in plan.actionable:
        waiting = set(deferred.get(entry.name, ()))
        if not any(tag.digest in waiting and not tag.parked for tag in entry.doomed_tags):
            continue
        if not choose_strategy(strategy, entry, abilities, journalled=True).move:
            why = why_no_move(strategy, abilities)
            raise StrategyUnavailable(
                "delete_grace takes tags off before their manifests, which cannot be done in %s: %s. Leave delete_grace out to"
                " delete at once, with a backup" % (entry.name, why)
            )


def _look(
    client: RegistryClient,
    request: PruneRequest,
    wanted: t.Callable[[str], t.Iterable[str]],
    now: float,
    progress: t.Optional[Progress],
) -> Looked:
    needs = request.policies.needs
    names = names_without_patterns(request.repositories)
    return look(
        client,
        None if names is not None else request.repositories,
        Needs(manifests=True, configs=needs.configs, untagged=needs.untagged),
        now=now,
        repositories=names,
        must_exist=False,
        scan=request.scan,
        progress=progress,
        digests=wanted,
    )


def _with_doubt(client: RegistryClient, looked: Looked) -> Looked:
    """LOOKED, in which a manifest without a tag may have one that is not listed, unless something tells that there is none.

    A collector's list has every manifest and no tag, and is made where images are in an object store.
    """
    listed = [(repository.name, [tag.name for tag in repository.tags]) for repository in looked.snapshot.repositories]
    if client.connection.find_hidden_tags is not None or any(hides_none(tags) for _name, tags in listed):
        return looked
    if any(client.lists_all(name, tags) for name, tags in listed):
        return looked
    repositories = tuple(
        replace(repository, doubt=reasons.MAY_BE_HIDDEN) for repository in looked.snapshot.repositories
    )
    return replace(looked, snapshot=replace(looked.snapshot, repositories=repositories))


def _wanted(policies: Policies, saved: t.Optional[Plan]) -> t.Callable[[str], t.Iterable[str]]:
    """The manifests of a repository that have to be read though no tag may lead to them: they stay, and so does what they name."""
    kept = {
        entry.name: {manifest.digest for manifest in entry.manifests if manifest.action == KEEP}
        for entry in (saved.repositories if saved is not None else ())
    }
    return lambda name: policies.protected.digests_in(name) | kept.get(name, set())


def _carry_out(
    client: RegistryClient,
    request: PruneRequest,
    looked: Looked,
    result: PruneResult,
    abilities: Abilities,
    deferred: t.Mapping[str, t.Sequence[str]],
    run: str,
    now: float,
    progress: t.Optional[Progress],
    lost: LostTags,
) -> None:
    grace = request.grace if deferred else 0.0
    journal = JournalWriter.create(request.backup_dir, run, client.address.base, result.plan_id, now, grace)
    try:
        result.backup_file = journal.path
        backed_up, unsaved = back_up(client, looked, result.plan, journal, deferred, progress)
        applier = Applier(client, looked, run, abilities, journal, request.strategy, progress, lost=lost)
        result.outcome = applier.apply(backed_up)
        result.outcome.unsaved = unsaved
        result.unsaved = frozenset(entry.name for entry in backed_up.repositories if entry.held)
        # What was skipped stands as it stood, and is judged anew by the next run.
        if not (result.outcome.interrupted or result.outcome.errors or grace):
            with keep_outcome(result.outcome):
                journal.finished(run)
    finally:
        journal.close()
