# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undoes a run: every repository of a backup, and what later runs have to know about it."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError
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
    State,
    forget,
    update_state,
    with_held,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import PatternSet


class RestoreInterrupted(Exception):
    """The registry failed with ERROR in the middle of a restoration. RESULTS: what was put back until then."""

    def __init__(self, results: t.Sequence[RestoredRepository], error: RegistryError) -> None:
        super().__init__(error.message)
        self.results = results
        self.error = error


def undo(
    client: RegistryClient,
    path: str,
    repositories: t.Optional[PatternSet],
    tags: t.Optional[t.Collection[str]],
    overwrite: bool,
    hold: float,
    check: bool,
    now: float,
    backup_dir: t.Optional[str] = None,
    warn: t.Callable[[str], None] = lambda _text: None,
) -> t.List[RestoredRepository]:
    """Restore from the backup at PATH what REPOSITORIES and TAGS select (None: all), see Restorer.

    HOLD: seconds for which what comes back is held from pruning with BACKUP_DIR (None: the backup's own); NOW in seconds since the
    epoch. Before anything is put back it is held, and struck from the journal, so that no later run deletes it, whenever this one
    ends. Raises JournalError, StateError, RestoreInterrupted.
    """
    journal = read_journal(path, bodies=True)
    if not journal.ready:
        raise JournalError(
            "the backup %s was never completed, so its run has deleted nothing: there is nothing to restore. Give the backup of another run"
            % path
        )
    chosen = {
        name: saved
        for name, saved in sorted(journal.repositories.items())
        if repositories is None or repositories.matches(name)
    }
    if not chosen:
        raise JournalError(
            "no repository of the backup %s is selected. Nothing was restored; give one that it holds: %s"
            % (path, ", ".join(sorted(journal.repositories)) or "none")
        )
    unknown = sorted(set(tags or ()) - {tag for saved in chosen.values() for tag in saved.tags})
    if unknown:
        raise JournalError(
            "the backup %s holds no tag %s in the repositories %s. Nothing was restored; see which tags it has"
            % (path, ", ".join(unknown[:10]), ", ".join(sorted(chosen)[:10]))
        )
    catalog: t.List[str] = []

    def sources() -> t.Sequence[str]:
        if not catalog:
            catalog.extend(client.catalog())
        return catalog

    url = client.address.base
    if journal.url != url:
        warn(
            "the backup %s is of the registry at %s, and is restored into the one at %s. If that is one registry under two addresses,"
            " use the first: only runs at the address that is given here hold what comes back"
            % (path, journal.url, url)
        )
    directory = os.path.abspath(backup_dir or os.path.dirname(os.path.abspath(path)))
    results: t.List[RestoredRepository] = []
    for name, saved in chosen.items():
        if not check:
            _hold(directory, url, name, saved, tags, now + hold)
            # Another registry's journal tells of another registry's deletions.
            if not journal.finished and journal.url == url:
                _strike(journal, name, saved, tags)
        restorer = Restorer(client, saved, name, sources, overwrite, predict=check)
        results.append(restorer.result)
        try:
            restorer.restore(tags)
        except RegistryError as error:
            raise RestoreInterrupted(results, error) from error
        if not check:
            _hold_what_came_back(directory, url, saved, restorer.result, now + hold)
    return results


def _strike(journal: Journal, name: str, saved: SavedRepository, tags: t.Optional[t.Collection[str]]) -> None:
    names = [tag for tag in saved.tags if tags is None or tag in tags]
    digests = set(saved.manifests) if tags is None else {saved.tags[tag].digest or "" for tag in names}
    note_done(journal, name, names, digests - {""})


def _hold(
    directory: str, url: str, name: str, saved: SavedRepository, tags: t.Optional[t.Collection[str]], until: float
) -> None:
    """Hold all that is to come back, whatever becomes of this run."""
    entries = {
        tag.name: RestoredTag(tag.digest, tag.pushed, until, time.time())
        for tag in saved.tags.values()
        if tag.digest and (tags is None or tag.name in tags)
    }
    digests = set(saved.manifests) if tags is None else {entry.digest for entry in entries.values()}
    update_state(directory, url, lambda state: with_held(state, name, entries, digests, until))


def _hold_what_came_back(
    directory: str, url: str, saved: SavedRepository, result: RestoredRepository, until: float
) -> None:
    """Forget the holds of what did not come back. What did was pushed by now: a later push is somebody's own."""
    back = {entry.name: entry.digest for entry in result.tags if entry.state in (RESTORED, PRESENT)}
    entries = {name: RestoredTag(digest, saved.tags[name].pushed, until, time.time()) for name, digest in back.items()}
    manifests = {entry.name for entry in result.manifests if entry.state in (RESTORED, PRESENT)}
    gone = {entry.name for entry in result.tags} - set(back)
    lost = {entry.name for entry in result.manifests} - manifests

    def change(state: State) -> State:
        return with_held(forget(state, result.name, gone, lost), result.name, entries, manifests, until)

    update_state(directory, url, change)
