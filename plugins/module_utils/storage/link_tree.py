# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders of links: ALGORITHM/HEX/link for each digest, and whatever else has come to lie there."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.links import Link, read_link


class PlacedLink(t.NamedTuple):
    """A link file. PLACE: its path below the folder; EXPECTED: the digest that its place stands for, empty if for none."""

    place: str
    expected: str
    link: Link


def read_links(folder: str, deep: bool = False) -> t.Iterator[PlacedLink]:
    """Every file named link below FOLDER, sorted by place, as the collector finds them.

    DEEP: also those below a digest's own folder. Only revisions have any there: the signatures of 2.0 and 2.1.

    Raises FileNotFoundError if there is no FOLDER, another OSError if it is none, or cannot be read.
    """
    with os.scandir(folder) as listing:
        algorithms = sorted(listing, key=lambda entry: entry.name)
    for algorithm in algorithms:
        if not algorithm.is_dir():
            yield from _stray(folder, algorithm.name)
            continue
        with os.scandir(algorithm.path) as listing:
            entries = sorted((entry.name, entry.is_dir()) for entry in listing)
        prefix = algorithm.name + "/"
        descriptor = os.open(algorithm.path, os.O_RDONLY)
        try:
            for name, is_folder in entries:
                if not is_folder:
                    yield from _stray(folder, os.path.join(algorithm.name, name))
                    continue
                link = read_link(name + "/link", descriptor)
                if link:
                    yield PlacedLink(prefix + name + "/link", algorithm.name + ":" + name, link)
                if not deep:
                    continue
                try:
                    has_more = os.stat(name, dir_fd=descriptor).st_nlink != 2
                except FileNotFoundError:
                    continue  # gone meanwhile
                if has_more:
                    yield from _deeper(folder, os.path.join(algorithm.name, name))
        finally:
            os.close(descriptor)


def _stray(folder: str, place: str) -> t.Iterator[PlacedLink]:
    if os.path.basename(place) == "link":
        link = read_link(os.path.join(folder, place))
        if link:
            yield PlacedLink(place, "", link)


def _deeper(folder: str, place: str) -> t.Iterator[PlacedLink]:
    """Links below a digest's own folder. Where folders do not count their entries, most of these folders have none."""
    with os.scandir(os.path.join(folder, place)) as listing:
        inner = sorted(entry.name for entry in listing if entry.is_dir())
    for name in inner:
        for path, folders, files in os.walk(os.path.join(folder, place, name)):
            folders.sort()
            if "link" in files:
                yield from _stray(folder, os.path.relpath(os.path.join(path, "link"), folder))
