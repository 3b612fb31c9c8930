# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes tags off while their manifests stay: natively on 3.x, by way of a tombstone on 2.x.

There is no compare-and-swap in the protocol: between the HEAD that confirms what a tag names and the write that takes it off,
a push to that very tag is lost. HEAD and write therefore go back to back, tag by tag, and a write that a busy registry turned away
comes again only after another HEAD.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    LoginRenewed,
    RateLimited,
    RegistryError,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletion import (
    DOUBTFUL,
    DeletionFailed,
    attempts,
    current_digest,
    delete_digest,
    delete_tag,
    listed_tags,
    may_repeat,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import PlannedTag
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.tombstone import (
    MAX_BATCH,
    Parked,
    Tombstone,
    make_tombstone,
)

GONE = "gone"
TAKEN = "taken"
MOVED = "moved"
FAILED = "failed"


class Taken(t.NamedTuple):
    """What became of one tag: TAKEN off, already GONE, MOVED (TEXT: the digest it names now) or FAILED (TEXT: why)."""

    tag: PlannedTag
    state: str
    text: str = ""


class BatchFailed(DeletionFailed):
    """A tombstone that could not be deleted. TAKEN: what had become of its tags until then."""

    def __init__(self, text: str, taken: t.Sequence[Taken]) -> None:
        super().__init__(text)
        self.taken = taken


def batches(tags: t.Sequence[PlannedTag]) -> t.Iterator[t.Sequence[PlannedTag]]:
    """TAGS in parts of at most MAX_BATCH."""
    for start in range(0, len(tags), MAX_BATCH):
        yield tags[start : start + MAX_BATCH]


def take_off_natively(
    client: RegistryClient, repository: str, tags: t.Sequence[PlannedTag], note: t.Callable[[Taken], None]
) -> t.List[Taken]:
    """DELETE each of TAGS, unless it names something else by now. NOTE is told of each as soon as it is known, from any thread.

    Raises RegistryError where the registry refuses, when NOTE has been told of all that was begun.
    """

    def take(tag: PlannedTag) -> Taken:
        for left in attempts(client):
            client.prepare_delete(repository)
            other = _moved(client, repository, tag)
            if other:
                return other
            try:
                return Taken(tag, TAKEN if delete_tag(client, repository, tag.name) else GONE)
            except (LoginRenewed, RateLimited) as error:
                if not may_repeat(error, left):
                    raise
            except DeletionFailed as error:
                if not (error.busy and left > 1):
                    # A push of the same tag at the same moment makes the registry fail, and wins.
                    return _moved(client, repository, tag) or Taken(tag, FAILED, str(error))
        return Taken(tag, FAILED, "it was not tried")  # not reached: there is always one attempt

    def noted(tag: PlannedTag) -> Taken:
        taken = take(tag)
        note(taken)
        return taken

    return [taken for _tag, taken in run_parallel(noted, tags, client.connection.workers)]


def take_off_by_tombstone(
    client: RegistryClient,
    repository: str,
    run: str,
    tags: t.Sequence[PlannedTag],
    announce: t.Callable[[Tombstone], None],
) -> t.List[Taken]:
    """Move TAGS (at most MAX_BATCH) onto one tombstone of RUN and delete it; ANNOUNCE is told of it before it is pushed.

    Raises BatchFailed where the tombstone stays, and RegistryError where the registry refuses.
    """
    before = {tag.name: Parked(tag.digest, tag.pushed) for tag in tags if tag.digest}
    tombstone = make_tombstone(run, before)
    announce(tombstone)

    def move(tag: PlannedTag) -> Taken:
        for left in attempts(client):
            client.prepare_push(repository)
            other = _moved(client, repository, tag, tombstone.digest)
            if other:
                return other
            try:
                client.put_manifest(repository, tag.name, tombstone.body, tombstone.media_type)
            except (LoginRenewed, RateLimited) as error:
                if not may_repeat(error, left):
                    raise
            except DOUBTFUL as error:
                if current_digest(client, repository, tag.name) == tombstone.digest:
                    break
                if not may_repeat(error, left):
                    return Taken(tag, FAILED, error.message)
            else:
                break
        return Taken(tag, TAKEN)

    # The first one alone: 2.x truncates a link before it writes it, and all of them write the tombstone's.
    taken = [move(tag) for tag in tags[:1]]
    taken += [result for _tag, result in run_parallel(move, tags[1:], client.connection.workers)]
    if any(result.state == TAKEN for result in taken):
        try:
            bury(client, repository, tombstone, [tag.name for tag in tags])
        except DeletionFailed as error:
            raise BatchFailed(str(error), taken) from error
    return taken


def bury(client: RegistryClient, repository: str, tombstone: Tombstone, tags: t.Iterable[str]) -> None:
    """Delete TOMBSTONE with all TAGS that stand on it. Raises DeletionFailed or RegistryError."""
    content = (tombstone.media_type, tombstone.body)
    delete_digest(client, repository, tombstone.digest, tags, lambda: content)


def put_back(client: RegistryClient, repository: str, tag: PlannedTag, media_type: str, body: bytes) -> Taken:
    """Give a tag that stands on a tombstone its manifest back, unless it names something else or was removed. Raises RegistryError."""
    for left in attempts(client):
        client.prepare_push(repository)
        now = current_digest(client, repository, tag.name)
        if now is None and tag.name not in listed_tags(client, repository):
            return Taken(tag, GONE)
        if now is not None and now != tag.parked:
            return Taken(tag, TAKEN) if now == tag.digest else Taken(tag, MOVED, now)
        try:
            client.put_manifest(repository, tag.name, body, media_type)
            break
        except RegistryError as error:
            if not may_repeat(error, left):
                return Taken(tag, FAILED, "it could not be put back onto %s: %s" % (tag.digest, error.message))
    return Taken(tag, TAKEN)


def _moved(client: RegistryClient, repository: str, tag: PlannedTag, tombstone: str = "") -> t.Optional[Taken]:
    """The result for a tag that names something else than planned; None where it may be taken off."""
    now = current_digest(client, repository, tag.name)
    if now is None or now in (tag.digest, tag.parked or None, tombstone or None):
        return None
    return Taken(tag, MOVED, now)
