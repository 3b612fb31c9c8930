# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which policy governs a tag or an untagged manifest: the first one whose selectors all match."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import Policy
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import Graph
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.labels import (
    LabelUnknown,
    label_of,
)


@dataclass(frozen=True)
class Governed:
    """The POLICY that governs; with UNCERTAIN it may, which only a label that was not read could tell."""

    policy: Policy
    uncertain: bool = False


def governing_tag(candidates: t.Sequence[Policy], graph: Graph, tag: str, digest: str) -> t.Optional[Governed]:
    """What governs TAG on DIGEST, among CANDIDATES (policies for tags of this repository, in their order)."""
    for policy in candidates:
        if policy.tags is None or policy.tags.matches(tag):
            found = _by_labels(policy, graph, digest)
            if found is not None:
                return found
    return None


def governing_untagged(candidates: t.Sequence[Policy], graph: Graph, digest: str) -> t.Optional[Governed]:
    """What governs the untagged DIGEST, among CANDIDATES (policies for untagged manifests here)."""
    for policy in candidates:
        found = _by_labels(policy, graph, digest)
        if found is not None:
            return found
    return None


def _by_labels(policy: Policy, graph: Graph, digest: str) -> t.Optional[Governed]:
    uncertain = False
    for label, wanted in policy.labels.items():
        try:
            value = label_of(graph, digest, label)
        except LabelUnknown:
            uncertain = True
            continue
        if value is None or not wanted.matches(value):
            return None
    return Governed(policy, uncertain)
