# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What no policy may delete: digests, tags, and digests of one repository."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    ReferenceInvalid,
    is_digest,
    require_digest,
    require_repository,
    require_tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True)
class Entry:
    """One entry as it was written: TEXT, and the REPOSITORIES of which one may be meant, with the TAG or DIGEST of it.

    No repositories: a digest anywhere. HAS_HOST: it may be about another registry.
    """

    text: str
    repositories: t.Tuple[str, ...] = ()
    tag: str = ""
    digest: str = ""
    has_host: bool = False


@dataclass(frozen=True)
class Protected:
    """Protected DIGESTS (anywhere), TAGS as (repository, tag) and PINNED as (repository, digest). ENTRIES: as somebody wrote them.

    BECAUSE: of those PINNED that nobody wrote, why, as words that go on from 'it is'.
    """

    digests: t.FrozenSet[str] = frozenset()
    tags: t.FrozenSet[t.Tuple[str, str]] = frozenset()
    pinned: t.FrozenSet[t.Tuple[str, str]] = frozenset()
    entries: t.Tuple[Entry, ...] = ()
    because: t.Mapping[t.Tuple[str, str], str] = field(default_factory=dict)

    def covers_tag(self, repository: str, tag: str) -> bool:
        """Whether TAG of REPOSITORY is protected by name."""
        return (repository, tag) in self.tags

    def covers_digest(self, repository: str, digest: str) -> bool:
        """Whether DIGEST, of a manifest or a config, is protected in REPOSITORY."""
        return digest in self.digests or (repository, digest) in self.pinned

    def why_tag(self, repository: str, tag: str) -> str:
        """What protects TAG of REPOSITORY by name, in words; empty if nothing does."""
        if not self.covers_tag(repository, tag):
            return ""
        return self._by(lambda entry: entry.tag == tag and repository in entry.repositories)

    def why_digest(self, repository: str, digest: str) -> str:
        """What protects DIGEST, of a manifest or a config, in REPOSITORY, in words; empty if nothing does."""
        if not self.covers_digest(repository, digest):
            return ""
        why = self.because.get((repository, digest))
        return why or self._by(
            lambda entry: entry.digest == digest and (not entry.repositories or repository in entry.repositories)
        )

    def _by(self, matches: t.Callable[[Entry], bool]) -> str:
        entry = next((entry for entry in self.entries if matches(entry)), None)
        if entry is None:
            return "protected"
        return "protected by %s" % (
            entry.text.replace(entry.digest, reasons.short(entry.digest)) if entry.digest else entry.text
        )

    def digests_in(self, repository: str) -> t.Set[str]:
        """Every digest that is protected in REPOSITORY, whether anything there has it or not."""
        return set(self.digests) | {digest for name, digest in self.pinned if name == repository}


def parse_protected(entries: t.Iterable[str]) -> Protected:
    """Read ENTRIES: 'sha256:...', 'repository:tag', 'repository@sha256:...'; else raise ReferenceInvalid.

    Engines report images with the registry's host in front (and Kubernetes with a scheme): what looks like a
    host may also be part of a repository's name, so both readings are protected.
    """
    digests: t.Set[str] = set()
    tags: t.Set[t.Tuple[str, str]] = set()
    pinned: t.Set[t.Tuple[str, str]] = set()
    written: t.List[Entry] = []
    for entry in entries:
        if is_digest(entry):
            digests.add(entry)
            written.append(Entry(entry, digest=entry))
            continue
        if entry.startswith(("sha256:", "sha512:")):
            require_digest(entry)
        rest, at, digest = _SCHEME.sub("", entry, count=1).partition("@")
        head, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        if not at and not colon:
            raise ReferenceInvalid(
                "%r names no tag and no digest: write repository:tag, repository@sha256:... or sha256:..." % entry
            )
        readings = _readings(head + slash + last)
        written.append(Entry(entry, tuple(readings), tag, digest, readings != [head + slash + last]))
        for repository in readings:
            if colon:
                tags.add((repository, require_tag(tag)))
            if at:
                pinned.add((repository, require_digest(digest)))
    return Protected(frozenset(digests), frozenset(tags), frozenset(pinned), tuple(written))


def _readings(name: str) -> t.List[str]:
    host, slash, rest = name.partition("/")
    if not slash or not (":" in host or "." in host or host == "localhost"):
        return [require_repository(name)]
    if ":" in host:
        return [require_repository(rest)]
    return [require_repository(name), require_repository(rest)]
