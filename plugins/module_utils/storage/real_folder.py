# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders below a root, opened on a way that has no symbolic link: who may write to a store must not lead a deletion out of it.

What is done relative to such a descriptor stays in that folder, also if somebody swaps the names above it meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""The flags that open a folder, and no link to one."""

# A store nests less than ten deep where anything is deleted.
_DEEPEST = 64


@contextlib.contextmanager
def real_folder(root: str, place: str) -> t.Iterator[int]:
    """The open folder PLACE, a relative path, below ROOT, which itself may be a link.

    Raises FileNotFoundError if it is not there, and OSError naming what is a link or no folder.
    """
    descriptor = open_real_folder(root, place)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_real_folder(root: str, place: str) -> int:
    """As `real_folder`, for who closes it. Raises the same."""
    path = root
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in place.split(os.sep):
        path = os.path.join(path, name)
        if name in ("", os.curdir, os.pardir):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is no place in a store", path)
        above = descriptor
        try:
            descriptor = os.open(name, FOLDER, dir_fd=above)
        except OSError as error:
            raise _told(error, path) from error
        finally:
            os.close(above)
    return descriptor


def remove_real_tree(folder: int, name: str, shown: str, depth: int = 0) -> None:
    """Delete the folder NAME in the open FOLDER with all that it holds; links in it go as names. SHOWN: its path, for errors.

    Raises OSError.
    """
    if depth > _DEEPEST:
        raise OSError(errno.ELOOP, "is nested deeper than anything in a store", shown)
    try:
        descriptor = os.open(name, FOLDER, dir_fd=folder)
        try:
            with os.scandir(descriptor) as listing:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
            for inner, is_folder in entries:
                if is_folder:
                    remove_real_tree(descriptor, inner, os.path.join(shown, inner), depth + 1)
                else:
                    os.unlink(inner, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        raise _told(error, shown) from error


def _told(error: OSError, path: str) -> OSError:
    """ERROR about PATH: relative to a descriptor, the system knows only the last name of it."""
    if error.filename and os.path.isabs(error.filename):
        return error
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
        return OSError(error.errno, "is a symbolic link or no folder, and is not followed", path)
    return OSError(error.errno, error.strerror, path)
