# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes before what: everything before what depends on it, however odd the links are."""

from __future__ import annotations

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.succession import in_succession
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    digest,
    doomed,
    image,
    index,
    plan_one,
    repository,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LINKS = st.integers(1, 8).flatmap(
    lambda count: st.lists(st.sets(st.integers(0, count - 1), max_size=3), min_size=count, max_size=count)
)


def reached(after, start):
    seen, waiting = set(), [start]
    while waiting:
        for other in after[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


@settings(max_examples=300, deadline=None)
@given(LINKS)
def test_everything_comes_before_what_only_it_leads_to(links):
    after = {str(node): {str(other) for other in others} for node, others in enumerate(links)}
    order = in_succession(after, rank=lambda node: node)
    assert sorted(order) == sorted(after)
    for node in after:
        for other in reached(after, node):
            if node not in reached(after, other):
                assert order.index(node) < order.index(other)


def test_of_several_that_may_be_next_the_lowest_rank_is():
    after = {"c": {"a"}, "b": set(), "a": set(), "d": set()}
    assert in_succession(after, rank=lambda node: node) == ["b", "c", "a", "d"]


def test_a_circle_stays_together_between_what_leads_to_it_and_what_is_behind_it():
    after = {"z": {"y"}, "y": {"x", "a"}, "x": {"y"}, "a": set()}
    assert in_succession(after, rank=lambda node: node) == ["z", "x", "y", "a"]


def test_a_chain_of_any_length_needs_no_recursion():
    after = {"%06d" % (20_000 - node): {"%06d" % (19_999 - node)} if node < 20_000 else set() for node in range(20_001)}
    assert in_succession(after, rank=lambda node: node) == sorted(after, reverse=True)


def test_children_go_after_their_index_even_where_the_index_is_in_a_circle():
    # The fallback tag of an image names an index that has the image itself as child, and others: nonsense anybody can push.
    names = ["child %d" % number for number in range(5)]
    fallback = "sha256-" + digest("img").partition(":")[2]
    plan = plan_one(
        repository(
            [image("img"), index("fallback", ["img", *names]), index("top", ["img"]), *map(image, names)],
            {"v1": "top", fallback: "fallback"},
        ),
        [{"name": "all", "delete": "all"}],
    )
    order = doomed(plan)
    assert len(order) == 8
    assert order[0] == digest("top")
    assert set(order[1:3]) == {digest("img"), digest("fallback")}
