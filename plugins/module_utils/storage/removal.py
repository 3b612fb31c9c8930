# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing folders of a store so that a crash at any moment leaves whole ones or none, and no symbolic link is followed."""

from __future__ import annotations

import os
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.real_folder import (
    FOLDER,
    open_real_folder,
    real_folder,
    remove_real_tree,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import sync_folder

_TRASH = "_fleetops_removed"
_WORKERS = 8


class Trash:
    """Takes folders of one repository out of the registry's sight with one rename each, and deletes them afterwards.

    TREE is the store's (see `layout.tree_of`), REPOSITORY a name. Places are relative to the repository's _manifests.
    """

    def __init__(self, tree: str, repository: str) -> None:
        self._tree = tree
        self._manifests = os.path.join("repositories", repository, "_manifests")
        self._open: t.Dict[str, int] = {}
        self._batch = ""
        self._count = 0

    def __enter__(self) -> Trash:
        return self

    def __exit__(self, *_unused: t.Any) -> None:
        self.empty()

    def take(self, folder: str) -> bool:
        """Take FOLDER away; False if it was gone already. Raises OSError if it cannot be moved."""
        place, name = os.path.split(folder)
        try:
            above = self._folder(place)
            batch = self._folder(self._make_batch())
            os.rename(name, str(self._count + 1), src_dir_fd=above, dst_dir_fd=batch)
        except FileNotFoundError:
            return False
        self._count += 1
        return True

    def empty(self) -> None:
        """Delete what was taken away, by this run or one that was killed. Raises OSError if it cannot be deleted."""
        self._batch = ""
        while self._open:
            os.close(self._open.popitem()[1])
        shown = os.path.join(self._tree, self._manifests, _TRASH)
        try:
            with real_folder(self._tree, os.path.join(self._manifests, _TRASH)) as trash:
                self._empty(trash, shown)
            with real_folder(self._tree, self._manifests) as manifests:
                remove_real_tree(manifests, _TRASH, shown)
        except FileNotFoundError:
            return

    @staticmethod
    def _empty(trash: int, shown: str) -> None:
        """Remove the folders that were taken, batch by batch; what is none is left for the end."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            for name in _folders(trash):
                path = os.path.join(shown, name)
                batch = os.open(name, FOLDER, dir_fd=trash)
                try:
                    taken = _folders(batch)
                    paths = [os.path.join(path, one) for one in taken]
                    for _unused in pool.map(remove_real_tree, [batch] * len(taken), taken, paths):
                        pass
                finally:
                    os.close(batch)

    def _folder(self, place: str) -> int:
        if place not in self._open:
            self._open[place] = open_real_folder(self._tree, os.path.join(self._manifests, place))
        return self._open[place]

    def _make_batch(self) -> str:
        """The place of this run's own batch: a killed run may have left others."""
        if not self._batch:
            with real_folder(self._tree, self._manifests) as manifests:
                try:
                    os.mkdir(_TRASH, 0o700, dir_fd=manifests)
                except FileExistsError:
                    pass
            name = uuid.uuid4().hex
            os.mkdir(name, 0o700, dir_fd=self._folder(_TRASH))
            self._batch = os.path.join(_TRASH, name)
        return self._batch


def _folders(folder: int) -> t.List[str]:
    with os.scandir(folder) as listing:
        return [one.name for one in listing if one.is_dir(follow_symlinks=False)]


def sync_if_there(folder: str) -> None:
    """Make what was removed from FOLDER stay removed after a crash."""
    if os.path.isdir(folder):
        sync_folder(folder)


def remove_tree(tree: str, place: str) -> None:
    """Delete PLACE, a folder below TREE, with all that it holds, if it is there. Raises OSError, also where it, or one above, is a link."""
    above, name = os.path.split(place)
    try:
        with real_folder(tree, above) as folder:
            if name in os.listdir(folder):
                remove_real_tree(folder, name, os.path.join(tree, place))
    except FileNotFoundError:
        return


def remove_empty_upwards(tree: str, place: str) -> None:
    """Remove PLACE and the folders above it, up to the first one below TREE and without that, as long as they are empty and no links."""
    above, name = os.path.split(place)
    while above:
        try:
            with real_folder(tree, above) as folder:
                os.rmdir(name, dir_fd=folder)
        except OSError:
            return
        above, name = os.path.split(above)
