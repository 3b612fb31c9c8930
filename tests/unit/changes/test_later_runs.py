# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a later run makes of the journals of earlier ones: what it finishes, what it spares, and when it closes them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    ConnectionFailed,
    Forbidden,
    LoginRenewed,
    NotFound,
    RateLimited,
    ServerFailed,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    JournalError,
    JournalWriter,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.naming import delete_named
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.plan_file import read_plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.report import (
    failure_of,
    prune_report,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.state import StateError
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import StrategyUnavailable
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.undo import undo
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import Reference
from ansible_collections.fleetops.container_registry.tests.unit.changes import test_pruning as runs
from ansible_collections.fleetops.container_registry.tests.unit.changes.test_pruning import (
    LEFT_OVER,
    NOW,
    ONE,
    days_ago,
    parking,
    planned,
    stored,
)
from ansible_collections.fleetops.container_registry.tests.unit.images.played_registry import raising

registry, run, saved = runs.registry, runs.run, runs.saved

ALL = [{"name": "all", "keep": "all"}]
X_ONLY = [{"name": "x only", "tags": ["x*"], "delete": "all"}]
MODULE_UTILS = "ansible_collections.fleetops.container_registry.plugins.module_utils."


class Killed(BaseException):
    """What no run survives."""


def die():
    raise Killed


@pytest.fixture
def pair(registry):
    """An image to go, tagged old, and one that stays: the digest of the first."""
    registry.image("a", "new", created=days_ago(1))
    return registry.image("a", "old", created=days_ago(100))


@pytest.fixture
def open_journals(tmp_path):
    """How many journals a later run would finish."""

    def count():
        texts = [path.read_text() for path in (tmp_path / "backup").glob("*.backup.jsonl")]
        return sum('"type":"ready"' in text and '"type":"finished"' not in text for text in texts)

    return count


# --- what got a tag again


def signed_index(registry):
    """An index with a child and a signature, all with tags of their own but the child: their digests."""
    child = registry.image("a", created=days_ago(100))
    index = registry.index("a", [child], "old")
    signature = registry.image("a", "sha256-%s.sig" % index[7:], created=days_ago(100), size=7)
    registry.image("a", "new", created=days_ago(1))
    return index, child, signature


@pytest.mark.parametrize("how", ["in its grace", "interrupted"])
def test_what_was_tagged_again_and_pushed_over_is_no_longer_the_earlier_runs(registry, run, how):
    whole = signed_index(registry)
    if how == "in its grace":
        run(delete_grace="7d")
    else:
        registry.faults["delete", "a", whole[0]] = raising(ServerFailed("500"))
        run(strategy="tag")
        registry.faults.clear()
    assert registry.tags_of() == ["new"]
    registry.repositories["a"]["prod"] = whole[0]
    run(X_ONLY, 1)
    registry.image("a", "prod", created=days_ago(0), size=5)
    run(X_ONLY, 8)
    assert registry.has(*whole) == [True] * 3


def test_check_mode_writes_nothing_about_what_was_tagged_again(registry, run, pair, tmp_path):
    run(delete_grace="7d")
    (journal,) = (tmp_path / "backup").glob("*.backup.jsonl")
    before = journal.read_text()
    registry.repositories["a"]["prod"] = pair
    run(X_ONLY, 1, check=True)
    assert journal.read_text() == before


# --- a protected name


@pytest.mark.parametrize("how", ["in its grace", "interrupted"])
def test_protecting_a_tag_that_is_off_already_protects_what_it_named(registry, run, how):
    whole = signed_index(registry)
    if how == "in its grace":
        run(delete_grace="7d")
    else:
        registry.faults["delete", "a", whole[0]] = die
        with pytest.raises(Killed):
            run(strategy="tag")
        registry.faults.clear()
    assert registry.tags_of() == ["new"]
    for days in (8, 20):
        result = run(ONE, days, protected=["a:old"])
        assert registry.has(*whole) == [True] * 3
        assert result.outcome.errors == []
    run(ONE, 21)
    assert registry.has(*whole) == [False] * 3


def test_a_protected_tag_that_names_another_image_does_not_protect_the_one_before(registry, run, pair):
    run(delete_grace="7d")
    registry.image("a", "old", created=days_ago(0), size=5)
    run(ONE, 8, protected=["a:old"])
    assert registry.has(pair) == [False]


# --- manifests that never had a tag


def test_a_plan_says_why_an_earlier_run_keeps_what_no_policy_does(registry, run, pair, tmp_path):
    run(delete_grace="7d")
    assert planned(run(days=1), pair).reason.startswith("kept: in the grace that the run ")
    assert "tag that an earlier run has taken off" in planned(run(days=8, protected=["a:old"], check=True), pair).reason
    (path,) = (tmp_path / "backup").glob("*.backup.jsonl")
    undo(registry, str(path), None, None, False, 20 * 86400.0, False, NOW)
    del registry.repositories["a"]["old"]
    scan = stored(registry, pair)
    assert planned(run(ONE + LEFT_OVER, 9, scan=scan), pair).reason == "kept: held after it was restored"


@pytest.mark.parametrize("policies", [[*ALL, {"name": "u", "untagged": True, "keep": "all"}], ALL])
def test_what_never_had_a_tag_is_for_the_policies_of_the_next_run(registry, run, policies):
    left = [registry.image("a", created=days_ago(300), size=size) for size in (3, 4)]
    registry.image("a", "new", created=days_ago(1))
    for digest in left:
        registry.faults["delete", "a", digest] = die
    with pytest.raises(Killed):
        run(ALL + LEFT_OVER, scan=stored(registry, *left))
    registry.faults.clear()
    run(policies, 0.01, scan=stored(registry, *left))
    assert registry.has(*left) == [True, True]
    run(ALL + LEFT_OVER, 0.02, scan=stored(registry, *left))
    assert registry.has(*left) == [False, False]


def test_the_child_of_an_index_that_had_a_tag_is_finished_though_the_index_is_gone(registry, run, open_journals):
    child = registry.image("a", created=days_ago(100))
    index = registry.index("a", [child], "old")
    registry.image("a", "new", created=days_ago(1))
    registry.faults["delete", "a", child] = die
    with pytest.raises(Killed):
        run()
    assert registry.has(index, child) == [False, True]
    registry.faults.clear()
    run(ALL, 0.01)
    assert registry.has(child) == [False]
    assert open_journals() == 0


# --- graces


def test_untagged_manifests_go_after_their_grace_though_no_tag_goes_with_them(registry, run, open_journals):
    left = registry.image("a", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    policies = ALL + LEFT_OVER
    first = run(policies, scan=stored(registry, left), delete_grace="7d")
    assert (first.outcome.changed, open_journals()) == (False, 1)
    for days in (3, 6.9):
        assert run(policies, days, scan=stored(registry, left), delete_grace="7d").backup_file == ""
        assert registry.has(left) == [True]
    # A run without a list cannot judge it, and does not start its grace anew.
    run(policies, 7.5, delete_grace="7d")
    assert (registry.has(left), open_journals()) == ([True], 1)
    run(policies, 8, scan=stored(registry, left), delete_grace="7d")
    assert (registry.has(left), open_journals()) == ([False], 0)


def test_untagged_manifests_that_a_policy_keeps_by_now_stay_after_their_grace(registry, run, open_journals):
    left = registry.image("a", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    run(ALL + LEFT_OVER, scan=stored(registry, left), delete_grace="7d")
    keeping = [*ALL, {"name": "u", "untagged": True, "keep_younger_than": "9y"}]
    run(keeping, 8, scan=stored(registry, left), delete_grace="7d")
    assert (registry.has(left), open_journals()) == ([True], 0)


def test_a_plan_that_was_saved_under_a_grace_deletes_after_it(registry, run, saved, pair, open_journals):
    path, plan = saved
    made = plan(delete_grace="7d")
    assert "in its grace" in planned(made, pair).reason
    assert read_plan(path, made.plan_id).identity == prune_report(made, "none", True, False)["plan_id"]
    run(approved=path, delete_grace="7d")
    assert (registry.tags_of(), registry.has(pair), open_journals()) == (["new"], [True], 1)
    run(days=8, delete_grace="7d")
    assert (registry.has(pair), open_journals()) == ([False], 0)


def test_an_approved_run_leaves_journals_open_whose_work_is_not_in_its_plan(registry, run, saved, pair, open_journals):
    path, plan = saved
    run(delete_grace="7d")
    second = registry.image("a", "second", created=days_ago(50))
    plan(delete_grace="7d", days=6)
    run(approved=path, days=8, delete_grace="7d")
    assert registry.has(pair, second) == [True, True]
    run(days=9, delete_grace="7d")
    assert registry.has(pair, second) == [False, True]
    run(days=16, delete_grace="7d")
    assert (registry.has(second), open_journals()) == ([False], 0)


def test_a_plan_that_knows_what_an_interrupted_run_left_finishes_it(registry, run, saved, pair, open_journals):
    path, plan = saved
    registry.faults["delete", "a", pair] = raising(ServerFailed("500"))
    run(strategy="tag")
    registry.faults.clear()
    plan(days=0.01)
    run(approved=path, days=0.02)
    assert (registry.has(pair), open_journals()) == ([False], 0)


def test_a_look_that_sees_nothing_closes_no_journal(registry, run, pair, open_journals):
    run(delete_grace="7d")
    manifests = dict(registry.manifests)
    registry.manifests.clear()
    registry.faults["tags", "a", ""] = raising(NotFound("no store is mounted", code="NAME_UNKNOWN"))
    run(days=8, repositories=["a"])
    assert open_journals() == 1
    registry.faults.clear()
    registry.manifests.update(manifests)
    run(days=9)
    assert (registry.has(pair), open_journals()) == ([False], 0)


# --- files of ours that cannot be written any more


def failing(monkeypatch, method, works=0):
    """Make the disk full for METHOD of journals, but for its first WORKS calls."""
    real = getattr(JournalWriter, method)
    calls = []

    def full(self, *arguments, **named):
        calls.append(method)
        if len(calls) > works:
            raise self._failure(OSError(28, "No space left on device"))
        return real(self, *arguments, **named)

    monkeypatch.setattr(JournalWriter, method, full)


FULL_AT = [
    (way, *when) for way in ("digest", "tag", "tombstone") for when in (("done", 0), ("done", 1), ("finished", 0))
]


@pytest.mark.parametrize(("strategy", "method", "works"), [*FULL_AT, ("tombstone", "tombstone", 0)])
def test_what_went_before_the_disk_was_full_is_told_and_the_next_run_finishes(
    registry, run, pair, monkeypatch, open_journals, strategy, method, works
):
    failing(monkeypatch, method, works)
    report = prune_report(run(strategy=strategy), "none", False, False)
    monkeypatch.undo()
    text = failure_of(report, False)
    assert "No space left on device. Make room there, and run again with the same backup_dir" in text
    assert report["backup_file"]
    gone = {"tags": "old" not in registry.tags_of(), "manifests": registry.has(pair) == [False]}
    # A tag that was on its tombstone when that could not be noted counts as well.
    assert {name: bool(report["deleted"][name]) for name in gone} == gone
    assert report["changed"] == any(gone.values()) == (method != "tombstone")
    run(ALL if strategy != "tombstone" or method != "tombstone" else ONE, 0.01, strategy=strategy)
    assert (registry.tags_of(), registry.has(pair), open_journals()) == (["new"], [False], 0)


def test_a_state_that_cannot_be_written_does_not_hide_what_went(registry, run, monkeypatch):
    left = registry.image("a", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    old = registry.image("a", "old", created=days_ago(100))
    scan = stored(registry, left)
    monkeypatch.setattr(
        MODULE_UTILS + "changes.pruning.update_state", lambda *_arguments: raising(StateError("the state is full"))()
    )
    report = prune_report(run(scan=scan, policies=ONE + LEFT_OVER), "none", False, False)
    assert (report["changed"], report["deleted"]["tags"], registry.has(old)) == (True, 1, [False])
    assert "the state is full" in failure_of(report, False)


def test_a_disk_that_is_full_before_the_backup_is_complete_ends_the_run_untouched(registry, run, pair, monkeypatch):
    failing(monkeypatch, "tag")
    with pytest.raises(JournalError, match="Nothing was deleted; make room or give another backup_dir"):
        run()
    assert registry.has(pair) == [True]


def test_a_named_deletion_tells_what_went_before_the_disk_was_full(registry, pair, monkeypatch, tmp_path):
    failing(monkeypatch, "finished")
    result = delete_named(registry, [Reference.parse("a:old")], False, False, str(tmp_path), False, NOW)
    assert [entry.deleted_manifests for entry in result.outcome.repositories] == [[pair]]
    assert "same backup_dir" in result.outcome.interrupted


# --- tags on a tombstone


@pytest.mark.parametrize("how", ["its owner removed it", "its tombstone is gone"])
def test_a_late_plan_puts_a_stranded_tag_back_only_if_it_is_still_there(registry, run, saved, how):
    registry.native = False
    path, plan = saved
    image = registry.image("a", "prod", created=days_ago(1))
    registry.image("a", "new", created=days_ago(1), size=3)
    tombstone = registry.put("a", parking(prod=image), "prod")
    plan(policies=ALL)
    assert json.loads(registry.manifests["a", tombstone][1])["manifests"] == []
    if how == "its owner removed it":
        del registry.repositories["a"]["prod"]
    else:
        del registry.manifests["a", tombstone]
    run(ALL, 0.01, approved=path)
    assert registry.tags_of() == (["new"] if "owner" in how else ["new", "prod"])
    assert registry.has(image) == [True]


def test_the_connection_that_breaks_before_the_journal_is_the_reason_that_is_told(registry, run, pair, monkeypatch):
    failing(monkeypatch, "finished")
    registry.faults["delete", "a", pair] = raising(ConnectionFailed("unplugged"))
    assert "No space" not in run().outcome.interrupted


# --- a registry that has no time


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("error", [RateLimited("429"), ServerFailed("503", status=503), LoginRenewed("401")])
def test_a_tag_is_looked_at_again_before_a_write_that_was_turned_away_is_repeated(registry, run, pair, native, error):
    registry.native = native
    method = "delete" if native else "put"

    def pushed_meanwhile():
        registry.faults.clear()
        registry.image("a", "old", created=days_ago(0), size=4)
        raise error

    registry.faults[method, "a", "old"] = pushed_meanwhile
    result = run(strategy="tag" if native else "tombstone")
    assert registry.tags_of() == ["new", "old"]
    assert registry.repositories["a"]["old"] != pair
    assert [moved.name for moved in result.drifted + tuple(result.outcome.drifted)] == ["old"]


@pytest.mark.parametrize("native", [True, False])
def test_a_busy_registry_is_asked_again(registry, run, pair, native):
    registry.native = native
    turned_away = []

    def busy():
        turned_away.append(1)
        if len(turned_away) == 3:
            registry.faults.clear()
        raise RateLimited("429")

    registry.faults["delete" if native else "put", "a", "old"] = busy
    result = run(strategy="tag" if native else "tombstone")
    assert result.outcome.errors == [] and not result.outcome.interrupted
    assert registry.tags_of() == ["new"]


@pytest.mark.parametrize("native", [True, False])
def test_a_login_that_ran_out_is_looked_after_even_where_nothing_is_tried_again(registry, run, pair, native):
    registry.native = native
    registry.connection.retries = 0

    def ran_out():
        registry.faults.clear()
        raise LoginRenewed("401")

    registry.faults["delete" if native else "put", "a", "old"] = ran_out
    assert run(strategy="tag" if native else "tombstone").outcome.errors == []
    assert registry.tags_of() == ["new"]


@pytest.mark.parametrize("native", [True, False])
def test_a_registry_that_asks_for_more_than_a_minute_is_not_asked_again(registry, run, pair, native):
    registry.native = native
    asked = []

    def later():
        asked.append(1)
        error = RateLimited("429. It asks to come back after 3600.")
        error.retry_after = 3600.0
        raise error

    registry.faults["delete" if native else "put", "a", "old"] = later
    result = run(strategy="tag" if native else "tombstone")
    assert "3600" in result.outcome.interrupted
    assert asked == [1]
    assert registry.tags_of() == ["new", "old"]


def test_what_went_before_a_batch_was_ended_is_told(registry, run):
    registry.native = True
    for number in range(3):
        registry.image("a", "old-%d" % number, created=days_ago(100 + number), size=number + 3)
    registry.image("a", "new", created=days_ago(1))
    registry.faults["delete", "a", "old-2"] = raising(Forbidden("no", status=403))
    result = run(strategy="tag")
    assert registry.tags_of() == ["new", "old-2"]
    assert sorted(result.outcome.repositories[0].deleted_tags) == ["old-0", "old-1"]
    assert result.outcome.changed


# --- a grace that was interrupted, or cannot be had


@pytest.mark.parametrize("native", [True, False])
def test_a_run_with_a_grace_that_was_killed_is_finished_by_the_same_task(registry, run, native):
    registry.native = native
    old = [registry.image("a", "old-%d" % one, created=days_ago(100 + one), size=one + 3) for one in range(3)]
    registry.image("a", "new", created=days_ago(1))
    killed_at = "old-1" if native else "old-2"
    registry.faults["delete" if native else "put", "a", killed_at] = die
    with pytest.raises(Killed):
        run(delete_grace="7d")
    registry.faults.clear()
    result = run(days=0.01, delete_grace="7d")
    assert registry.tags_of() == ["new"]
    assert result.outcome.errors == []
    assert registry.has(*old) == [True] * 3
    run(days=6, delete_grace="7d")
    assert registry.has(*old) == [True] * 3
    for days in (8, 9):
        run(days=days, delete_grace="7d")
    assert registry.has(*old) == [False] * 3


@pytest.mark.parametrize("how", ["digest", "no right to push"])
@pytest.mark.parametrize("check", [True, False])
def test_a_grace_that_cannot_be_had_is_refused_before_anything_is_done(registry, run, pair, how, check, tmp_path):
    if how == "no right to push":
        registry.native, registry.may_push = False, False
    with pytest.raises(StrategyUnavailable, match="delete_grace takes tags off"):
        run(delete_grace="7d", strategy="digest" if how == "digest" else "auto", check=check)
    assert registry.tags_of() == ["new", "old"]
    assert not list((tmp_path / "backup").glob("*.backup.jsonl"))


def test_a_kept_tag_that_vanishes_with_an_untagged_manifest_is_reported(registry, run, pair):
    left = registry.image("a", created=days_ago(300), size=9)

    def promoted():
        registry.repositories["a"]["new"] = left

    registry.faults["delete", "a", left] = promoted
    result = run(ALL + LEFT_OVER, scan=stored(registry, left))
    assert registry.tags_of() == ["old"]
    (repository,) = result.outcome.repositories
    assert [drift.name for drift in repository.drifted] == ["new"]


def test_a_tag_that_the_backup_does_not_hold_fails_before_anything_is_restored(registry, run, pair, tmp_path):
    run()
    (backup,) = (tmp_path / "backup").glob("*.backup.jsonl")
    before = backup.read_text()
    with pytest.raises(JournalError, match="olld"):
        undo(registry, str(backup), None, ["old", "olld"], False, 0.0, False, NOW)
    assert registry.tags_of() == ["new"]
    assert backup.read_text() == before


# --- tags that cannot go alone here


def test_a_tag_that_stays_without_its_manifest_is_tried_once_and_told_ever_after(
    registry, run, pair, open_journals, tmp_path
):
    """As a killed registry leaves it: a directory without its link, which only a write under its name clears."""

    def dies():
        del registry.manifests["a", pair]
        registry.repositories["a"]["old"] = "sha256:" + "0" * 64
        raise Killed

    registry.faults["delete", "a", pair] = dies
    with pytest.raises(Killed):
        run(strategy="digest")
    registry.faults.clear()
    for days in (0.01, 0.02, 0.03):
        (told,) = prune_report(run(days=days, strategy="digest"), "none", False, False)["skipped"]
        assert "the tag old dangles and is kept: strategy: digest takes no tag off alone, auto does" in told
        assert len(list((tmp_path / "backup").glob("*.backup.jsonl"))) == 2
        assert open_journals() == 1
    run(days=0.04)
    assert (registry.tags_of(), open_journals()) == (["new"], 0)


@pytest.mark.parametrize("closed", ["a", "b", "c"])
def test_the_right_to_push_counts_for_each_repository_whichever_is_asked_first(registry, run, open_journals, closed):
    registry.native = False
    for name in "abc":
        registry.image(name, "v", "stable", created=days_ago(100))
        registry.image(name, "new", created=days_ago(1))
    probe = registry.probe

    def rights(name):
        registry.may_push = name != closed
        return probe(name)

    registry.probe = rights
    policies = [{"name": "v", "keep_newest": 1, "keep_tags": ["stable"]}]
    for days, check in ((0, True), (0.01, False)):
        (skipped,) = run(policies, days, check=check).skipped
        assert (skipped.repository, skipped.tag) == (closed, "v")
    assert [registry.tags_of(name) for name in "abc"] == [
        ["new", "stable"] + (["v"] if name == closed else []) for name in "abc"
    ]
    assert open_journals() == 0


def test_a_push_that_only_the_deed_shows_to_be_denied_leaves_no_journal_to_finish(registry, run, open_journals):
    registry.native = False
    gone = registry.image("a", "lost", created=days_ago(100), size=8)
    registry.image("a", "v", "stable", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    del registry.manifests["a", gone]
    for tag in ("v", "lost"):
        registry.faults["put", "a", tag] = raising(Forbidden("no push"))
    policies = [{"name": "v", "keep_newest": 1, "keep_tags": ["stable"]}]
    result = run(policies, remove_dangling_tags=True)
    assert sorted(entry.tag for entry in result.outcome.skipped) == ["lost", "v"]
    assert registry.tags_of() == ["lost", "new", "stable", "v"]
    assert open_journals() == 0


def test_deletes_that_will_be_on_do_not_hide_that_a_grace_can_be_had(registry, run, pair):
    """While they are off, nothing tells how tags go."""
    registry.probe = lambda _name: api.Abilities(api.DISABLED, api.NONE, api.ALLOWED)
    registry.ping = lambda: api.Ping(api.FAMILY_2, "registry/2.0")
    result = run(check=True, delete_grace="7d", assume_delete_enabled=True)
    assert (result.blocked_by, result.skipped) == ((), ())
    assert "in its grace" in planned(result, pair).reason
    registry.probe = lambda _name: api.Abilities(api.DISABLED, api.NONE, api.DENIED)
    with pytest.raises(StrategyUnavailable, match="right to push"):
        run(check=True, delete_grace="7d", assume_delete_enabled=True)


@pytest.mark.parametrize("check", [True, False])
def test_a_strategy_that_cannot_be_followed_fails_in_check_mode_too(registry, run, pair, check):
    registry.native = False
    with pytest.raises(StrategyUnavailable, match="3.0 and later"):
        run(strategy="tag", check=check)
