# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user should look at: patterns that match nothing, tags that make no sense to a policy."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import KEEP, RepositoryPlan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.clauses import (
    NO_GROUP,
    NOT_A_VERSION,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import (
    PUSHED,
    Policies,
    Policy,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.decide import Decided
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import Pattern
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import Entry

_EXAMPLES = 5
_NOT_LISTED = (
    'policy "%s" is about manifests without a tag, which nothing lists in %s: it deletes none there. store_scan takes a list: of'
    " registry_storage_info, or of registry_garbage_collect"
)
_NO_PUSH_TIMES = (
    'policy "%s" orders by push time, which nothing tells here, so that its keep_newest keeps all that it governs. store_scan takes the'
    " times: of registry_storage_info"
)
_ODDITIES = {
    NOT_A_VERSION: 'policy "%s" keeps what is no version: %s',
    NO_GROUP: 'policy "%s" keeps what its group_by does not match: %s',
}


def gather_warnings(
    policies: Policies, repositories: t.Sequence[Repository], decided: t.Sequence[Decided], complete: bool
) -> t.Tuple[str, ...]:
    """All warnings of a run, in a fixed order. COMPLETE: REPOSITORIES are all that the registry has."""
    warnings: t.List[str] = []
    plans = [entry.plan for entry in decided]
    for number, policy in enumerate(policies.policies):
        warnings.extend(_unmatched(policy, repositories))
        if policy.keep_all and not policy.untagged and not _governs_any(policy, plans):
            warnings.append('policy "%s" keeps all that it governs, and governs nothing in this run' % policy.name)
        elif _passed_over(policy, policies.policies[number + 1 :], plans, complete):
            warnings.append('policy "%s" governs nothing in this run, and a later one deletes' % policy.name)
        warnings.extend(_blind(policy, repositories, plans))
        for what, text in _ODDITIES.items():
            tags = [tag for entry in decided for tag in entry.oddities.get((policy.name, what), ())]
            if tags:
                warnings.append(text % (policy.name, _examples(tags)))
    unread = {plan.name for plan in plans if plan.problem}
    tags, digests = _unknown_entries(policies.protected.entries, repositories, unread, complete)
    if tags:
        warnings.append("protected names tags that do not exist: %s" % _examples(tags))
    if digests:
        warnings.append("protected names digests that nothing here has: %s" % _examples(digests))
    orphans = [orphan for entry in decided for orphan in entry.orphans]
    if orphans:
        warnings.append("orphaned, because what they refer to is gone, and kept: %s" % _examples(orphans))
    return tuple(warnings)


def _blind(policy: Policy, repositories: t.Sequence[Repository], plans: t.Sequence[RepositoryPlan]) -> t.Iterator[str]:
    """What POLICY needs to be told about a store, and nothing tells."""
    if policy.untagged and not policy.keep_all:
        unread = {plan.name for plan in plans if plan.problem}
        unlisted = [
            repository.name
            for repository in repositories
            if repository.revisions is None
            and repository.name not in unread
            and policy.governs_repository(repository.name)
        ]
        if unlisted:
            yield _NOT_LISTED % (policy.name, _examples(unlisted))
    if policy.order_by == PUSHED and policy.keep_newest is not None:
        governed = [tag for plan in plans for tag in plan.tags if tag.policy == policy.name and tag.digest]
        if governed and all(tag.pushed is None for tag in governed):
            yield _NO_PUSH_TIMES % policy.name


def _unmatched(policy: Policy, repositories: t.Sequence[Repository]) -> t.Iterator[str]:
    """A warning for each keep pattern that matches no tag in any repository of POLICY."""
    waiting: t.List[Pattern] = list(policy.keep_tags.includes) if policy.keep_tags is not None else []
    for repository in repositories:
        if not waiting:
            return
        if policy.governs_repository(repository.name):
            for tag in repository.tags:
                waiting = [pattern for pattern in waiting if not pattern.matches(tag.name)]
    for pattern in waiting:
        yield 'policy "%s": keep_tags %s matches no tag in this run' % (policy.name, pattern.text)


def _unknown_entries(
    entries: t.Sequence[Entry], repositories: t.Sequence[Repository], unread: t.AbstractSet[str], complete: bool
) -> t.Tuple[t.List[str], t.List[str]]:
    """Of ENTRIES those whose tag, and those whose digest, is nowhere that they can mean, as far as that is known.

    UNREAD: names of REPOSITORIES that could not be read.
    """
    known = {repository.name: repository for repository in repositories if repository.name not in unread}
    complete = complete and not unread
    tags = {(repository.name, tag.name) for repository in known.values() for tag in repository.tags}
    digests: t.Set[t.Tuple[str, str]] = set()
    for repository in known.values() if any(entry.digest for entry in entries) else ():
        for digest, manifest in repository.manifests.items():
            digests.add((repository.name, digest))
            if manifest.config_descriptor is not None:
                digests.add((repository.name, manifest.config_descriptor.digest))
    anywhere = {digest for _name, digest in digests}
    unknown: t.List[t.List[str]] = [[], []]
    for entry in entries:
        if entry.repositories:
            # One with a host in front may be about another registry, unless its repository is here.
            judged = any(name in known for name in entry.repositories) or (complete and not entry.has_host)
            there = any((name, entry.tag) in tags or (name, entry.digest) in digests for name in entry.repositories)
        else:
            judged, there = complete, entry.digest in anywhere
        if judged and not there:
            unknown[0 if entry.tag else 1].append(entry.text if entry.repositories else reasons.short(entry.digest))
    return sorted(unknown[0]), sorted(unknown[1])


def _passed_over(policy: Policy, later: t.Sequence[Policy], plans: t.Sequence[RepositoryPlan], complete: bool) -> bool:
    """Whether POLICY, which keeps something by its selectors, governs nothing while one of LATER deletes."""
    here = any(policy.governs_repository(plan.name) for plan in plans)
    if policy.selects_everything or policy.delete_all or not (here or complete):
        return False
    if policy.untagged:
        return not here and any(other.untagged and not other.keep_all for other in later)
    names = {other.name for other in later}
    deletes = any(tag.action != KEEP and tag.policy in names for plan in plans for tag in plan.tags)
    return deletes and not _governs_any(policy, plans)


def _governs_any(policy: Policy, plans: t.Sequence[RepositoryPlan]) -> bool:
    for plan in plans:
        if plan.problem:
            here = policy.governs_repository(plan.name)
            if here and any(policy.tags is None or policy.tags.matches(tag.name) for tag in plan.tags):
                return True
        elif any(tag.policy == policy.name for tag in plan.tags):
            return True
    return False


def _examples(names: t.Sequence[str]) -> str:
    more = len(names) - _EXAMPLES
    return ", ".join(names[:_EXAMPLES]) + (" and %d more" % more if more > 0 else "")
