# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts everything that a plan is going to delete on disk, before it is deleted."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from types import MappingProxyType

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound, RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import JournalWriter, SavedTag
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Bodies, Looked
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import MAX_SAVED_CONFIG_BYTES
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import BACKUP, Progress, Step
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository


class _Saved(t.NamedTuple):
    media_type: str
    body: bytes
    config: t.Optional[t.Tuple[str, bytes]]


def back_up(
    client: RegistryClient,
    looked: Looked,
    plan: Plan,
    journal: JournalWriter,
    deferred: t.Mapping[str, t.Sequence[str]] = MappingProxyType({}),
    progress: t.Optional[Progress] = None,
) -> t.Tuple[Plan, t.List[str]]:
    """Write every doomed manifest, its config and every doomed tag of PLAN to JOURNAL, fsynced.

    DEFERRED: per repository, manifests that a later run is going to delete, also where nothing goes now. PROGRESS is told of every
    manifest.

    Returns the plan that may be carried out, and what could not be saved: such a repository is held, with the reason.
    Raises JournalError when the disk does not take it; then nothing may be deleted.
    """
    seen = {repository.name: repository for repository in looked.snapshot.repositories}
    held: t.Dict[str, str] = {}
    digests: t.Dict[str, t.List[str]] = {}
    affected = [
        entry for entry in plan.repositories if not entry.is_noop or (deferred.get(entry.name) and not entry.held)
    ]
    work = [
        (repository.name, digest)
        for repository in affected
        for digest in [
            *(manifest.digest for manifest in repository.doomed_manifests),
            *deferred.get(repository.name, ()),
        ]
    ]

    def fetch(item: t.Tuple[str, str]) -> t.Union[_Saved, str]:
        name, digest = item
        try:
            return _read(client, looked.bodies, seen[name], digest)
        except RegistryError as error:
            return "%s could not be saved before its deletion: %s" % (digest, error.message)

    numbers = {repository.name: number for number, repository in enumerate(affected, 1)}
    for done, ((name, digest), saved) in enumerate(run_parallel(fetch, work, client.connection.workers), 1):
        if progress is not None:
            progress(Step(BACKUP, numbers[name], len(numbers), name, done, len(work)))
        if isinstance(saved, str):
            held.setdefault(name, saved)
            continue
        journal.manifest(name, digest, saved.media_type, saved.body)
        digests.setdefault(name, []).append(digest)
        if saved.config is not None:
            journal.config(name, *saved.config)
    for repository in affected:
        for tag in repository.doomed_tags:
            journal.tag(repository.name, SavedTag(tag.name, tag.digest, tag.action, tag.pushed))
        if repository.name in held:
            # What this run leaves alone is for the next one's policies to judge.
            journal.done(
                repository.name, [tag.name for tag in repository.doomed_tags], digests.get(repository.name, ())
            )
    journal.ready()
    repositories = tuple(
        replace(repository, problem=held[repository.name]) if repository.name in held else repository
        for repository in plan.repositories
    )
    unsaved = ["%s: %s" % (name, reason) for name, reason in sorted(held.items())]
    return replace(plan, repositories=repositories), unsaved


def _read(client: RegistryClient, bodies: Bodies, repository: Repository, digest: str) -> _Saved:
    media_type, body = bodies.get(repository.name, digest)
    manifest = repository.manifests.get(digest)
    config = manifest.config_descriptor if manifest is not None else None
    if config is None or config.size > MAX_SAVED_CONFIG_BYTES:
        return _Saved(media_type, body, None)
    known = bodies.config(config.digest)
    if known is None:
        try:
            known = client.get_blob(repository.name, config.digest, MAX_SAVED_CONFIG_BYTES)
        except NotFound:
            return _Saved(media_type, body, None)
    return _Saved(media_type, body, (config.digest, known))
