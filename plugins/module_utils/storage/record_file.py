# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of records: gzip over JSON lines, written in one piece or not at all."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import typing as t
import zlib

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    RecordFileInvalid,
)

# The largest record is a manifest (4 MiB at most) in base64, in a backup.
MAX_LINE_BYTES = 16 * 1024 * 1024
# Level 1 is four times as fast as the default and a scan is still a tenth of its plain size.
_COMPRESSION = 1


def write_records(path: str, records: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """Write RECORDS to PATH, readable by the owner only; its folder is made with mode 0700 if absent.

    PATH appears, or is replaced, only once everything is on the disk: a reader never sees half a file, and whatever RECORDS
    raises on the way leaves PATH as it was. Raises OSError if the file cannot be written, TypeError or ValueError for a
    record that JSON cannot hold.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    # mkstemp creates with mode 0600.
    descriptor, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), suffix=".tmp", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            # No time and no name in the gzip header: equal records make equal files.
            with gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=raw, mtime=0) as packed:
                for record in records:
                    packed.write(_line(record))
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(folder)


def read_records(path: str) -> t.Iterator[t.Dict[str, t.Any]]:
    """Read the records of PATH one by one, in bounded memory.

    Raises RecordFileInvalid for a file that is no such file, is cut short or is damaged, at the record where this shows: what
    was read before may be used only once the end has been reached. Raises OSError if the file cannot be read.
    """
    number = 0
    try:
        with open(path, "rb") as raw, gzip.GzipFile(fileobj=raw, mode="rb") as packed:
            while True:
                line = packed.readline(MAX_LINE_BYTES + 1)
                if not line:
                    break
                number += 1
                yield _record(line, path, number)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _invalid(path, number, "it is cut short or damaged (%s)" % error) from error
    if not number:
        raise _invalid(path, number, "it is empty")


def sync_folder(folder: str) -> None:
    """Make names created, renamed or removed in FOLDER survive a crash. Raises OSError if FOLDER cannot be opened."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(record: t.Mapping[str, t.Any]) -> bytes:
    line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(
            "a record of %d bytes is larger than the %d that can be read back" % (len(line), MAX_LINE_BYTES)
        )
    return line


def _record(line: bytes, path: str, number: int) -> t.Dict[str, t.Any]:
    if len(line) > MAX_LINE_BYTES:
        raise _invalid(path, number, "it is longer than %d bytes" % MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise _invalid(path, number, "its end is missing")
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _invalid(path, number, "it is no JSON") from error
    if not isinstance(record, dict):
        raise _invalid(path, number, "it is no JSON object")
    return record


def _invalid(path: str, number: int, reason: str) -> RecordFileInvalid:
    where = "after record %d" % number if number else "at its start"
    return RecordFileInvalid(
        "%s is no usable record file: %s, %s. Write it again with the module that made it." % (path, where, reason)
    )
