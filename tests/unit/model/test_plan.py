# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan says about itself."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    Guard,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)

D = ["sha256:" + str(number) * 64 for number in range(3)]
TAGS = (PlannedTag("a", D[0], DELETE, ""), PlannedTag("b", D[1], KEEP, ""), PlannedTag("c", D[1], UNTAG, ""))
MANIFESTS = (PlannedManifest(D[0], "", "image", 1, DELETE, ""), PlannedManifest(D[1], "", "image", 1, KEEP, ""))
PLAN = RepositoryPlan("a", TAGS, MANIFESTS)


def test_what_goes():
    assert [tag.name for tag in PLAN.doomed_tags] == ["a", "c"]
    assert [manifest.digest for manifest in PLAN.doomed_manifests] == [D[0]]
    assert PLAN.stranded_tags == ()
    assert not PLAN.held
    assert not PLAN.is_noop


@pytest.mark.parametrize("change", [{"problem": "tag x: 500"}, {"guards": (Guard("g", "", True, "a"),)}])
def test_what_is_held_does_nothing(change):
    held = dataclasses.replace(PLAN, **change)
    assert held.held
    assert held.is_noop
    plan = Plan(0.0, (held,))
    assert plan.is_noop
    assert plan.actionable == ()
    assert plan.identity == Plan(0.0).identity


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"tags": TAGS[1:]},
        {"tags": (dataclasses.replace(TAGS[0], action=UNTAG), *TAGS[1:])},
        {"tags": (dataclasses.replace(TAGS[0], digest=D[2]), *TAGS[1:])},
        {"tags": (TAGS[0], dataclasses.replace(TAGS[1], parked=D[2]), TAGS[2])},
        {"manifests": ()},
        {"manifests": (dataclasses.replace(MANIFESTS[0], digest=D[2]), MANIFESTS[1])},
    ],
)
def test_every_deed_is_part_of_the_identity(change):
    assert Plan(0.0, (dataclasses.replace(PLAN, **change),)).identity != Plan(0.0, (PLAN,)).identity


def test_reasons_and_times_are_not():
    other = dataclasses.replace(PLAN, tags=tuple(dataclasses.replace(tag, reason="x", created=1.0) for tag in TAGS))
    assert Plan(9.0, (other,), warnings=("w",)).identity == Plan(0.0, (PLAN,)).identity
