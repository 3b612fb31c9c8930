# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies once they are known to be sound."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import PatternSet
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import (
    Protected,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.versions import VersionKey

CREATED = "created"
PUSHED = "pushed"
VERSION = "version"
NAME = "name"
ORDERS = (CREATED, PUSHED, VERSION, NAME)


class PolicyNeeds(t.NamedTuple):
    """What a snapshot must hold for these policies: image CONFIGS, UNTAGGED manifests."""

    configs: bool
    untagged: bool


@dataclass(frozen=True)
class Duration:
    """A length of time as it was written and in seconds."""

    text: str
    seconds: float


@dataclass(frozen=True)
class Policy:
    """One policy. A selector that is None selects everything, a clause that is None says nothing."""

    name: str
    repositories: t.Optional[PatternSet] = None
    tags: t.Optional[PatternSet] = None
    labels: t.Mapping[str, PatternSet] = field(default_factory=dict)
    untagged: bool = False
    keep_all: bool = False
    delete_all: bool = False
    keep_newest: t.Optional[int] = None
    order_by: str = CREATED
    group_by: t.Optional[t.Pattern[str]] = None
    keep_younger_than: t.Optional[Duration] = None
    keep_tags: t.Optional[PatternSet] = None
    keep_at_least_version: t.Optional[t.Tuple[str, VersionKey]] = None
    keep_unexpired: t.Optional[str] = None
    keep_pulled_within: t.Optional[Duration] = None

    @property
    def selects_everything(self) -> bool:
        """Whether it governs every tag (or every untagged manifest) that no policy before it governs."""
        return self.repositories is None and self.tags is None and not self.labels

    def governs_repository(self, name: str) -> bool:
        """Whether the repository NAME is one of its repositories."""
        return self.repositories is None or self.repositories.matches(name)


@dataclass(frozen=True)
class Policies:
    """All policies in their order, and what is protected from each of them."""

    policies: t.Tuple[Policy, ...] = ()
    protected: Protected = field(default_factory=Protected)

    @property
    def needs(self) -> PolicyNeeds:
        """What has to be read before a plan can be made."""
        return PolicyNeeds(
            configs=any(_needs_configs(policy) for policy in self.policies),
            untagged=any(policy.untagged and not policy.keep_all for policy in self.policies),
        )


def _needs_configs(policy: Policy) -> bool:
    if policy.labels or policy.keep_unexpired is not None:
        return True
    if policy.untagged:
        return False
    by_created = policy.keep_newest is not None and policy.order_by == CREATED
    return by_created or policy.keep_younger_than is not None
