# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the repositories of a store in several processes, and hands them on in their order, a few at a time.

Reading is half Python and half system calls, so threads would not help. Each process is a fork: it knows the table of blobs already, and
what it sends back is what it found in one repository after the other. A pipe holds few of them, so nobody runs far ahead.
"""

from __future__ import annotations

import os
import pickle  # nosec B403
import signal
import struct
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.blob_table import BlobTable
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import Findings
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_scan import (
    RepositoryContents,
    RepositoryScan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_walk import (
    FoundRepository,
)

# Pickles are only ever read from our own forks.
_LENGTH = struct.Struct("!Q")


class Noted(BlobTable):
    """A table that begins where another ends: what is marked, used and added here is noted, to be told to that one."""

    def __init__(self, base: BlobTable) -> None:
        super().__init__("")
        vars(self).update(vars(base))
        self._base_length = len(base)
        self.marks: t.Dict[int, int] = {}
        self.added: t.Dict[int, str] = {}

    def find(self, digest: str) -> t.Optional[int]:
        number = super().find(digest)
        if number is not None and number >= self._base_length:
            self.added[number] = digest
        return number

    def use(self, number: int, repository: int) -> None:
        return  # the process that asked does so, from the contents

    def mark(self, number: int, mask: int) -> None:
        self.marks[number] = self.marks.get(number, 0) | mask


def read_repositories(
    tree: str, table: BlobTable, findings: Findings, found: t.Sequence[FoundRepository], workers: int
) -> t.Iterator[RepositoryContents]:
    """What each of FOUND holds, in order, read by WORKERS processes; marks go into TABLE, and what is wrong into FINDINGS.

    Raises OSError for what cannot be read, StorageError if a process ends before its work.
    """
    processes: t.List[t.Tuple[int, t.BinaryIO]] = []
    try:
        for worker in range(workers):
            processes.append(_start(tree, table, findings.limit, found[worker::workers], [one[1] for one in processes]))
        for number in range(len(found)):
            contents, marks, added, noted = _receive(processes[number % workers][1])
            numbers = {theirs: table.find(digest) for theirs, digest in added.items()}
            contents.blobs = _renamed(contents.blobs, numbers)
            marks = {blob: marks[theirs] for theirs in marks for blob in _renamed([theirs], numbers)}
            for blob, mask in marks.items():
                table.mark(blob, mask)
            for blob in contents.blobs:
                table.use(blob, number)
            findings.take(noted)
            yield contents
    finally:
        for pid, stream in processes:
            stream.close()
            os.kill(pid, signal.SIGKILL)  # it has ended, or nobody wants the rest
            os.waitpid(pid, 0)


def _start(
    tree: str, table: BlobTable, limit: int, found: t.Sequence[FoundRepository], others: t.Sequence[t.BinaryIO]
) -> t.Tuple[int, t.BinaryIO]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading, "rb")
    status = 1
    try:
        os.close(reading)
        for other in others:
            os.close(other.fileno())
        with os.fdopen(writing, "wb") as stream:
            _work(tree, table, limit, found, stream)
        status = 0
    finally:
        # Never back into the caller's code, whatever happens: this is not its process.
        os._exit(status)  # pylint: disable=protected-access


def _work(tree: str, table: BlobTable, limit: int, found: t.Sequence[FoundRepository], stream: t.BinaryIO) -> None:
    noted = Noted(table)
    for one in found:
        findings = Findings(limit)
        noted.marks, noted.added = {}, {}
        try:
            contents = RepositoryScan(tree, noted, findings).read(one)
        except OSError as error:
            _send(stream, error)
            return
        used = set(contents.blobs) | set(noted.marks)
        _send(stream, (contents, noted.marks, {n: d for n, d in noted.added.items() if n in used}, findings))


def _renamed(blobs: t.Iterable[int], numbers: t.Mapping[int, t.Optional[int]]) -> t.List[int]:
    """BLOBS by our numbers: one that was pushed since the table was made has another in each process, or has gone again."""
    ours = (numbers.get(blob, blob) for blob in blobs)
    return [blob for blob in ours if blob is not None]


def _send(stream: t.BinaryIO, what: t.Any) -> None:
    content = pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _receive(stream: t.BinaryIO) -> t.Any:
    header = stream.read(_LENGTH.size)
    content = stream.read(_LENGTH.unpack(header)[0]) if len(header) == _LENGTH.size else b""
    if not content:
        raise StorageError(
            "a process that reads the store has ended in the middle of it: is there enough memory? Run it again"
        )
    what = pickle.loads(content)  # nosec B301
    if isinstance(what, OSError):
        raise what
    return what
