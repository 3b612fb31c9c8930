# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a dry run says may go, with sizes and ages where the store can be seen, kept on disk however much it is."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StoreInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import (
    blob_path,
    layer_link_path,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.sightings import Sightings

SAMPLE_SIZE = 20


class Garbage:
    """Takes digests and layer links as the collector names them.

    TREE is the store's tree, or None where this host cannot see it: sizes and ages are unknown then. What was pushed after
    YOUNGER_THAN (seconds since the epoch) counts as young: it may belong to a push that is under way. Where the store tells no
    times, what SIGHTINGS have first seen after that does.
    """

    def __init__(
        self,
        tree: t.Optional[str] = None,
        younger_than: t.Optional[float] = None,
        sightings: t.Optional[Sightings] = None,
    ) -> None:
        self._tree = tree
        self._sightings = None if tree else sightings
        self._younger_than = younger_than
        # Closed by __exit__: a store can have more blobs than a list should hold.
        self._sizes = tempfile.TemporaryFile(mode="w+", encoding="ascii") if tree else None  # noqa: SIM115
        self.blobs = 0
        self.links = 0
        self.young_blobs = 0
        self.young_links = 0
        self.total = 0
        self.sample: t.List[str] = []

    def __enter__(self) -> Garbage:
        return self

    def __exit__(self, *_unused: t.Any) -> None:
        if self._sizes:
            self._sizes.close()

    @property
    def size(self) -> t.Optional[int]:
        """Bytes of all blobs that may go; None where the store cannot be seen."""
        return self.total if self._tree else None

    @property
    def knows_ages(self) -> bool:
        """Whether `young_blobs` means anything."""
        return bool(self._tree or self._sightings)

    @property
    def only_young(self) -> bool:
        """Whether nothing of it is old enough to be called garbage."""
        return self.young_blobs == self.blobs and self.young_links == self.links

    def take_blob(self, digest: str) -> None:
        """Note the blob DIGEST. Raises StoreInvalid if the store that we see does not have it: it is another store."""
        self.blobs += 1
        if len(self.sample) < SAMPLE_SIZE:
            self.sample.append(digest)
        if self._sightings:
            self.young_blobs += self._is_young(self._sightings.first(digest))
        if not self._tree or not self._sizes:
            return
        try:
            status = os.stat(blob_path(self._tree, digest))
        except FileNotFoundError as error:
            raise StoreInvalid(
                "the collector names %s, which %s does not hold: storage_root and argv lead to different stores"
                % (digest, self._tree)
            ) from error
        self.total += status.st_size
        self.young_blobs += self._is_young(status.st_mtime)
        self._sizes.write("%s %d\n" % (digest, status.st_size))

    def take_link(self, repository: str, digest: str) -> None:
        """Note the layer link of DIGEST in REPOSITORY. Raises OSError if it is there and cannot be looked at."""
        self.links += 1
        if self._sightings:
            self.young_links += self._is_young(self._sightings.first("%s@%s" % (repository, digest)))
        if not self._tree:
            return
        try:
            self.young_links += self._is_young(os.stat(layer_link_path(self._tree, repository, digest)).st_mtime)
        except FileNotFoundError:
            self.young_links += 1  # gone meanwhile: nothing that is left to collect

    def gone(self) -> t.Tuple[int, int]:
        """How many of the blobs are no longer there, and the bytes that they had. Call it only where `size` is known."""
        count = freed = 0
        if self._tree and self._sizes:
            self._sizes.seek(0)
            for line in self._sizes:
                digest, size = line.split()
                if not os.path.exists(blob_path(self._tree, digest)):
                    count += 1
                    freed += int(size)
        return count, freed

    def _is_young(self, pushed: float) -> bool:
        return self._younger_than is not None and pushed > self._younger_than
