# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which policy governs a tag or an untagged manifest: the first one whose selectors all match."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import Policy
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import Graph
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.labels import (
    LabelUnknown,
    labels_of,
)


@dataclass(frozen=True)
class Governed:
    """The POLICY that governs; with DOUBT (why, in words) it may: a label was not read, or only some images of an index have it."""

    policy: Policy
    doubt: str = ""


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
    doubt = ""
    for label, wanted in policy.labels.items():
        try:
            values = labels_of(graph, digest, label)
        except LabelUnknown:
            doubt = reasons.LABELS_UNKNOWN
            continue
        fitting = {value for value in values if value is not None and wanted.matches(value)}
        if not fitting:
            return None
        if fitting != values:
            doubt = doubt or reasons.LABELS_DIFFER
    return Governed(policy, doubt)
