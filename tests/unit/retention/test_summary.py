# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as a module returns it, and as records."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import PlanInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan_records import (
    plan_from_records,
    plan_to_records,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Guards
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.summary import (
    blocked_by,
    plan_diff,
    plan_summary,
    repository_details,
)
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    digest,
    image,
    plan_all,
    repository,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def example():
    app = repository(
        [image("x", 900, layers=["base", "layer x"]), image("y", 1, layers=["base", "layer y"])],
        {"x": "x", "also-x": "x", "y": "y", "old-y": "y", "ghost": None},
        untagged={},
    )
    quiet = repository([image("z", 1)], {"z": "z"}, name="team/quiet", untagged={})
    broken = repository([image("w", 1)], {"w": "w"}, name="team/broken", problem="tag w: 500")
    policies = [{"name": "old", "tags": ["old-*"], "delete": "all"}, {"name": "age", "keep_younger_than": "9d"}]
    return plan_all([app, quiet, broken], policies)


def test_totals():
    summary = plan_summary(example())
    assert summary["plan_id"] == example().identity
    assert {key: summary[key] for key in summary if isinstance(summary[key], int)} == {
        "repositories_seen": 3,
        "repositories_affected": 1,
        "repositories_held": 1,
        "tags_seen": 6,
        "tags_kept": 3,
        "tags_untagged": 1,
        "tags_deleted": 2,
        "tags_dangling": 1,
        "manifests_deleted": 1,
        "bytes_freed": 500 + 50 + 1000,
    }
    assert summary["untagged_manifests"] is None
    assert (summary["blocked_by"], summary["warnings"]) == ([], [])
    assert summary["taken_at"] == "2025-10-09T08:53:20Z"


def test_untagged_is_a_number_once_every_repository_is_known():
    plan = plan_all(
        [repository([image("u")], {}, untagged={"u": 1}), repository([], {}, name="b", untagged={})], [{"keep": "all"}]
    )
    assert plan_summary(plan)["untagged_manifests"] == 1


def test_shared_and_own_bytes():
    app = next(entry for entry in example().repositories if entry.name == "team/app")
    assert (app.bytes_own, app.bytes_shared) == (1550, 1000)


def test_details():
    plan = example()
    assert repository_details(plan, "none") == []
    deleted = repository_details(plan, "deleted")
    assert [entry["name"] for entry in deleted] == ["team/app", "team/broken"]
    assert [tag["name"] for tag in deleted[0]["tags"]] == ["also-x", "old-y", "x"]
    assert [manifest["digest"] for manifest in deleted[0]["manifests"]] == [digest("x")]
    assert deleted[1]["problem"] == "tag w: 500"
    everything = repository_details(plan, "all")
    assert [len(entry["tags"]) for entry in everything] == [5, 1, 1]
    tag = everything[0]["tags"][-2]
    assert (tag["name"], tag["action"], tag["policy"], tag["pushed"]) == ("x", "delete", "age", None)
    assert tag["created"] == "2023-04-23T08:53:20Z"


def test_no_key_is_named_like_a_method_of_dictionaries():
    def keys(value):
        if isinstance(value, dict):
            yield from value
            for inner in value.values():
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    plan = plan_all([repository([image("x", 900)], {"x": "x"})], [{"keep_younger_than": "9d"}], guards=Guards(0))
    found = set(keys([plan_summary(plan), repository_details(plan, "all"), blocked_by(plan)]))
    assert "passes_with" in found
    assert found & set(dir(dict)) == set()


def test_the_diff_shows_the_tags_before_and_after():
    assert plan_diff(example()) == {
        "before": "team/app:\n  - also-x\n  - ghost\n  - old-y\n  - x\n  - y\n",
        "after": "team/app:\n  - ghost\n  - y\n",
    }
    emptied = plan_all([repository([image("x", 900)], {"x": "x"})], [{"keep_younger_than": "9d"}])
    assert plan_diff(emptied)["after"] == "team/app: []\n"
    held = plan_all([repository([image("x", 900)], {"x": "x"})], [{"keep_younger_than": "9d"}], guards=Guards())
    assert plan_diff(held) == {"before": "", "after": ""}


def test_the_diff_is_about_tags_only():
    seen = repository([image("x", 1), image("u")], {"x": "x"}, untagged={"u": 30})
    plan = plan_all([seen], [{"untagged": True}])
    assert plan.actionable
    assert plan_diff(plan) == {"before": "", "after": ""}


def test_identity_is_what_would_be_done_and_nothing_else():
    plan = example()
    assert dataclasses.replace(plan, taken_at=1.0, warnings=("w",)).identity == plan.identity
    app = plan.repositories[0]
    fewer = dataclasses.replace(plan, repositories=(dataclasses.replace(app, tags=app.tags[1:]),))
    assert fewer.identity != plan.identity


def records():
    return list(plan_to_records(example()))


def test_records_round_trip():
    assert plan_from_records(records()) == example()


def numbers(kind):
    return [number for number, record in enumerate(records()) if record["type"] == kind]


def change(number, **fields):
    changed = records()
    changed[number] = {**changed[number], **fields}
    return changed


def doubled(kind):
    """A record twice, while the counts at the end are those without it."""
    number = numbers(kind)[0]
    changed = records()
    changed.insert(number, changed[number])
    return changed


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        records()[:-1],
        records()[1:],
        [*records(), records()[-1]],
        [*records()[:-2], records()[-1]],
        [records()[0], *records()],
        change(0, schema="other"),
        change(0, version=2),
        change(0, identity="0" * 64),
        change(0, taken_at=float("nan")),
        change(0, more=1),
        change(numbers("tag")[0], action="remove"),
        change(numbers("tag")[0], digest="sha256:abc"),
        change(numbers("tag")[0], name="../etc"),
        change(numbers("tag")[-1], action="delete"),
        change(numbers("manifest")[0], action="untag"),
        change(numbers("manifest")[0], size=-1),
        change(numbers("manifest")[0], size=True),
        change(numbers("repository")[0], name="UPPER"),
        change(numbers("repository")[1], name="team/app"),
        change(-1, tags=0),
        doubled("tag"),
        doubled("manifest"),
        change(-1, type="else"),
        [record for record in records() if record["type"] != "repository"],
        [*records()[:2], *records()[1:]],
        [None],
        [[]],
        ["header"],
        [{}],
    ],
    ids=lambda value: None,
)
def test_damaged_records_are_refused(damaged):
    with pytest.raises(PlanInvalid):
        plan_from_records(damaged)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("repository", "team/********"), ("tag", "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"), ("tag", "********")],
)
def test_a_plan_that_went_through_a_masked_result_is_said_to_be_one(kind, name):
    changed = records()
    next(record for record in changed if record["type"] == kind)["name"] = name
    with pytest.raises(PlanInvalid, match=r"masked a secret.*auth_file"):
        plan_from_records(changed)


def test_a_tag_that_stays_on_a_manifest_that_goes_is_refused():
    changed = records()
    for record in changed:
        if record["type"] == "tag" and record["digest"] == digest("x"):
            record["action"] = "keep"
    with pytest.raises(PlanInvalid):
        plan_from_records(changed)


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_other_value_anywhere_is_refused_or_reads_back_as_written(data):
    changed = records()
    record = data.draw(st.sampled_from(changed))
    key = data.draw(st.sampled_from(sorted(record)))
    record[key] = data.draw(_junk)
    try:
        plan = plan_from_records(changed)
    except PlanInvalid:
        return
    assert list(plan_to_records(plan)) == changed
