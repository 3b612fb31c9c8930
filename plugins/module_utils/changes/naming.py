# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes or takes off what somebody names, many references in one run."""

from __future__ import annotations

import typing as t
import uuid
from dataclasses import dataclass, field, replace

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
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import JournalWriter
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import Outcome, keep_outcome
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    AUTO,
    DIGEST,
    StrategyUnavailable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked, Needs, look
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.unfinished import with_digests
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Guard
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
    """What naming references came to. GUARD holds everything; so does any refusal of the plan."""

    named: NamedPlan
    guard: t.Optional[Guard] = None
    outcome: Outcome = field(default_factory=Outcome)
    backup_file: str = ""


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

    Raises RegistryError where the registry cannot be read, JournalError where the backup cannot be written.
    """
    looked = _look(client, references, now)
    named = plan_deletion(looked.snapshot, references, shared_tags, index_child)
    result = NamedResult(_refuse_unlisted(client, references, named))
    return _carry_out(client, looked, result, DIGEST, backup_dir, check, now)


def untag_named(
    client: RegistryClient, references: t.Sequence[Reference], strategy: str, check: bool, now: float
) -> NamedResult:
    """Take off the tags that REFERENCES name, every manifest stays. NOW in seconds since the epoch.

    Raises RegistryError where the registry cannot be read, StrategyUnavailable where tags cannot be taken off here.
    """
    looked = _look(client, references, now)
    result = NamedResult(_refuse_unlisted(client, references, plan_untagging(looked.snapshot, references)))
    return _carry_out(client, looked, result, strategy or AUTO, "", check, now)


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


def _carry_out(
    client: RegistryClient, looked: Looked, result: NamedResult, strategy: str, backup_dir: str, check: bool, now: float
) -> NamedResult:
    plan = result.named.plan
    abilities, guard = find_abilities(client, plan)
    result = replace(result, guard=guard)
    takes_off = strategy != DIGEST and guard is None and not plan.is_noop
    if takes_off and not (abilities.native_untag or abilities.may_push):
        raise StrategyUnavailable("no tag can be taken off alone here: %s" % abilities.why_not)
    if check or guard is not None or result.named.refusals or plan.is_noop:
        return result
    run = uuid.uuid4().hex[:12]
    torn = result.named.torn
    if not backup_dir:
        result.outcome = Applier(client, looked, run, abilities, strategy=strategy, torn=torn).apply(plan)
        return result
    journal = JournalWriter.create(backup_dir, run, client.address.base, plan.identity, now)
    try:
        result.backup_file = journal.path
        plan, unsaved = back_up(client, looked, plan, journal)
        result.outcome = Applier(client, looked, run, abilities, journal, strategy, torn=torn).apply(plan)
        result.outcome.unsaved = unsaved
        if not (result.outcome.interrupted or result.outcome.errors):
            with keep_outcome(result.outcome):
                journal.finished(run)
    finally:
        journal.close()
    return result
