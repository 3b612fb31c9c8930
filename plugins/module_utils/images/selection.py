# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which repositories a user means: names are taken as they are, patterns are held against the catalog."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    DeadlineExceeded,
    NotFound,
    RegistryError,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    require_repository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import (
    PatternInvalid,
    PatternSet,
    compile_patterns,
)

_NO_NAME = set("*?[]~!")


@dataclass(frozen=True)
class Selection:
    """NAMES, sorted. UNKNOWN: names that were given and that the registry does not list. LISTED: how many the registry lists,
    None where it was not asked."""

    names: t.Tuple[str, ...]
    unknown: t.Tuple[str, ...] = ()
    listed: t.Optional[int] = None


def compile_option(option: str, patterns: t.Optional[t.Sequence[str]]) -> PatternSet:
    """The PATTERNS (None: all names) of OPTION. Raises RegistryError naming the option, the pattern and what is wrong with it.

    An empty list is refused: it would silently select everything, or nothing.
    """
    if patterns is not None and not patterns:
        raise RegistryError("%s: the list is empty. Leave the option out to select all." % option)
    try:
        return compile_patterns(patterns if patterns is not None else ["*"])
    except PatternInvalid as error:
        raise RegistryError("%s: the pattern %r cannot be used: %s." % (option, error.pattern, error)) from error


def names_without_patterns(entries: t.Optional[t.Sequence[str]]) -> t.Optional[t.List[str]]:
    """ENTRIES, sorted and each once, if all of them are names, so that the catalog need not be asked for; else None.

    Raises ReferenceInvalid for what cannot be a name.
    """
    if not entries or any(_NO_NAME & set(entry) for entry in entries):
        return None
    return sorted({require_repository(entry) for entry in entries})


def select_repositories(client: RegistryClient, entries: t.Optional[t.Sequence[str]]) -> Selection:
    """The repositories that ENTRIES (names and patterns; None: all) mean.

    The registry is asked for its catalog only if there is a pattern, so that names work where listing is forbidden.
    Raises RegistryError, and ReferenceInvalid, for what cannot be a name or pattern before any request.
    """
    selected = compile_option("repositories", entries)
    entries = ["*"] if entries is None else entries
    only = names_without_patterns(entries)
    if only is not None:
        return Selection(tuple(only))
    names = {require_repository(entry) for entry in entries if not _NO_NAME & set(entry)}
    catalog = sorted(client.catalog())
    found = tuple(name for name in catalog if selected.matches(name))
    return Selection(found, tuple(sorted(names - set(catalog))), len(catalog))


def with_tags(client: RegistryClient, names: t.Sequence[str]) -> t.List[str]:
    """Those of NAMES that have tags, or whose tags cannot be read. Raises DeadlineExceeded."""

    def has_tags(name: str) -> bool:
        try:
            return bool(client.tags(name))
        except NotFound:
            return False
        except DeadlineExceeded:
            raise
        except RegistryError:
            return True

    return [name for name, has in run_parallel(has_tags, names, client.connection.workers) if has]
