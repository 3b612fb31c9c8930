# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes or takes off what somebody names, many references in one run."""

from __future__ import annotations

import typing as t
import uuid
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    DeadlineExceeded,
    NotFound,
    RegistryError,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.apply import Applier
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.backup import back_up
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletable import find_abilities
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.earlier import (
    close_finished,
    strike_tagged,
    unfinished_of,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    Journal,
    JournalWriter,
    unfinished_journals,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.lost import (
    LostTags,
    find_lost,
    note_hopeless,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import Outcome, keep_outcome
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    DIGEST,
    Abilities,
    StrategyUnavailable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked, Needs, look
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.unfinished import (
    with_digests,
    with_unfinished,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Guard, Plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    Reference,
    ReferenceInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.named import (
    NamedPlan,
    Refusal,
    plan_deletion,
    plan_untagging,
)


@dataclass
class NamedResult:
    """What naming references came to. GUARD holds everything; so does any refusal of the plan. ABILITIES: how tags go here."""

    named: NamedPlan
    guard: t.Optional[Guard] = None
    abilities: Abilities = field(default_factory=lambda: Abilities(native_untag=False, may_push=False))
    outcome: Outcome = field(default_factory=Outcome)
    backup_file: str = ""

    @property
    def held(self) -> bool:
        """Whether nothing may be carried out."""
        return self.guard is not None or bool(self.named.refusals)


def parse_references(texts: t.Sequence[str], tags_only: bool = False) -> t.List[Reference]:
    """Read 'repository:tag' and 'repository@digest'. Raises ReferenceInvalid, naming what is wrong."""
    references = [Reference.parse(text) for text in texts]
    for reference in references:
        if tags_only and reference.tag is None:
            raise ReferenceInvalid("%s names a digest: give a tag as repository:tag" % reference)
    return references


def delete_named(
    client: RegistryClient,
    references: t.Sequence[Reference],
    shared_tags: bool,
    index_child: bool,
    backup_dir: str,
    check: bool,
    now: float,
) -> NamedResult:
    """Delete the manifests that REFERENCES name. See plan_deletion for SHARED_TAGS and INDEX_CHILD; NOW in seconds.

    What an interrupted run with BACKUP_DIR has left goes, too, if REFERENCES name all that it had named: its manifests that no tag leads
    to and nothing that stays needs, and tags of its whose manifest is gone.

    Raises RegistryError where the registry cannot be read, JournalError where the backup cannot be written.
    """
    earlier = _same_task(client, references, backup_dir)
    looked = _look(client, references, now)
    lost: LostTags = {}
    if earlier:
        strike_tagged(earlier, looked.snapshot, check)
        looked = with_unfinished(client, looked, unfinished_of(earlier, named=True))
        lost = find_lost(looked, earlier)
    named = plan_deletion(looked.snapshot, references, shared_tags, index_child, frozenset(lost))
    result = _judged(client, NamedResult(_refuse_unlisted(client, references, named)), DIGEST)
    if check or result.held:
        return result
    run = uuid.uuid4().hex[:12]
    plan = result.named.plan
    if not plan.is_noop and backup_dir:
        journal = JournalWriter.create(
            backup_dir, run, client.address.base, plan.identity, now, references=map(str, references)
        )
        try:
            result.backup_file = journal.path
            plan, unsaved = back_up(client, looked, plan, journal)
            _apply(client, looked, result, plan, run, DIGEST, journal, lost)
            result.outcome.unsaved = unsaved
            if not (result.outcome.interrupted or result.outcome.errors):
                with keep_outcome(result.outcome):
                    journal.finished(run)
        finally:
            journal.close()
    elif not plan.is_noop:
        _apply(client, looked, result, plan, run, DIGEST)
    with keep_outcome(result.outcome):
        skipped = result.outcome.skipped
        note_hopeless(lost, skipped, earlier)
        # What those runs had named is settled by what goes now, and by nothing else.
        settled = frozenset(entry.name for entry in plan.repositories if entry.held)
        close_finished(earlier, looked.snapshot, plan, result.outcome, skipped, settled, frozenset(), True, run)
    return result


def untag_named(
    client: RegistryClient, references: t.Sequence[Reference], strategy: str, check: bool, now: float
) -> NamedResult:
    """Take off the tags that REFERENCES name, every manifest stays. NOW in seconds since the epoch.

    Raises RegistryError where the registry cannot be read, StrategyUnavailable where tags cannot be taken off here.
    """
    looked = _look(client, references, now)
    named = _refuse_unlisted(client, references, plan_untagging(looked.snapshot, references))
    result = _judged(client, NamedResult(named), strategy)
    if not (check or result.held or named.plan.is_noop):
        _apply(client, looked, result, named.plan, uuid.uuid4().hex[:12], strategy)
    return result


def _same_task(client: RegistryClient, references: t.Sequence[Reference], backup_dir: str) -> t.List[Journal]:
    """The journals of runs that were interrupted and of which REFERENCES name all that they had named."""
    if not backup_dir:
        return []
    asked = {str(reference) for reference in references}
    journals = unfinished_journals(backup_dir, client.address.base)
    return [journal for journal in journals if journal.references and journal.references <= asked]


def _look(client: RegistryClient, references: t.Sequence[Reference], now: float) -> Looked:
    names = sorted({reference.repository for reference in references})
    looked = look(client, None, Needs(manifests=True), now=now, repositories=names, must_exist=False)
    digests: t.Dict[str, t.List[str]] = {}
    for reference in references:
        if reference.digest:
            digests.setdefault(reference.repository, []).append(reference.digest)
    return with_digests(client, looked, digests) if digests else looked


def _refuse_unlisted(client: RegistryClient, references: t.Sequence[Reference], named: NamedPlan) -> NamedPlan:
    """NAMED, in which a tag is absent only if the registry says so of itself: a list may be stale, or leave tags out."""

    def find(reference: Reference) -> str:
        try:
            client.get_manifest(reference.repository, reference.tag or "")
        except NotFound:
            return ""
        except DeadlineExceeded:
            raise
        except RegistryError as error:
            return "whether it is there cannot be told: %s" % error.message
        advice = "try again, since its list may be out of date"
        if not client.connection.find_hidden_tags:
            advice += ", or set find_hidden_tags: true, since Distribution 3.1 on S3 does not list every tag"
        return "the registry has this tag and does not list it: %s" % advice

    absent = set(named.absent)
    items = [reference for reference in dict.fromkeys(references) if reference.tag and str(reference) in absent]
    reasons = {str(reference): why for reference, why in run_parallel(find, items, client.connection.workers) if why}
    refusals = tuple(Refusal(text, why) for text, why in sorted(reasons.items()))
    return replace(
        named,
        refusals=named.refusals + refusals,
        absent=tuple(text for text in named.absent if text not in reasons),
    )


def _judged(client: RegistryClient, result: NamedResult, strategy: str) -> NamedResult:
    """RESULT with what holds it, and how tags go here. Raises StrategyUnavailable where they have to go alone and cannot."""
    plan = result.named.plan
    abilities, guard = find_abilities(client, plan)
    takes_off = strategy != DIGEST and guard is None and not plan.is_noop
    if takes_off and not (abilities.native_untag or abilities.may_push):
        raise StrategyUnavailable("no tag can be taken off alone here: %s" % abilities.why_not)
    return replace(result, guard=guard, abilities=abilities)


def _apply(
    client: RegistryClient,
    looked: Looked,
    result: NamedResult,
    plan: Plan,
    run: str,
    strategy: str,
    journal: t.Optional[JournalWriter] = None,
    lost: LostTags = MappingProxyType({}),
) -> None:
    torn = result.named.torn
    applier = Applier(client, looked, run, result.abilities, journal, strategy, torn=torn, lost=lost)
    result.outcome = applier.apply(plan)
