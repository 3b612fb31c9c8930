# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All blobs of a store, in a few dozen bytes each."""

from __future__ import annotations

import os
import stat
import typing as t
from array import array

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_digest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import (
    BLOB_EMPTY_FOLDER,
    BLOBS_STRAY,
    BLOBS_STRAY_DATA,
    FAMILIES,
    FOLDER_UNREADABLE,
    Finding,
    Findings,
    Kind,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import blob_path

NOBODY = -1
SEVERAL = -2


class BlobTable:
    """Sizes and times of blobs, and who needs them. A blob is known by its number in the table."""

    def __init__(self, tree: str) -> None:
        self._tree = tree
        self._numbers: t.Dict[bytes, int] = {}
        self._sizes = array("q")
        self._written = array("d")
        self._users = array("l")
        # One bit per family of collectors: marked, that is kept.
        self._marks = bytearray()
        # Where the collector meets a blob that it cannot enumerate, in its order.
        self.aborts: t.Optional[str] = None

    def __len__(self) -> int:
        return len(self._sizes)

    def scan(self, findings: Findings) -> None:
        """Read the folder of the blobs. What is no blob, or cannot be read, becomes a finding, and `aborts` names where a collector stops.

        Raises nothing for a single folder that cannot be read; OSError where an entry of one cannot be told from a folder.
        """
        for algorithm in self._entries(os.path.join(self._tree, "blobs"), "blobs", findings):
            place = os.path.join("blobs", algorithm.name)
            if algorithm.name not in ("sha256", "sha512") or not algorithm.is_dir():
                self._stray(algorithm, place, findings)
                continue
            for pair in self._entries(algorithm.path, place, findings):
                pair_place = os.path.join(place, pair.name)
                if len(pair.name) != 2 or not pair.is_dir():
                    self._stray(pair, pair_place, findings)
                    continue
                for blob in self._entries(pair.path, pair_place, findings):
                    self._take(algorithm.name, pair.name, blob, pair_place + "/" + blob.name, findings)

    def find(self, digest: str) -> t.Optional[int]:
        """The number of the blob DIGEST, None if the store does not have it. Looks again at a store that is written to.

        Raises nothing: see `trouble_with` for what could not be looked at.
        """
        key = _key(digest)
        number = self._numbers.get(key)
        if number is None and is_digest(digest):
            try:
                status = os.stat(blob_path(self._tree, digest))
            except OSError:
                return None
            if stat.S_ISDIR(status.st_mode):
                return None
            number = self._add(key, status.st_size, status.st_mtime)
        return number

    def trouble_with(self, digest: str) -> str:
        """Why nobody can tell whether the store has the blob DIGEST, which was not found; empty if it surely has not."""
        try:
            os.stat(blob_path(self._tree, digest))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return ""
        except OSError as error:
            return error.strerror or "it cannot be looked at"
        return ""

    def number(self, digest: str) -> int:
        """The number of the blob DIGEST, which the table holds. Raises KeyError."""
        return self._numbers[_key(digest)]

    def use(self, number: int, repository: int) -> None:
        """Note that REPOSITORY (a number) needs the blob NUMBER."""
        user = self._users[number]
        if user == NOBODY:
            self._users[number] = repository
        elif user != repository:
            self._users[number] = SEVERAL

    def mark(self, number: int, mask: int) -> None:
        """Note that the collectors of the families in MASK (see `mask_of`) keep the blob NUMBER."""
        self._marks[number] |= mask

    def size(self, number: int) -> int:
        """Bytes of the blob NUMBER. Raises IndexError if there is none of that number."""
        return self._sizes[number]

    def is_shared(self, number: int) -> bool:
        """Whether several repositories need the blob NUMBER."""
        return self._users[number] == SEVERAL

    @property
    def total(self) -> int:
        """Bytes of all blobs."""
        return sum(self._sizes)

    def unused(self) -> t.Tuple[int, int]:
        """Count and bytes of the blobs that no repository's manifests need."""
        found = [self._sizes[number] for number, user in enumerate(self._users) if user == NOBODY]
        return len(found), sum(found)

    def unmarked(self, family: str) -> t.Iterator[t.Tuple[str, int, float]]:
        """Digest, size and time of each blob that the collector of FAMILY does not keep."""
        bit = mask_of((family,))
        for key, number in self._numbers.items():
            if not self._marks[number] & bit:
                yield _digest(key), self._sizes[number], self._written[number]

    def digests(self) -> t.Iterator[str]:
        """The digests of all blobs."""
        return map(_digest, self._numbers)

    def _entries(self, path: str, place: str, findings: Findings) -> t.List[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._abort(FOLDER_UNREADABLE, place, findings, error.strerror or "")
            return []

    def _take(self, algorithm: str, pair: str, blob: os.DirEntry[str], place: str, findings: Findings) -> None:
        key = _key("%s:%s" % (algorithm, blob.name))
        known = len(key) == 32 if algorithm == "sha256" else is_digest("%s:%s" % (algorithm, blob.name))
        if not known or not blob.name.startswith(pair) or not blob.is_dir():
            self._stray(blob, place, findings)
            return
        try:
            status = os.stat(blob.path + "/data")
        except FileNotFoundError:
            findings.add(Finding(BLOB_EMPTY_FOLDER, place))
            return
        except OSError as error:
            self._abort(FOLDER_UNREADABLE, place, findings, error.strerror or "")
            return
        if stat.S_ISDIR(status.st_mode):
            self._stray(blob, place, findings)
            return
        self._add(key, status.st_size, status.st_mtime)

    def _add(self, key: bytes, size: int, written: float) -> int:
        number = len(self._sizes)
        self._numbers[key] = number
        self._sizes.append(size)
        self._written.append(written)
        self._users.append(NOBODY)
        self._marks.append(0)
        return number

    def _stray(self, entry: os.DirEntry[str], place: str, findings: Findings) -> None:
        """What does not belong here: the collector only minds files named data, however deep they lie."""
        for folder, folders, files in os.walk(entry.path, followlinks=False):
            folders.sort()
            if "data" in files or ("data" in folders and os.path.islink(os.path.join(folder, "data"))):
                inner = os.path.join(place, os.path.relpath(os.path.join(folder, "data"), entry.path))
                self._abort(BLOBS_STRAY_DATA, inner, findings)
                return
        if entry.name == "data" and entry.is_file():
            self._abort(BLOBS_STRAY_DATA, place, findings)
        else:
            findings.add(Finding(BLOBS_STRAY, place))

    def _abort(self, kind: Kind, place: str, findings: Findings, detail: str = "") -> None:
        findings.add(Finding(kind, place, detail=detail, stops=FAMILIES))
        if self.aborts is None:
            self.aborts = place


def mask_of(families: t.Iterable[str]) -> int:
    """FAMILIES as bits."""
    return sum(1 << FAMILIES.index(family) for family in families)


def _key(digest: str) -> bytes:
    """A digest in as few bytes as it takes; any text is taken."""
    # Capitals are hex to Python, and another digest to the collector.
    if len(digest) == 71 and digest[:7] == "sha256:" and digest.islower():
        try:
            key = bytes.fromhex(digest[7:])
        except ValueError:
            key = b""
        # Python passes over spaces between hex digits.
        if len(key) == 32:
            return key
    return digest.encode("utf-8", "surrogatepass")


def _digest(key: bytes) -> str:
    return "sha256:" + key.hex() if len(key) == 32 else key.decode("utf-8", "surrogatepass")
