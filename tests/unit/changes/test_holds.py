# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was restored is held from pruning: from before it is put back until its time is over, whatever comes in between."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import ConnectionFailed
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes import pruning
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes import undo as undoing
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    JournalError,
    read_journal,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.plan_file import PlanFileError
from ansible_collections.fleetops.container_registry.tests.unit.changes import test_pruning as runs
from ansible_collections.fleetops.container_registry.tests.unit.changes.test_pruning import (
    DAY,
    LEFT_OVER,
    NOW,
    ONE,
    days_ago,
    stored,
)

registry, run, saved = runs.registry, runs.run, runs.saved

ANYTHING_UNTAGGED = [{"name": "left over", "untagged": True, "delete": "all"}]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(undoing, "time", SimpleNamespace(time=lambda: NOW + 30))


@pytest.fixture
def pruned(registry, run):
    """The backup of a run that took off old and older and left new."""
    for name, days in (("new", 1), ("old", 100), ("older", 200)):
        registry.image("a", name, created=days_ago(days))
    done = run()
    assert registry.tags_of() == ["new"]
    return done.backup_file


def restore(registry, backup, hold=7 * DAY, **options):
    return undoing.undo(registry, backup, None, None, False, hold, False, NOW + 20, **options)


@pytest.mark.parametrize("odd", ["the list is empty", "the list lacks it", "it dangles"])
def test_one_odd_look_does_not_end_a_hold(registry, run, pruned, odd):
    restore(registry, pruned)
    if odd == "it dangles":
        digest = registry.repositories["a"]["old"]
        gone = registry.manifests.pop(("a", digest))
    else:
        registry.faults["tags", "a", ""] = lambda: [] if odd == "the list is empty" else ["new"]
    run(days=0.5)
    registry.faults.clear()
    if odd == "it dangles":
        registry.manifests["a", digest] = gone
    run(days=1)
    assert registry.tags_of() == ["new", "old", "older"]
    run(days=8)
    assert registry.tags_of() == ["new"]


def test_a_hold_ends_where_somebody_pushes_another_image(registry, run, pruned):
    restore(registry, pruned)
    registry.image("a", "old", created=days_ago(150), size=4)
    run(days=1)
    assert registry.tags_of() == ["new", "older"]


def test_what_an_interrupted_restoration_has_put_back_is_held(registry, run, pruned):
    saved_tags = [tag.digest for tag in read_journal(pruned).repositories["a"].tags.values()]
    writes = []

    def cut_off():
        writes.append(1)
        raise ConnectionFailed("the network is gone")

    registry.faults["put", "a", "older"] = cut_off
    with pytest.raises(undoing.RestoreInterrupted) as ended:
        restore(registry, pruned)
    assert writes
    assert [entry.state for entry in ended.value.results[0].manifests] == ["restored"] * 2
    registry.faults.clear()
    run(LEFT_OVER + ONE, 1, scan=stored(registry, *saved_tags))
    assert registry.has(*saved_tags) == [True] * 2
    restore(registry, pruned)
    assert registry.tags_of() == ["new", "old", "older"]
    run(days=2)
    assert registry.tags_of() == ["new", "old", "older"]


def test_untagged_manifests_that_were_restored_are_held_too(registry, run):
    left = registry.image("a", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    done = run(ANYTHING_UNTAGGED, scan=stored(registry, left))
    assert registry.has(left) == [False]
    restore(registry, done.backup_file)
    held = run(ANYTHING_UNTAGGED, 1, scan=stored(registry, left))
    assert registry.has(left) == [True]
    assert held.held == ("a@%s" % left,)
    run(ANYTHING_UNTAGGED, 8, scan=stored(registry, left))
    assert registry.has(left) == [False]


def test_a_copy_of_a_backup_holds_in_the_directory_that_is_named(registry, run, pruned, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(pruned, tmp_path / "elsewhere")
    restore(registry, copy, backup_dir=str(Path(pruned).parent))
    run(days=1)
    assert registry.tags_of() == ["new", "old", "older"]
    assert not (tmp_path / "elsewhere" / "state.json").exists()


def test_another_registrys_journal_is_not_touched(registry, run, pruned):
    before = Path(pruned).read_bytes().replace(b'"type":"finished"', b'"type":"ready"')
    Path(pruned).write_bytes(before)
    registry.connection.url = "https://other.example"
    told = []
    restore(registry, pruned, warn=told.append)
    assert registry.tags_of() == ["new", "old", "older"]
    assert Path(pruned).read_bytes() == before
    assert "https://r.example" in told[0] and "https://other.example" in told[0]


def test_a_hold_that_is_written_during_a_run_is_not_lost(registry, run, pruned, monkeypatch):
    """The module takes no lock: a restoration may come in between a run's first look and its last write."""
    left = registry.image("a", created=days_ago(300))
    make_plan = pruning.make_plan

    def meanwhile(*arguments):
        if not registry.repositories["a"].get("old"):
            restore(registry, pruned)
        return make_plan(*arguments)

    monkeypatch.setattr(pruning, "make_plan", meanwhile)
    run(LEFT_OVER + ONE, 0.0001, scan=stored(registry, left))
    monkeypatch.undo()
    run(days=1)
    assert registry.tags_of() == ["new", "old", "older"]


def test_a_plan_is_not_carried_out_on_another_registry(registry, run, saved):
    path, plan = saved
    registry.image("a", "old", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    plan()
    registry.connection.url = "https://other.example"
    with pytest.raises(
        PlanFileError, match=r"of the registry at https://r\.example, and url is https://other\.example"
    ):
        run(approved=path)
    assert registry.tags_of() == ["new", "old"]
    registry.connection.url = "https://R.example/"
    run(approved=path)
    assert registry.tags_of() == ["new"]


def test_a_tag_that_the_backup_does_not_have_is_named(registry, run, pruned):
    with pytest.raises(JournalError, match="holds no tag odl in the repositories a"):
        undoing.undo(registry, pruned, None, ["old", "odl"], False, DAY, False, NOW + 20)
    assert registry.tags_of() == ["new"]
