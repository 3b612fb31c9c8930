# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan: what goes, what stays, and why. The same object is shown in check mode, saved, and carried out."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

KEEP = "keep"
UNTAG = "untag"
DELETE = "delete"

PLAN_SCHEMA = "fleetops.container_registry.plan"
PLAN_VERSION = 1


class PlanInvalid(ValueError):
    """Records that are no plan of a version this collection understands; the text says what is wrong."""


@dataclass(frozen=True)
class PlannedTag:
    """What happens to one tag. UNTAG: the tag goes and its manifest stays. DIGEST is None for a dangling tag.

    PARKED: the digest of the tombstone that the tag stands on, see Tag; a parked tag that is kept is put back.
    """

    name: str
    digest: t.Optional[str]
    action: str
    reason: str
    policy: str = ""
    created: t.Optional[float] = None
    pushed: t.Optional[float] = None
    parked: str = ""


@dataclass(frozen=True)
class PlannedManifest:
    """What happens to one manifest. SIZE in bytes of the manifest itself, 0 where it was not read."""

    digest: str
    media_type: str
    kind: str
    size: int
    action: str
    reason: str


@dataclass(frozen=True)
class Guard:
    """A limit that holds a plan (REPOSITORY empty) or one repository. PASSES_WITH: the value that would let this plan through."""

    name: str
    message: str
    passes_with: t.Union[int, bool, str]
    repository: str = ""


@dataclass(frozen=True)
class RepositoryPlan:
    """The plan of one repository.

    TAGS are sorted by name. MANIFESTS: first the ones to delete, in the order in which they may go (an index before its
    children, a subject before its referrers), then the kept ones, sorted by digest. PROBLEM says why the repository was left
    alone; GUARDS hold it. UNTAGGED counts untagged manifests, None where nobody could list them. BYTES_OWN: what garbage
    collection frees once the planned manifests are gone; BYTES_SHARED: bytes they use that something kept needs too.
    """

    name: str
    tags: t.Tuple[PlannedTag, ...] = ()
    manifests: t.Tuple[PlannedManifest, ...] = ()
    problem: str = ""
    guards: t.Tuple[Guard, ...] = ()
    untagged: t.Optional[int] = None
    bytes_own: int = 0
    bytes_shared: int = 0

    @property
    def held(self) -> bool:
        """Whether nothing of this repository may be carried out."""
        return bool(self.problem or self.guards)

    @property
    def doomed_tags(self) -> t.Tuple[PlannedTag, ...]:
        """Tags that go, with their manifest or without it."""
        return tuple(tag for tag in self.tags if tag.action != KEEP)

    @property
    def stranded_tags(self) -> t.Tuple[PlannedTag, ...]:
        """Kept tags that an unfinished run has moved onto a tombstone: they are put back first."""
        return tuple(tag for tag in self.tags if tag.action == KEEP and tag.parked)

    @property
    def doomed_manifests(self) -> t.Tuple[PlannedManifest, ...]:
        """Manifests that go, in the order in which they may go."""
        return tuple(manifest for manifest in self.manifests if manifest.action == DELETE)

    @property
    def is_noop(self) -> bool:
        """Whether carrying it out would change nothing."""
        return self.held or not (self.doomed_tags or self.doomed_manifests or self.stranded_tags)


@dataclass(frozen=True)
class Plan:
    """The plan of a run. BYTES_FREED is computed over digests of the whole registry; GUARDS hold the whole run.

    URL: the address of the registry that a saved plan is of.
    """

    taken_at: float
    repositories: t.Tuple[RepositoryPlan, ...] = ()
    guards: t.Tuple[Guard, ...] = ()
    warnings: t.Tuple[str, ...] = ()
    bytes_freed: int = 0
    url: str = ""

    @property
    def actionable(self) -> t.Tuple[RepositoryPlan, ...]:
        """Repositories in which something goes and which nothing holds."""
        return tuple(repository for repository in self.repositories if not repository.is_noop)

    @property
    def is_noop(self) -> bool:
        """Whether carrying it out would change nothing, guards of the run aside."""
        return not self.actionable

    @property
    def identity(self) -> str:
        """The sha256 of what would be done (repositories, tags, digests, tombstones, actions), whatever the reasons and times."""
        deeds = [
            [
                repository.name,
                sorted(
                    [tag.name, tag.digest or "", tag.action, tag.parked]
                    for tag in repository.doomed_tags + repository.stranded_tags
                ),
                [manifest.digest for manifest in repository.doomed_manifests],
            ]
            for repository in self.actionable
        ]
        return hashlib.sha256(json.dumps(deeds, separators=(",", ":")).encode("utf-8")).hexdigest()
