# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is not exactly right is refused, by name of policy, key and value."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import (
    PolicyInvalid,
    compile_policies,
)
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import digest
from hypothesis import given, settings
from hypothesis import strategies as st

LIST_KEYS = ("repositories", "tags", "keep_tags")
DURATION_KEYS = ("keep_younger_than", "keep_pulled_within")
TEXT_KEYS = ("name", "group_by", "order_by", "keep_at_least_version", "keep_unexpired", *DURATION_KEYS)
ALL_KEYS = (*LIST_KEYS, *TEXT_KEYS, "labels", "untagged", "keep", "delete", "keep_newest")


def refused(policy, protected=None):
    with pytest.raises(PolicyInvalid) as caught:
        compile_policies([policy], protected)
    return caught.value


def refused_key(key, value):
    """The error about KEY: VALUE in an otherwise sound policy called 'mine'."""
    policy = {"name": "mine", "keep_newest": 3}
    policy[key] = value
    error = refused(policy)
    assert error.key == key
    if key != "name":
        assert error.policy == "mine"
        assert str(error).startswith('policy "mine", %s: ' % key)
    return error


@pytest.mark.parametrize("key", ALL_KEYS)
def test_null_is_refused_for_every_key(key):
    error = refused_key(key, None)
    assert error.value is None
    assert "null" in str(error)


@pytest.mark.parametrize("key", ALL_KEYS)
@pytest.mark.parametrize("value", [[], {}, "", "   "], ids=repr)
def test_nothing_is_refused_for_every_key(key, value):
    refused_key(key, value)


@pytest.mark.parametrize("key", LIST_KEYS)
@pytest.mark.parametrize("value", [[None], ["ok", ""], [["v*"]], [{"a": 1}], {"v*": 1}], ids=repr)
def test_lists_hold_texts_only(key, value):
    refused_key(key, value)


@pytest.mark.parametrize("key", (*LIST_KEYS, *TEXT_KEYS))
@pytest.mark.parametrize("value", [1.10, 950, True, datetime.date(2024, 11, 3)], ids=repr)
def test_a_number_where_a_text_belongs_is_refused_with_the_remedy(key, value):
    error = refused_key(key, value)
    assert "quote it" in str(error) or "needs a unit" in str(error)
    if key in LIST_KEYS:
        assert "quote it" in str(refused_key(key, ["ok", value]))


def test_the_culprit_of_a_list_is_the_value():
    assert refused_key("tags", ["v*", 1.1]).value == 1.1
    assert refused_key("tags", ["v*", "~("]).value == "~("


@pytest.mark.parametrize("value", [0, -1, "0", 1.5, True, "ten", "1.5", "-3", [3], {}], ids=repr)
def test_keep_newest_is_a_whole_number_from_one(value):
    refused_key("keep_newest", value)


def test_what_a_template_yields_is_taken():
    policies = compile_policies([{"keep_newest": "10"}, {"untagged": "True", "delete": "all"}]).policies
    assert policies[0].keep_newest == 10
    assert policies[1].untagged


@pytest.mark.parametrize("key", DURATION_KEYS)
@pytest.mark.parametrize(
    "value",
    ["0d", "0s", "000w", "90", "90 d", "-1d", "1.5d", "1d12h", "d", "90D", "1M", "９d", "1d\n", 90, 0],
    ids=repr,
)
def test_durations_are_a_whole_number_above_zero_and_a_unit(key, value):
    refused_key(key, value)


@pytest.mark.parametrize(
    "value", ["~(", "~[a", "~*", "~", "!", "[ab", "a, b", "a b", "a|b", "~" + "a" * 2000], ids=lambda text: text[:9]
)
@pytest.mark.parametrize("key", LIST_KEYS)
def test_patterns_that_cannot_be_meant_are_refused(key, value):
    refused_key(key, [value])


@pytest.mark.parametrize("value", ["v", "(a)(b)", "(", "~^(.+)-", "(?:a)"])
def test_group_by_has_exactly_one_capture_group(value):
    refused_key("group_by", value)


@pytest.mark.parametrize("value", ["newest", "Created", "created,name"])
def test_orders_are_known(value):
    assert "created, pushed, version, name" in str(refused_key("order_by", value))


@pytest.mark.parametrize("value", ["latest", "v", "1.x", ">=2"])
def test_versions_are_versions(value):
    refused_key("keep_at_least_version", value)


@pytest.mark.parametrize(
    "value", ["env", ["env"], {"env": None}, {"env": []}, {"env": 1}, {"": "ci"}, {1: "ci"}], ids=repr
)
def test_labels_are_labels_and_patterns(value):
    refused_key("labels", value)


@pytest.mark.parametrize("key", ["keep", "delete"])
@pytest.mark.parametrize("value", ["none", True, False, "ALL", ["all"], 1], ids=repr)
def test_all_is_the_only_word(key, value):
    error = refused({"name": "mine", key: value})
    assert (error.policy, error.key, error.value) == ("mine", key, value)


@pytest.mark.parametrize("value", ["yes", 1, 0, "on"], ids=repr)
def test_untagged_is_true_or_false(value):
    refused({"untagged": value, "delete": "all"})


@pytest.mark.parametrize(
    "clause",
    [
        {"keep_newest": 3},
        {"keep_younger_than": "9d"},
        {"keep_tags": ["a"]},
        {"keep_at_least_version": "1"},
        {"keep_unexpired": "x"},
        {"keep_pulled_within": "9d"},
    ],
    ids=lambda clause: next(iter(clause)),
)
@pytest.mark.parametrize("whole", ["keep", "delete"])
def test_all_contradicts_every_clause(whole, clause):
    error = refused(dict(clause, name="mine", **{whole: "all"}))
    assert error.key == next(iter(clause))
    assert "contradicts '%s: all'" % whole in str(error)


def test_keep_all_contradicts_delete_all():
    assert "contradicts" in str(refused({"keep": "all", "delete": "all"}))


@pytest.mark.parametrize(
    "clause",
    [
        {"tags": ["a"]},
        {"keep_newest": 3},
        {"keep_tags": ["a"]},
        {"keep_at_least_version": "1"},
        {"keep_pulled_within": "9d"},
        {"keep_newest": 3, "order_by": "name"},
    ],
    ids=lambda clause: next(iter(clause)),
)
def test_untagged_manifests_have_no_tags_to_go_by(clause):
    assert "needs tags" in str(refused(dict(clause, untagged=True)))


@pytest.mark.parametrize("clause", [{"order_by": "name"}, {"group_by": "(a)"}])
def test_ranking_without_keep_newest_has_no_effect(clause):
    error = refused(dict(clause, name="mine", keep_younger_than="9d"))
    assert error.key == next(iter(clause))
    assert "no effect" in str(error)


def test_untagged_waits_for_a_day_at_least():
    assert "24h" in str(refused({"untagged": True, "keep_younger_than": "23h"}))
    assert (
        compile_policies([{"untagged": True, "keep_younger_than": "24h"}]).policies[0].keep_younger_than.seconds
        == 86400
    )
    assert compile_policies([{"untagged": True}]).policies[0].keep_younger_than.text == "7d"
    assert compile_policies([{"untagged": True, "keep_unexpired": "x"}]).policies[0].keep_younger_than.text == "7d"
    assert compile_policies([{"untagged": True, "delete": "all"}]).policies[0].keep_younger_than is None


@pytest.mark.parametrize(
    "policy", [{}, {"name": "mine"}, {"tags": ["a"]}, {"labels": {"a": "b"}}, {"untagged": False}], ids=repr
)
def test_a_policy_that_says_nothing_is_refused(policy):
    assert "does not say what to keep" in str(refused(policy))


@pytest.mark.parametrize("key", ["keep_newset", "Tags", "", "x" * 5000, 7, None, ("a",)], ids=lambda key: repr(key)[:9])
def test_unknown_keys_are_refused(key):
    error = refused({"name": "mine", "keep_newest": 3, key: 1})
    assert "no such key" in str(error)
    assert error.policy == "mine"
    assert len(str(error)) < 700


@pytest.mark.parametrize("raw", [None, {}, "", "keep", {"keep_newest": 3}, 7], ids=repr)
def test_the_policies_are_a_list(raw):
    with pytest.raises(PolicyInvalid) as caught:
        compile_policies(raw)
    assert caught.value.key == "policies"


@pytest.mark.parametrize("entry", [None, "keep", 3, [], ["keep"]], ids=repr)
def test_a_policy_is_a_dictionary(entry):
    error = refused(entry)
    assert (error.policy, error.value) == ("number 1", entry)


def test_policies_without_a_name_are_numbered():
    with pytest.raises(PolicyInvalid) as caught:
        compile_policies([{"tags": ["a"], "keep_newest": 3}, {"keep_newest": 0}])
    assert caught.value.policy == "number 2"


def test_names_are_unique_and_not_endless():
    with pytest.raises(PolicyInvalid, match="another policy has this name"):
        compile_policies([{"name": "a", "tags": ["a"], "keep": "all"}, {"name": "a", "keep": "all"}])
    assert "100 characters" in str(refused({"name": "n" * 101, "keep": "all"}))
    assert len(str(refused({"name": "n" * 10000, "keep": "all"}))) < 500


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "\ud800"], ids=ascii)
def test_a_name_is_one_printable_line(name):
    error = refused({"name": name, "keep": "all"})
    assert (error.policy, error.key) == ("number 1", "name")
    assert str(error).isprintable()


def test_a_policy_that_can_never_govern_is_refused():
    with pytest.raises(PolicyInvalid, match="can never govern"):
        compile_policies([{"keep_newest": 3}, {"name": "late", "tags": ["a"], "keep": "all"}])
    compile_policies([{"keep_newest": 3}, {"untagged": True}])
    with pytest.raises(PolicyInvalid, match="can never govern"):
        compile_policies([{"untagged": True}, {"untagged": True, "repositories": ["a"], "keep": "all"}])


@pytest.mark.parametrize(
    "entry",
    [
        "prod/api",
        "sha256:abc",
        "prod/api@latest",
        "UPPER:tag",
        "prod/api:",
        ":tag",
        "a:b:c",
        "",
        None,
        1.1,
        ["x"],
        "prod/api:ta g",
    ],
    ids=repr,
)
def test_protected_entries_that_name_nothing_are_refused(entry):
    error = refused({"keep": "all"}, [entry])
    assert error.key == "protected"
    assert error.policy is None
    assert error.value == entry


def test_protected_may_be_empty_and_takes_what_engines_report():
    assert compile_policies([], None).protected == compile_policies([], []).protected
    protected = compile_policies(
        [],
        [
            digest("a"),
            "registry.example.com:5000/team/app:1.0",
            "docker-pullable://registry.example.com/team/app@" + digest("b"),
            "localhost/app:2@" + digest("c"),
        ],
    ).protected
    assert protected.covers_digest("anything", digest("a"))
    assert protected.covers_tag("team/app", "1.0")
    assert not protected.covers_tag("registry.example.com/team/app", "1.0")
    assert protected.covers_digest("team/app", digest("b"))
    assert protected.covers_digest("registry.example.com/team/app", digest("b"))
    assert not protected.covers_digest("other", digest("b"))
    assert protected.covers_tag("app", "2")
    assert protected.covers_digest("app", digest("c"))


def test_what_must_be_read():
    def needs(*policies):
        return tuple(compile_policies(list(policies)).needs)

    assert needs({"delete": "all"}) == (False, False)
    assert needs({"keep_newest": 3}) == (True, False)
    assert needs({"keep_newest": 3, "order_by": "version"}) == (False, False)
    assert needs({"keep_newest": 3, "order_by": "pushed"}) == (False, False)
    assert needs({"keep_younger_than": "9d"}) == (True, False)
    assert needs({"labels": {"a": "b"}, "delete": "all"}) == (True, False)
    assert needs({"untagged": True}) == (False, True)
    assert needs({"untagged": True, "keep": "all"}) == (False, False)


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["all", "9d", "v*", "~^v", "1.2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from((*ALL_KEYS, "else")), _values, max_size=4) | _values, max_size=3), _values
)
def test_no_input_does_anything_but_compile_or_be_refused(raw, protected):
    try:
        compile_policies(raw, protected)
    except PolicyInvalid as error:
        assert len(str(error)) < 1000
        assert "\n" not in str(error)
