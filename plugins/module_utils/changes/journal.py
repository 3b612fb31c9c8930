# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup of a run, which is also its journal: what is to go, whole, before anything goes; then what has gone.

One file per run, JSON lines, one record a line:

- ``header``: schema, version, run, url, plan (its identity), started_at, defer (manifests wait for a later run), grace (for how many seconds),
  references (what somebody has named, none in a run by policies);
- ``manifest``: repository, digest, media_type and the exact bytes, as ``text`` where they are UTF-8, else ``base64``;
- ``config``: repository, digest and the exact bytes of an image's config, likewise;
- ``tag``: repository, name, digest, action, pushed;
- ``tombstone``: repository, digest and text of a tombstone that is about to be pushed (written while the run goes on);
- ``ready``: all of the above is on disk; a file without it belongs to a run that has deleted nothing;
- ``done``: repository, and the tags and digests that need no more work;
- ``finished``: nothing is left to do, by which run.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.masking import REMEDY, masked_place

JOURNAL_SCHEMA = "fleetops.container_registry.backup"
JOURNAL_VERSION = 1
SUFFIX = ".backup.jsonl"

# A manifest of 4 MiB whose every byte needs escaping still fits.
MAX_LINE_BYTES = 32 * 1024 * 1024

# As much of a file's end as holds its last line, where that says that the file is finished.
_LAST_LINE_BYTES = 1024

_DAMAGED = "Put a whole copy of it there, or move it out of the directory: no run finishes its work then, and nothing comes back from it"


class JournalError(Exception):
    """A backup that cannot be written or read; the text names the file, the reason and the remedy."""


@dataclass(frozen=True)
class SavedTag:
    """A tag in a backup: what it named, what was planned for it, and when it had last been pushed."""

    name: str
    digest: t.Optional[str]
    action: str
    pushed: t.Optional[float] = None


@dataclass(frozen=True)
class SavedManifest:
    """A manifest in a backup. BODY is empty where only the digests were asked for."""

    digest: str
    media_type: str
    body: bytes = b""


@dataclass
class SavedRepository:
    """What a backup holds of one repository, in the order in which it was planned to go."""

    tags: t.Dict[str, SavedTag] = field(default_factory=dict)
    manifests: t.Dict[str, SavedManifest] = field(default_factory=dict)
    configs: t.Dict[str, bytes] = field(default_factory=dict)
    tombstones: t.Dict[str, bytes] = field(default_factory=dict)
    done_tags: t.Set[str] = field(default_factory=set)
    done_digests: t.Set[str] = field(default_factory=set)

    @property
    def open_digests(self) -> t.Tuple[str, ...]:
        """Manifests that the run has not reported as done."""
        return tuple(digest for digest in self.manifests if digest not in self.done_digests)

    @property
    def open_tombstones(self) -> t.Tuple[str, ...]:
        """Tombstones that the run was to push, and has not reported as deleted."""
        return tuple(digest for digest in self.tombstones if digest not in self.done_digests)

    @property
    def open_tags(self) -> t.Tuple[str, ...]:
        """Tags that the run has not reported as done."""
        return tuple(name for name in self.tags if name not in self.done_tags)


@dataclass
class Journal:
    """A backup as read. READY: everything was on disk before the first deletion. FINISHED: no work is left."""

    path: str
    run: str
    url: str
    plan: str
    started_at: float
    defer: bool = False
    grace: float = 0.0
    references: t.FrozenSet[str] = frozenset()
    ready: bool = False
    finished: bool = False
    repositories: t.Dict[str, SavedRepository] = field(default_factory=dict)

    @property
    def unfinished(self) -> bool:
        """Whether a later run has something to finish."""
        return self.ready and not self.finished


class JournalWriter:
    """Writes one run's backup and journal, from any thread. Raises JournalError when the disk does not take it."""

    def __init__(self, path: str, stream: t.BinaryIO) -> None:
        self.path = path
        self._stream = stream
        self._lock = threading.Lock()
        # Until the backup is complete nothing is deleted, and after it no other directory knows what is left to do.
        self._complete = True

    @classmethod
    def create(
        cls,
        directory: str,
        run: str,
        url: str,
        plan: str,
        now: float,
        grace: float = 0.0,
        references: t.Iterable[str] = (),
    ) -> JournalWriter:
        """Start the backup of RUN in DIRECTORY (made with mode 0700 if absent). NOW in seconds since the epoch.

        GRACE: seconds for which its manifests wait for a later run, 0 for those that go with this one. REFERENCES: what somebody has named.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        path = os.path.join(directory, "%s-%s%s" % (stamp, run, SUFFIX))
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalError(
                "the backup %s cannot be written: %s. Nothing was deleted; give a backup_dir that can be written"
                % (path, error.strerror)
            ) from error
        writer = cls(path, os.fdopen(descriptor, "ab"))
        writer._complete = False
        header = {"schema": JOURNAL_SCHEMA, "version": JOURNAL_VERSION, "run": run, "url": url, "plan": plan}
        named = sorted(references)
        writer._write("header", started_at=now, defer=grace > 0, grace=grace, references=named, **header)
        return writer

    def manifest(self, repository: str, digest: str, media_type: str, body: bytes) -> None:
        """Save a manifest's exact bytes."""
        self._write("manifest", repository=repository, digest=digest, media_type=media_type, **_encode(body))

    def config(self, repository: str, digest: str, body: bytes) -> None:
        """Save an image config's exact bytes, so that the image can come back even after collection took its config."""
        self._write("config", repository=repository, digest=digest, **_encode(body))

    def tag(self, repository: str, tag: SavedTag) -> None:
        """Save what a tag names."""
        self._write(
            "tag", repository=repository, name=tag.name, digest=tag.digest, action=tag.action, pushed=tag.pushed
        )

    def ready(self) -> None:
        """Say that the backup is complete, and return only once file and directory are on disk."""
        self._write("ready")
        self._sync()
        try:
            descriptor = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalError(
                "the backup directory of %s cannot be synced: %s. Nothing was deleted; give a backup_dir on another disk"
                % (self.path, error.strerror)
            ) from error
        self._complete = True

    def tombstone(self, repository: str, digest: str, body: bytes) -> None:
        """Record, on disk, that a tombstone is going to be pushed: without tags on it, the API would not show it.

        With its bytes, since 2.x leaves an empty link where it is killed at writing it, and only the same push mends that.
        """
        self._write("tombstone", repository=repository, digest=digest, **_encode(body))
        self._sync()

    def done(self, repository: str, tags: t.Iterable[str] = (), digests: t.Iterable[str] = ()) -> None:
        """Record, on disk, that these tags and manifests need no more work."""
        names, gone = sorted(tags), sorted(digests)
        if names or gone:
            self._write("done", repository=repository, tags=names, digests=gone)
            self._sync()

    def finished(self, run: str) -> None:
        """Record, on disk, that run RUN left nothing to do."""
        self._write("finished", by=run)
        self._sync()

    def close(self) -> None:
        """Close the file; what was synced stays."""
        try:
            self._stream.close()
        except OSError:
            pass  # whoever wrote what is not on disk has been told

    def _write(self, kind: str, **fields: t.Any) -> None:
        line = json.dumps(dict({"type": kind}, **fields), separators=(",", ":")).encode("ascii") + b"\n"
        try:
            with self._lock:
                self._stream.write(line)
        except OSError as error:
            raise self._failure(error) from error

    def _sync(self) -> None:
        try:
            with self._lock:
                self._stream.flush()
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> JournalError:
        remedy = "Nothing was deleted; make room or give another backup_dir"
        if self._complete:
            remedy = "Make room there, and run again with the same backup_dir: it knows what is left to do"
        return JournalError("the backup %s cannot be written: %s. %s" % (self.path, error.strerror, remedy))


def close_journal(journal: Journal, run: str) -> None:
    """Record in an earlier run's journal that run RUN has finished its work. Raises JournalError."""
    writer = _reopen(journal)
    try:
        writer.finished(run)
    finally:
        writer.close()


def note_done(journal: Journal, repository: str, tags: t.Iterable[str], digests: t.Iterable[str]) -> None:
    """Record in an earlier run's journal that these tags and manifests need no more work. Raises JournalError."""
    writer = _reopen(journal)
    try:
        writer.done(repository, tags, digests)
    finally:
        writer.close()


def _reopen(journal: Journal) -> JournalWriter:
    try:
        stream = open(journal.path, "r+b")
        stream.seek(_whole_lines(stream))
        stream.truncate()
    except OSError as error:
        raise JournalError(
            "the backup %s cannot be written: %s. Mend that, and run again with the same backup_dir"
            % (journal.path, error.strerror)
        ) from error
    return JournalWriter(journal.path, stream)


def read_journal(path: str, bodies: bool = False) -> Journal:
    """Read a backup, with the bytes of manifests and configs only if BODIES. Raises JournalError.

    A last line without an end is what a killed run leaves, and is passed over; anything else that is odd is refused.
    """
    journal: t.Optional[Journal] = None
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(_lines(stream, path), 1):
                journal = _take(path, number, line, journal, bodies)
    except OSError as error:
        raise _unreadable(path, error) from error
    if journal is None:
        raise JournalError(
            "the backup %s is empty: its run ended before it deleted anything. Give the backup of another run" % path
        )
    return journal


def unfinished_journals(directory: str, url: str) -> t.List[Journal]:
    """The journals of DIRECTORY about the registry at URL that a later run has to finish, oldest first; none if no directory."""
    if not os.path.isdir(directory):
        return []
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise JournalError(
            "the backups in %s cannot be listed: %s. Let this user read it" % (directory, error.strerror)
        ) from error
    paths = sorted(os.path.join(directory, name) for name in names if name.endswith(SUFFIX))
    journals = []
    for path in paths:
        try:
            # Empty: killed before its first line, so that nothing was deleted.
            over = not os.path.getsize(path) or _ends_finished(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        if not over:
            journals.append(read_journal(path))
    return [journal for journal in journals if journal.unfinished and journal.url == url]


def _ends_finished(path: str) -> bool:
    """Whether the last line of PATH says that nothing is left to do, with nothing odd about it. Raises OSError.

    A directory holds one backup for each run that there ever was, with whole manifests: only what is not finished is worth reading.
    """
    with open(path, "rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_LINE_BYTES))
        end = stream.read()
    before, _newline, last = end[:-1].rpartition(b"\n")
    if not before or not end.endswith(b"\n"):
        return False
    try:
        record = json.loads(last.decode("ascii"))
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and set(record) == {"type", "by"} and record["type"] == "finished"


def _unreadable(path: str, error: OSError) -> JournalError:
    return JournalError("the backup %s cannot be read: %s. Let this user read it" % (path, error.strerror))


def _whole_lines(stream: t.BinaryIO) -> int:
    """The length of the part that ends with a whole line: a killed run may have left half of one."""
    length = 0
    while True:
        line = stream.readline()
        if not line.endswith(b"\n"):
            return length
        length += len(line)


def _lines(stream: t.BinaryIO, path: str) -> t.Iterator[bytes]:
    while True:
        line = stream.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            raise JournalError(
                "the backup %s has a line of more than %d bytes: it is not one of ours, or damaged. %s"
                % (path, MAX_LINE_BYTES, _DAMAGED)
            )
        if not line.endswith(b"\n"):
            return
        yield line


def _take(path: str, number: int, line: bytes, journal: t.Optional[Journal], bodies: bool) -> Journal:
    try:
        record = json.loads(line.decode("utf-8"))
        kind = record["type"]
        if journal is None:
            if kind != "header" or record["schema"] != JOURNAL_SCHEMA or record["version"] != JOURNAL_VERSION:
                raise JournalError(
                    "%s is no backup of a version that this collection reads: use the version that wrote it, or move it out of"
                    " the directory" % path
                )
            return Journal(
                path,
                record["run"],
                record["url"],
                record["plan"],
                float(record["started_at"]),
                bool(record["defer"]),
                float(record["grace"]),
                frozenset(record.get("references", ())),
            )
        _refuse_masked(path, number, record)
        _apply(journal, kind, record, bodies)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalError(
            "line %d of the backup %s cannot be understood: %s. %s" % (number, path, type(error).__name__, _DAMAGED)
        ) from error
    return journal


def _refuse_masked(path: str, number: int, record: t.Dict[str, t.Any]) -> None:
    """A backup that went through a result of Ansible's has lost names, and what is left may be another tag's."""
    place = masked_place({name: record.get(name) for name in ("repository", "name", "tags")})
    if place:
        raise JournalError("line %d of the backup %s: %s holds a masked name. %s" % (number, path, place, REMEDY))


def _apply(journal: Journal, kind: str, record: t.Dict[str, t.Any], bodies: bool) -> None:
    if kind == "ready":
        journal.ready = True
        return
    if kind == "finished":
        journal.finished = True
        return
    repository = journal.repositories.setdefault(record["repository"], SavedRepository())
    if kind == "manifest":
        body = _decode(record) if bodies else b""
        repository.manifests[record["digest"]] = SavedManifest(record["digest"], record["media_type"], body)
    elif kind == "config":
        repository.configs[record["digest"]] = _decode(record) if bodies else b""
    elif kind == "tag":
        repository.tags[record["name"]] = SavedTag(record["name"], record["digest"], record["action"], record["pushed"])
    elif kind == "tombstone":
        repository.tombstones[record["digest"]] = _decode(record) if bodies else b""
    elif kind == "done":
        repository.done_tags.update(record["tags"])
        repository.done_digests.update(record["digests"])
    else:
        raise ValueError(kind)


def _encode(body: bytes) -> t.Dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}


def _decode(record: t.Dict[str, t.Any]) -> bytes:
    if "text" in record:
        return t.cast(str, record["text"]).encode("utf-8")
    return base64.b64decode(record["base64"], validate=True)
