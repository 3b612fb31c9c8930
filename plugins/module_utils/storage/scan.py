# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One scan of a whole store."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.blob_table import BlobTable
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import (
    FAMILIES,
    Findings,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.parallel_scan import (
    read_repositories,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_scan import (
    RepositoryContents,
    RepositoryScan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_walk import (
    FoundRepository,
    RepositoryWalk,
)


@dataclass(frozen=True)
class WouldFree:
    """What a collection of FAMILY would free if nobody pushed. BLOBS and SIZE (bytes) are None where it ABORTS at a path.

    IS_SAFE: it neither aborts nor removes the content of images that are there.
    """

    family: str
    aborts: t.Optional[str]
    blobs: t.Optional[int]
    size: t.Optional[int]
    is_safe: bool


@dataclass
class RepositoryBytes:
    """Bytes that a repository's manifests need: ALL of them, each blob once; of these, OWN that no other repository needs."""

    all: int = 0
    own: int = 0


@dataclass
class StoreScan:
    """A scan that is read with `repositories`, to the end, and then asked for the rest.

    TREE: see `layout.tree_of`. Findings are kept up to FINDINGS_LIMIT of each kind. WORKERS: processes that read repositories.
    """

    tree: str
    findings_limit: int = 50
    workers: int = 1
    findings: Findings = field(init=False)
    table: BlobTable = field(init=False)

    def __post_init__(self) -> None:
        self.findings = Findings(self.findings_limit)
        self.table = BlobTable(self.tree)
        self._aborts: t.Dict[str, str] = {}
        self._blobs: t.Dict[str, t.Sequence[int]] = {}

    def repositories(self) -> t.Iterator[RepositoryContents]:
        """Scan the store; yield each repository, sorted as the collector walks. Only one is held at a time.

        Raises OSError for what cannot be read and is no finding, StorageError if a process that reads ends before its work.
        """
        # Blobs first: of a store that is written to, a repository never names a blob that came before the table.
        self.table.scan(self.findings)
        walk = RepositoryWalk(self.tree, self.findings)
        for contents in self._read(walk):
            self._blobs[contents.name] = contents.blobs
            for family, place in contents.aborts.items():
                self._aborts.setdefault(family, place)
            yield contents
        for family, place in walk.aborts.items():
            self._aborts.setdefault(family, place)
        for family in FAMILIES:
            if self.table.aborts:
                self._aborts.setdefault(family, self.table.aborts)

    def _read(self, walk: RepositoryWalk) -> t.Iterator[RepositoryContents]:
        found: t.Iterable[FoundRepository] = walk
        if self.workers > 1:
            # A few hundred bytes for each repository, whatever is in it.
            known = list(walk)
            workers = min(self.workers, len(known))
            if workers > 1:
                yield from read_repositories(self.tree, self.table, self.findings, known, workers)
                return
            found = known
        reader = RepositoryScan(self.tree, self.table, self.findings)
        for one in found:
            yield reader.read(one)

    @property
    def repository_names(self) -> t.Collection[str]:
        """The names of the repositories that have been read, emptied ones included."""
        return self._blobs.keys()

    def aborts(self, family: str) -> t.Optional[str]:
        """Where the collector of FAMILY would abort, None if it would not."""
        return self._aborts.get(family)

    def collectable(self, family: str) -> t.Iterator[t.Tuple[str, int, float]]:
        """Digest, size and time of every blob that a collection of FAMILY removes, if it does not abort."""
        return self.table.unmarked(family)

    def would_free(self, family: str) -> WouldFree:
        """The sum of `collectable`."""
        place = self.aborts(family)
        if place is not None:
            return WouldFree(family, place, None, None, False)
        count = size = 0
        for _digest, bytes_of_it, _written in self.collectable(family):
            count += 1
            size += bytes_of_it
        return WouldFree(family, None, count, size, not self.findings.stops[family])

    def bytes_of(self, repository: str) -> RepositoryBytes:
        """Bytes of REPOSITORY, once all repositories have been read."""
        found = RepositoryBytes()
        for blob in self._blobs.get(repository, ()):
            size = self.table.size(blob)
            found.all += size
            if not self.table.is_shared(blob):
                found.own += size
        return found
