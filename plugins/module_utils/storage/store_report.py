# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on a store: a scan's figures in the shape that a module returns."""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    FILESYSTEM,
    StoredRepository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import FAMILIES
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import tree_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.progress_line import ProgressLine
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    write_records,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_scan import (
    RepositoryContents,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan import StoreScan
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import (
    write_scan_of,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.verify import verify_digests

Result = t.Dict[str, t.Any]

_SAMPLE = 20
GARBAGE_SCHEMA = "fleetops.container_registry.garbage"


@dataclass(frozen=True)
class Wish:
    """What the user asks of one scan.

    STORAGE_ROOT: the rootdirectory. OUTPUT: the file for the scan, GARBAGE_OUTPUT the one for the digests that a collection would
    free, or None. PROGRESS_FILE: where the verification tells how far it is, or None. STALE_UPLOADS_AFTER in seconds. DETAILS: none,
    repositories or all. FINDINGS_LIMIT of each kind.
    """

    storage_root: str
    output: t.Optional[str] = None
    garbage_output: t.Optional[str] = None
    verify_digests: bool = False
    progress_file: t.Optional[str] = None
    workers: int = 4
    stale_uploads_after: float = 7 * 86400.0
    blob_grace: float = 0.0
    details: str = "repositories"
    findings_limit: int = 50


class _Sums:
    """Sums over repositories, taken one by one."""

    def __init__(self, wish: Wish, now: float) -> None:
        self._wish = wish
        self._now = now
        self.rows: t.List[Result] = []
        self.most_tags = self.tags = self.manifests = self.untagged = self.untagged_needed = 0
        self.dangling = self.uploads = self.stale = self.stale_bytes = 0
        self.stale_sample: t.List[Result] = []
        self.emptied: t.List[str] = []

    def take(self, contents: RepositoryContents) -> StoredRepository:
        untagged = contents.untagged()
        children, referrers = contents.needed_by_tags()
        row: Result = {
            "name": contents.name,
            "tags": len(contents.tags),
            "manifests": len(contents.manifests),
            "untagged": len(untagged),
            "untagged_children": len(children & contents.manifests.keys()),
            "untagged_referrers": len(referrers & contents.manifests.keys()),
            "newest_push": format_instant(
                max((one.pushed or 0.0 for one in contents.manifests.values()), default=None)
            ),
            "layer_links": contents.layer_links,
            "layer_links_dangling": contents.layer_links_dangling,
            "uploads": len(contents.uploads),
            "emptied": contents.is_empty,
        }
        self.tags += row["tags"]
        self.most_tags = max(self.most_tags, row["tags"])
        self.manifests += row["manifests"]
        self.untagged += row["untagged"]
        self.untagged_needed += row["untagged_children"] + row["untagged_referrers"]
        self.dangling += contents.layer_links_dangling
        self.uploads += len(contents.uploads)
        for upload in contents.uploads:
            if self._now - upload.started > self._wish.stale_uploads_after:
                self.stale += 1
                self.stale_bytes += upload.size
                if len(self.stale_sample) < _SAMPLE:
                    place = "repositories/%s/_uploads/%s" % (contents.name, upload.name)
                    self.stale_sample.append(
                        {"path": place, "started": format_instant(upload.started), "bytes": upload.size}
                    )
        if contents.is_empty:
            self.emptied.append(contents.name)
        if self._wish.details == "all":
            row["untagged_manifests"] = [
                {
                    "digest": manifest.digest,
                    "pushed": format_instant(manifest.pushed),
                    "untagged_since": format_instant(manifest.untagged_since),
                    "referred_by": sorted(contents.parents.get(manifest.digest, [])),
                    "refers_to": contents.subjects.get(manifest.digest),
                }
                for manifest in untagged
            ]
        if self._wish.details != "none":
            self.rows.append(row)
        return contents.stored


def report(wish: Wish, now: float) -> Result:
    """Scan the store and return what a module returns. NOW in seconds since the epoch.

    Raises StoreInvalid for what is no store, StorageError for a wish that makes no sense, OSError for what cannot be read or
    written.
    """
    for name in ("workers", "findings_limit"):
        if getattr(wish, name) < 1:
            raise StorageError("%s must be at least 1" % name)
    for name in ("stale_uploads_after", "blob_grace"):
        if getattr(wish, name) < 0:
            raise StorageError("%s must not be below 0" % name)
    started = time.monotonic()
    scan = StoreScan(tree_of(wish.storage_root), wish.findings_limit, min(wish.workers, _processors()))
    sums = _Sums(wish, now)
    # What has an impossible name is a finding, and nobody can plan for it.
    stored = (sums.take(contents) for contents in scan.repositories() if is_repository(contents.name))
    if wish.output:
        write_scan_of(wish.output, FILESYSTEM, now, stored)
    else:
        for _unused in stored:
            pass
    corrupt = None
    if wish.verify_digests:
        corrupt = 0
        with ProgressLine(wish.progress_file, len(scan.table), scan.table.total) as progress:
            for digest, finding in verify_digests(scan.tree, scan.table.digests(), wish.workers):
                progress.done(scan.table.size(scan.table.number(digest)))
                if finding:
                    corrupt += 1
                    scan.findings.add(finding)
    if wish.garbage_output:
        write_records(wish.garbage_output, _garbage_records(scan, now))
    for row in sums.rows:
        size = scan.bytes_of(row["name"])
        row.update(bytes=size.all, bytes_own=size.own, bytes_shared=size.all - size.own)
    unused_blobs, unused_bytes = scan.table.unused()
    return {
        "changed": False,
        "scanned_at": format_instant(now),
        "repositories_count": len(scan.repository_names),
        "tags_count": sums.tags,
        "largest_repository_tags": sums.most_tags,
        "manifests_count": sums.manifests,
        "untagged_count": sums.untagged,
        "untagged_needed_count": sums.untagged_needed,
        "blobs_count": len(scan.table),
        "blobs_bytes": scan.table.total,
        "blobs_unused_count": unused_blobs,
        "blobs_unused_bytes": unused_bytes,
        "blobs_corrupt_count": corrupt,
        "would_free": [_would_free(scan, family, now - wish.blob_grace) for family in FAMILIES],
        "layer_links_dangling_count": sums.dangling,
        "uploads_count": sums.uploads,
        "stale_uploads_count": sums.stale,
        "stale_uploads_bytes": sums.stale_bytes,
        "stale_uploads": sums.stale_sample,
        "emptied_repositories": sums.emptied,
        "findings": [finding.as_dict() for finding in scan.findings.kept],
        "findings_counts": [{"code": code, "count": count} for code, count in sorted(scan.findings.counts.items())],
        "repositories": sums.rows,
        "output": wish.output,
        "garbage_output": wish.garbage_output,
        "duration": round(time.monotonic() - started, 3),
    }


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _would_free(scan: StoreScan, family: str, old_before: float) -> Result:
    foretold = scan.would_free(family)
    old = None
    if foretold.aborts is None:
        old = sum(1 for _digest, _size, written in scan.collectable(family) if written <= old_before)
    return {
        "family": family,
        "safe": foretold.is_safe,
        "aborts": foretold.aborts,
        "blobs": foretold.blobs,
        "bytes": foretold.size,
        "blobs_past_grace": old,
    }


def _garbage_records(scan: StoreScan, now: float) -> t.Iterator[Result]:
    yield {"type": "header", "schema": GARBAGE_SCHEMA, "version": 1, "scanned_at": now}
    count = 0
    for family in FAMILIES:
        if scan.aborts(family) is None:
            for digest, size, written in scan.collectable(family):
                count += 1
                yield {"type": "blob", "family": family, "digest": digest, "size": size, "written": written}
    yield {"type": "end", "blobs": count}
