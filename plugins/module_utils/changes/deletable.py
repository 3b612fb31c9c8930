# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May we delete here at all, and how? Asked by harmless requests before anything is changed."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    NO_RIGHT_TO_PUSH,
    Abilities,
    goes_alone,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.abilities import REASONS
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Guard, Plan

CANNOT_PUSH = (api.DENIED, api.READ_ONLY, api.PROXY)


def find_abilities(
    client: api.RegistryClient, plan: Plan, assume_enabled: bool = False, alone: bool = False
) -> t.Tuple[Abilities, t.Optional[Guard]]:
    """How tags can be taken off here, and what keeps PLAN from being carried out (None: nothing).

    ASSUME_ENABLED: that deletes are off is no obstacle, since they are going to be switched on. ALONE: where tags have to be moved, the
    right to push is asked of each repository in which one goes alone. Nothing is asked where there is nothing to do. Raises RegistryError.
    """
    if plan.is_noop:
        return Abilities(native_untag=False, may_push=False), None
    found = client.probe(plan.actionable[0].name)
    may_move = found.push not in CANNOT_PUSH and found.untag != api.NONE
    why_not = NO_RIGHT_TO_PUSH
    if found.product is not None and found.push not in CANNOT_PUSH:
        why_not = "%s takes no tag off without its manifest. %s" % (found.product.name, found.product.pointer)
    abilities = Abilities(found.untag == api.NATIVE, may_move, why_not)
    if found.delete == api.ENABLED:
        if alone and found.product is None and not abilities.native_untag:
            abilities = _of_each(client, plan, abilities)
        return abilities, None
    if found.delete == api.DISABLED and assume_enabled:
        # Nobody can try how tags go while they do not.
        native = client.ping().family != api.FAMILY_2
        return Abilities(native, found.push not in CANNOT_PUSH, why_not), None
    reason = REASONS[found.delete]
    if found.product is not None:
        reason = "%s is %s: %s. %s" % (client.address.origin.host, found.product.name, reason, found.product.pointer)
    return abilities, Guard("delete_" + found.delete, reason, passes_with=api.ENABLED)


def _of_each(client: api.RegistryClient, plan: Plan, abilities: Abilities) -> Abilities:
    """ABILITIES, those of the first repository of PLAN, with those of the others: a token's rights, or a proxy's, may end at a name."""
    first, *others = plan.actionable
    names = [entry.name for entry in others if any(goes_alone(tag) for tag in entry.tags)]
    found = {first.name: abilities.may_push}
    for name, probed in run_parallel(client.probe, names, client.connection.workers):
        found[name] = probed.push not in CANNOT_PUSH and probed.untag != api.NONE
    closed = frozenset(entry.name for entry in plan.actionable if not found.get(entry.name, abilities.may_push))
    return replace(abilities, may_push=any(found.values()), closed=closed)
