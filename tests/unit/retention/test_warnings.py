# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run warns of: entries and policies that may be typing errors which are about to cost an image, and no others."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Snapshot
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Options
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import make_plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import compile_policies
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.reasons import short
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    NO_LIMITS,
    NOW,
    digest,
    image,
    index,
    plan_all,
    repository,
)

ALL_GO = ({"name": "all", "delete": "all"},)


def warnings(protected=(), policies=ALL_GO, complete=True):
    seen = [
        repository([image("x", 9), index("i", ["x"])], {"x": "x", "i": "i"}),
        repository([image("y", 9)], {"y": "y"}, name="r.example/other"),
    ]
    snapshot = Snapshot(NOW, tuple(seen), complete=complete)
    return list(
        make_plan(snapshot, compile_policies(list(policies), list(protected)), Options(guards=NO_LIMITS)).warnings
    )


@pytest.mark.parametrize(
    ("entry", "complete", "part"),
    [
        ("team/app:y", True, "tags that do not exist"),
        ("team/app:y", False, "tags that do not exist"),
        ("tean/app:x", True, "tags that do not exist"),
        ("tean/app:x", False, ""),
        ("host.example/team/app:y", True, "tags that do not exist"),
        ("host.example/tean/app:x", True, ""),
        ("host.example:5000/team/app:x", True, ""),
        ("r.example/other:y", True, ""),
        ("r.example/other:x", True, "tags that do not exist"),
        (digest("x"), True, ""),
        (digest("config of x"), True, ""),
        (digest("nowhere"), True, "digests that nothing here has"),
        (digest("nowhere"), False, ""),
        ("team/app@" + digest("y"), False, "digests that nothing here has"),
        ("tean/app@" + digest("x"), True, "digests that nothing here has"),
        ("team/app:old@" + digest("x"), True, ""),
        ("team/app:x@" + digest("nowhere"), True, ""),
    ],
)
def test_protected_entries_that_name_nothing_are_told(entry, complete, part):
    told = warnings([entry], complete=complete)
    shown = short(entry) if entry == digest("nowhere") else entry
    assert told == (["protected names %s: %s" % (part, shown)] if part else [])


def test_nothing_is_said_of_protected_entries_while_a_repository_cannot_be_read():
    seen = [repository([], {}, name="a", problem="no"), repository([image("x")], {"x": "x"})]
    entries = ["a:x", "b:x", digest("nowhere")]
    assert plan_all(seen, [{"name": "p", "keep": "all"}], entries).warnings == ()


SPARED = {"name": "spared", "keep_newest": 50}
STRICT = {"name": "strict", "keep_younger_than": "1d"}


@pytest.mark.parametrize(
    ("policies", "complete", "told"),
    [
        ([dict(SPARED, repositories=["r.example/team/*"]), STRICT], True, True),
        ([dict(SPARED, repositories=["r.example/team/*"]), STRICT], False, False),
        ([dict(SPARED, tags=["X"]), STRICT], False, True),
        ([dict(SPARED, tags=["x"]), STRICT], True, False),
        ([dict(SPARED, labels={"keep": "true"}), STRICT], True, True),
        ([dict(SPARED, tags=["X"]), dict(STRICT, keep_younger_than="1y")], True, False),
        ([dict(SPARED, tags=["X"])], True, False),
        ([{"name": "spared", "tags": ["X"], "delete": "all"}, STRICT], True, False),
    ],
)
def test_a_policy_that_governs_nothing_while_a_later_one_deletes_is_told(policies, complete, told):
    message = 'policy "spared" governs nothing in this run, and a later one deletes'
    assert warnings(policies=policies, complete=complete) == ([message] if told else [])


def test_so_is_one_for_untagged_manifests_of_repositories_that_are_not_there():
    policies = [
        {"name": "spared", "untagged": True, "repositories": ["tean/*"], "keep": "all"},
        {"name": "the rest", "untagged": True, "delete": "all"},
    ]
    told = 'policy "spared" governs nothing in this run, and a later one deletes'
    assert told in warnings(policies=policies)
    policies[0]["repositories"] = ["team/*"]
    assert told not in warnings(policies=policies)


UNTAGGED = {"name": "u", "untagged": True, "keep_younger_than": "7d"}


@pytest.mark.parametrize(
    ("policy", "listed", "told"),
    [
        (UNTAGGED, (), "a, b"),
        (UNTAGGED, ("a",), "b"),
        (UNTAGGED, ("a", "b"), ""),
        (dict(UNTAGGED, repositories=["b"]), ("a",), "b"),
        (dict(UNTAGGED, repositories=["a"]), ("a",), ""),
        ({"name": "u", "untagged": True, "keep": "all"}, (), ""),
    ],
)
def test_a_policy_about_untagged_manifests_that_nothing_lists_says_where_it_deletes_none(policy, listed, told):
    seen = [
        repository([image("x")], {"x": "x"}, name=name, untagged={} if name in listed else None) for name in ("a", "b")
    ]
    found = plan_all(seen, [policy, {"name": "all", "tags": ["nothing*"], "keep_newest": 1}]).warnings
    assert [text for text in found if "store_scan" in text] == (
        [
            'policy "u" is about manifests without a tag, which nothing lists in %s: it deletes none there. store_scan takes a list:'
            " of registry_storage_info, or of registry_garbage_collect" % told
        ]
        if told
        else []
    )


@pytest.mark.parametrize(
    ("clauses", "pushed", "told"),
    [
        ({"keep_newest": 1, "order_by": "pushed"}, None, True),
        ({"keep_newest": 1, "order_by": "pushed"}, {"x": 1, "y": 2}, False),
        ({"keep_newest": 1, "order_by": "pushed"}, {"x": 1}, False),
        ({"keep_newest": 1}, None, False),
        ({"keep_newest": 1, "order_by": "pushed", "tags": ["nothing*"]}, None, False),
    ],
)
def test_an_order_by_push_times_that_nothing_tells_says_what_it_comes_to(clauses, pushed, told):
    seen = repository([image("x", 3), image("y", 2)], {"x": "x", "y": "y"}, pushed=pushed)
    plan = plan_all([seen], [{"name": "p", **clauses}])
    assert ["keeps all that it governs" in text for text in plan.warnings if "store_scan" in text] == [True] * told
    if told:
        assert not plan.repositories[0].doomed_tags
