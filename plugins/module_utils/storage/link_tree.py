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


def read_links(folder: str, times: bool = True) -> t.Iterator[PlacedLink]:
    """Every file named link below FOLDER, sorted by place, as the collector finds them.

    Not those further down in a digest's own folder, see `read_signatures`. Without TIMES, links have none, which is faster.

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
                link = read_link(name + "/link", descriptor, times)
                if link:
                    yield PlacedLink(prefix + name + "/link", algorithm.name + ":" + name, link)
        finally:
            os.close(descriptor)


def _stray(folder: str, place: str) -> t.Iterator[PlacedLink]:
    if os.path.basename(place) == "link":
        link = read_link(os.path.join(folder, place))
        if link:
            yield PlacedLink(place, "", link)


def read_signatures(folder: str, digest: str) -> t.Iterator[PlacedLink]:
    """The links below the folder of the revision DIGEST: signatures, which 2.0 and 2.1 put there for schema 1 manifests."""
    place = digest.replace(":", "/")
    try:
        with os.scandir(os.path.join(folder, place)) as listing:
            inner = sorted(entry.name for entry in listing if entry.is_dir())
    except OSError:
        return
    for name in inner:
        for path, folders, files in os.walk(os.path.join(folder, place, name)):
            folders.sort()
            if "link" in files:
                yield from _stray(folder, os.path.relpath(os.path.join(path, "link"), folder))
