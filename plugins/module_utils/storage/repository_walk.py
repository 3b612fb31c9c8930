# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the repositories of a store, and knows which of them each family's collector finds.

2.x takes a folder with _layers for a repository, 3.x one with _manifests (handleRepository in registry/storage/catalog.go). In
2.x a file whose name begins with '_' ends the reading of its folder (WalkFallback in registry/storage/driver/walk.go).
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import (
    FAMILIES,
    FAMILY_2,
    FAMILY_3,
    FOLDER_LOOP,
    FOLDER_UNREADABLE,
    REPOSITORY_HIDDEN,
    REPOSITORY_NAME,
    Finding,
    Findings,
    Kind,
)

_MANIFESTS, _LAYERS, _UPLOADS = "_manifests", "_layers", "_uploads"
_MARK_OF = {FAMILY_2: _LAYERS, FAMILY_3: _MANIFESTS}


@dataclass
class FoundRepository:
    """A folder that is a repository to somebody. FAMILIES: whose collector visits it."""

    name: str
    path: str
    parts: t.FrozenSet[str] = frozenset()
    families: t.Tuple[str, ...] = ()

    @property
    def has_manifests(self) -> bool:
        """Whether there is a folder for manifests and tags."""
        return _MANIFESTS in self.parts

    @property
    def has_layers(self) -> bool:
        """Whether there is a folder for links to layers."""
        return _LAYERS in self.parts


class RepositoryWalk:
    """Walks the tree of repositories, in the collector's order. ABORTS: where each family's collector stops, if it does."""

    def __init__(self, tree: str, findings: Findings) -> None:
        self._tree = tree
        self._root = os.path.join(tree, "repositories")
        self._findings = findings
        self.aborts: t.Dict[str, str] = {}

    def __iter__(self) -> t.Iterator[FoundRepository]:
        return self._walk(self._root, "", FAMILIES, ())

    def note_abort(self, family: str, place: str) -> None:
        """Note that the collector of FAMILY aborts at PLACE, unless it has aborted before."""
        self.aborts.setdefault(family, place)

    def _walk(
        self, path: str, name: str, families: t.Tuple[str, ...], above: t.Tuple[t.Tuple[int, int], ...]
    ) -> t.Iterator[FoundRepository]:
        place = os.path.join("repositories", name) if name else "repositories"
        try:
            status = os.stat(path)
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except FileNotFoundError:
            return
        except OSError as error:
            self._stop(FOLDER_UNREADABLE, place, families, error.strerror or "")
            return
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            self._stop(FOLDER_LOOP, place, families)
            return
        parts = frozenset(entry.name for entry in entries if entry.name in (_MANIFESTS, _LAYERS, _UPLOADS))
        visible = families
        own = None
        if parts:
            own = FoundRepository(name, path, parts)
        deeper = []
        for entry in entries:
            child_place = os.path.join(place, entry.name)
            for family in visible:
                if own and entry.name == _MARK_OF[family]:
                    own.families += (family,)
            is_folder = entry.is_dir()
            if entry.name.startswith("_"):
                if not is_folder and FAMILY_2 in visible and os.path.exists(entry.path):
                    self._findings.add(Finding(REPOSITORY_HIDDEN, child_place, stops=(FAMILY_2,)))
                    visible = tuple(family for family in visible if family != FAMILY_2)
            elif is_folder:
                deeper.append((entry, visible))
        if own:
            self._check(own, place)
            yield own
        for entry, whose in deeper:
            child = name + "/" + entry.name if name else entry.name
            yield from self._walk(entry.path, child, whose, above + (identity,))

    def _check(self, own: FoundRepository, place: str) -> None:
        """A collector that visits a folder whose name cannot be a repository's aborts."""
        if (own.has_manifests or own.has_layers) and not is_repository(own.name):
            self._stop(REPOSITORY_NAME, place, own.families)
            own.families = ()

    def _stop(self, kind: Kind, place: str, families: t.Tuple[str, ...], detail: str = "") -> None:
        self._findings.add(Finding(kind, place, detail=detail, stops=families))
        for family in families:
            self.note_abort(family, place)
