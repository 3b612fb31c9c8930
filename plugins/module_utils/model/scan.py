# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the store itself tells and the API does not: push times, and manifests that no tag names."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

SCAN_SCHEMA = "fleetops.container_registry.scan"
SCAN_VERSION = 1

FILESYSTEM = "filesystem"
GARBAGE_COLLECT = "garbage-collect"


@dataclass(frozen=True)
class StoredTag:
    """A tag in the store: the digest that it names now and when that was last pushed (seconds since the epoch)."""

    name: str
    digest: str
    pushed: t.Optional[float] = None


@dataclass(frozen=True)
class StoredManifest:
    """A manifest in a repository of the store. PUSHED: last push by any tag. UNTAGGED_SINCE: None while tagged or unknown.

    CHILDREN: the manifests that it names as an index; None where nobody has read it.
    """

    digest: str
    pushed: t.Optional[float] = None
    untagged_since: t.Optional[float] = None
    children: t.Optional[t.Tuple[str, ...]] = None


@dataclass(frozen=True)
class StoredRepository:
    """One repository of the store. TAGS is empty where the source cannot tell them (a collector's dry run)."""

    name: str
    tags: t.Mapping[str, StoredTag] = field(default_factory=dict)
    manifests: t.Mapping[str, StoredManifest] = field(default_factory=dict)


@dataclass(frozen=True)
class Scan:
    """A whole store. SOURCE is FILESYSTEM (times are known) or GARBAGE_COLLECT (digests only)."""

    source: str
    scanned_at: float
    repositories: t.Mapping[str, StoredRepository] = field(default_factory=dict)
