# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody pushes right now, by the traces that uploads leave in the store."""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass

_MAX_PAUSE = 5.0


@dataclass(frozen=True)
class Activity:
    """The last upload that was begun, written to or ended: in which REPOSITORY, and WHEN, in seconds since the epoch."""

    repository: str
    when: float


@dataclass(frozen=True)
class Waited:
    """Whether it is QUIET, the SECONDS that this took, and what was seen LAST, if there was ever an upload."""

    quiet: bool
    seconds: float
    last: t.Optional[Activity]


def last_activity(tree: str) -> t.Optional[Activity]:
    """The last upload in the store's TREE; None if no repository has ever had one.

    The registry makes and removes each upload in _uploads (paths.go, the same in 2.x and 3.x), so the time of that folder tells of
    those that have ended, too. What vanishes meanwhile is passed over. Raises OSError for what cannot be read: a push may be there.

    A repository behind a symbolic link is pushed to as any other, so links are followed, each folder once.
    """
    last: t.Optional[Activity] = None
    for name, folder in _upload_folders(os.path.join(tree, "repositories"), "", set()):
        for when in _times(folder):
            if last is None or when > last.when:
                last = Activity(name, when)
    return last


def wait_for_quiet(
    tree: str,
    quiet: float,
    limit: float,
    *,
    clock: t.Callable[[], float] = time.time,
    pause: t.Callable[[float], None] = time.sleep,
) -> Waited:
    """Wait until no upload in TREE has been touched for QUIET seconds, but no longer than LIMIT seconds.

    CLOCK tells seconds since the epoch, PAUSE waits so many seconds. Raises OSError for what cannot be read.
    """
    began = clock()
    while True:
        last = last_activity(tree)
        now = clock()
        missing = quiet - max(now - last.when, 0.0) if last is not None else 0.0
        left = limit - (now - began)
        if missing <= 0 or left <= 0:
            return Waited(missing <= 0, now - began, last)
        pause(min(missing, left, _MAX_PAUSE))


def _upload_folders(path: str, name: str, seen: t.Set[t.Tuple[int, int]]) -> t.Iterator[t.Tuple[str, str]]:
    try:
        own = os.stat(path)
        if (own.st_dev, own.st_ino) in seen:
            return
        seen.add((own.st_dev, own.st_ino))
        with os.scandir(path) as listing:
            folders = [entry for entry in listing if entry.is_dir()]
    except FileNotFoundError:
        return
    for entry in folders:
        if entry.name == "_uploads":
            yield name, entry.path
        elif not entry.name.startswith("_"):
            yield from _upload_folders(entry.path, name + "/" + entry.name if name else entry.name, seen)


def _times(folder: str) -> t.Iterator[float]:
    """The modification times of _uploads, of each upload in it, and of the files of each upload."""
    try:
        yield os.stat(folder).st_mtime
        with os.scandir(folder) as uploads:
            for upload in uploads:
                if not upload.is_dir():
                    continue
                try:
                    yield upload.stat().st_mtime
                    with os.scandir(upload.path) as files:
                        for file in files:
                            yield file.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue  # ended meanwhile, which the folder's own time tells
    except FileNotFoundError:
        return
