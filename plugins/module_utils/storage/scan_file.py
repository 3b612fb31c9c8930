# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scan as a file: what the registry's host saw, for the host that plans."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    is_digest,
    is_repository,
    is_tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    FILESYSTEM,
    GARBAGE_COLLECT,
    SCAN_SCHEMA,
    SCAN_VERSION,
    Scan,
    StoredManifest,
    StoredRepository,
    StoredTag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    RecordFileInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    read_records,
    write_records,
)


def write_scan_of(path: str, source: str, scanned_at: float, repositories: t.Iterable[StoredRepository]) -> None:
    """Write a scan to PATH, in one piece. Its REPOSITORIES come one by one, each of which may be forgotten once it is written.

    SOURCE: see `Scan`; SCANNED_AT in seconds since the epoch. Whatever REPOSITORIES raises leaves PATH as it was. Raises OSError if
    the file cannot be written.
    """
    write_records(path, _records(source, scanned_at, repositories))


def read_scan(path: str) -> Scan:
    """Read the scan in PATH. Raises RecordFileInvalid unless it is complete and well-formed, OSError if it cannot be read."""
    reader = _Reader(path)
    for record in read_records(path):
        reader.take(record)
    return reader.finish()


def _records(
    source: str, scanned_at: float, repositories: t.Iterable[StoredRepository]
) -> t.Iterator[t.Dict[str, t.Any]]:
    counts = {"repositories": 0, "manifests": 0, "tags": 0}
    yield {
        "type": "header",
        "schema": SCAN_SCHEMA,
        "version": SCAN_VERSION,
        "source": source,
        "scanned_at": scanned_at,
    }
    for repository in repositories:
        counts["repositories"] += 1
        yield {"type": "repository", "name": repository.name}
        for manifest in repository.manifests.values():
            counts["manifests"] += 1
            record: t.Dict[str, t.Any] = {
                "type": "manifest",
                "digest": manifest.digest,
                "pushed": manifest.pushed,
                "untagged_since": manifest.untagged_since,
            }
            if manifest.children is not None:
                record["children"] = list(manifest.children)
            yield record
        for tag in repository.tags.values():
            counts["tags"] += 1
            yield {"type": "tag", "name": tag.name, "digest": tag.digest, "pushed": tag.pushed}
    end: t.Dict[str, t.Any] = {"type": "end"}
    end.update(counts)
    yield end


class _Reader:
    """Takes the records of one file in their order; believes none of them before it has looked."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._header: t.Optional[t.Tuple[str, float]] = None
        self._repositories: t.Dict[str, StoredRepository] = {}
        self._tags: t.Optional[t.Dict[str, StoredTag]] = None
        self._manifests: t.Dict[str, StoredManifest] = {}
        self._counts = {"repositories": 0, "manifests": 0, "tags": 0}
        self._ended = False

    def take(self, record: t.Dict[str, t.Any]) -> None:
        kind = record.get("type")
        if self._ended:
            raise self._invalid("there is something after its end")
        if self._header is None:
            self._take_header(record)
        elif kind == "repository":
            self._take_repository(record.get("name"))
        elif kind == "manifest":
            self._take_manifest(record)
        elif kind == "tag":
            self._take_tag(record)
        elif kind == "end":
            self._take_end(record)
        else:
            raise self._invalid("it has a record of the unknown type %.100r" % (kind,))

    def finish(self) -> Scan:
        if self._header is None or not self._ended:
            raise self._invalid("its end is missing")
        source, scanned_at = self._header
        return Scan(source=source, scanned_at=scanned_at, repositories=self._repositories)

    def _take_header(self, record: t.Dict[str, t.Any]) -> None:
        if record.get("type") != "header" or record.get("schema") != SCAN_SCHEMA:
            raise self._invalid("it does not begin as one")
        if record.get("version") != SCAN_VERSION:
            raise self._invalid(
                "it is of version %.100r and this collection reads version %d" % (record.get("version"), SCAN_VERSION)
            )
        source = record.get("source")
        if source not in (FILESYSTEM, GARBAGE_COLLECT):
            raise self._invalid("it comes from the unknown source %.100r" % (source,))
        scanned_at = self._time(record, "scanned_at")
        if scanned_at is None:
            raise self._invalid("it does not say when the store was scanned")
        self._header = (source, scanned_at)

    def _take_repository(self, name: t.Any) -> None:
        if not isinstance(name, str) or not is_repository(name) or name in self._repositories:
            raise self._invalid("it has a repository of the impossible or repeated name %.300r" % (name,))
        self._tags = {}
        self._manifests = {}
        self._repositories[name] = StoredRepository(name=name, tags=self._tags, manifests=self._manifests)
        self._counts["repositories"] += 1

    def _take_manifest(self, record: t.Dict[str, t.Any]) -> None:
        digest = self._digest(record)
        if self._tags is None or digest in self._manifests:
            raise self._invalid("the manifest %s is repeated, or in no repository" % digest)
        self._manifests[digest] = StoredManifest(
            digest, self._time(record, "pushed"), self._time(record, "untagged_since"), self._children(record)
        )
        self._counts["manifests"] += 1

    def _take_tag(self, record: t.Dict[str, t.Any]) -> None:
        name = record.get("name")
        if not isinstance(name, str) or not is_tag(name) or self._tags is None or name in self._tags:
            raise self._invalid("the tag %.300r is impossible, repeated, or in no repository" % (name,))
        self._tags[name] = StoredTag(name, self._digest(record), self._time(record, "pushed"))
        self._counts["tags"] += 1

    def _take_end(self, record: t.Dict[str, t.Any]) -> None:
        for name, count in self._counts.items():
            if record.get(name) != count:
                raise self._invalid("it holds %d %s and should hold %.100r" % (count, name, record.get(name)))
        self._ended = True

    def _children(self, record: t.Dict[str, t.Any]) -> t.Optional[t.Tuple[str, ...]]:
        children = record.get("children")
        if children is None:
            return None
        if not isinstance(children, list):
            raise self._invalid("its children are no list: %.100r" % (children,))
        return tuple(self._digest({"digest": child}) for child in children)

    def _digest(self, record: t.Dict[str, t.Any]) -> str:
        digest = record.get("digest")
        if not isinstance(digest, str) or not is_digest(digest):
            raise self._invalid("it has the impossible digest %.300r" % (digest,))
        return digest

    def _time(self, record: t.Dict[str, t.Any], key: str) -> t.Optional[float]:
        value = record.get(key)
        if value is None:
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not -1e11 < value < 1e11:
            raise self._invalid("%s is no time: %.100r" % (key, value))
        return float(value)

    def _invalid(self, reason: str) -> RecordFileInvalid:
        return RecordFileInvalid("%s is no usable scan: %s. Scan the store again." % (self._path, reason))
