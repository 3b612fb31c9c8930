# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One DELETE at a time, and a second look wherever its answer leaves room for doubt.

Distribution removes the manifest's link before it looks for tags on it, so 500 can mean that the manifest is gone and its tags
dangle, 404 that an earlier attempt got half-way, and 202 can carry errors (registry/handlers/manifests.go, 2.8.3 and 3.0.0).
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    Forbidden,
    LoginRenewed,
    NotFound,
    RateLimited,
    RegistryError,
    ResponseInvalid,
    ServerFailed,
    Unreachable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.pace import LONGEST_WAIT

# Answers after which the registry may or may not have done what was asked.
DOUBTFUL = (ConnectionFailed, ServerFailed, ResponseInvalid)

BAD_REQUEST = 400
UNAVAILABLE = 503
# 2.x reads a manifest's own link first, and finds it empty where somebody pushes the same manifest at that moment, or where it is damaged.
LINK_UNREADABLE = "DIGEST_INVALID"

Content = t.Tuple[str, bytes]


class DeletionFailed(Exception):
    """A manifest or tag that could not be deleted; the text says what is left and what to do. BUSY: as the registry was too busy."""

    def __init__(self, text: str, busy: bool = False) -> None:
        super().__init__(text)
        self.busy = busy


def is_busy(error: RegistryError) -> bool:
    """Whether ERROR says that the registry did not take a request, which may come again, and soon, after another look."""
    if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
        return False
    return isinstance(error, (LoginRenewed, RateLimited, Unreachable)) or (
        isinstance(error, ServerFailed) and error.status == UNAVAILABLE
    )


def attempts(client: RegistryClient) -> t.Iterator[int]:
    """One for each time that a write may be tried, with the number that is left after it, for may_repeat."""
    return iter(range(client.connection.retries + 1, -1, -1))


def may_repeat(error: RegistryError, left: int) -> bool:
    """Whether a write that ended with ERROR may be tried again, after another look. The last one is for a login that had run out."""
    return is_busy(error) and left > (0 if isinstance(error, LoginRenewed) else 1)


def current_digest(client: RegistryClient, repository: str, reference: str) -> t.Optional[str]:
    """The digest that REFERENCE resolves to now, None if the registry has no such manifest. Raises RegistryError."""
    try:
        return client.head_manifest(repository, reference).digest
    except NotFound:
        return None


def listed_tags(client: RegistryClient, repository: str) -> t.Set[str]:
    """The tags that the registry lists now; none for a repository that is gone. Raises RegistryError."""
    try:
        return set(client.tags(repository))
    except NotFound:
        return set()


def delete_digest(
    client: RegistryClient,
    repository: str,
    digest: str,
    tags: t.Iterable[str],
    content: t.Callable[[], t.Optional[Content]],
) -> bool:
    """Delete DIGEST and with it TAGS, the tags that were seen on it. Returns False if it had already been gone.

    CONTENT gives media type and bytes of the manifest, or None; they are needed where the registry dropped the manifest but not
    its tags. Raises DeletionFailed, or RegistryError where the registry refuses.
    """
    expected = set(tags)
    try:
        answer = client.delete_manifest(repository, digest)
        if not answer.errors:
            return True
        doubt = "; ".join("%s: %s" % error for error in answer.errors)
        existed = True
    except NotFound as error:
        doubt = error.message
        existed = False
    except DOUBTFUL as error:
        doubt = error.message
        existed = True
    except RegistryError as error:
        if error.code != LINK_UNREADABLE:
            raise
        doubt = error.message
        existed = True
    if current_digest(client, repository, digest) is not None:
        raise DeletionFailed("%s could not be deleted and is still there: %s" % (digest, doubt))
    dangling = _dangling(client, repository, expected)
    if not dangling:
        return existed
    _sweep_dangling(client, repository, digest, dangling, content(), doubt)
    return True


def delete_left_tags(
    client: RegistryClient, repository: str, digest: str, tags: t.Iterable[str], content: t.Optional[Content]
) -> t.Set[str]:
    """Put DIGEST back by its digest and delete it again, so that TAGS, which an interrupted deletion has left on it, go with it.

    CONTENT: its media type and bytes, None where nobody has them. Returns those of TAGS that are gone; none where the registry
    does not take the manifest back (no right to push, or its blobs were collected). Raises DeletionFailed or RegistryError.
    """
    left = set(tags)
    if content is None:
        return set()
    try:
        client.put_manifest(repository, digest, content[1], content[0])
    except (AuthenticationFailed, Forbidden, NotFound):
        return set()
    except RegistryError as error:
        if error.status == BAD_REQUEST:
            return set()
        raise
    delete_digest(client, repository, digest, left, lambda: content)
    return left - set(_dangling(client, repository, left))


def delete_tag(client: RegistryClient, repository: str, tag: str) -> bool:
    """Delete TAG alone (3.x). Returns False if it had already been gone. Raises DeletionFailed or RegistryError."""
    busy = False
    try:
        answer = client.delete_manifest(repository, tag)
        if not answer.errors:
            return True
        doubt = "; ".join("%s: %s" % error for error in answer.errors)
    except NotFound:
        return False
    except DOUBTFUL as error:
        doubt, busy = error.message, is_busy(error)
    if tag in listed_tags(client, repository):
        raise DeletionFailed("the tag %s could not be deleted and is still there: %s" % (tag, doubt), busy)
    return True


def _dangling(client: RegistryClient, repository: str, tags: t.Set[str]) -> t.List[str]:
    """Those of TAGS that are still listed although the registry has no manifest for them."""
    if not tags:
        return []
    listed = sorted(listed_tags(client, repository) & tags)
    return [tag for tag in listed if current_digest(client, repository, tag) is None]


def _sweep_dangling(
    client: RegistryClient,
    repository: str,
    digest: str,
    dangling: t.Sequence[str],
    content: t.Optional[Content],
    doubt: str,
) -> None:
    """Put the manifest back, so that the registry finds it and its tags again, and delete it once more."""
    left = "the tags %s are left without a manifest after %s was deleted: %s" % (
        ", ".join(dangling[:10]),
        digest,
        doubt,
    )
    if content is None:
        raise DeletionFailed(
            left + ". Its bytes are not at hand; push these tags again, or delete them with remove_dangling_tags"
        )
    media_type, body = content
    client.put_manifest(repository, digest, body, media_type)
    try:
        answer = client.delete_manifest(repository, digest)
        doubt = "; ".join("%s: %s" % error for error in answer.errors)
    except NotFound:
        pass
    except DOUBTFUL as error:
        doubt = error.message
    if not _dangling(client, repository, set(dangling)):
        return
    client.put_manifest(repository, digest, body, media_type)
    raise DeletionFailed(
        "%s cannot be deleted: the registry drops it and then fails on its tags (%s). It was put back as it was. Either somebody was"
        " pushing to this repository at that moment, and the next run finishes, or a tag of it has a damaged link in the store:"
        " run registry_storage_info on the registry's host to find it" % (digest, doubt)
    )
