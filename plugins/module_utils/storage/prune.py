# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries a plan out on the store itself, while the registry is stopped or read-only.

In the only order that a crash at any moment does no harm in: the backup, then tags, then manifests, an index before its children.
Blobs are never touched: the registry's own collector frees them.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    MAX_MANIFEST_BYTES,
    MAX_SAVED_CONFIG_BYTES,
    ManifestInvalid,
    parse_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import has_digest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.blob_table import BlobTable
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StoreInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import Findings
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import blob_path
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.links import read_link
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.regular_file import open_regular
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.removal import sync_if_there
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_scan import (
    RepositoryContents,
    RepositoryScan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_walk import FoundRepository
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.still_valid import (
    Protection,
    StillValid,
    still_valid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.trash import Trash


class Saver(t.Protocol):
    """Where the backup goes; the journal of the API's prune is one."""

    def manifest(self, repository: str, digest: str, media_type: str, body: bytes) -> None: ...

    def config(self, repository: str, digest: str, body: bytes) -> None: ...

    def tag(self, repository: str, tag: t.Any) -> None: ...

    def ready(self) -> None: ...

    def done(self, repository: str, tags: t.Iterable[str] = (), digests: t.Iterable[str] = ()) -> None: ...


@dataclass
class PrunedRepository:
    """What is to go in one repository, and what has gone."""

    valid: StillValid
    tags_gone: t.List[PlannedTag] = field(default_factory=list)
    manifests_gone: t.List[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The repository's name."""
        return self.valid.name


@dataclass
class Pruning:
    """A plan on its way through the store. HELD: (repository, why it is left alone). ERRORS end in a failed task."""

    repositories: t.List[PrunedRepository] = field(default_factory=list)
    held: t.List[t.Tuple[str, str]] = field(default_factory=list)
    errors: t.List[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return any(not one.valid.is_noop for one in self.repositories)

    @property
    def changed(self) -> bool:
        """Whether anything has been done."""
        return any(one.tags_gone or one.manifests_gone for one in self.repositories)

    @property
    def drifted(self) -> t.List[t.Tuple[str, str, str]]:
        """(repository, tag or digest, why it was left alone)."""
        return [(one.name, name, reason) for one in self.repositories for name, reason in one.valid.drifted]

    def planned(self) -> t.Dict[str, int]:
        """What may go, in numbers."""
        alive = [one.valid for one in self.repositories if not one.valid.problem]
        return _numbers([tag for one in alive for tag in one.tags], sum(len(one.manifests) for one in alive))

    def gone(self) -> t.Dict[str, int]:
        """What has gone, in numbers."""
        tags = [tag for one in self.repositories for tag in one.tags_gone]
        return _numbers(tags, sum(len(one.manifests_gone) for one in self.repositories))


class _Likeness:
    """Whether a plan and a store are of the same registry: most tags that both know name the same."""

    def __init__(self) -> None:
        self._known = self._same = self._kept = 0

    def take(self, plan: RepositoryPlan, contents: RepositoryContents) -> None:
        for tag in plan.tags:
            seen = contents.tags.get(tag.name)
            self._kept += tag.action == KEEP and tag.digest is not None
            if seen is not None and tag.digest is not None:
                self._known += 1
                self._same += seen.digest in (tag.digest, tag.parked)

    def insist(self, tree: str) -> None:
        if self._same * 2 < self._known or (self._kept and not self._known):
            raise StoreInvalid(
                "the plan is not of this store: of the %d tags that both know, %d name the same. Either %s is not where the registry"
                " of the plan keeps its images, or too much was pushed since the plan was made: make it again. Nothing was done"
                % (self._known, self._same, tree)
            )


class StorePrune:
    """Prunes the store whose tree is TREE (see `layout.tree_of`), except for what PROTECTION covers."""

    def __init__(self, tree: str, protection: t.Optional[Protection] = None) -> None:
        self._tree = tree
        self._protection = protection

    def look(self, plan: Plan) -> Pruning:
        """Hold every repository of PLAN against the store. Reads only.

        Raises OSError for what cannot be read, StoreInvalid if most tags of PLAN are not what they are in the store: then it was
        made of another registry.
        """
        pruning = Pruning()
        likeness = _Likeness()
        for repository in plan.repositories:
            if repository.problem:
                pruning.held.append((repository.name, repository.problem))
            elif repository.guards:
                pruning.held.append((repository.name, "; ".join(guard.message for guard in repository.guards)))
            elif not repository.is_noop:
                pruning.repositories.append(PrunedRepository(self._look(repository, likeness)))
        likeness.insist(self._tree)
        return pruning

    def save(self, pruning: Pruning, saver: Saver) -> None:
        """Put all that is to go into SAVER, and return once it is on the disk. What cannot be saved holds its repository.

        Raises what SAVER raises, before anything is removed.
        """
        for one in pruning.repositories:
            if one.valid.is_noop:
                continue
            saved: t.List[str] = []
            unsaved = self._save(one.valid, saver, saved)
            if unsaved:
                # What this run leaves alone is for the next one's policies to judge.
                saver.done(one.name, digests=saved)
                one.valid.problem = unsaved
                pruning.errors.append("%s: %s" % (one.name, unsaved))
        saver.ready()

    def carry_out(self, pruning: Pruning, saver: Saver) -> None:
        """Remove what `look` has found and `save` has saved. An error in one repository leaves the others their turn.

        It is added to the errors of PRUNING. Raises what SAVER raises, unless that is an OSError.
        """
        for one in pruning.repositories:
            try:
                if not one.valid.is_noop:
                    self._carry_out(one, saver)
            except OSError as error:
                pruning.errors.append("%s: %s: %s" % (one.name, error.filename or self._path(one.name), error.strerror))

    def _look(self, plan: RepositoryPlan, likeness: _Likeness) -> StillValid:
        contents = self._read(plan.name)
        likeness.take(plan, contents)
        configs = {}
        if self._protection:
            configs = {manifest.digest: self._config_of(manifest) for manifest in plan.doomed_manifests}
        tags = os.path.join(self._path(plan.name), "_manifests", "tags")
        return still_valid(plan, contents, tags, self._protection, configs)

    def _config_of(self, manifest: PlannedManifest) -> str:
        """The digest of an image's config, empty where there is none or nobody can tell."""
        try:
            with open_regular(blob_path(self._tree, manifest.digest)) as stream:
                body = stream.read(MAX_MANIFEST_BYTES)
            config = parse_manifest(body, manifest.media_type, manifest.digest).config_descriptor
        except (ManifestInvalid, OSError):
            return ""
        return config.digest if config else ""

    def _read(self, name: str) -> RepositoryContents:
        path = self._path(name)
        # Layers are of no interest here: blobs are looked up one by one, and their links stay.
        parts = frozenset(part for part in ("_manifests",) if os.path.isdir(os.path.join(path, part)))
        return RepositoryScan(self._tree, BlobTable(self._tree), Findings()).read(FoundRepository(name, path, parts))

    def _save(self, valid: StillValid, saver: Saver, saved: t.List[str]) -> str:
        """Save what VALID dooms, and note in SAVED what was; empty, or why it cannot be saved."""
        for digest, media_type in [(one.digest, one.media_type) for one in valid.manifests]:
            try:
                with open_regular(blob_path(self._tree, digest)) as stream:
                    body = stream.read(MAX_MANIFEST_BYTES + 1)
            except FileNotFoundError:
                continue  # nothing is left of it but the link
            except OSError as error:
                return "%s could not be saved before its deletion: %s" % (digest, error.strerror)
            if not has_digest(body, digest):
                return "%s could not be saved before its deletion: its content is damaged" % digest
            saver.manifest(valid.name, digest, media_type, body)
            saved.append(digest)
            self._save_config(valid.name, body, media_type, digest, saver)
        for tag in valid.tags:
            saver.tag(valid.name, tag)
        return ""

    def _save_config(self, name: str, body: bytes, media_type: str, digest: str, saver: Saver) -> None:
        """An image whose config survives only here can come back after a collection. Without it, restore says so."""
        try:
            config = parse_manifest(body, media_type, digest).config_descriptor
            if config is None:
                return
            with open_regular(blob_path(self._tree, config.digest)) as stream:
                content = stream.read(MAX_SAVED_CONFIG_BYTES + 1)
        except (ManifestInvalid, OSError):
            return
        if len(content) <= MAX_SAVED_CONFIG_BYTES and has_digest(content, config.digest):
            saver.config(name, config.digest, content)

    def _carry_out(self, one: PrunedRepository, saver: Saver) -> None:
        path = self._path(one.name)
        tags = os.path.join(path, "_manifests", "tags")
        with Trash(self._tree, one.name) as trash:
            for tag in one.valid.tags:
                link = read_link(os.path.join(tags, tag.name, "current", "link"))
                if link is None or link.digest not in _expected(tag, link.digest, path):
                    # Somebody writes to this registry: what its manifests are needed for is unknown by now.
                    raise OSError(
                        0, "the tag has changed while it was pruned: is the registry read-only or stopped", tag.name
                    )
                if trash.take(os.path.join("tags", tag.name)):
                    one.tags_gone.append(tag)
            sync_if_there(tags)
            if one.tags_gone:
                saver.done(one.name, tags=[tag.name for tag in one.tags_gone])
            for level in one.valid.levels:
                for manifest in level:
                    self._remove_revision(manifest.digest, trash, one)
                # The children of its indexes must not go before these have.
                _sync_revisions(path, [manifest.digest for manifest in level])
            for digest in one.valid.tombstones:
                trash.take(_revision_place(digest))
            _sync_revisions(path, one.valid.tombstones)
            if one.manifests_gone:
                saver.done(one.name, digests=one.manifests_gone)

    def _remove_revision(self, digest: str, trash: Trash, one: PrunedRepository) -> None:
        if trash.take(_revision_place(digest)):
            one.manifests_gone.append(digest)

    def _path(self, name: str) -> str:
        return os.path.join(self._tree, "repositories", name)


def holds_any(tree: str, repository: str, tags: t.Iterable[str], digests: t.Iterable[str]) -> bool:
    """Whether REPOSITORY still has one of TAGS or one of the manifests DIGESTS."""
    path = os.path.join(tree, "repositories", repository)
    return any(os.path.lexists(os.path.join(path, "_manifests", "tags", tag)) for tag in tags) or any(
        os.path.lexists(_revision(path, digest)) for digest in digests
    )


def _expected(tag: PlannedTag, seen: str, path: str) -> t.Tuple[str, ...]:
    """The digests that the doomed TAG may name. One that named nothing may name what is not there."""
    if tag.digest is None:
        return () if os.path.exists(os.path.join(_revision(path, seen), "link")) else (seen,)
    return (tag.digest, tag.parked) if tag.parked else (tag.digest,)


def _revision(path: str, digest: str) -> str:
    return os.path.join(path, "_manifests", _revision_place(digest))


def _revision_place(digest: str) -> str:
    return os.path.join("revisions", *digest.split(":", 1))


def _sync_revisions(path: str, digests: t.Iterable[str]) -> None:
    for algorithm in sorted({digest.split(":", 1)[0] for digest in digests}):
        sync_if_there(os.path.join(path, "_manifests", "revisions", algorithm))


def _numbers(tags: t.Sequence[PlannedTag], manifests: int) -> t.Dict[str, int]:
    return {
        "tags": sum(1 for tag in tags if tag.action == DELETE),
        "untagged": sum(1 for tag in tags if tag.action == UNTAG),
        "manifests": manifests,
    }
