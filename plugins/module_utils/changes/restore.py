# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts back what a backup holds: blobs proved, children first, tags last, and only what was then read back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound, RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletion import (
    attempts,
    current_digest,
    may_repeat,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    SavedManifest,
    SavedRepository,
    SavedTag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    TOMBSTONE,
    Manifest,
    ManifestInvalid,
    parse_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import has_digest

RESTORED = "restored"
PRESENT = "present"
LOST = "lost"
PUSHED_SINCE = "pushed_since"


@dataclass(frozen=True)
class Restored:
    """What became of one tag or manifest: RESTORED, already PRESENT, LOST, or PUSHED_SINCE; REASON in words."""

    name: str
    digest: str
    state: str
    reason: str = ""


@dataclass
class RestoredRepository:
    """What was put back in one repository."""

    name: str
    manifests: t.List[Restored] = field(default_factory=list)
    tags: t.List[Restored] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was put back."""
        return any(entry.state == RESTORED for entry in self.manifests + self.tags)


class _Lost(Exception):
    """A manifest that cannot come back; the text says why."""


class Restorer:
    """Restores one repository from a backup. PREDICT only says what would be done.

    SOURCES: other repositories of the registry, from which a layer that survives there is mounted.
    """

    def __init__(
        self,
        client: RegistryClient,
        saved: SavedRepository,
        name: str,
        sources: t.Callable[[], t.Sequence[str]],
        overwrite: bool = False,
        predict: bool = False,
    ) -> None:
        self._client = client
        self._saved = saved
        self._name = name
        self._sources = sources
        self._overwrite = overwrite
        self._predict = predict
        self.result = RestoredRepository(name)
        self._states: t.Dict[str, Restored] = {}
        self._blobs: t.Dict[str, bool] = {}

    def restore(self, tags: t.Optional[t.Collection[str]] = None) -> RestoredRepository:
        """Restore everything, or with TAGS only these and what they need.

        Raises RegistryError if the registry is out of reach; what was done until then is in `result`.
        """
        wanted = [tag for tag in self._saved.tags.values() if tags is None or tag.name in tags]
        digests = [tag.digest for tag in wanted if tag.digest]
        if tags is None:
            digests += list(self._saved.manifests)
        for digest in self._children_first(digests):
            self.result.manifests.append(self._manifest(digest))
        for tag in wanted:
            self.result.tags.append(self._tag(tag))
        return self.result

    def _children_first(self, digests: t.Sequence[str]) -> t.List[str]:
        """The saved manifests among DIGESTS and below them, each after its children and its subject."""
        ordered: t.Dict[str, None] = {}
        open_: t.Set[str] = set()
        waiting = [(digest, False) for digest in reversed(list(dict.fromkeys(digests)))]
        while waiting:
            digest, ready = waiting.pop()
            if digest in ordered or digest not in self._saved.manifests:
                continue
            if ready or digest in open_:
                ordered[digest] = None
                continue
            open_.add(digest)
            waiting.append((digest, True))
            waiting.extend((below, False) for below in self._below(digest))
        return list(ordered)

    def _below(self, digest: str) -> t.List[str]:
        try:
            manifest = self._parsed(self._saved.manifests[digest])
        except _Lost:
            return []
        return [child.digest for child in manifest.children] + ([manifest.subject] if manifest.subject else [])

    def _parsed(self, saved: SavedManifest) -> Manifest:
        if not has_digest(saved.body, saved.digest):
            raise _Lost("its bytes in the backup do not hash to its digest: the backup is damaged")
        try:
            return parse_manifest(saved.body, saved.media_type, saved.digest)
        except ManifestInvalid as error:
            raise _Lost("the backup holds no manifest under this digest: %s" % error) from error

    def _manifest(self, digest: str) -> Restored:
        saved = self._saved.manifests[digest]
        try:
            manifest = self._parsed(saved)
            for child in manifest.children:
                below = self._states.get(child.digest)
                if below is not None and below.state == LOST:
                    raise _Lost("its child %s is lost" % child.digest)
            for blob in manifest.blobs:
                if not blob.is_foreign:
                    self._prove_blob(blob.digest)
            state = Restored(digest, digest, self._put_manifest(saved))
        except _Lost as error:
            state = Restored(digest, digest, LOST, str(error))
        self._states[digest] = state
        return state

    def _put_manifest(self, saved: SavedManifest) -> str:
        if current_digest(self._client, self._name, saved.digest) == saved.digest:
            return PRESENT
        if self._predict:
            return RESTORED
        self._put(saved.digest, saved)
        self._read_back(saved)
        return RESTORED

    def _put(self, reference: str, saved: SavedManifest) -> None:
        try:
            self._client.put_manifest(self._name, reference, saved.body, saved.media_type)
        except NotFound as error:
            raise _Lost("the registry refuses it: %s" % error.message) from error
        except RegistryError as error:
            if error.status == 400:
                raise _Lost("the registry refuses it: %s" % error.message) from error
            raise

    def _read_back(self, saved: SavedManifest) -> None:
        try:
            content = self._client.get_manifest(self._name, saved.digest)
        except NotFound as error:
            raise _Lost(
                "the registry accepted it and does not have it: restart the registry first, its cache is stale"
            ) from error
        if content.body != saved.body:
            raise _Lost("the registry returns other bytes for it")

    def _prove_blob(self, digest: str) -> None:
        """Make sure that the registry really serves a blob, or bring it back. Raises _Lost."""
        if digest not in self._blobs:
            self._blobs[digest] = self._has_blob(digest) or self._bring_back(digest)
        if not self._blobs[digest]:
            raise _Lost("the blob %s was taken by garbage collection and no other repository has it" % digest)

    def _has_blob(self, digest: str) -> bool:
        return self._client.blob_range(self._name, digest)

    def _bring_back(self, digest: str) -> bool:
        if self._predict:
            return digest in self._saved.configs or any(
                self._client.blob_range(name, digest) for name in self._others()
            )
        config = self._saved.configs.get(digest)
        if config is not None and has_digest(config, digest):
            self._client.upload_blob(self._name, config, digest)
            self._stale(digest)
            return True
        for source in self._others():
            if self._client.blob_range(source, digest) and self._client.mount_blob(self._name, digest, source):
                self._stale(digest)
                return True
        return False

    def _stale(self, digest: str) -> None:
        if not self._has_blob(digest):
            raise _Lost(
                "the registry accepted its blob %s and does not serve it: restart the registry first, its cache is stale"
                % digest
            )

    def _others(self) -> t.List[str]:
        return [name for name in self._sources() if name != self._name]

    def _tag(self, tag: SavedTag) -> Restored:
        """Put TAG back, after another look each time that the registry was too busy to take it."""
        for left in attempts(self._client):
            try:
                return self._tag_once(tag)
            except RegistryError as error:
                if not may_repeat(error, left):
                    raise
        return self._tag_once(tag)  # not reached: there is always one attempt

    def _tag_once(self, tag: SavedTag) -> Restored:
        digest = tag.digest
        if digest is None:
            return Restored(tag.name, "", LOST, "it named no manifest when it was taken off")
        if not self._predict:
            self._client.prepare_push(self._name)
        now = current_digest(self._client, self._name, tag.name)
        if now == digest:
            return Restored(tag.name, digest, PRESENT)
        if now is not None and not self._overwrite and not self._is_tombstone(now):
            return Restored(tag.name, digest, PUSHED_SINCE, "it names %s now; set overwrite to replace that" % now)
        state = self._states.get(digest)
        if state is not None and state.state == LOST:
            return Restored(tag.name, digest, LOST, state.reason)
        try:
            saved = self._saved.manifests.get(digest) or self._kept(digest)
            if not self._predict:
                self._put(tag.name, saved)
                if current_digest(self._client, self._name, tag.name) != digest:
                    raise _Lost("the registry accepted the tag and resolves it to something else")
        except _Lost as error:
            return Restored(tag.name, digest, LOST, str(error))
        return Restored(tag.name, digest, RESTORED)

    def _kept(self, digest: str) -> SavedManifest:
        """A manifest that was kept when its tag was taken off, so the registry itself has its bytes."""
        try:
            content = self._client.get_manifest(self._name, digest)
        except NotFound as error:
            raise _Lost(
                "its manifest %s was kept then and is gone now; look for it in a later backup" % digest
            ) from error
        return SavedManifest(digest, content.media_type, content.body)

    def _is_tombstone(self, digest: str) -> bool:
        try:
            content = self._client.get_manifest(self._name, digest)
            return parse_manifest(content.body, content.media_type, digest).kind == TOMBSTONE
        except (NotFound, ManifestInvalid):
            return False
