# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tombstones that an interrupted run has left and that no tag stands on, so that only its journal knows of them."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    RegistryError,
    ServerFailed,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletion import (
    DeletionFailed,
    current_digest,
    delete_digest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    Journal,
    note_done,
    read_journal,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import RepositoryOutcome
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types


def clear_tombstones(
    client: RegistryClient, looked: Looked, journals: t.Sequence[Journal]
) -> t.List[RepositoryOutcome]:
    """Delete the tombstones that JOURNALS name and that no tag of LOOKED stands on any more.

    To be called once the tags of LOOKED have been dealt with. Returns an outcome for each repository in which that failed, with
    the error. Raises JournalError.
    """
    failed = []
    seen = {repository.name: repository for repository in looked.snapshot.repositories}
    for journal in journals:
        for name, saved in journal.repositories.items():
            if name not in seen or seen[name].problem:
                continue
            for digest in saved.open_tombstones:
                parked = [tag.name for tag in seen[name].tags if digest in (tag.parked, tag.digest)]
                try:
                    if any(current_digest(client, name, tag) == digest for tag in parked):
                        continue
                    if _is_there(client, journal, name, digest):
                        delete_digest(client, name, digest, (), lambda: None)
                except (RegistryError, DeletionFailed) as error:
                    text = error.message if isinstance(error, RegistryError) else str(error)
                    failed.append(RepositoryOutcome(name, errors=["its tombstone %s is left: %s" % (digest, text)]))
                else:
                    note_done(journal, name, (), (digest,))
    return failed


def _is_there(client: RegistryClient, journal: Journal, name: str, digest: str) -> bool:
    """Whether the repository NAME has the tombstone DIGEST; one whose link the registry cannot read is pushed again first."""
    try:
        return current_digest(client, name, digest) is not None
    except ServerFailed:
        body = read_journal(journal.path, bodies=True).repositories[name].tombstones[digest]
        client.put_manifest(name, digest, body, media_types.OCI_INDEX)
        return True
