# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undoes a run: every repository of a backup, and what later runs have to know about it."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    Journal,
    JournalError,
    SavedRepository,
    note_done,
    read_journal,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.restore import (
    PRESENT,
    RESTORED,
    RestoredRepository,
    Restorer,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.state import (
    RestoredTag,
    read_state,
    write_state,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import PatternSet


def undo(
    client: RegistryClient,
    path: str,
    repositories: t.Optional[PatternSet],
    tags: t.Optional[t.Collection[str]],
    overwrite: bool,
    hold: float,
    check: bool,
    now: float,
) -> t.List[RestoredRepository]:
    """Restore from the backup at PATH what REPOSITORIES and TAGS select (None: all), see Restorer.

    HOLD: seconds for which restored tags are held from pruning; NOW in seconds since the epoch. What comes back is struck from
    the journal first, so that no later run finishes its deletion. Raises JournalError, StateError, RegistryError.
    """
    journal = read_journal(path, bodies=True)
    if not journal.ready:
        raise JournalError(
            "the backup %s was never completed, so its run has deleted nothing: there is nothing to restore" % path
        )
    chosen = {
        name: saved
        for name, saved in sorted(journal.repositories.items())
        if repositories is None or repositories.matches(name)
    }
    if not chosen:
        raise JournalError(
            "no repository of the backup %s is selected; it holds %s"
            % (path, ", ".join(sorted(journal.repositories)) or "none")
        )
    unknown = set(tags or ()).difference(*(saved.tags for saved in chosen.values()))
    if unknown:
        raise JournalError(
            "no selected repository of the backup %s has the tags %s: nothing was restored"
            % (path, ", ".join(sorted(unknown)))
        )
    catalog: t.List[str] = []

    def sources() -> t.Sequence[str]:
        if not catalog:
            catalog.extend(client.catalog())
        return catalog

    results = []
    for name, saved in chosen.items():
        if not check and not journal.finished:
            _strike(journal, name, saved, tags)
        result = Restorer(client, saved, name, sources, overwrite, predict=check).restore(tags)
        results.append(result)
        if not check:
            _hold(path, client.address.base, saved, result, now + hold)
    return results


def _strike(journal: Journal, name: str, saved: SavedRepository, tags: t.Optional[t.Collection[str]]) -> None:
    names = [tag for tag in saved.tags if tags is None or tag in tags]
    digests = set(saved.manifests) if tags is None else {saved.tags[tag].digest or "" for tag in names}
    note_done(journal, name, names, digests - {""})


def _hold(path: str, url: str, saved: SavedRepository, result: RestoredRepository, until: float) -> None:
    back = [entry for entry in result.tags if entry.state in (RESTORED, PRESENT)]
    if not any(entry.state == RESTORED for entry in result.tags + result.manifests):
        return
    directory = os.path.dirname(os.path.abspath(path))
    state = read_state(directory, url)
    entries = state.restored.setdefault(result.name, {})
    for entry in back:
        entries[entry.name] = RestoredTag(entry.digest, saved.tags[entry.name].pushed, until, time.time())
    write_state(directory, url, state)
