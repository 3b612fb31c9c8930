# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words in which a plan says why. One place, so that every decision reads alike."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.durations import in_words
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.ordering import (
    Place,
    ordinal,
)

NOT_GOVERNED = "kept: no policy governs it"
TOMBSTONE = "kept: left by an unfinished run of this collection, takes no part"
DANGLING = "kept: dangling, the registry lists it but has no manifest for it"
DANGLING_GOES = "deleted: dangling, the registry lists it but has no manifest for it"
UNFINISHED_GOES = "deleted: an earlier run had planned to delete it and did not finish"
BROKEN = "kept: its index names a child that the registry does not have"
BROKEN_MANIFEST = "kept: names a child that the registry does not have, itself or through a child"
LABELS_UNKNOWN = "its labels could not be read"
LABELS_DIFFER = "only some of its images have the labels"
NOT_LISTED = "kept: the store has it under tag %s, which the registry does not list"
MAY_BE_HIDDEN = "tags of it may be hidden, which find_hidden_tags would show"
ELSEWHERE = "another repository has it"
NOT_LOOKED_AT = "a repository that this run does not look at may have it"
NOT_READABLE = "a repository that cannot be read may have it"
CIRCLE = "kept: what it refers to refers back to it"

_SHOWN = 60


def kept(policy: str, why: str) -> str:
    """The reason of a tag or manifest that POLICY keeps."""
    return 'kept by "%s": %s' % (policy, why)


def deleted(policy: str, why: str) -> str:
    """The reason of one that POLICY deletes."""
    return 'deleted by "%s": %s' % (policy, why)


def untagged(reason: str, stays: str) -> str:
    """The reason of a tag that goes for REASON while its manifest stays because of STAYS."""
    head, _colon, rest = reason.partition(":")
    return "%s:%s; its manifest stays: %s" % (
        head.replace("deleted", "untagged", 1),
        rest,
        stays.partition(": ")[2] or stays,
    )


def protected(why: str) -> str:
    """The reason of what is kept for WHY, whatever a policy says."""
    return "kept: %s" % why


def leads_to_protected(why: str) -> str:
    """The reason of an index that leads to what is kept for WHY."""
    return "kept: leads to what is %s" % why


def left_alone(problem: str) -> str:
    """The reason of everything in a repository that has a PROBLEM."""
    return "kept: the repository is left alone: %s" % problem


def newest(place: Place, group: t.Optional[str], count: int) -> str:
    """A place in the ranking, for what is kept and for what is not."""
    where = " of %d%s" % (place.total, "" if group is None else " in group %s" % quoted(group))
    if place.tied:
        return "tied with %s newest%s" % (ordinal(count), where)
    if place.kept:
        return "%s newest%s" % (ordinal(place.position), where)
    return "%s newest%s, %d %s kept" % (ordinal(place.position), where, count, "is" if count == 1 else "are")


def age(seconds: float, limit: str, younger: bool) -> str:
    """An age against its limit."""
    return "%s old, %syounger than %s" % (in_words(seconds), "" if younger else "not ", limit)


def follows(subject: str) -> str:
    """The reason of a companion whose subject is kept."""
    return "kept: follows %s, which is kept" % short(subject)


def goes_with(subject: str) -> str:
    """The reason of a companion whose subject goes."""
    return "deleted: follows %s, which goes" % short(subject)


def orphaned(subject: str, removed: bool, spared: str = "") -> str:
    """The reason of a companion whose subject is gone, SPARED because of what that says."""
    text = "%s: orphaned, its subject %s is gone" % ("deleted" if removed else "kept", short(subject))
    return "%s from this repository, and %s" % (text, spared) if spared else text


def short(digest: str) -> str:
    """A digest as people quote it: algorithm and twelve digits."""
    algorithm, _colon, digits = digest.partition(":")
    return "%s:%s" % (algorithm, digits[:12])


def quoted(value: str) -> str:
    """A value that somebody else wrote, printable and of bounded length."""
    text = value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "..."
    return text if text.isprintable() else ascii(text)
