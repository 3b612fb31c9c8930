# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits, and the value that would let a plan pass."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Guards
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    artifact,
    digest,
    image,
    plan_all,
    repository,
)

RULES = [{"name": "p", "keep_younger_than": "90d"}]


def seen(old, new, name="team/app", **more):
    names = ["old%d" % number for number in range(old)] + ["new%d" % number for number in range(new)]
    manifests = [image(name + entry, 900 if entry.startswith("old") else 1) for entry in names]
    return repository(manifests, {entry: name + entry for entry in names}, name=name, **more)


def plan(*repositories, **limits):
    return plan_all(repositories, RULES, guards=Guards(**limits))


def held_by(result):
    return [guard.name for guard in result.guards] + [
        guard.name for entry in result.repositories for guard in entry.guards
    ]


@pytest.mark.parametrize(
    "limits", [{"max_delete_tags": 2}, {"max_delete_percent": 40}, {"max_delete_percent_per_repository": 40}]
)
@pytest.mark.parametrize(("old", "new"), [(3, 4), (3, 3), (5, 1), (7, 3), (1, 2), (99, 1)])
def test_the_value_that_is_named_lets_the_plan_pass_and_one_less_does_not(limits, old, new):
    (name,) = limits
    limits = {"max_delete_percent": None, **limits}
    result = plan(seen(old, new), **limits)
    guards = [*result.guards, *result.repositories[0].guards]
    going = old if name == "max_delete_tags" else 100 * old / (old + new)
    assert bool(guards) == (going > limits[name])
    for guard in guards:
        assert guard.name == name
        assert "%s: %s lets this plan pass" % (name, guard.passes_with) in guard.message
        assert held_by(plan(seen(old, new), **{**limits, name: guard.passes_with})) == []
        assert held_by(plan(seen(old, new), **{**limits, name: guard.passes_with - 1})) == [name]


def test_half_may_go_unless_something_else_is_said():
    assert held_by(plan(seen(2, 2))) == []
    assert held_by(plan(seen(3, 2))) == ["max_delete_percent"]


def test_a_repository_does_not_lose_its_last_image_unless_it_may():
    result = plan(seen(1, 0), seen(0, 9, "other"))
    assert result.repositories[1].guards[0].repository == "team/app"
    assert result.repositories[1].guards[0].passes_with is True
    assert result.is_noop
    assert plan(seen(1, 0), seen(0, 9, "other"), allow_empty_repository=True).guards == ()
    assert not plan(seen(1, 0), seen(0, 9, "other"), allow_empty_repository=True).is_noop


def test_companions_alone_make_no_repository_full():
    tag = "sha256-%s.sig" % digest("gone").partition(":")[2]
    kept = repository([image("x", 900), image("s")], {"x": "x", tag: "s"}, missing=["gone"])
    assert held_by(plan(kept, max_delete_percent=None)) == ["allow_empty_repository"]
    kept = repository([image("x", 900), artifact("s", "gone")], {"x": "x", "sbom": "s"}, missing=["gone"])
    assert held_by(plan(kept, max_delete_percent=None)) == ["allow_empty_repository"]


def test_a_held_repository_does_not_count_as_going_but_counts_as_there():
    result = plan(seen(9, 0, "a"), seen(4, 6, "b"), max_delete_percent=25)
    assert held_by(result) == ["allow_empty_repository"]
    assert [entry.name for entry in result.actionable] == ["b"]


def test_the_plan_itself_is_the_same_whether_held_or_not():
    free = plan(seen(9, 1), max_delete_percent=None)
    held = plan(seen(9, 1), max_delete_percent=1, max_delete_tags=1, max_delete_percent_per_repository=1)
    assert held.repositories[0].tags == free.repositories[0].tags
    assert held.repositories[0].manifests == free.repositories[0].manifests
    assert held.is_noop


def test_dangling_tags_do_not_count():
    with_ghosts = seen(1, 1)
    ghosts = repository(
        with_ghosts.manifests.values(),
        {**{tag.name: tag for tag in with_ghosts.tags}, "g1": None, "g2": None},
    )
    result = plan_all([ghosts], RULES, guards=Guards(max_delete_tags=1), remove_dangling_tags=True)
    assert held_by(result) == []
    assert len(result.repositories[0].doomed_tags) == 3


def test_nothing_to_do_is_held_by_nothing():
    assert held_by(plan(seen(0, 3), max_delete_tags=0, max_delete_percent=0, max_delete_percent_per_repository=0)) == []
    assert held_by(plan()) == []
