# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `registry garbage-collect` prints, read line by line: it can be hundreds of megabytes.

The grammar was read from registry/storage/garbagecollect.go of 2.6 to 3.1 and seen in the output of those versions.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    is_digest,
    is_repository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    StoredManifest,
    StoredRepository,
)

_SUMMARY = re.compile(rb"(\d+) blobs marked, (\d+) blobs (?:and (\d+) manifests )?eligible for deletion\Z")
_MARKING_BLOB = b": marking blob "
_MARKING_MANIFEST = b": marking manifest "
_BLOB_ELIGIBLE = b"blob eligible for deletion: "
_LINK_ELIGIBLE = b": layer link eligible for deletion: "
_LONGEST_NAME = 255


class CollectorOutput:
    """Takes the lines of one run and keeps counts of them; never keeps the lines.

    ON_BLOB is called with the digest of every blob that may go, ON_LINK with the repository and the digest of every layer link
    that may go (3.0.0-rc.1 and newer). Only where KEEP_MANIFESTS is true are a repository's manifests kept, one repository at a
    time, for `finished`.
    """

    def __init__(
        self,
        on_blob: t.Optional[t.Callable[[str], None]] = None,
        on_link: t.Optional[t.Callable[[str, str], None]] = None,
        keep_manifests: bool = False,
    ) -> None:
        self._on_blob = on_blob
        self._on_link = on_link
        self._keep_manifests = keep_manifests
        self._current: t.Optional[str] = None
        self._digests: t.Dict[str, StoredManifest] = {}
        self.complete = False
        self.repositories = 0
        self.manifests = 0
        self.blobs_marked = 0
        self.blobs_eligible = 0
        self.manifests_eligible = 0
        self.layer_links_eligible = 0
        self.blobs_named = 0

    @property
    def last_repository(self) -> str:
        """The repository whose section came last: an abort is about this one. Empty before the first."""
        return self._current or ""

    def take(self, line: bytes) -> t.Optional[StoredRepository]:
        """Take one LINE without its line end; return the repository whose section it ends, if it ends one.

        What is not of the grammar (log lines in between, on a terminal or in 2.6) is passed over.
        """
        # Almost every line is of this kind: look for it first.
        if _MARKING_BLOB in line:
            return None
        line = line.strip()
        if line.startswith(_BLOB_ELIGIBLE):
            self._take_blob(line[len(_BLOB_ELIGIBLE) :])
        elif _MARKING_MANIFEST in line:
            name, _unused, digest = line.partition(_MARKING_MANIFEST)
            return self._take_manifest(name, digest)
        elif _LINK_ELIGIBLE in line:
            name, _unused, digest = line.partition(_LINK_ELIGIBLE)
            self._take_link(name, digest)
        elif len(line) <= _LONGEST_NAME:
            summary = _SUMMARY.match(line)
            if summary:
                self.complete = True
                self.blobs_marked, self.blobs_eligible = int(summary.group(1)), int(summary.group(2))
                self.manifests_eligible = int(summary.group(3) or 0)
                return self.finish()
            text = line.decode("ascii", "replace")
            # A word of a log that looks like a name would come after the summary, or be no repository of its own.
            if not self.complete and is_repository(text):
                return self._enter(text)
        return None

    def finish(self) -> t.Optional[StoredRepository]:
        """The repository whose section is open, at the end of the output."""
        current, self._current = self._current, None
        if current is None:
            return None
        digests, self._digests = self._digests, {}
        return StoredRepository(name=current, manifests=digests)

    def _enter(self, name: str) -> t.Optional[StoredRepository]:
        if name == self._current:
            return None
        finished = self.finish()
        self._current = name
        self.repositories += 1
        return finished

    def _take_manifest(self, name: bytes, digest: bytes) -> t.Optional[StoredRepository]:
        repository, text = name.decode("ascii", "replace"), digest.decode("ascii", "replace")
        if not is_repository(repository) or not is_digest(text):
            return None
        finished = self._enter(repository)
        self.manifests += 1
        if self._keep_manifests:
            self._digests[text] = StoredManifest(text)
        return finished

    def _take_blob(self, digest: bytes) -> None:
        text = digest.decode("ascii", "replace")
        if is_digest(text):
            self.blobs_named += 1
            if self._on_blob:
                self._on_blob(text)

    def _take_link(self, name: bytes, digest: bytes) -> None:
        repository, text = name.decode("ascii", "replace"), digest.decode("ascii", "replace")
        if is_repository(repository) and is_digest(text):
            self.layer_links_eligible += 1
            if self._on_link:
                self._on_link(repository, text)
