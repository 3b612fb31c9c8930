# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys of a Redis database are a registry's, by their names alone: the database may hold other people's as well."""

from __future__ import annotations

import re

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import reference

PATTERNS = ("blobs::*", "repository::*")
"""What to ask Redis for. What it finds still has to be a registry's key."""

_DIGEST = r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}"
_KEY = re.compile(r"(?:blobs::%s|repository::(?P<repository>[^:]+)::blobs(?:::%s)?)" % (_DIGEST, _DIGEST))


def is_cache_key(key: bytes) -> bool:
    """Whether KEY is one that a registry's blob descriptor cache writes, 2.x and 3.x.

    These are blobs::DIGEST, repository::NAME::blobs and repository::NAME::blobs::DIGEST
    (registry/storage/cache/redis/redis.go in both families).
    """
    try:
        match = _KEY.fullmatch(key.decode("ascii"))
    except UnicodeDecodeError:
        return False
    return match is not None and (match["repository"] is None or reference.is_repository(match["repository"]))
