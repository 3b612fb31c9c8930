# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry was seen to hold at one moment: the input of every decision."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import Manifest


@dataclass(frozen=True)
class Tag:
    """A tag as it was read.

    DIGEST is None for a dangling tag: listed, but the registry said twice that its manifest does not exist. PUSHED (seconds
    since the epoch) is known from the store only. HOLD, when not empty, says why this tag is kept whatever a policy says.
    PARKED, when not empty, is the digest of the tombstone that an unfinished run has moved the tag onto; DIGEST is then the
    manifest that the tag named before, so that every decision is the one that the first run took.
    """

    name: str
    digest: t.Optional[str]
    pushed: t.Optional[float] = None
    hold: str = ""
    parked: str = ""


@dataclass(frozen=True)
class Revision:
    """A manifest that is stored in a repository, tagged or not. Times in seconds since the epoch; None where unknown."""

    digest: str
    pushed: t.Optional[float] = None
    untagged_since: t.Optional[float] = None


@dataclass(frozen=True)
class Repository:
    """One repository as it was read.

    MANIFESTS holds every manifest that was read, by digest: tagged ones, children, untagged ones. MISSING holds digests that
    a manifest here names as child or subject and that the repository does not have. REVISIONS lists every stored manifest,
    or is None where nobody could list them (the API cannot). UNLISTED: manifests on which the store has a tag that the registry did not
    list, and that tag. DOUBT, when not empty, says why what has no tag here may have one.
    PROBLEM, when not empty, says why nothing here may be deleted.
    UNFINISHED: manifests without a tag that an earlier run had planned to delete and did not reach, with the reason in words;
    UNFINISHED_TAGS: tags that such a run had doomed, and that dangle now or still name what they did (one of them that dangles, or
    whose subject that run has deleted, may go).
    """

    name: str
    tags: t.Tuple[Tag, ...] = ()
    manifests: t.Mapping[str, Manifest] = field(default_factory=dict)
    missing: t.FrozenSet[str] = frozenset()
    revisions: t.Optional[t.Mapping[str, Revision]] = None
    problem: str = ""
    unfinished: t.Mapping[str, str] = field(default_factory=dict)
    unfinished_tags: t.FrozenSet[str] = frozenset()
    doubt: str = ""
    unlisted: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """All repositories that were looked at, sorted by name. TAKEN_AT is in seconds since the epoch, by the reader's clock.

    COMPLETE: that is every repository that the registry lists.
    """

    taken_at: float
    repositories: t.Tuple[Repository, ...] = ()
    complete: bool = True
