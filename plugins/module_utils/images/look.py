# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a registry over its API: the snapshot that every decision is made from.

What is unknown never looks like absence: whatever cannot be read makes its repository one in which nothing is deleted.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import (
    ManifestContent,
    ManifestHead,
    RegistryClient,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound, RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.bodies import Bodies
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.reading import Reader, Reading
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.stored import (
    agreeing,
    pushed_at,
    read_dependants,
    revisions_of,
    unlisted_in,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import LIST, TAGS, Progress
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import require_repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import Scan, StoredRepository
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Snapshot,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.tombstone import Parked, read_tombstone
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import compile_patterns

__all__ = ["Bodies", "Looked", "Needs", "look"]

# How cosign and the referrers fallback of the OCI distribution specification name a tag after the image it is about.
_COMPANION = re.compile(r"(sha256)-([0-9a-f]{64})(?:\.[a-z]+)?\Z")

Found = t.Union[ManifestContent, ManifestHead]


@dataclass(frozen=True)
class Needs:
    """How deep to look. MANIFESTS: read every manifest, children too (else digests only). CONFIGS: dates and labels of images.

    BLOBS: whether the configs and layers of what is read are served. UNTAGGED: manifests that no tag names, as far as a scan lists
    them; without it only those are read of them that need something which a tag leads to.
    """

    manifests: bool = True
    configs: bool = False
    blobs: bool = False
    untagged: bool = False


@dataclass(frozen=True)
class Looked:
    """A snapshot, and the bytes of what was read for it.

    By repository: TAG_ERRORS, the tags that could not be read, with the reason; MISSING_BLOBS, digests that are named and not served;
    STORED, what a scan says, as far as it is believed.
    """

    snapshot: Snapshot
    bodies: Bodies
    tag_errors: t.Mapping[str, t.Mapping[str, str]] = field(default_factory=dict)
    missing_blobs: t.Mapping[str, t.AbstractSet[str]] = field(default_factory=dict)
    stored: t.Mapping[str, StoredRepository] = field(default_factory=dict)


def look(
    client: RegistryClient,
    patterns: t.Optional[t.Sequence[str]],
    needs: Needs,
    *,
    now: float,
    scan: t.Optional[Scan] = None,
    repositories: t.Optional[t.Sequence[str]] = None,
    progress: t.Optional[Progress] = None,
    deep: t.Optional[t.Callable[[str], bool]] = None,
    wanted: t.Optional[t.Callable[[str], bool]] = None,
    must_exist: bool = True,
    digests: t.Optional[t.Callable[[str], t.Iterable[str]]] = None,
) -> Looked:
    """Read REPOSITORIES by name, or else those of the catalog that PATTERNS (None: all) select, and return what is there.

    NOW in seconds since the epoch. PROGRESS is told of every step, from the calling thread. Of tags that DEEP says
    no to only the digest is read; tags that WANTED says no to are not read at all (for reports, never for decisions).
    DIGESTS: what of a repository to read though no tag leads to it, as far as it has such manifests; it may name blobs, too.
    MUST_EXIST: that one of REPOSITORIES is not there is its problem, else it is empty.
    Raises PatternInvalid and ReferenceInvalid before any request; RegistryError where the repositories cannot be listed, and
    DeadlineExceeded. Any other failure is the problem of one repository of the snapshot.
    """
    selected = compile_patterns(patterns) if patterns is not None else None
    given = sorted({require_repository(name) for name in repositories}) if repositories is not None else None
    names = given if given is not None else sorted(client.catalog())
    readings = [Reading(name) for name in names if selected is None or selected.matches(name)]
    bodies = Bodies(client)
    reader = Reader(client, bodies, progress, [reading.name for reading in readings])
    looking = _Look(client, reader, needs, deep)
    looking.list_tags(readings, given is not None and must_exist, wanted)
    looking.resolve(readings)
    stored = {reading.name: agreeing(scan, reading.name, reading.tags) for reading in readings}
    believed = {name: known for name, known in stored.items() if known is not None}
    parked = {reading.name: _parked(reading) for reading in readings}
    if needs.manifests:
        for reading in readings:
            looking.want_companions(reading)
            reading.want(tag.digest for tag in parked[reading.name].values())
            known = stored[reading.name]
            if needs.untagged and known is not None:
                reading.want(known.manifests)
        reader.read_wanted(readings)
        if digests is not None:
            for reading in readings:
                reading.want_named(digests(reading.name))
            reader.read_wanted(readings)
        if not needs.untagged:
            read_dependants(reader, readings, believed)
    if needs.blobs:
        reader.find_blobs(readings)
    if needs.configs:
        reader.read_configs(readings)
    found = []
    for reading in readings:
        known = stored[reading.name]
        found.append(
            Repository(
                reading.name,
                tags=tuple(_tag(reading, name, parked[reading.name].get(name), known) for name in sorted(reading.tags)),
                manifests=reading.manifests,
                missing=frozenset(reading.missing),
                revisions=revisions_of(known, reading.manifests, reading.missing) if needs.untagged and known else None,
                problem=reading.problem,
                unlisted=unlisted_in(known, reading.tags),
            )
        )
    errors = {reading.name: reading.tag_errors for reading in readings if reading.tag_errors}
    missing_blobs = {reading.name: reading.missing_blobs for reading in readings}
    snapshot = Snapshot(now, tuple(found), complete=selected is None and given is None)
    return Looked(snapshot, bodies, errors, missing_blobs, believed)


class _Look:
    """The steps from names to resolved tags."""

    def __init__(
        self, client: RegistryClient, reader: Reader, needs: Needs, deep: t.Optional[t.Callable[[str], bool]]
    ) -> None:
        self._client = client
        self._reader = reader
        self._needs = needs
        self._deep = deep

    def list_tags(
        self, readings: t.Sequence[Reading], by_name: bool, wanted: t.Optional[t.Callable[[str], bool]]
    ) -> None:
        """List the tags of each. One that is only in the catalog may have lost its last image; one given BY_NAME must exist."""
        outcomes = self._reader.each(
            lambda one, _name: self._client.tags(one.name), [(one, "") for one in readings], LIST
        )
        for reading, _name, outcome in outcomes:
            if isinstance(outcome, NotFound) and not by_name:
                continue
            if isinstance(outcome, RegistryError):
                reading.fail(outcome)
                reading.stopped = True
            elif outcome is not None:
                reading.listed = [tag for tag in outcome if wanted is None or wanted(tag)]

    def resolve(self, readings: t.Sequence[Reading]) -> None:
        """Find what each tag names. What does not exist is looked at again: gone from the list, or listed and dangling."""
        items = [(reading, tag) for reading in readings for tag in reading.listed]
        absent: t.Dict[str, t.Tuple[Reading, t.List[str]]] = {}
        for reading, tag, outcome in self._reader.each(self._find, items, TAGS):
            if isinstance(outcome, NotFound):
                absent.setdefault(reading.name, (reading, []))[1].append(tag)
            else:
                self._note(reading, tag, outcome)
        if not absent:
            return
        again: t.List[t.Tuple[Reading, str]] = []
        for reading, _name, relisted in self._reader.each(
            lambda one, _name: self._client.tags(one.name), [(one, "") for one, _tags in absent.values()]
        ):
            if isinstance(relisted, RegistryError) and not isinstance(relisted, NotFound):
                reading.fail(relisted)
            elif isinstance(relisted, list):
                listed = set(relisted)
                again.extend((reading, tag) for tag in absent[reading.name][1] if tag in listed)
        for reading, tag, second in self._reader.each(self._find, again):
            if isinstance(second, NotFound):
                reading.tags[tag] = None
            else:
                self._note(reading, tag, second)

    def want_companions(self, reading: Reading) -> None:
        """A companion tag names its image in its own name: whether that is still there decides what becomes of the tag."""
        matches = (_COMPANION.match(tag) for tag in reading.tags if self._deep is None or self._deep(tag))
        reading.want("%s:%s" % match.group(1, 2) for match in matches if match)

    def _find(self, reading: Reading, tag: str) -> Found:
        if self._needs.manifests and (self._deep is None or self._deep(tag)):
            return self._client.get_manifest(reading.name, tag)
        return self._client.head_manifest(reading.name, tag)

    def _note(self, reading: Reading, tag: str, outcome: t.Union[Found, RegistryError, None]) -> None:
        if isinstance(outcome, RegistryError):
            reading.fail(outcome)
            reading.tag_errors[tag] = outcome.message
        elif isinstance(outcome, ManifestHead):
            reading.tags[tag] = outcome.digest
        elif outcome is not None:
            reading.tags[tag] = outcome.digest
            if self._reader.add(reading, "the manifest of tag %s (%s)" % (tag, outcome.digest), outcome) is None:
                reading.tag_errors[tag] = reading.problem


def _parked(reading: Reading) -> t.Dict[str, Parked]:
    """Tags that stand on a tombstone, with what they were before; a tag that its tombstone does not name is none of them."""
    found = {}
    for tag, digest in reading.tags.items():
        manifest = reading.manifests.get(digest) if digest is not None else None
        before = read_tombstone(manifest).get(tag) if manifest is not None else None
        if before is not None:
            found[tag] = before
    return found


def _tag(reading: Reading, name: str, before: t.Optional[Parked], stored: t.Any) -> Tag:
    digest = reading.tags[name]
    if before is not None:
        return Tag(name, before.digest, pushed=before.pushed, parked=digest or "")
    return Tag(name, digest, pushed=pushed_at(stored, name, digest))
