# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the filesystem driver keeps things (registry/storage/paths.go of Distribution, the same in 2.x and 3.x)."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_digest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StoreInvalid

TREE = os.path.join("docker", "registry", "v2")


def tree_of(storage_root: str) -> str:
    """The tree below STORAGE_ROOT, which is what the config calls rootdirectory.

    The tree itself is taken too. Raises StoreInvalid if STORAGE_ROOT is no folder or holds something else than a store. The
    tree of an empty folder is returned although it is not there yet: a registry makes it at the first push.
    """
    if not os.path.isdir(storage_root):
        raise StoreInvalid(
            "%s is no folder: give the registry's rootdirectory, as this host sees it (such as a volume's path)"
            % storage_root
        )
    tree = os.path.join(storage_root, TREE)
    if os.path.isdir(tree):
        return tree
    if os.path.isdir(os.path.join(storage_root, "repositories")) and os.path.isdir(os.path.join(storage_root, "blobs")):
        return storage_root
    if os.listdir(storage_root) not in ([], ["docker"], ["lost+found"]):
        raise StoreInvalid(
            "%s holds no %s: give the registry's rootdirectory, as this host sees it (such as a volume's path)"
            % (storage_root, TREE)
        )
    return tree


def blob_path(tree: str, digest: str) -> str:
    """The file with the content of DIGEST, which must be a valid digest."""
    algorithm, encoded = digest.split(":", 1)
    return "%s/blobs/%s/%s/%s/data" % (tree, algorithm, encoded[:2], encoded)


def layer_link_path(tree: str, repository: str, digest: str) -> str:
    """The file that gives REPOSITORY access to the blob DIGEST."""
    algorithm, encoded = digest.split(":", 1)
    return os.path.join(tree, "repositories", repository, "_layers", algorithm, encoded, "link")


def count_blobs(tree: str) -> int:
    """How many blobs the store has, of every algorithm, as the collector finds them: digests with content.

    Raises OSError for what cannot be read; a store without blobs has none.
    """
    count = 0
    for algorithm in _folders(os.path.join(tree, "blobs")):
        for prefix in _folders(algorithm):
            for blob in _folders(prefix):
                name = "%s:%s" % (os.path.basename(algorithm), os.path.basename(blob))
                count += is_digest(name) and os.path.isfile(os.path.join(blob, "data"))
    return count


def _folders(path: str) -> t.List[str]:
    try:
        with os.scandir(path) as listing:
            return [entry.path for entry in listing if entry.is_dir()]
    except FileNotFoundError:
        return []


def holds_blobs(tree: str) -> bool:
    """Whether there is anything in the store's blobs. Raises OSError for what is there and cannot be read."""
    try:
        with os.scandir(os.path.join(tree, "blobs")) as algorithms:
            for algorithm in algorithms:
                if algorithm.is_dir() and os.listdir(algorithm.path):
                    return True
    except FileNotFoundError:
        return False
    return False
