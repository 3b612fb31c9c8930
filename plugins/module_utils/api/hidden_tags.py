# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that a registry has and does not list.

Distribution 3.1.0 and 3.1.1 on S3 leave out every tag whose name goes on, with a character after '/', where a listed one's ends:
v10 beside v1 (registry/storage/driver/s3-aws/s3.go, doWalk: what it skips is told by its prefix). A list that starts behind all
that belongs to v1 has v10.
"""

from __future__ import annotations

import typing as t

# Each costs a request.
MOST_HIDDEN = 100000

# Of the characters of tags only these come before '/', and what they lead on to is walked, and listed, before the tag itself.
_BEFORE_SLASH = frozenset("-.")


def hides_none(tags: t.Collection[str]) -> bool:
    """Whether TAGS, as one repository lists them, hold a pair that such a registry would not list: then it hides none."""
    known = set(tags)
    return any(
        tag[length] not in _BEFORE_SLASH and tag[:length] in known for tag in known for length in range(1, len(tag))
    )


# The characters of tags all come before it.
BEYOND_ALL = "~"


class TooManyTags(Exception):
    """More than anybody has: a server that names new tags for ever."""


def behind(tag: str) -> str:
    """Where a list has to start to leave out all that belongs to TAG in the store, and nothing else."""
    return tag + "/~"


def with_hidden(listed: t.Sequence[str], tags_behind: t.Callable[[str, bool], t.Sequence[str]]) -> t.List[str]:
    """LISTED and every tag that it hides, sorted.

    TAGS_BEHIND(tag, first): the tags that the registry lists from behind(tag) on; FIRST: one of them is enough. Each tag is asked
    about once: what it hides comes right behind it, and hides more in the same way. Raises TooManyTags.
    """
    if hides_none(listed):
        return sorted(listed)
    found = set(listed)
    waiting = sorted(found)
    while waiting:
        tag = waiting.pop()
        if not any(name.startswith(tag) for name in tags_behind(tag, True)):
            continue
        fresh = {name for name in tags_behind(tag, False) if name.startswith(tag)} - found
        found |= fresh
        if len(found) > MOST_HIDDEN + 10 * len(listed):
            raise TooManyTags
        waiting.extend(sorted(fresh))
    return sorted(found)
