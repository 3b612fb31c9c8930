# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan against what has moved since: confirm, and confirm_approved."""

from __future__ import annotations

import dataclasses

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import TOMBSTONE, Manifest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import OCI_INDEX
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import DELETE, KEEP, UNTAG
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import Reference
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Snapshot, Tag
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.approved import confirm_approved
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.confirm import confirm
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.named import (
    plan_deletion,
    plan_untagging,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import (
    Protected,
    parse_protected,
)
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    NOW,
    actions,
    artifact,
    digest,
    doomed,
    image,
    index,
    plan_all,
    plan_one,
    repository,
)

OLD = [{"name": "old", "keep_younger_than": "90d"}]


def signature_of(name):
    return "sha256-%s.sig" % digest(name).partition(":")[2]


def basic():
    return repository([image("a", 100), image("b", 100), image("c", 1)], {"a": "a", "b": "b", "c": "c"})


def moved_names(confirmed):
    return [entry.name for entry in confirmed.moved]


def test_what_has_not_moved_is_carried_out_as_planned():
    now = basic()
    plan = plan_one(now, OLD)
    confirmed = confirm(plan, now)
    assert confirmed.plan == plan
    assert confirmed.moved == ()
    assert doomed(plan) == sorted([digest("a"), digest("b")])


def test_a_doomed_tag_that_moved_stays_and_its_old_manifest_goes():
    plan = plan_one(basic(), OLD)
    now = repository(
        [image("a", 100), image("b", 100), image("c", 1), image("new", 0)], {"a": "new", "b": "b", "c": "c"}
    )
    confirmed = confirm(plan, now)
    assert actions(confirmed.plan) == {"a": KEEP, "b": DELETE, "c": KEEP}
    assert confirmed.plan.tags[0].digest == digest("new")
    assert moved_names(confirmed) == ["a"]
    assert set(doomed(confirmed.plan)) == {digest("a"), digest("b")}


def test_a_tag_moved_onto_a_doomed_digest_saves_it_and_the_doomed_tag_on_it_goes_alone():
    plan = plan_one(basic(), OLD)
    now = repository([image("a", 100), image("b", 100), image("c", 1)], {"a": "a", "b": "b", "c": "a"})
    confirmed = confirm(plan, now)
    assert actions(confirmed.plan) == {"a": UNTAG, "b": DELETE, "c": KEEP}
    assert doomed(confirmed.plan) == [digest("b")]
    assert moved_names(confirmed) == [digest("a")]


def test_a_new_tag_on_a_doomed_digest_saves_it():
    plan = plan_one(basic(), OLD)
    now = repository([image("a", 100), image("b", 100), image("c", 1)], {"a": "a", "b": "b", "c": "c", "release": "b"})
    assert doomed(confirm(plan, now).plan) == [digest("a")]


def test_a_new_index_saves_the_doomed_children_that_it_names():
    plan = plan_one(basic(), OLD)
    now = repository(
        [image("a", 100), image("b", 100), image("c", 1), index("inner", ["b"]), index("outer", ["inner"])],
        {"a": "a", "b": "b", "c": "c", "multi": "outer"},
    )
    confirmed = confirm(plan, now)
    assert doomed(confirmed.plan) == [digest("a")]
    assert actions(confirmed.plan)["b"] == UNTAG


def test_a_doomed_index_that_is_needed_again_keeps_its_children():
    before = repository([image("x", 100), index("old", ["x"]), image("c", 1)], {"old": "old", "c": "c"})
    plan = plan_one(before, OLD)
    assert set(doomed(plan)) == {digest("x"), digest("old")}
    now = dataclasses.replace(before, tags=(*before.tags, Tag("again", digest("old"))))
    assert doomed(confirm(plan, now).plan) == []


def test_what_refers_to_a_saved_manifest_is_saved_with_its_tags():
    before = repository(
        [image("a", 100), image("c", 1), artifact("by name"), artifact("by subject", "a"), artifact("loose", "a")],
        {"a": "a", "c": "c", signature_of("a"): "by name", "sbom": "by subject"},
        untagged={},
    )
    plan = plan_one(before, OLD)
    assert len(doomed(plan)) == 4
    now = dataclasses.replace(before, tags=(*before.tags, Tag("again", digest("a"))))
    confirmed = confirm(plan, now)
    assert doomed(confirmed.plan) == []
    assert actions(confirmed.plan) == {"a": UNTAG, "c": KEEP, signature_of("a"): KEEP, "sbom": KEEP}


def test_the_children_of_what_refers_to_a_saved_manifest_are_saved():
    before = repository(
        [image("a", 100), image("part", 100), index("list", ["part"], subject="a"), image("c", 1)],
        {"a": "a", "list": "list", "c": "c"},
    )
    plan = plan_one(before, OLD)
    assert set(doomed(plan)) == {digest("a"), digest("list"), digest("part")}
    now = dataclasses.replace(before, tags=(*before.tags, Tag("again", digest("a"))))
    assert doomed(confirm(plan, now).plan) == []


def test_an_orphan_whose_subject_is_back_is_saved():
    before = repository(
        [image("c", 1), artifact("by name"), artifact("by subject", "a")],
        {"c": "c", signature_of("a"): "by name", "sbom": "by subject"},
        missing=["a"],
    )
    plan = plan_one(before, [{"keep_newest": 1}], remove_orphans=True)
    assert len(doomed(plan)) == 2
    assert doomed(confirm(plan, before).plan) == doomed(plan)
    now = dataclasses.replace(
        before,
        manifests={**before.manifests, digest("a"): image("a", 0)},
        missing=frozenset(),
        tags=(*before.tags, Tag("back", digest("a"))),
    )
    confirmed = confirm(plan, now)
    assert doomed(confirmed.plan) == []
    assert set(actions(confirmed.plan).values()) == {KEEP}


def test_a_new_tag_whose_manifest_was_not_read_leaves_the_repository_alone():
    plan = plan_one(basic(), OLD)
    before = basic()
    now = dataclasses.replace(before, tags=(*before.tags, Tag("new", digest("unread"))))
    confirmed = confirm(plan, now)
    assert confirmed.plan.is_noop
    assert digest("unread") in confirmed.plan.problem
    assert moved_names(confirmed) == ["team/app"]
    assert set(actions(confirmed.plan).values()) == {KEEP}


def test_a_new_index_with_an_unread_child_leaves_the_repository_alone_and_a_missing_child_does_not():
    plan = plan_one(basic(), OLD)
    before = basic()
    for missing, alone in ((frozenset(), True), (frozenset([digest("x")]), False)):
        now = dataclasses.replace(
            before,
            manifests={**before.manifests, digest("multi"): index("multi", ["x"])},
            missing=missing,
            tags=(*before.tags, Tag("new", digest("multi"))),
        )
        assert confirm(plan, now).plan.is_noop == alone


def test_a_doomed_tag_that_is_gone_or_dangles_is_no_obstacle():
    before = basic()
    plan = plan_one(before, OLD)
    now = dataclasses.replace(before, tags=(Tag("b", None), Tag("c", digest("c"))))
    confirmed = confirm(plan, now)
    assert actions(confirmed.plan) == {"b": DELETE, "c": KEEP}
    assert confirmed.moved == ()


def test_a_doomed_dangling_tag_that_names_something_again_stays():
    before = repository([image("c", 1)], {"c": "c", "ghost": None})
    plan = plan_one(before, [{"keep_newest": 1}], remove_dangling_tags=True)
    assert actions(plan)["ghost"] == DELETE
    now = repository([image("c", 1), image("new", 0)], {"c": "c", "ghost": "new"})
    assert actions(confirm(plan, now).plan)["ghost"] == KEEP


def test_a_doomed_parked_tag_goes_whether_it_is_read_as_parked_or_as_its_tombstone():
    stone = Manifest(digest("stone"), OCI_INDEX, 99, TOMBSTONE)
    before = repository(
        [image("a", 100), image("c", 1), stone],
        {"a": Tag("a", digest("a"), parked=stone.digest), "c": "c"},
    )
    plan = plan_one(before, OLD)
    assert doomed(plan) == [digest("a")]
    assert confirm(plan, before).plan == plan
    on_stone = dataclasses.replace(before, tags=(Tag("a", stone.digest), Tag("c", digest("c"))))
    assert actions(confirm(plan, on_stone).plan)["a"] == DELETE
    pushed = dataclasses.replace(
        before,
        tags=(Tag("a", digest("new")), Tag("c", digest("c"))),
        manifests={**before.manifests, digest("new"): image("new", 0)},
    )
    kept = confirm(plan, pushed).plan.tags[0]
    assert (kept.action, kept.digest, kept.parked) == (KEEP, digest("new"), "")


def test_named_companions_go_although_their_subject_stays():
    before = repository(
        [image("a", 1), artifact("sig"), artifact("sbom", "a")], {"a": "a", signature_of("a"): "sig", "sbom": "sbom"}
    )
    names = [Reference("team/app", signature_of("a")), Reference("team/app", "sbom")]
    plan = plan_deletion(Snapshot(NOW, (before,)), names, False, False).plan.repositories[0]
    assert set(doomed(confirm(plan, before).plan)) == {digest("sig"), digest("sbom")}
    plan = plan_untagging(Snapshot(NOW, (before,)), names).plan.repositories[0]
    assert actions(confirm(plan, before).plan) == {"a": KEEP, signature_of("a"): UNTAG, "sbom": UNTAG}


def test_a_child_is_torn_out_of_a_staying_index_only_on_request_and_never_from_under_a_tag():
    before = repository([image("x", 1), image("y", 1), index("multi", ["x", "y"])], {"multi": "multi"})
    named = plan_deletion(Snapshot(NOW, (before,)), [Reference("team/app", digest=digest("x"))], False, True)
    plan = named.plan.repositories[0]
    torn = {entry for _name, entry in named.torn}
    assert doomed(confirm(plan, before).plan) == []
    assert doomed(confirm(plan, before, torn).plan) == [digest("x")]
    tagged = dataclasses.replace(before, tags=(*before.tags, Tag("x", digest("x"))))
    assert doomed(confirm(plan, tagged, torn).plan) == []


def approved(before, now, protected=()):
    plan, moved = confirm_approved(plan_all([before], OLD), Snapshot(NOW, (now,)), parse_protected(protected))
    return plan.repositories[0], moved


def test_approval_does_not_cover_a_digest_that_is_protected_by_now():
    before = repository(
        [image("a", 100), image("b", 100), image("x", 100), index("multi", ["x"]), image("c", 1)],
        {"a": "a", "b": "b", "multi": "multi", "c": "c"},
    )
    assert set(doomed(plan_one(before, OLD))) == {digest("a"), digest("b"), digest("x"), digest("multi")}
    everything = {digest("a"), digest("b"), digest("x"), digest("multi")}
    for protected, saved in (
        ([digest("a")], {"a"}),
        (["team/app@" + digest("a")], {"a"}),
        (["other@" + digest("a")], set()),
        (["team/app:b"], {"b"}),
        ([digest("config of b")], {"b"}),
        ([digest("x")], {"x", "multi"}),
        (["team/app:multi"], {"x", "multi"}),
        ([digest("config of x")], {"x", "multi"}),
    ):
        plan, _moved = approved(before, before, protected)
        assert set(doomed(plan)) == everything - {digest(name) for name in saved}, protected
        for name in saved & {"a", "b", "multi"}:
            assert actions(plan)[name] == KEEP


def test_approval_does_not_cover_what_was_pushed_again_as_far_as_push_times_tell():
    def seen(**pushed):
        images = [image("a", 100), image("b", 100), image("c", 1)]
        return repository(images, {name: name for name in "abc"}, pushed=pushed)

    plan, moved = approved(seen(a=100, b=100), seen(a=0.01, b=100))
    assert doomed(plan) == [digest("b")]
    assert (moved[0][1].name, moved[0][1].reason) == ("a", "it was pushed again since the plan was made")
    assert actions(plan)["a"] == KEEP
    for before, now in (((100, 100), (101, 100)), ((100, 100), ()), ((), (0.01, 0.01))):
        plan, moved = approved(seen(**dict(zip("ab", before))), seen(**dict(zip("ab", now))))
        assert (set(doomed(plan)), moved) == ({digest("a"), digest("b")}, [])


def test_an_approved_plan_passes_the_guards_of_the_run_and_says_what_moved():
    before = basic()
    saved = plan_all([before], OLD)
    now = repository([image("a", 100), image("b", 100), image("c", 1)], {"a": "a", "b": "b", "c": "b"})
    plan, moved = confirm_approved(saved, Snapshot(NOW, (now,)), Protected())
    assert plan.guards == ()
    assert doomed(plan.repositories[0]) == [digest("a")]
    assert [(name, entry.name) for name, entry in moved] == [("team/app", digest("b"))]


def test_an_approved_plan_leaves_alone_what_cannot_be_read_and_reports_what_is_gone():
    before = basic()
    plan, _moved = approved(before, dataclasses.replace(before, problem="tag c: 500"))
    assert plan.is_noop
    assert plan.problem == "tag c: 500"
    result, moved = confirm_approved(plan_all([before], OLD), Snapshot(NOW, ()), Protected())
    assert result.repositories == ()
    assert [name for name, _entry in moved] == ["team/app"]
    quiet = plan_all([repository([image("c", 1)], {"c": "c"})], OLD)
    assert confirm_approved(quiet, Snapshot(NOW, ()), Protected())[1] == []
