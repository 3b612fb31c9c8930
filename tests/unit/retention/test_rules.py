# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single rules of planning that docs/policies.md does not show, or not in every case."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    INDEX,
    TOMBSTONE,
    Descriptor,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import OCI_INDEX
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import DELETE, KEEP, UNTAG
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Tag
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Options, Pulls
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import refuse_without_pulls
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import (
    PolicyInvalid,
    compile_policies,
)
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    DAY,
    NOW,
    actions,
    artifact,
    digest,
    doomed,
    image,
    index,
    plan_all,
    plan_one,
    reason,
    repository,
)

ALL_GO = [{"name": "all", "delete": "all"}]
ONE = [{"name": "one", "keep_newest": 1}]
LEFT_OVER = {"name": "left", "untagged": True}
STONE = Manifest(digest("stone"), OCI_INDEX, 99, TOMBSTONE)


def companion(subject, suffix=".sig"):
    return "sha256-%s%s" % (digest(subject).partition(":")[2], suffix)


def manifest_reason(plan, name):
    return next(entry.reason for entry in plan.manifests if entry.digest == digest(name))


# --- counting


def test_a_shared_digest_in_two_groups_has_a_place_in_each():
    plan = plan_one(
        repository([image("x", 1), image("y", 2)], {"a-1": "x", "b-1": "x", "a-2": "y"}),
        [{"name": "p", "group_by": "^(.)-", "keep_newest": 1}],
    )
    assert actions(plan) == {"a-1": KEEP, "b-1": KEEP, "a-2": DELETE}


def test_tags_of_one_image_are_ranked_by_the_best_of_them():
    plan = plan_one(
        repository([image("x"), image("y")], {"1.0": "x", "3.0": "x", "2.0": "y"}),
        [{"name": "p", "order_by": "version", "keep_newest": 1}],
    )
    assert actions(plan) == {"1.0": KEEP, "3.0": KEEP, "2.0": DELETE}


def test_the_same_image_in_two_repositories_is_counted_in_each():
    plan = plan_all(
        [
            repository([image("x", 5), image("y", 1)], {"x": "x", "y": "y"}, name="a"),
            repository([image("x", 5)], {"x": "x"}, name="b"),
        ],
        ONE,
    )
    assert [actions(entry) for entry in plan.repositories] == [{"x": DELETE, "y": KEEP}, {"x": KEEP}]


def test_what_a_former_policy_governs_takes_no_place_in_a_later_one():
    plan = plan_one(
        repository([image("x", 1), image("y", 2)], {"latest": "x", "y": "y"}),
        [{"name": "l", "tags": ["latest"], "keep": "all"}, {"name": "one", "keep_newest": 1}],
    )
    assert actions(plan) == {"latest": KEEP, "y": KEEP}


def test_an_optional_group_that_took_no_part_is_no_group():
    plan = plan_one(
        repository([image("x", 1)], {"v": "x"}), [{"name": "p", "group_by": "^v([0-9])?", "keep_newest": 1}]
    )
    assert reason(plan, "v") == 'kept by "p": group_by does not match it'


def test_what_is_protected_still_takes_its_place():
    plan = plan_one(repository([image("x", 1), image("y", 2)], {"x": "x", "y": "y"}), ONE, ["team/app:x"])
    assert actions(plan) == {"x": KEEP, "y": DELETE}


def test_an_implausible_date_takes_no_place():
    plan = plan_one(
        repository(
            [image("old", 20000), image("future", -9), image("x", 5)], {"old": "old", "future": "future", "x": "x"}
        ),
        ONE,
    )
    assert set(actions(plan).values()) == {KEEP}
    assert reason(plan, "x") == 'kept by "one": 1st newest of 1'


# --- clauses


def test_pulls():
    seen = repository([image("x", 900), image("y", 900)], {"x": "x", "y": "y"})
    policies = [{"name": "p", "keep_pulled_within": "30d"}]
    with pytest.raises(PolicyInvalid) as caught:
        plan_one(seen, policies)
    assert caught.value.key == "keep_pulled_within"
    last = {"team/app": {digest("x"): NOW - DAY}}
    plan = plan_one(seen, policies, pulls=Pulls(NOW - 31 * DAY, last))
    assert actions(plan) == {"x": KEEP, "y": DELETE}
    plan = plan_one(seen, policies, pulls=Pulls(NOW - 29 * DAY, last))
    assert actions(plan) == {"x": KEEP, "y": KEEP}
    refuse_without_pulls(compile_policies(ONE), Options())


def test_labels_of_an_index_are_what_its_images_agree_on():
    ci, prod = {"env": "ci"}, {"env": "prod"}
    seen = repository(
        [
            image("a", labels=ci),
            image("b", labels=ci),
            image("c", labels=prod),
            image("unread", read_config=False),
            image("attestation", labels=prod),
            index("agree", ["a", "b", "attestation@unknown/unknown"]),
            index("differ", ["a", "c"]),
            index("open", ["a", "unread"]),
            index("annotated", ["c"], annotations=ci),
        ],
        {"agree": "agree", "differ": "differ", "open": "open", "annotated": "annotated"},
    )
    plan = plan_one(seen, [{"name": "ci", "labels": {"env": "ci"}, "delete": "all"}])
    assert actions(plan) == {"agree": DELETE, "differ": KEEP, "open": KEEP, "annotated": DELETE}
    assert reason(plan, "open") == 'kept by "ci": its labels could not be read'
    assert reason(plan, "differ") == 'kept by "ci": only some of its images have the labels'
    rules = [{"name": "any", "labels": {"env": "*"}, "delete": "all"}]
    assert actions(plan_one(seen, rules))["differ"] == DELETE
    rules = [{"name": "none", "labels": {"env": "qa"}, "delete": "all"}]
    assert reason(plan_one(seen, rules), "differ") == "kept: no policy governs it"


def test_a_keep_policy_by_label_holds_an_index_of_which_one_image_has_it():
    seen = repository(
        [image("a", 400, labels={"keep": "true"}), image("b", 400), index("multi", ["a", "b"]), image("old", 400)],
        {"multi": "multi", "old": "old"},
    )
    rules = [{"name": "marked", "labels": {"keep": "true"}, "keep": "all"}, {"name": "age", "keep_younger_than": "90d"}]
    assert actions(plan_one(seen, rules)) == {"multi": KEEP, "old": DELETE}


def test_an_index_whose_images_expire_at_different_times_stays():
    seen = repository(
        [image("a", 400, labels={"until": "1d"}), image("b", 400, labels={"until": "2d"}), index("multi", ["a", "b"])],
        {"multi": "multi"},
    )
    why = reason(plan_one(seen, [{"name": "p", "keep_unexpired": "until"}]), "multi")
    assert why == 'kept by "p": its images do not agree on the label until'


def test_an_index_of_thousands_of_images_has_no_known_label():
    names = ["i%d" % number for number in range(1200)]
    seen = repository([image(name, labels={"env": "ci"}) for name in names] + [index("huge", names)], {"huge": "huge"})
    assert reason(plan_one(seen, [{"labels": {"env": "ci"}, "delete": "all"}]), "huge").endswith(
        "its labels could not be read"
    )


def test_a_label_of_a_megabyte_makes_no_endless_reason():
    seen = repository([image("x", 900, labels={"until": "\n9" * 500000})], {"x": "x"})
    why = reason(plan_one(seen, [{"keep_unexpired": "until"}]), "x")
    assert "neither a duration nor a time" in why
    assert len(why) < 300
    assert "\n" not in why


def test_a_label_that_lasts_longer_than_any_calendar():
    seen = repository([image("x", 900, labels={"until": "999999y"})], {"x": "x"})
    assert "later than any calendar" in reason(plan_one(seen, [{"keep_unexpired": "until"}]), "x")


# --- closure


def test_a_manifest_with_a_kept_and_a_doomed_tag_stays_and_the_doomed_tag_goes():
    plan = plan_one(repository([image("x", 1)], {"a": "x", "b": "x"}), [{"name": "p", "keep_tags": ["a"]}])
    assert actions(plan) == {"a": KEEP, "b": UNTAG}
    assert doomed(plan) == []


def test_a_tagged_child_of_a_kept_index_is_untagged_only():
    plan = plan_one(
        repository([image("x", 9), index("i", ["x"])], {"x": "x", "i": "i"}),
        [{"name": "p", "tags": ["x"], "delete": "all"}],
    )
    assert actions(plan) == {"x": UNTAG, "i": KEEP}
    assert "child of" in reason(plan, "x")


def test_an_index_goes_before_its_children_and_a_subject_before_what_refers_to_it():
    seen = repository(
        [image("x", 9), index("inner", ["x"]), index("outer", ["inner"]), artifact("s", "outer"), artifact("t", "s")],
        {"outer": "outer", "s": "s"},
        untagged={"t": 1},
    )
    plan = plan_one(seen, ALL_GO)
    order = doomed(plan)
    assert len(order) == 5
    for first, then in (("outer", "inner"), ("inner", "x"), ("outer", "s"), ("s", "t")):
        assert order.index(digest(first)) < order.index(digest(then))


@pytest.mark.parametrize("links", [{"a": ["a"]}, {"a": ["b"], "b": ["a"]}, {"a": ["b", "c"], "b": ["c"], "c": ["a"]}])
def test_indexes_that_name_each_other_go_if_no_tag_keeps_one(links):
    seen = repository([index(name, below) for name, below in links.items()], {"a": "a"})
    assert set(doomed(plan_one(seen, ALL_GO))) == {digest(name) for name in links}
    kept = plan_one(
        dataclasses.replace(seen, tags=(*seen.tags, Tag("v1", digest("a")))),
        [{"name": "p", "tags": ["a"], "delete": "all"}],
    )
    assert doomed(kept) == []


def test_an_index_nested_a_thousand_deep_costs_nothing_special():
    names = ["i%d" % number for number in range(3000)]
    manifests = [index(name, [below]) for name, below in zip(names, [*names[1:], "leaf"], strict=True)]
    seen = repository([*manifests, image("leaf", 900)], {"top": names[0]})
    assert len(doomed(plan_one(seen, ALL_GO))) == 3001
    assert doomed(plan_one(seen, ALL_GO, [digest("leaf")])) == []


def test_what_a_child_digest_is_said_twice_counts_once():
    child = Descriptor(digest("x"), "", 1)
    twice = Manifest(digest("i"), OCI_INDEX, 9, INDEX, children=(child, child))
    seen = repository([twice, image("x", 900)], {"i": "i"})
    assert doomed(plan_one(seen, ALL_GO)) == [digest("i"), digest("x")]


# --- what cannot be read


@pytest.mark.parametrize(
    "change",
    [
        {"problem": "tag x: 500"},
        {"tags": (Tag("x", digest("x")), Tag("y", digest("unread")))},
        {"tags": (Tag("x", digest("x")), Tag("x", digest("y")))},
        {"manifests": {digest("x"): image("x", 9), digest("y"): image("z", 9)}},
        {"manifests": {digest("x"): image("x", 9), digest("y"): index("y", ["unread"])}},
    ],
    ids=["problem", "unread tag", "tag twice", "digest differs", "unread child"],
)
def test_one_thing_unread_leaves_the_repository_alone(change):
    seen = dataclasses.replace(repository([image("x", 9), image("y", 9)], {"x": "x", "y": "y"}), **change)
    plan = plan_one(seen, ALL_GO, protected=None)
    assert plan.problem
    assert plan.is_noop
    assert plan.doomed_tags == ()
    assert all("left alone" in entry.reason for entry in plan.tags + plan.manifests)


def test_an_unread_untagged_manifest_leaves_the_repository_alone():
    seen = repository([image("x", 9)], {"x": "x"}, untagged={"unread": 30})
    assert "unread" not in {entry.digest for entry in plan_one(seen, ALL_GO).manifests}
    assert plan_one(seen, ALL_GO).problem
    gone = dataclasses.replace(seen, missing=frozenset([digest("unread")]))
    assert plan_one(gone, ALL_GO).problem == ""


# --- untagged


def test_untagged_is_unknown_where_nobody_could_list():
    seen = repository([image("x", 9), image("u", 900)], {"x": "x"})
    plan = plan_one(seen, [LEFT_OVER])
    assert plan.untagged is None
    assert doomed(plan) == []
    assert manifest_reason(plan, "u") == 'kept by "left": untagged manifests could not be listed'


def test_an_untagged_manifest_of_exactly_the_age_goes():
    seen = repository([image("u"), image("v")], {}, untagged={"u": 7, "v": 6.999})
    assert doomed(plan_one(seen, [LEFT_OVER])) == [digest("u")]


def test_untagged_counts_what_no_tag_leads_to():
    seen = repository(
        [image("x", 9), artifact("s", "x"), image("c"), index("i", ["c"]), image("u"), artifact("lost", "gone")],
        {"x": "x", "i": "i"},
        untagged={"u": 30, "s": 30, "c": 30, "lost": 30},
        missing=["gone"],
    )
    plan = plan_one(seen, [LEFT_OVER])
    assert plan.untagged == 2
    assert doomed(plan) == [digest("u")]
    assert set(doomed(plan_one(seen, [LEFT_OVER], remove_orphans=True))) == {digest("u"), digest("lost")}


def test_a_kept_untagged_index_keeps_its_old_children():
    seen = repository([image("c"), index("i", ["c"])], {}, untagged={"i": 2, "c": 900})
    plan = plan_one(seen, [LEFT_OVER])
    assert doomed(plan) == []
    assert "child of" in manifest_reason(plan, "c")


def test_untagged_manifests_do_not_answer_to_policies_for_tags():
    seen = repository([image("x", 1), image("u", 900)], {"x": "x"}, untagged={"u": 900})
    assert doomed(plan_one(seen, [{"keep_newest": 1}])) == []
    assert manifest_reason(plan_one(seen, [{"keep_newest": 1}]), "u") == "kept: untagged, no policy governs it"


def test_untagged_policies_select_by_repository_and_label():
    seen = repository([image("u", labels={"env": "ci"}), image("v")], {}, untagged={"u": 30, "v": 30})
    assert doomed(plan_one(seen, [dict(LEFT_OVER, labels={"env": "ci"})])) == [digest("u")]
    assert doomed(plan_one(seen, [dict(LEFT_OVER, repositories=["other"])])) == []


# --- companions


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_companion_tags_take_no_place_and_follow(suffix):
    seen = repository(
        [image("x", 9), image("y", 1), artifact("s", age=0)], {"x": "x", "y": "y", companion("x", suffix): "s"}
    )
    plan = plan_one(seen, ONE)
    assert actions(plan) == {"x": DELETE, "y": KEEP, companion("x", suffix): DELETE}
    assert doomed(plan)[0] == digest("x")


@pytest.mark.parametrize(
    "name",
    ["sha256-abc.sig", companion("x", ".other"), companion("x") + "-2", "sha512-" + "a" * 64, companion("x").upper()],
)
def test_other_tags_are_no_companions(name):
    seen = repository([image("x", 1), image("s", 9)], {"x": "x", name: "s"})
    assert actions(plan_one(seen, ONE))[name] == DELETE


def test_a_companion_whose_subject_is_unknown_stays():
    seen = repository([image("y", 1), artifact("s")], {"y": "y", companion("x"): "s"})
    plan = plan_one(seen, ALL_GO, remove_orphans=True)
    assert actions(plan)[companion("x")] == KEEP
    assert "not known whether" in reason(plan, companion("x"))


def test_a_companion_stays_for_keep_tags_keep_all_holds_and_protection():
    seen = repository([image("x", 9), image("y", 1), artifact("s")], {"x": "x", "y": "y", companion("x"): "s"})
    name = companion("x")
    assert actions(plan_one(seen, [dict(ONE[0], keep_tags=["*.sig"])]))[name] == KEEP
    assert actions(plan_one(seen, [{"tags": ["*.sig"], "keep": "all"}, *ONE]))[name] == KEEP
    assert actions(plan_one(seen, ONE, ["team/app:" + name]))[name] == KEEP
    assert actions(plan_one(seen, ONE, [digest("s")]))[name] == KEEP
    held = dataclasses.replace(seen, tags=(*seen.tags[:2], Tag(name, digest("s"), hold="restored")))
    assert reason(plan_one(held, ONE), name) == "kept: restored"
    for raw in ([{"keep_younger_than": "1y"}], ALL_GO):
        assert doomed(plan_one(repository([image("x", 900), artifact("s", age=0)], {"x": "x", name: "s"}), raw))


def test_a_companion_that_is_its_own_subject_stays():
    seen = repository([artifact("s", "s")], {"s": "s"}, untagged={})
    plan = plan_one(seen, ALL_GO, remove_orphans=True)
    assert doomed(plan) == []
    assert reason(plan, "s") == "kept: what it refers to refers back to it"


def test_orphans_go_only_where_a_policy_governs_them():
    seen = repository([artifact("s")], {companion("x"): "s"}, missing=["x"])
    assert doomed(plan_one(seen, [{"tags": ["v*"], "delete": "all"}], remove_orphans=True)) == []
    assert doomed(plan_one(seen, ALL_GO, remove_orphans=True)) == [digest("s")]
    assert doomed(plan_one(seen, ALL_GO)) == []


def test_an_orphan_whose_subject_is_in_another_repository_is_none_to_be_removed():
    signatures = repository([artifact("s")], {companion("x"): "s"}, missing=["x"])
    images = dataclasses.replace(repository([image("x", 1)], {"x": "x"}), name="team/other")
    plan = plan_all([signatures, images], [{"keep_younger_than": "5d"}], remove_orphans=True)
    (entry,) = [entry for entry in plan.repositories if entry.name == signatures.name]
    assert actions(entry)[companion("x")] == KEEP
    assert "another repository has it" in reason(entry, companion("x"))


def test_a_broken_image_takes_no_place_from_a_whole_one():
    seen = repository(
        [image("x", 1), index("broken", ["x", "lost"]), image("old", 9)],
        {"2.0": "broken", "1.0": "old"},
        missing=["lost"],
    )
    assert set(actions(plan_one(seen, ONE)).values()) == {KEEP}


# --- tombstones, parked tags, unfinished runs


def test_a_tombstone_takes_no_part():
    seen = repository([image("x", 1), STONE], {"x": "x", "doomed": "stone"})
    plan = plan_one(seen, [{"name": "p", "keep_newest": 1}])
    assert doomed(plan) == []
    assert reason(plan, "x") == 'kept by "p": 1st newest of 1'
    assert "unfinished run" in reason(plan, "doomed")


def test_a_parked_tag_is_decided_as_if_it_had_never_moved():
    parked = Tag("old", digest("x"), parked=STONE.digest)
    seen = repository([image("x", 9), image("y", 1), STONE], {"old": parked, "y": "y"})
    plan = plan_one(seen, ONE)
    assert actions(plan) == {"old": DELETE, "y": KEEP}
    assert doomed(plan) == [digest("x")]
    assert plan.doomed_tags[0].parked == STONE.digest
    kept = plan_one(seen, [{"name": "p", "keep": "all"}])
    assert [tag.name for tag in kept.stranded_tags] == ["old"]
    assert not kept.is_noop


def test_a_parked_tag_whose_manifest_is_gone_dangles():
    parked = Tag("old", digest("x"), parked=STONE.digest)
    seen = repository([image("y", 1), STONE], {"old": parked, "y": "y"}, missing=["x"])
    plan = plan_one(seen, ONE)
    assert plan.problem == ""
    assert "dangling" in reason(plan, "old")


def test_what_an_unfinished_run_had_doomed_goes_unless_something_needs_it():
    manifests = [image("x", 1), image("u", 1), image("c", 1), index("i", ["c"])]
    seen = repository(manifests, {"x": "x", "i": "i"}, unfinished={digest("u"): "planned", digest("c"): "planned"})
    plan = plan_one(seen, [{"name": "p", "keep_newest": 9}])
    assert doomed(plan) == [digest("u")]
    assert manifest_reason(plan, "u") == "deleted: an earlier run had planned to delete it and did not finish: planned"
    assert doomed(plan_one(seen, [{"keep": "all"}], [digest("u")])) == []
    tagged = dataclasses.replace(seen, tags=(*seen.tags, Tag("u", digest("u"))))
    assert doomed(plan_one(tagged, [{"keep": "all"}])) == []


def test_a_dangling_tag_of_an_unfinished_run_goes_and_others_stay():
    seen = repository(
        [image("x", 1)], {"x": "x", "a": None, "b": None, "c": None}, unfinished_tags=frozenset(["a", "c"])
    )
    plan = plan_one(seen, ONE, ["team/app:c"])
    assert actions(plan) == {"x": KEEP, "a": DELETE, "b": KEEP, "c": KEEP}


def test_a_companion_of_an_unfinished_run_follows_the_subject_that_this_run_has_deleted():
    seen = repository(
        [image("y", 1), artifact("s"), artifact("o")],
        {"y": "y", companion("x"): "s", companion("z"): "o"},
        missing=["x", "z"],
        unfinished_tags=frozenset([companion("x")]),
    )
    plan = plan_one(seen, ONE)
    assert doomed(plan) == [digest("s")]
    assert reason(plan, companion("x")) == "deleted: an earlier run had planned to delete it and did not finish"
    assert doomed(plan_one(seen, [{"keep": "all"}])) == []
    assert doomed(plan_one(seen, ONE, [digest("s")])) == []
    back = dataclasses.replace(
        seen, missing=frozenset([digest("z")]), manifests={**seen.manifests, digest("x"): image("x", 9)}
    )
    assert doomed(plan_one(back, ONE)) == []


# --- protection


def test_protection_covers_what_leads_to_it_in_every_repository():
    one = repository([image("x", 9), index("i", ["x"]), index("o", ["i"])], {"o": "o"}, name="a")
    other = repository([image("x", 9), image("y", 9)], {"x": "x", "y": "y"}, name="b")
    plan = plan_all([one, other], ALL_GO, [digest("x")])
    assert [actions(entry) for entry in plan.repositories] == [{"o": KEEP}, {"x": KEEP, "y": DELETE}]
    assert doomed(plan.repositories[0]) == []
    plan = plan_all([one, other], ALL_GO, ["b@" + digest("x")])
    assert [actions(entry) for entry in plan.repositories] == [{"o": DELETE}, {"x": KEEP, "y": DELETE}]
