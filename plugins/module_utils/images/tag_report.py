# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot as rows for a report: one for each tag, with what is known of its image."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import INDEX, Manifest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository, Tag
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.dates import created_times
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import build_graph

DIGESTS = "digests"
MANIFESTS = "manifests"
CONFIGS = "configs"
BLOBS = "blobs"

Row = t.Dict[str, t.Any]

# What builders call the platform of an attestation, which is none.
_NO_PLATFORM = "unknown/unknown"


def tag_rows(looked: Looked, depth: str, wanted: t.Callable[[str], bool], shared: bool) -> t.List[Row]:
    """A row for each tag that is WANTED, sorted by repository and tag. SHARED: every other tag was resolved too, so that
    'shared_with' can be told; else it is left out."""
    rows = []
    for repository in looked.snapshot.repositories:
        errors = looked.tag_errors.get(repository.name, {})
        names_of: t.Dict[str, t.List[str]] = {}
        for tag in repository.tags:
            if tag.digest:
                names_of.setdefault(tag.digest, []).append(tag.name)
        times = created_times(build_graph(repository), looked.snapshot.taken_at) if depth != DIGESTS else {}
        described: t.Dict[str, Row] = {}
        for tag in repository.tags:
            if not wanted(tag.name):
                continue
            row: Row = {"repository": repository.name, "name": tag.name, "digest": tag.digest}
            if shared:
                row["shared_with"] = sorted(set(names_of.get(tag.digest or "", ())) - {tag.name})
            error = errors.get(tag.name) or _error(tag)
            if error:
                row["error"] = error
            elif depth != DIGESTS and tag.digest is not None and tag.digest in repository.manifests:
                if tag.digest not in described:
                    described[tag.digest] = _describe(
                        looked, repository, repository.manifests[tag.digest], depth, times
                    )
                row.update(described[tag.digest])
            rows.append(row)
        known = {tag.name for tag in repository.tags}
        for name in sorted(errors):
            if name not in known and wanted(name):
                rows.append({"repository": repository.name, "name": name, "digest": None, "error": errors[name]})
    return sorted(rows, key=lambda row: (row["repository"], row["name"]))


def repository_rows(looked: Looked, unknown: t.Iterable[str]) -> t.List[Row]:
    """A row for each repository: how many tags it has, and why it could not be read as a whole; UNKNOWN ones do not exist."""
    rows = [
        {"name": repository.name, "tag_count": len(repository.tags), "problem": repository.problem or None}
        for repository in looked.snapshot.repositories
    ]
    rows.extend(
        {"name": name, "tag_count": 0, "problem": "The registry does not list this repository."} for name in unknown
    )
    return sorted(rows, key=lambda row: str(row["name"]))


def _error(tag: Tag) -> str:
    if tag.parked:
        return "An unfinished deletion has moved this tag off its image; the next run of registry_prune finishes or undoes it."
    if tag.digest is None:
        return "The registry lists this tag, and has no manifest for it."
    return ""


def _describe(
    looked: Looked, repository: Repository, manifest: Manifest, depth: str, times: t.Mapping[str, float]
) -> Row:
    within = _within(repository, manifest)
    row: Row = {
        "kind": manifest.kind,
        "media_type": manifest.media_type,
        "size": _size(within),
        "created": format_instant(times.get(manifest.digest)),
        "platforms": _platforms(manifest),
        "children": [child.digest for child in manifest.children],
        "missing_children": sorted(
            {child.digest for one in within for child in one.children if child.digest in repository.missing}
        ),
        "subject": manifest.subject,
        "artifact_type": manifest.artifact_type or None,
    }
    if depth in (CONFIGS, BLOBS):
        row["labels"] = dict(manifest.config.labels) if manifest.config else {}
    if depth == BLOBS:
        missing = looked.missing_blobs.get(repository.name, ())
        row["missing_blobs"] = sorted({blob.digest for one in within for blob in one.blobs if blob.digest in missing})
    return row


def _within(repository: Repository, manifest: Manifest) -> t.List[Manifest]:
    """MANIFEST and every manifest that it leads to as children, each once."""
    found: t.Dict[str, Manifest] = {}
    waiting = [manifest]
    while waiting:
        one = waiting.pop()
        if one.digest not in found:
            found[one.digest] = one
            waiting.extend(
                repository.manifests[child.digest] for child in one.children if child.digest in repository.manifests
            )
    return list(found.values())


def _size(manifests: t.Iterable[Manifest]) -> int:
    """Bytes of manifests, configs and layers, each digest once, as the manifests claim them."""
    sizes: t.Dict[str, int] = {}
    for manifest in manifests:
        sizes[manifest.digest] = manifest.size
        sizes.update((blob.digest, blob.size) for blob in manifest.blobs)
    return sum(sizes.values())


def _platforms(manifest: Manifest) -> t.List[str]:
    if manifest.kind == INDEX:
        return sorted({child.platform for child in manifest.children if child.platform not in ("", _NO_PLATFORM)})
    return [manifest.config.platform] if manifest.config and manifest.config.platform else []


def summary(tags: t.Sequence[Row], repositories: t.Sequence[Row]) -> t.Dict[str, int]:
    """Totals over both kinds of rows."""
    return {
        "repositories": len(repositories),
        "tags": len(tags),
        "images": len({(row["repository"], row["digest"]) for row in tags if row["digest"]}),
        "errors": sum(1 for row in tags if "error" in row),
        "problems": sum(1 for row in repositories if row["problem"]),
    }
