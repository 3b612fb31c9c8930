# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that an earlier run's deletion has left without their manifest: what they named, from the journals.

A registry that ends inside a DELETE has dropped the manifest and not yet all of its tags. With the manifest put back, the same
DELETE takes them along, and nothing has to be written under a tag.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    Journal,
    note_done,
    read_journal,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import Skipped
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import has_digest

LostTags = t.Mapping[t.Tuple[str, str], str]


def find_lost(looked: Looked, journals: t.Sequence[Journal]) -> LostTags:
    """(repository, tag) to digest, of tags that dangle and that JOURNALS say what they named.

    The manifests' bytes are put at hand in LOOKED. Raises JournalError where a journal can no longer be read.
    """
    dangling = {
        (repository.name, tag.name)
        for repository in looked.snapshot.repositories
        for tag in repository.tags
        if tag.digest is None and tag.name in repository.unfinished_tags
    }
    lost: t.Dict[t.Tuple[str, str], str] = {}
    for journal in journals:
        here = {
            (name, tag): saved.tags[tag].digest or ""
            for name, saved in journal.repositories.items()
            for tag in saved.open_tags
            if (name, tag) in dangling and saved.tags[tag].digest in saved.open_digests
        }
        if not here:
            continue
        lost.update(here)
        full = read_journal(journal.path, bodies=True).repositories
        for name, digest in {(name, digest) for (name, _tag), digest in here.items()}:
            manifest = full[name].manifests[digest]
            if has_digest(manifest.body, digest):
                looked.bodies.keep(digest, manifest.media_type, manifest.body)
    return lost


def note_hopeless(lost: LostTags, skipped: t.Iterable[Skipped], journals: t.Sequence[Journal]) -> None:
    """Note in JOURNALS that the manifests of LOST tags are gone which stayed among the SKIPPED all the same: no later run tries that again.

    The tags stay open there, for a run that may write under their names. Raises JournalError.
    """
    for entry in skipped:
        digest = lost.get((entry.repository, entry.tag))
        for journal in journals:
            saved = journal.repositories.get(entry.repository)
            if saved is not None and digest in saved.open_digests:
                saved.done_digests.add(digest)
                note_done(journal, entry.repository, (), (digest,))
