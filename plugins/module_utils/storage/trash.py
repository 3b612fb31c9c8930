# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking folders out of the registry's sight, so that a crash at any moment leaves whole ones or none, and deleting them afterwards.

What a run that was killed has taken and not deleted, the next run deletes: the registry never looks there, so nothing else would.
"""

from __future__ import annotations

import errno
import os
import re
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.real_folder import (
    open_real_folder,
    real_folder,
    remove_real_tree,
)

_TRASH = "_fleetops_removed"
# Names as `Trash` gives them, for the batch of one run and for what it has taken. Whatever else lies there is not ours.
_BATCH = re.compile(r"[0-9a-f]{32}\Z")
_TAKEN = re.compile(r"[1-9][0-9]*\Z", re.ASCII)
_WORKERS = 8


class Trash:
    """Takes folders of one repository out of the registry's sight with one rename each, and deletes them afterwards.

    TREE is the store's (see `layout.tree_of`), REPOSITORY a name. Places are relative to the repository's _manifests.
    """

    def __init__(self, tree: str, repository: str) -> None:
        self._tree = tree
        self._repository = repository
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
            path = os.path.join(self._tree, _manifests(self._repository), folder)
            if os.path.lexists(path):
                # It was the batch that is gone. To call the folder gone would let manifests go that are still named.
                raise OSError(
                    errno.EBUSY, "could not be taken away: is another run at work on this store", path
                ) from None
            return False
        self._count += 1
        return True

    def empty(self) -> None:
        """Delete what was taken away, by this run or one that was killed. Raises OSError if it cannot be deleted."""
        self._batch = ""
        while self._open:
            os.close(self._open.popitem()[1])
        sweep(self._tree, self._repository)

    def _folder(self, place: str) -> int:
        if place not in self._open:
            self._open[place] = open_real_folder(self._tree, os.path.join(_manifests(self._repository), place))
        return self._open[place]

    def _make_batch(self) -> str:
        """The place of this run's own batch: a killed run may have left others."""
        if not self._batch:
            with real_folder(self._tree, _manifests(self._repository)) as manifests:
                try:
                    os.mkdir(_TRASH, 0o700, dir_fd=manifests)
                except FileExistsError:
                    pass
            name = uuid.uuid4().hex
            os.mkdir(name, 0o700, dir_fd=self._folder(_TRASH))
            self._batch = os.path.join(_TRASH, name)
        return self._batch


class Left(t.NamedTuple):
    """What lies in the trash of a repository, at PLACE below the tree. IS_OURS: there is something that a run has left, for `sweep` to
    delete. STRANGE: the first thing there that is none of ours, which `sweep` leaves alone; empty if there is none."""

    place: str
    is_ours: bool
    strange: str


def left_in(tree: str, repository: str) -> t.Optional[Left]:
    """What lies in the trash of REPOSITORY; None if it has none. What cannot be read counts as ours, so that its removal tells why.

    Raises nothing.
    """
    place = os.path.join(_manifests(repository), _TRASH)
    if not os.path.lexists(os.path.join(tree, place)):
        return None
    try:
        batches, others = _sorted_out(tree, place, _BATCH)
        is_ours = not batches and not others
        strange = others[:1]
        for batch in batches:
            taken, others = _sorted_out(tree, os.path.join(place, batch), _TAKEN)
            is_ours = is_ours or bool(taken) or not others
            strange += [os.path.join(batch, other) for other in others[:1]]
    except FileNotFoundError:
        return None  # the run that it is of goes on
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            return Left(place, False, "it is a symbolic link or no folder, or lies behind one")
        return Left(place, True, "")
    return Left(place, is_ours, "".join(strange[:1]))


def sweep(tree: str, repository: str) -> None:
    """Delete what runs have taken away in REPOSITORY, and nothing else. Raises OSError if it cannot be deleted."""
    place = os.path.join(_manifests(repository), _TRASH)
    try:
        batches, _others = _sorted_out(tree, place, _BATCH)
        with ThreadPoolExecutor(_WORKERS) as pool:
            for name in batches:
                batch_place = os.path.join(place, name)
                taken, _others = _sorted_out(tree, batch_place, _TAKEN)
                with real_folder(tree, batch_place) as batch:
                    paths = [os.path.join(tree, batch_place, one) for one in taken]
                    for _unused in pool.map(remove_real_tree, [batch] * len(taken), taken, paths):
                        pass
                _remove_if_empty(tree, batch_place)
        _remove_if_empty(tree, place)
    except FileNotFoundError:
        return


def _remove_if_empty(tree: str, place: str) -> None:
    above, name = os.path.split(place)
    with real_folder(tree, above) as folder:
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise OSError(error.errno, error.strerror, os.path.join(tree, place)) from error


def _sorted_out(tree: str, place: str, ours: t.Pattern[str]) -> t.Tuple[t.List[str], t.List[str]]:
    """The folders in PLACE that are named as OURS are, and the names of all else. Raises OSError."""
    own: t.List[str] = []
    others: t.List[str] = []
    with real_folder(tree, place) as folder, os.scandir(folder) as listing:
        for entry in listing:
            is_own = ours.match(entry.name) and entry.is_dir(follow_symlinks=False)
            (own if is_own else others).append(entry.name)
    return own, sorted(others)


def _manifests(repository: str) -> str:
    return os.path.join("repositories", repository, "_manifests")
