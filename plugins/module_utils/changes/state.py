# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be remembered from run to run: what was restored, and when a manifest was first seen without a tag.

One JSON file beside the backups, replaced as a whole. It holds, for each registry's URL and each repository, ``restored`` (tag:
its digest, old push time, until when it is held from pruning, and when it was restored), ``held`` (digest: until when a restored
manifest is), ``untagged`` (digest: without a tag since, as far as a first sighting tells) and ``looked`` (when a run last saw all of
its manifests). Times are in seconds since the epoch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import tempfile
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Revision,
    Snapshot,
    Tag,
)

STATE_SCHEMA = "fleetops.container_registry.state"
STATE_VERSION = 1
FILE_NAME = "state.json"

# What file systems say that know no locks.
_NO_LOCKS = (errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)

# Seconds by which the registry's clock may be ahead of ours.
_CLOCKS_DIFFER = 300


class StateError(Exception):
    """A state file that cannot be read or written; the text names it, the reason and the remedy."""


@dataclass
class RestoredTag:
    """A tag that was put back: what it names, when that was pushed before (None: unknown), until when it is held, and when it was
    put back: a push that the store dates later is somebody's own."""

    digest: str
    pushed: t.Optional[float]
    until: float
    restored_at: float


@dataclass
class State:
    """What is remembered about one registry."""

    restored: t.Dict[str, t.Dict[str, RestoredTag]] = field(default_factory=dict)
    untagged: t.Dict[str, t.Dict[str, float]] = field(default_factory=dict)
    looked: t.Dict[str, float] = field(default_factory=dict)
    held: t.Dict[str, t.Dict[str, float]] = field(default_factory=dict)


def read_state(directory: str, url: str) -> State:
    """The state of the registry at URL; empty where there is none yet. Raises StateError for a file that is not ours."""
    return _state(_document(_path(directory)).get(url), _path(directory))


def update_state(directory: str, url: str, change: t.Callable[[State], State]) -> None:
    """Replace what is remembered about the registry at URL by what CHANGE makes of it, on disk when this returns. Raises StateError.

    What others write meanwhile is not lost: a restoration may hold tags while a long run goes on.
    """
    path = _path(directory)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with _locked(directory):
            before = read_state(directory, url)
            after = change(before)
            if after != before:
                _write(path, url, after)
    except OSError as error:
        raise StateError("the state file %s cannot be written: %s" % (path, error.strerror)) from error


@contextlib.contextmanager
def _locked(directory: str) -> t.Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)


def _write(path: str, url: str, state: State) -> None:
    registries = _document(path)
    registries[url] = {
        "restored": {
            name: {
                tag: [entry.digest, entry.pushed, entry.until, entry.restored_at] for tag, entry in sorted(tags.items())
            }
            for name, tags in sorted(state.restored.items())
            if tags
        },
        "untagged": {
            name: dict(sorted(digests.items())) for name, digests in sorted(state.untagged.items()) if digests
        },
        "looked": dict(sorted(state.looked.items())),
        "held": {name: dict(sorted(digests.items())) for name, digests in sorted(state.held.items()) if digests},
    }
    document = {"schema": STATE_SCHEMA, "version": STATE_VERSION, "registries": registries}
    descriptor, temporary = tempfile.mkstemp(prefix=FILE_NAME + ".", dir=os.path.dirname(path))
    with os.fdopen(descriptor, "w") as stream:
        json.dump(document, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def with_held(
    state: State, repository: str, tags: t.Mapping[str, RestoredTag], digests: t.Iterable[str], until: float
) -> State:
    """STATE with what comes back to REPOSITORY: TAGS, and manifests held UNTIL, whose first sightings are forgotten.

    Where it is held for longer already, it stays so.
    """
    restored, held, untagged = dict(state.restored), dict(state.held), dict(state.untagged)
    before = restored.get(repository, {})
    restored[repository] = dict(before, **{name: _longer(before.get(name), tag) for name, tag in tags.items()})
    known = held.get(repository, {})
    held[repository] = dict(known, **{digest: max(until, known.get(digest, until)) for digest in digests})
    untagged[repository] = {
        digest: since for digest, since in untagged.get(repository, {}).items() if digest not in held[repository]
    }
    return replace(state, restored=restored, held=held, untagged=untagged)


def forget(state: State, repository: str, tags: t.AbstractSet[str], digests: t.AbstractSet[str]) -> State:
    """STATE without the holds of TAGS and of the manifests DIGESTS in REPOSITORY."""
    restored, held = dict(state.restored), dict(state.held)
    restored[repository] = {name: tag for name, tag in restored.get(repository, {}).items() if name not in tags}
    held[repository] = {digest: until for digest, until in held.get(repository, {}).items() if digest not in digests}
    return replace(state, restored=restored, held=held)


def _longer(before: t.Optional[RestoredTag], after: RestoredTag) -> RestoredTag:
    return before if before is not None and before.digest == after.digest and before.until > after.until else after


def held_manifests(state: State, now: float) -> t.FrozenSet[t.Tuple[str, str]]:
    """(repository, digest) of the restored manifests that are still held NOW."""
    return frozenset(
        (name, digest) for name, digests in state.held.items() for digest, until in digests.items() if until > now
    )


def remember(state: State, snapshot: Snapshot) -> State:
    """STATE after a look: first sightings of manifests without a tag are added, what is gone or tagged again is dropped.

    A hold lasts until its time is over or its tag names something else: a list may lack a tag that is there. First sightings are of
    repositories that SNAPSHOT lists revisions of: elsewhere nothing was seen.
    """
    now = snapshot.taken_at
    untagged = dict(state.untagged)
    looked = dict(state.looked)
    restored = {name: dict(tags) for name, tags in state.restored.items()}
    for repository in snapshot.repositories:
        if repository.problem:
            continue
        current = {tag.name: tag.digest for tag in repository.tags}
        still = {
            tag: entry
            for tag, entry in restored.get(repository.name, {}).items()
            if _still_restored(entry, current.get(tag), now)
        }
        restored[repository.name] = still
        if repository.revisions is not None:
            before = untagged.get(repository.name, {})
            tagged = {digest for digest in current.values() if digest}
            without = set(repository.revisions) - tagged - set(repository.unlisted)
            untagged[repository.name] = {
                digest: before.get(
                    digest, _first_seen(repository.revisions[digest], state.looked.get(repository.name), now)
                )
                for digest in without
            }
            looked[repository.name] = now
    return State(
        {name: tags for name, tags in restored.items() if tags},
        {name: digests for name, digests in untagged.items() if digests},
        looked,
        {name: _unexpired(digests, now) for name, digests in state.held.items() if _unexpired(digests, now)},
    )


def _unexpired(digests: t.Mapping[str, float], now: float) -> t.Dict[str, float]:
    return {digest: until for digest, until in digests.items() if until > now}


def _still_restored(entry: RestoredTag, digest: t.Optional[str], now: float) -> bool:
    """Whether ENTRY is of use after a look that began NOW and saw the tag name DIGEST (None: nothing, or it was not listed)."""
    if entry.restored_at >= now:
        return True
    if digest is None:
        return entry.until > now
    return digest == entry.digest and (entry.until > now or entry.pushed is not None)


def recall(snapshot: Snapshot, state: State) -> Snapshot:
    """SNAPSHOT with what is remembered: old push times and holds of restored tags, first sightings of untagged manifests."""
    return replace(
        snapshot, repositories=tuple(_recall(entry, state, snapshot.taken_at) for entry in snapshot.repositories)
    )


def _recall(repository: Repository, state: State, now: float) -> Repository:
    restored = state.restored.get(repository.name, {})
    seen, looked = state.untagged.get(repository.name, {}), state.looked.get(repository.name)
    tags = tuple(_recall_tag(tag, restored.get(tag.name), now) for tag in repository.tags)
    revisions = repository.revisions
    if revisions is not None:
        revisions = {
            digest: replace(revision, untagged_since=_untagged_since(revision, seen.get(digest), looked, now))
            for digest, revision in revisions.items()
        }
    return replace(repository, tags=tags, revisions=revisions)


def _recall_tag(tag: Tag, entry: t.Optional[RestoredTag], now: float) -> Tag:
    if entry is None or entry.digest != tag.digest:
        return tag
    hold = "restored, and held from pruning until %s" % format_instant(entry.until) if entry.until > now else tag.hold
    ours = tag.pushed is not None and tag.pushed <= entry.restored_at + _CLOCKS_DIFFER
    pushed = entry.pushed if entry.pushed is not None and ours else tag.pushed
    return replace(tag, pushed=pushed, hold=hold)


def _untagged_since(
    revision: Revision, seen: t.Optional[float], looked: t.Optional[float], now: float
) -> t.Optional[float]:
    """Since when REVISION has no tag, None if nobody knows: what is remembered (SEEN), or what the store's history tells.

    A tag that was removed leaves no history. So what was there when its repository was LOOKED at last, and had a tag then, has lost
    its last one since, whatever the history of another tag tells.
    """
    told, pushed = revision.untagged_since, revision.pushed
    if seen is not None:
        return max(moment for moment in (seen, told, pushed) if moment is not None)
    if told is not None and looked is not None and pushed is not None and max(told, pushed) < looked:
        return now
    return told


def _first_seen(revision: Revision, looked: t.Optional[float], now: float) -> float:
    """What to remember of REVISION, which is seen without a tag for the first time."""
    since = _untagged_since(revision, None, looked, now)
    return now if since is None else min(since, now)


def _path(directory: str) -> str:
    return os.path.join(directory, FILE_NAME)


def _document(path: str) -> t.Dict[str, t.Any]:
    try:
        with open(path, "rb") as stream:
            document = json.loads(stream.read().decode("utf-8"))
        if document["schema"] != STATE_SCHEMA or document["version"] != STATE_VERSION:
            raise ValueError("schema")
        return t.cast("t.Dict[str, t.Any]", document["registries"])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateError(
            "the state file %s cannot be read: %s. Nothing was deleted; give a backup_dir that can be used"
            % (path, error.strerror)
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            "%s is no state file of this collection. Move it away; holds of restored tags are then forgotten" % path
        ) from error


def _state(entry: t.Any, path: str) -> State:
    if entry is None:
        return State()
    try:
        restored = {
            name: {
                tag: RestoredTag(str(item[0]), item[1], float(item[2]), float(item[3])) for tag, item in tags.items()
            }
            for name, tags in entry["restored"].items()
        }
        untagged = {
            name: {digest: float(seen) for digest, seen in digests.items()}
            for name, digests in entry["untagged"].items()
        }
        looked = {name: float(moment) for name, moment in entry.get("looked", {}).items()}
        held = {
            name: {digest: float(until) for digest, until in digests.items()}
            for name, digests in entry.get("held", {}).items()
        }
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StateError("%s is damaged. Move it away; holds of restored tags are then forgotten" % path) from error
    return State(restored, untagged, looked, held)
