# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user should look at: patterns that match nothing, tags that make no sense to a policy."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import RepositoryPlan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.clauses import (
    NO_GROUP,
    NOT_A_VERSION,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import (
    Policies,
    Policy,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.decide import Decided
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import Pattern

_EXAMPLES = 5
_ODDITIES = {
    NOT_A_VERSION: 'policy "%s" keeps what is no version: %s',
    NO_GROUP: 'policy "%s" keeps what its group_by does not match: %s',
}


def gather_warnings(
    policies: Policies, repositories: t.Sequence[Repository], decided: t.Sequence[Decided]
) -> t.Tuple[str, ...]:
    """All warnings of a run, in a fixed order."""
    warnings: t.List[str] = []
    for policy in policies.policies:
        warnings.extend(_unmatched(policy, repositories))
        if policy.keep_all and not policy.untagged and not _governs_any(policy, [entry.plan for entry in decided]):
            warnings.append('policy "%s" keeps all that it governs, and governs nothing in this run' % policy.name)
        for what, text in _ODDITIES.items():
            tags = [tag for entry in decided for tag in entry.oddities.get((policy.name, what), ())]
            if tags:
                warnings.append(text % (policy.name, _examples(tags)))
    by_name = {repository.name: {tag.name for tag in repository.tags} for repository in repositories}
    unknown = sorted(
        "%s:%s" % (name, tag) for name, tag in policies.protected.tags if name in by_name and tag not in by_name[name]
    )
    if unknown:
        warnings.append("protected names tags that do not exist: %s" % _examples(unknown))
    orphans = [orphan for entry in decided for orphan in entry.orphans]
    if orphans:
        warnings.append("orphaned, because what they refer to is gone, and kept: %s" % _examples(orphans))
    return tuple(warnings)


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
