# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a store: each finding with its place, its weight and what to do."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

CRITICAL = "critical"
ERROR = "error"
WARNING = "warning"
INFO = "info"
SEVERITIES = (CRITICAL, ERROR, WARNING, INFO)

FAMILY_2 = "2.x"
FAMILY_3 = "3.x"
FAMILIES = (FAMILY_2, FAMILY_3)


@dataclass(frozen=True)
class Kind:
    """A kind of finding. CRITICAL: images are lost, or collections abort. STOPS: why no collection may run, if so."""

    code: str
    severity: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One finding. PATH is below the store's tree. STOPS names the families whose collector aborts at it or eats images by it."""

    kind: Kind
    path: str
    repository: str = ""
    detail: str = ""
    stops: t.Tuple[str, ...] = ()

    def as_dict(self) -> t.Dict[str, t.Any]:
        """The finding for a module's result."""
        return {
            "severity": self.kind.severity,
            "code": self.kind.code,
            "path": self.path,
            "repository": self.repository,
            "message": self.kind.message + (": " + self.detail if self.detail else ""),
            "remedy": self.kind.remedy,
            "stops_collection": list(self.stops),
        }


def _kind(code: str, severity: str, message: str, remedy: str) -> Kind:
    return Kind(code, severity, message, remedy)


_CLOSED = "while the registry is stopped or read-only"

LINK_BROKEN = _kind(
    "link_broken",
    CRITICAL,
    "a manifest's link is broken, and every collection aborts at it",
    "Remove the folder that holds this link %s, and push the image again if a tag still names it." % _CLOSED,
)
LAYER_LINK_BROKEN = _kind(
    "layer_link_broken",
    ERROR,
    "the link of a layer is broken, and every collection of 3.x aborts at it",
    "Remove the folder that holds this link %s, and push an image with this layer again." % _CLOSED,
)
TAG_LINK_BROKEN = _kind(
    "tag_link_broken",
    ERROR,
    "the tag names no manifest; a DELETE by digest in this repository fails half-way",
    "Push the tag again, or remove the tag's folder %s." % _CLOSED,
)
TAG_DANGLING = _kind(
    "tag_dangling",
    WARNING,
    "the tag names a manifest that the repository does not have",
    "Push the tag again, or remove it (registry_prune with remove_dangling_tags).",
)
TAG_NAME = _kind("tag_name", WARNING, "no tag can have this name", "Remove this entry %s." % _CLOSED)
LINK_MISPLACED = _kind(
    "link_misplaced",
    ERROR,
    "the link names another digest than its place does",
    "Remove the folder that holds this link %s, and push the image again." % _CLOSED,
)
MANIFEST_UNREADABLE = _kind(
    "manifest_unreadable",
    CRITICAL,
    "the manifest cannot be read, and every collection aborts at it",
    "Delete this manifest by its digest, then push the image again.",
)
MANIFEST_SCHEMA1 = _kind(
    "manifest_schema1",
    ERROR,
    "the manifest is of schema 1: 3.x cannot read it, and its collection aborts",
    "Delete this manifest by its digest before you upgrade to 3.x, or at once if it is 3.x already.",
)
MANIFEST_MISSING = _kind(
    "manifest_missing",
    ERROR,
    "the repository has a link to a manifest whose content is gone",
    "Push the image again, or remove the folder that holds this link %s; the API cannot delete it." % _CLOSED,
)
CONTENT_MISSING = _kind(
    "content_missing",
    ERROR,
    "the image needs a blob that is gone: it cannot be pulled",
    "Push the image again, or delete it.",
)
LAYER_UNLINKED = _kind(
    "layer_unlinked",
    WARNING,
    "the image needs a blob to which its repository has no link: it cannot be pulled from here",
    "Push the image again, or delete it.",
)
CHILD_MISSING = _kind(
    "child_missing",
    WARNING,
    "the index names a manifest that the repository does not have: this platform cannot be pulled",
    "Push the index again with all its platforms, or delete it.",
)
BLOB_CORRUPT = _kind(
    "blob_corrupt",
    CRITICAL,
    "the content does not have the digest of its name",
    "Remove this file %s and push the images that need it again." % _CLOSED,
)
BLOB_EMPTY_FOLDER = _kind(
    "blob_no_content",
    INFO,
    "the folder of a blob holds no content",
    "Nothing needs to be done; it may be removed %s." % _CLOSED,
)
BLOBS_STRAY = _kind(
    "blobs_stray",
    WARNING,
    "there is something among the blobs that is none",
    "Find out what has put it there, and move it away %s." % _CLOSED,
)
BLOBS_STRAY_DATA = _kind(
    "blobs_stray_data",
    CRITICAL,
    "a file named data lies where no digest leads, and every collection aborts at it",
    "Find out what has put it there, and move it away %s." % _CLOSED,
)
LAYERS_MISSING = _kind(
    "layers_missing",
    CRITICAL,
    "the repository has _manifests and no _layers: 2.x removes the content of its images, 3.x aborts",
    "Create the empty folder _layers there, with the registry's owner.",
)
REPOSITORY_HIDDEN = _kind(
    "repository_hidden",
    CRITICAL,
    "a file whose name begins with '_' makes 2.x overlook all that comes after it in this folder, and remove its images' content",
    "Move this file away.",
)
REPOSITORY_NAME = _kind(
    "repository_name",
    CRITICAL,
    "no repository can have this name, and every collection aborts at it",
    "Find out what has put it there, and move it out of the store %s." % _CLOSED,
)
FOLDER_UNREADABLE = _kind(
    "folder_unreadable",
    CRITICAL,
    "what should be a readable folder is none, and a collection aborts at it",
    "Correct its owner and mode, or move it away %s." % _CLOSED,
)
FOLDER_LOOP = _kind("folder_loop", CRITICAL, "a symbolic link leads back to where it lies", "Remove this link.")
TAGS_MISSING = _kind(
    "tags_missing",
    WARNING,
    "the repository has manifests and no folder tags: a collection with --delete-untagged aborts (2.x) or loses them (3.x)",
    "Create the empty folder tags there, with the registry's owner.",
)
REMOVAL_UNFINISHED = _kind(
    "removal_unfinished",
    INFO,
    "a run of registry_storage_prune has taken something out of the registry's sight here and has not deleted it (yet)",
    "Run registry_storage_prune on this store again %s, for whatever purpose: it deletes this." % _CLOSED,
)
REMOVAL_STRANGE = _kind(
    "removal_strange",
    WARNING,
    "there is something that is not ours where registry_storage_prune keeps what it deletes; it is left alone",
    "Find out what has put it there, and move it away %s." % _CLOSED,
)
DIGEST_UNVERIFIED = _kind(
    "blob_unverified",
    WARNING,
    "the content could not be read to its end",
    "Look at the disk and at the file's mode.",
)


class Findings:
    """Keeps findings within bounds: all are counted, the first LIMIT of each kind are kept.

    STOPS counts, by family, those at which its collector aborts or by which it loses images.
    """

    def __init__(self, limit: int = 50) -> None:
        self.limit = limit
        self._kept: t.Dict[str, t.List[Finding]] = {}
        self.counts: t.Dict[str, int] = {}
        self.stops: t.Dict[str, int] = dict.fromkeys(FAMILIES, 0)

    def add(self, finding: Finding) -> None:
        """Count FINDING, and keep it if few of its kind have come before."""
        for family in finding.stops:
            self.stops[family] += 1
        code = finding.kind.code
        self.counts[code] = self.counts.get(code, 0) + 1
        kept = self._kept.setdefault(code, [])
        if len(kept) < self.limit:
            kept.append(finding)

    def take(self, others: Findings) -> None:
        """Add what OTHERS have, which came after."""
        for family, number in others.stops.items():
            self.stops[family] += number
        for code, number in others.counts.items():
            self.counts[code] = self.counts.get(code, 0) + number
        for code, found in others._kept.items():
            kept = self._kept.setdefault(code, [])
            kept.extend(found[: max(0, self.limit - len(kept))])

    @property
    def kept(self) -> t.List[Finding]:
        """The kept findings, the gravest first, then by path."""
        found = [finding for kept in self._kept.values() for finding in kept]
        return sorted(found, key=lambda finding: (SEVERITIES.index(finding.kind.severity), finding.path))
