# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which repositories a user means: names are taken as they are, patterns are held against the catalog."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    is_repository,
    require_repository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import compile_patterns

_NO_NAME = set("*?[]~!")


@dataclass(frozen=True)
class Selection:
    """NAMES, sorted. UNKNOWN: names that were given and that the registry does not list. LISTED: how many the registry lists,
    None where it was not asked."""

    names: t.Tuple[str, ...]
    unknown: t.Tuple[str, ...] = ()
    listed: t.Optional[int] = None


def select_repositories(client: RegistryClient, entries: t.Optional[t.Sequence[str]]) -> Selection:
    """The repositories that ENTRIES (names and patterns; None: all) mean.

    The registry is asked for its catalog only if there is a pattern, so that names work where listing is forbidden.
    Raises PatternInvalid and ReferenceInvalid before any request, and RegistryError.
    """
    entries = ["*"] if entries is None else list(entries)
    selected = compile_patterns(entries)
    names = {require_repository(entry) for entry in entries if not _NO_NAME & set(entry)}
    if names and len(names) == len(set(entries)):
        return Selection(tuple(sorted(names)))
    catalog = sorted(client.catalog())
    found = tuple(name for name in catalog if selected.matches(name))
    return Selection(found, tuple(sorted(names - set(catalog))), len(catalog))


def matching(names: t.Iterable[str], patterns: t.Optional[t.Sequence[str]]) -> t.List[str]:
    """Those of NAMES that PATTERNS (None: all) select, sorted. Raises PatternInvalid."""
    selected = compile_patterns(patterns if patterns is not None else ["*"])
    return sorted(name for name in names if is_repository(name) and selected.matches(name))
