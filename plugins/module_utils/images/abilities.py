# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry's abilities mean for its user, in words."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import READ_ONLY_REMEDY
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.scope import DELETE, PULL, PUSH

# Why nothing can be deleted, and what to do.
REASONS = {
    api.DISABLED: "Deletes are disabled. Set storage.delete.enabled: true (a boolean, without quotes) in the registry's configuration, or"
    " REGISTRY_STORAGE_DELETE_ENABLED=true in its environment, and restart it. If this is another product than CNCF Distribution,"
    " use the retention that it has of its own",
    api.READ_ONLY: "The registry is read-only. " + READ_ONLY_REMEDY.rstrip("."),
    api.PROXY: "The registry is a pull-through cache, which never deletes over the API. Its setting proxy.ttl lets content expire",
    api.UNSUPPORTED: "This product does not delete over the registry API",
    api.UNKNOWN: "Whether deletes are possible could not be found out. Check that these credentials may delete in the repository that"
    " was asked about, or use the retention that this product has of its own",
}
_UNTAG_ADVICE = (
    "A tag cannot be removed on its own here, because this registry does not delete tags and this user may not push."
)
_UNTAG_PRODUCT_ADVICE = (
    "A tag cannot be removed on its own here, because %s does not delete tags over the registry API. A tag that shares its image"
    " with one that is kept is kept, too."
)


def needed_actions(abilities: api.Abilities) -> t.List[str]:
    """The actions that pruning needs in a repository, as a token server names them."""
    if abilities.product is not None and abilities.product.push_to_delete:
        return [PULL, PUSH]
    return [PULL, PUSH, DELETE] if abilities.untag == api.TOMBSTONE else [PULL, DELETE]


def advice(abilities: api.Abilities) -> t.List[str]:
    """What to do so that images can be deleted, in sentences; empty if they can."""
    product = abilities.product
    found = [REASONS[abilities.delete] + "."] if abilities.delete in REASONS else []
    if abilities.delete == api.ENABLED and abilities.untag == api.NONE:
        found.append(_UNTAG_ADVICE if product is None else _UNTAG_PRODUCT_ADVICE % product.name)
    if found and product is not None:
        found.append(product.pointer)
    return found
