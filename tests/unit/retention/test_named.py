# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for what somebody names."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import DELETE, KEEP, UNTAG
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import Reference
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Snapshot
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.named import (
    plan_deletion,
    plan_untagging,
)
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    NOW,
    actions,
    digest,
    doomed,
    image,
    index,
    repository,
)


def name(tag):
    return Reference("team/app", tag)


def by_digest(manifest):
    return Reference("team/app", digest=digest(manifest))


def delete(seen, references, shared_tags=False, index_child=False):
    return plan_deletion(Snapshot(NOW, (seen,)), references, shared_tags, index_child)


def goes(named):
    return [entry for plan in named.plan.repositories for entry in doomed(plan)]


def test_a_named_tag_goes_with_its_manifest_and_nothing_else_does():
    named = delete(repository([image("a"), image("b")], {"a": "a", "b": "b"}), [name("a")])
    assert goes(named) == [digest("a")]
    assert actions(named.plan.repositories[0]) == {"a": DELETE, "b": KEEP}
    assert (named.refusals, named.absent) == ((), ())


def test_what_does_not_exist_is_absent_and_no_error():
    seen = repository([image("a")], {"a": "a"})
    named = delete(seen, [name("b"), by_digest("b"), Reference("other", "a")])
    assert goes(named) == []
    assert sorted(named.absent) == sorted(["team/app:b", "team/app@" + digest("b"), "other:a"])


def test_shared_tags_are_refused_unless_named_or_allowed():
    seen = repository([image("a")], {"a": "a", "latest": "a"})
    refused = delete(seen, [name("a")])
    assert [refusal.reference for refusal in refused.refusals] == ["team/app:a"]
    assert "latest" in refused.refusals[0].reason
    assert "shared_tags: delete" in refused.refusals[0].reason
    assert delete(seen, [name("a"), name("latest")]).refusals == ()
    allowed = delete(seen, [name("a")], shared_tags=True)
    assert allowed.refusals == ()
    assert actions(allowed.plan.repositories[0]) == {"a": DELETE, "latest": DELETE}


def test_a_digest_with_tags_counts_as_shared():
    seen = repository([image("a")], {"a": "a"})
    assert len(delete(seen, [by_digest("a")]).refusals) == 1
    assert delete(seen, [by_digest("a")], shared_tags=True).refusals == ()


def test_a_child_of_a_staying_index_is_refused_unless_allowed():
    seen = repository([image("x"), image("y"), index("multi", ["x", "y"])], {"multi": "multi"})
    refused = delete(seen, [by_digest("x")])
    assert len(refused.refusals) == 1
    assert "multi" in refused.refusals[0].reason
    assert "index_child: delete" in refused.refusals[0].reason
    assert refused.torn == frozenset()
    allowed = delete(seen, [by_digest("x")], index_child=True)
    assert allowed.refusals == ()
    assert goes(allowed) == [digest("x")]
    assert allowed.torn == {("team/app", digest("x"))}


def test_a_child_may_go_together_with_its_index():
    seen = repository([image("x"), index("multi", ["x"])], {"multi": "multi"})
    named = delete(seen, [by_digest("x"), name("multi")])
    assert named.refusals == ()
    assert goes(named) == [digest("multi"), digest("x")]


def test_lonely_children_go_with_their_index_nested_ones_too_and_after_it():
    seen = repository(
        [
            image("x"),
            image("y"),
            image("shared"),
            index("inner", ["x", "shared"]),
            index("outer", ["inner", "y"]),
            index("other", ["shared"]),
        ],
        {"outer": "outer", "other": "other", "y": "y"},
    )
    named = delete(seen, [name("outer")])
    assert goes(named) == [digest("outer"), digest("inner"), digest("x")]
    reasons = {entry.digest: entry.reason for entry in named.plan.repositories[0].doomed_manifests}
    assert reasons[digest("outer")] == "named"
    assert reasons[digest("x")] == "child of a deleted index only"


def test_an_untagged_index_keeps_the_children_that_it_shares():
    seen = repository(
        [image("x"), index("multi", ["x"]), index("untagged", ["x"])], {"multi": "multi"}, untagged={"untagged": 1}
    )
    assert goes(delete(seen, [name("multi")])) == [digest("multi")]


@pytest.mark.parametrize("links", [{"a": ["a"]}, {"a": ["b"], "b": ["a"]}, {"a": ["b"], "b": ["c"], "c": ["a", "b"]}])
def test_circles_end(links):
    seen = repository([index(entry, below) for entry, below in links.items()], {"a": "a"})
    named = delete(seen, [name("a")], index_child=True)
    assert set(goes(named)) == {digest(entry) for entry in links}
    assert len(goes(named)) == len(links)


def test_a_dangling_tag_is_refused_with_the_way_out():
    named = delete(repository([image("a")], {"a": "a", "ghost": None}), [name("ghost")])
    assert "registry_tag_delete" in named.refusals[0].reason
    assert goes(named) == []


def test_a_repository_that_cannot_be_read_is_refused():
    seen = repository([image("a")], {"a": "a"}, problem="tag b: 500")
    for named in (delete(seen, [name("a")]), plan_untagging(Snapshot(NOW, (seen,)), [name("a")])):
        assert [refusal.reason for refusal in named.refusals] == ["tag b: 500"]
        assert named.plan.repositories == ()


def test_one_manifest_named_twice_goes_once():
    seen = repository([image("a")], {"a": "a", "b": "a"})
    named = delete(seen, [name("a"), name("b"), by_digest("a")])
    assert named.refusals == ()
    assert goes(named) == [digest("a")]


def test_untagging_touches_no_manifest():
    seen = repository([image("a")], {"a": "a", "latest": "a", "ghost": None})
    named = plan_untagging(Snapshot(NOW, (seen,)), [name("a"), name("ghost"), name("b")])
    plan = named.plan.repositories[0]
    assert actions(plan) == {"a": UNTAG, "latest": KEEP, "ghost": UNTAG}
    assert plan.doomed_manifests == ()
    assert named.absent == ("team/app:b",)


def test_several_repositories_come_in_order():
    one = repository([image("a")], {"a": "a"}, name="b")
    other = repository([image("a")], {"a": "a"}, name="a")
    named = plan_deletion(Snapshot(NOW, (one, other)), [Reference("b", "a"), Reference("a", "a")], False, False)
    assert [plan.name for plan in named.plan.repositories] == ["a", "b"]
