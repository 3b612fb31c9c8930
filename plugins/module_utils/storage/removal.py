# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing folders of a store so that a crash at any moment leaves whole ones or none."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import sync_folder

# Below _manifests: no registry looks there, and it is surely the same file system.
_TRASH = "_fleetops_removed"
# Removing a folder waits for the file system's journal: eight at once take a sixth of the time of one after the other.
_WORKERS = 8


class Trash:
    """Takes folders of one repository out of the registry's sight with one rename each, and deletes them afterwards."""

    def __init__(self, repository_path: str) -> None:
        self._path = os.path.join(repository_path, "_manifests", _TRASH)
        self._batch = ""
        self._count = 0

    def __enter__(self) -> Trash:
        return self

    def __exit__(self, *_unused: t.Any) -> None:
        self.empty()

    def take(self, folder: str) -> bool:
        """Take FOLDER away; False if it was gone already. Raises OSError if it cannot be moved."""
        if not self._batch:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
            # A folder of its own: a killed run may have left others.
            self._batch = tempfile.mkdtemp(prefix="", dir=self._path)
        self._count += 1
        try:
            os.rename(folder, os.path.join(self._batch, str(self._count)))
        except FileNotFoundError:
            return False
        return True

    def empty(self) -> None:
        """Delete what was taken away, by this run or one that was killed. Raises OSError if it cannot be deleted."""
        self._batch = ""
        if not os.path.lexists(self._path):
            return
        with ThreadPoolExecutor(_WORKERS) as pool:
            for _unused in pool.map(shutil.rmtree, self._folders()):
                pass
        shutil.rmtree(self._path)

    def _folders(self) -> t.Iterator[str]:
        """The folders that were taken, batch by batch; what is none is left for the end."""
        with os.scandir(self._path) as batches:
            for batch in [one.path for one in batches if one.is_dir(follow_symlinks=False)]:
                with os.scandir(batch) as taken:
                    yield from [one.path for one in taken if one.is_dir(follow_symlinks=False)]


def sync_if_there(folder: str) -> None:
    """Make what was removed from FOLDER stay removed after a crash."""
    if os.path.isdir(folder):
        sync_folder(folder)


def remove_tree(folder: str) -> None:
    """Delete FOLDER with all that it holds, if it is there. Raises OSError, also for a symbolic link, which is not followed."""
    if os.path.lexists(folder):
        shutil.rmtree(folder)


def remove_empty_upwards(folder: str, root: str) -> None:
    """Remove FOLDER and those above it, up to ROOT and without it, as long as they are empty."""
    while folder != root and folder.startswith(root + os.sep):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
