# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything about one repository of the store: what it holds, what keeps it alive, and what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import typing as t
from array import array
from dataclasses import dataclass, field, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    MAX_MANIFEST_BYTES,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_digest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    StoredManifest,
    StoredRepository,
    StoredTag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.blob_table import (
    BlobTable,
    mask_of,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import (
    CHILD_MISSING,
    CONTENT_MISSING,
    FAMILIES,
    FAMILY_2,
    FAMILY_3,
    FOLDER_UNREADABLE,
    LAYER_LINK_BROKEN,
    LAYER_UNLINKED,
    LAYERS_MISSING,
    LINK_BROKEN,
    LINK_MISPLACED,
    MANIFEST_MISSING,
    MANIFEST_SCHEMA1,
    MANIFEST_UNREADABLE,
    REMOVAL_STRANGE,
    REMOVAL_UNFINISHED,
    TAG_DANGLING,
    TAGS_MISSING,
    Finding,
    Findings,
    Kind,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import blob_path
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.link_tree import (
    PlacedLink,
    read_links,
    read_signatures,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.reach import reached
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_walk import (
    FoundRepository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.stored_manifest import (
    StoredContent,
    Unreadable,
    read_stored_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.tag_scan import (
    read_tags,
    when_untagged,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.trash import left_in
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.upload_scan import (
    Upload,
    read_uploads,
)


@dataclass
class RepositoryContents:
    """What one repository holds.

    PARENTS: for each manifest that an index here names, those indexes. SUBJECTS: for each manifest with a subject, that subject.
    BLOBS: the numbers of the blobs that its manifests need, each once. BROKEN_TAGS name nothing that can be read. UNREAD:
    manifests whose content is there and cannot be understood. UNREADABLE, when not empty, says which part of it is there and could
    not be read at all, so that what is not in here may all the same be there. ABORTS: where each family's collector stops here.
    """

    name: str
    tags: t.Dict[str, StoredTag] = field(default_factory=dict)
    manifests: t.Dict[str, StoredManifest] = field(default_factory=dict)
    parents: t.Dict[str, t.List[str]] = field(default_factory=dict)
    subjects: t.Dict[str, str] = field(default_factory=dict)
    blobs: t.Sequence[int] = ()
    layer_links: int = 0
    layer_links_dangling: int = 0
    uploads: t.List[Upload] = field(default_factory=list)
    broken_links: int = 0
    broken_tags: t.List[str] = field(default_factory=list)
    unread: t.Set[str] = field(default_factory=set)
    unreadable: str = ""
    aborts: t.Dict[str, str] = field(default_factory=dict)

    @property
    def stored(self) -> StoredRepository:
        """The part that travels in a scan file."""
        return StoredRepository(self.name, self.tags, self.manifests)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no tag and no manifest, not even a broken one."""
        return not (self.tags or self.manifests or self.broken_links or self.broken_tags)

    def children(self) -> t.Dict[str, t.List[str]]:
        """For each index here, the manifests that it names."""
        found: t.Dict[str, t.List[str]] = {}
        for child, parents in self.parents.items():
            for parent in parents:
                found.setdefault(parent, []).append(child)
        return found

    def untagged(self) -> t.List[StoredManifest]:
        """Manifests that no tag names, sorted by digest."""
        named = {tag.digest for tag in self.tags.values()}
        return [manifest for digest, manifest in sorted(self.manifests.items()) if digest not in named]

    def needed_by_tags(self) -> t.Tuple[t.Set[str], t.Set[str]]:
        """Untagged manifests that tagged ones lead to, as children (nested too), and then those that refer to any of these."""
        named = {tag.digest for tag in self.tags.values()}
        children = self.children()
        needed = reached(named, children) - named
        referrers: t.Dict[str, t.List[str]] = {}
        for referrer, subject in self.subjects.items():
            referrers.setdefault(subject, []).append(referrer)
        return needed, reached(named | needed, referrers, children) - named - needed


class RepositoryScan:
    """Scans one repository after the other into the same table of blobs and the same findings."""

    def __init__(self, tree: str, table: BlobTable, findings: Findings) -> None:
        self._tree = tree
        self._table = table
        self._findings = findings
        self._count = 0

    def read(self, found: FoundRepository) -> RepositoryContents:
        """Read the repository FOUND, mark what each collector that visits it keeps, and note what is wrong.

        A folder that cannot be read is a finding, and makes the result `unreadable`. Raises OSError for single files that cannot be looked at.
        """
        contents = RepositoryContents(found.name)
        number, self._count = self._count, self._count + 1
        place = os.path.join("repositories", found.name)
        linked = self._read_layers(found, contents, place)
        used: t.Set[int] = set()
        self._read_revisions(found, contents, place, linked, used)
        contents.blobs = array("l", used)
        for blob in used:
            self._table.use(blob, number)
        self._read_tags(found, contents, place)
        uploads = os.path.join(place, "_uploads")
        with self._guarded(contents, uploads, ()):
            contents.uploads = read_uploads(os.path.join(self._tree, uploads))
        left = left_in(self._tree, found.name)
        if left and left.is_ours:
            self._note(contents, REMOVAL_UNFINISHED, left.place, ())
        if left and left.strange:
            self._note(contents, REMOVAL_STRANGE, left.place, (), left.strange)
        return contents

    def _read_layers(self, found: FoundRepository, contents: RepositoryContents, place: str) -> t.Set[int]:
        """The numbers of the blobs to which the repository has links. Only 3.x reads these links in a collection."""
        folder = os.path.join(place, "_layers")
        visited = tuple(family for family in found.families if family == FAMILY_3)
        linked: t.Set[int] = set()
        with self._guarded(contents, folder, visited):
            for placed in read_links(os.path.join(self._tree, folder), times=False):
                contents.layer_links += 1
                if placed.link.problem:
                    path = os.path.join(folder, placed.place)
                    self._note(contents, LAYER_LINK_BROKEN, path, visited, placed.link.problem)
                    continue
                blob = self._table.find(placed.link.digest)
                if blob is None:
                    contents.layer_links_dangling += 1
                elif placed.expected == placed.link.digest:
                    linked.add(blob)
        return linked

    def _read_revisions(
        self,
        found: FoundRepository,
        contents: RepositoryContents,
        place: str,
        linked: t.Set[int],
        used: t.Set[int],
    ) -> None:
        if not found.has_manifests:
            return
        folder = os.path.join(place, "_manifests", "revisions")
        misplaced: t.Dict[str, t.List[PlacedLink]] = {}
        with self._guarded(contents, folder, found.families):
            for placed in read_links(os.path.join(self._tree, folder)):
                path = folder + "/" + placed.place
                digest = placed.link.digest
                if placed.link.problem:
                    contents.broken_links += 1
                    self._note(contents, LINK_BROKEN, path, found.families, placed.link.problem)
                elif digest != placed.expected:
                    contents.broken_links += 1
                    self._note(contents, LINK_MISPLACED, path, (), digest)
                    misplaced.setdefault(placed.expected, []).append(placed)
                else:
                    contents.manifests[digest] = StoredManifest(digest, placed.link.written)
                    self._take_manifest(contents, digest, digest, path, found.families, linked, used)
        for placed in [one for several in misplaced.values() for one in several]:
            # The collector looks the digest up at its own place; 2.x then among the layers as well.
            digest = placed.link.digest
            if digest in contents.manifests:
                continue
            there = misplaced.get(digest)
            target = there[0].link.digest if there and digest else digest
            families = found.families
            if not there:
                families = tuple(one for one in families if one == FAMILY_2 and self._table.find(digest) in linked)
            if families:
                path = os.path.join(folder, placed.place)
                self._take_manifest(contents, digest, target, path, families, linked, used)
        if not found.has_layers:
            loses = bool(contents.manifests or contents.broken_links)
            path = os.path.join(place, "_layers")
            contents.aborts.setdefault(FAMILY_3, path)
            self._findings.add(Finding(LAYERS_MISSING, path, contents.name, stops=FAMILIES if loses else (FAMILY_3,)))

    def _take_manifest(
        self,
        contents: RepositoryContents,
        digest: str,
        target: str,
        path: str,
        families: t.Tuple[str, ...],
        linked: t.Set[int],
        used: t.Set[int],
    ) -> None:
        """A manifest DIGEST, whose content is TARGET (another one only where links are in disorder)."""
        if self._table.find(target) is None:
            trouble = self._table.trouble_with(target)
            if trouble:
                contents.unread.add(digest)
                self._note(contents, MANIFEST_UNREADABLE, path, families, trouble)
            else:
                self._note(contents, MANIFEST_MISSING, path, ())
            return
        own = self._table.find(digest)
        if own is not None:
            used.add(own)
            self._table.mark(own, mask_of(families))
        try:
            content = self._read_manifest(target)
        except Unreadable as error:
            contents.unread.add(digest)
            self._note(contents, MANIFEST_UNREADABLE, path, families, str(error))
            return
        if content.schema_version == 1:
            self._note(contents, MANIFEST_SCHEMA1, path, tuple(one for one in families if one == FAMILY_3))
            self._check_signatures(contents, digest, families)
        self._take_content(contents, digest, path, content, families, linked, used)

    def _check_signatures(self, contents: RepositoryContents, digest: str, families: t.Tuple[str, ...]) -> None:
        folder = os.path.join("repositories", contents.name, "_manifests", "revisions")
        for placed in read_signatures(os.path.join(self._tree, folder), digest):
            if placed.link.problem:
                path = os.path.join(folder, placed.place)
                self._note(contents, LINK_BROKEN, path, families, placed.link.problem)

    def _take_content(
        self,
        contents: RepositoryContents,
        digest: str,
        path: str,
        content: StoredContent,
        families: t.Tuple[str, ...],
        linked: t.Set[int],
        used: t.Set[int],
    ) -> None:
        if digest in contents.manifests:
            children = tuple(child for child in content.children if is_digest(child))
            contents.manifests[digest] = StoredManifest(digest, contents.manifests[digest].pushed, None, children)
        if content.subject:
            contents.subjects[digest] = content.subject
        for child in content.children:
            contents.parents.setdefault(child, []).append(digest)
        missing = unlinked = ""
        mask = mask_of(families)
        for reference in content.references:
            blob = self._table.find(reference)
            if blob is None:
                if not content.children and reference not in content.foreign:
                    missing = reference or "(no digest)"
                continue
            used.add(blob)
            self._table.mark(blob, mask)
            if not content.children and blob not in linked and reference not in content.foreign:
                unlinked = reference
        if missing:
            self._note(contents, CONTENT_MISSING, path, (), missing)
        elif unlinked:
            self._note(contents, LAYER_UNLINKED, path, (), unlinked)

    def _read_manifest(self, digest: str) -> StoredContent:
        try:
            descriptor = os.open(blob_path(self._tree, digest), os.O_RDONLY | os.O_NONBLOCK)
            try:
                size = os.fstat(descriptor).st_size
                content = os.read(descriptor, min(size, MAX_MANIFEST_BYTES) + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unreadable(error.strerror or "it cannot be read") from error
        if len(content) > MAX_MANIFEST_BYTES:
            raise Unreadable("it is larger than any manifest")
        return read_stored_manifest(content)

    def _read_tags(self, found: FoundRepository, contents: RepositoryContents, place: str) -> None:
        if not found.has_manifests:
            return
        tags = os.path.join(place, "_manifests", "tags")
        try:
            contents.tags, contents.broken_tags = read_tags(
                os.path.join(self._tree, tags), tags, found.name, self._findings
            )
        except FileNotFoundError:
            if contents.manifests:
                self._note(contents, TAGS_MISSING, tags, ())
        except OSError as error:
            contents.unreadable = contents.unreadable or "%s: %s" % (tags, error.strerror)
            self._note(contents, FOLDER_UNREADABLE, tags, (), error.strerror or "")
        for tag in contents.tags.values():
            if tag.digest not in contents.manifests:
                self._note(contents, TAG_DANGLING, os.path.join(tags, tag.name), (), tag.digest)
        for child, parents in contents.parents.items():
            if child not in contents.manifests:
                self._note(
                    contents,
                    CHILD_MISSING,
                    os.path.join(place, "_manifests"),
                    (),
                    "%s of %s" % (child, parents[0]),
                )
        untagged = {manifest.digest for manifest in contents.untagged()}
        if untagged:
            since = when_untagged(os.path.join(self._tree, tags), contents.tags, untagged)
            for digest in untagged:
                if digest in since:
                    manifest = contents.manifests[digest]
                    moment = max(since[digest], manifest.pushed or 0.0)
                    contents.manifests[digest] = replace(manifest, untagged_since=moment)

    @contextlib.contextmanager
    def _guarded(self, contents: RepositoryContents, place: str, stops: t.Tuple[str, ...]) -> t.Iterator[None]:
        """Within it, a folder at PLACE that is not there is passed over, and one that cannot be read becomes a finding."""
        try:
            yield
        except FileNotFoundError:
            return
        except OSError as error:
            contents.broken_links += 1
            contents.unreadable = contents.unreadable or "%s: %s" % (place, error.strerror)
            self._note(contents, FOLDER_UNREADABLE, place, stops, error.strerror or "")

    def _note(
        self, contents: RepositoryContents, kind: Kind, path: str, stops: t.Tuple[str, ...], detail: str = ""
    ) -> None:
        self._findings.add(Finding(kind, path, contents.name, detail, stops))
        for family in stops:
            contents.aborts.setdefault(family, path)
