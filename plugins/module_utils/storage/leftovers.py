# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What deletions and pushes leave behind in a store: emptied repositories, uploads that nobody ends, and what a killed run took away.

Only while the registry is stopped or read-only: the first two may be in use otherwise.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import Findings
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.link_tree import read_links
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.removal import (
    remove_empty_upwards,
    remove_tree,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_walk import (
    FoundRepository,
    RepositoryWalk,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.trash import left_in
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.upload_scan import (
    Upload,
    read_uploads,
)

# In this order only: a repository with _manifests and no _layers loses its images (2.x) or stops collections (3.x).
_PARTS = ("_manifests", "_layers", "_uploads")


def find_stale_uploads(tree: str, started_before: float) -> t.List[t.Tuple[str, Upload]]:
    """(folder below TREE, upload) of every upload that was begun before STARTED_BEFORE (seconds since the epoch), sorted by folder.

    Raises OSError for what cannot be read.
    """
    found: t.List[t.Tuple[str, Upload]] = []
    for repository in RepositoryWalk(tree, Findings()):
        place = os.path.join("repositories", repository.name, "_uploads")
        uploads = read_uploads(os.path.join(tree, place))
        found.extend((os.path.join(place, one.name), one) for one in uploads if one.started < started_before)
    return found


def find_emptied(tree: str, pushed_before: float, doomed_uploads: t.AbstractSet[str] = frozenset()) -> t.List[str]:
    """Names of repositories without any tag, manifest, upload or newer layer, the deepest first.

    PUSHED_BEFORE (seconds since the epoch): a layer that was linked later belongs to a push that may be under way. Uploads in
    the folders DOOMED_UPLOADS (as `find_stale_uploads` names them) do not count. Whatever cannot be read, or is in disorder, is no emptied repository.
    """
    found = []
    for repository in RepositoryWalk(tree, Findings()):
        try:
            if is_repository(repository.name) and _is_emptied(repository, pushed_before, doomed_uploads):
                found.append(repository.name)
        except OSError:
            continue
    return sorted(found, reverse=True)


def find_taken(tree: str) -> t.List[str]:
    """Names of repositories in which a run that was killed has left what it took out of the registry's sight, sorted."""
    found = []
    for repository in RepositoryWalk(tree, Findings()):
        left = left_in(tree, repository.name)
        if left and left.is_ours:
            found.append(repository.name)
    return sorted(found)


def remove_repository(tree: str, name: str) -> None:
    """Remove the emptied repository NAME; repositories below it stay. Raises OSError."""
    place = os.path.join("repositories", name)
    for part in _PARTS:
        remove_tree(tree, os.path.join(place, part))
    remove_empty_upwards(tree, place)


def _is_emptied(repository: FoundRepository, pushed_before: float, doomed_uploads: t.AbstractSet[str]) -> bool:
    tags = os.path.join(repository.path, "_manifests", "tags")
    if os.path.isdir(tags) and os.listdir(tags):
        return False
    if any(True for _unused in _links(os.path.join(repository.path, "_manifests", "revisions"))):
        return False
    if any(link.written >= pushed_before for link in _links(os.path.join(repository.path, "_layers"))):
        return False
    place = os.path.join("repositories", repository.name, "_uploads")
    uploads = read_uploads(os.path.join(repository.path, "_uploads"))
    return all(os.path.join(place, one.name) in doomed_uploads for one in uploads)


def _links(folder: str) -> t.Iterator[t.Any]:
    try:
        for placed in read_links(folder):
            yield placed.link
    except FileNotFoundError:
        return
