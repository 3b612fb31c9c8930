# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying a plan out on the store: only what the plan says, only while it is still true, and whole at any moment."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import TOMBSTONE_ANNOTATION
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    Guard,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan_records import plan_to_records
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import repository_scan, trash
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.blob_table import BlobTable
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    GuardHeld,
    LeaseLost,
    StorageError,
    StoreInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.prune import StorePrune
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import write_records
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan import StoreScan
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.store_maintenance import (
    Incomplete,
    NotConfirmed,
    Wish,
    maintain,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.trash import Trash, sweep
from ansible_collections.fleetops.container_registry.tests.unit.storage.made_store import MadeStore

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path):
    return MadeStore(tmp_path / "root")


class Recorder:
    """A backup that remembers, in order, what it was given."""

    def __init__(self):
        self.entries = []

    def manifest(self, repository, digest, media_type, body):
        self.entries.append(("manifest", repository, digest, media_type, len(body)))

    def config(self, repository, digest, body):
        self.entries.append(("config", repository, digest))

    def tag(self, repository, tag):
        self.entries.append(("tag", repository, tag.name, tag.digest, tag.action))

    def ready(self):
        self.entries.append(("ready",))

    def done(self, repository, tags=(), digests=()):
        self.entries.append(("done", repository, sorted(tags), list(digests)))


def planned(name, tags=(), manifests=(), **more):
    """TAGS: (name, digest, action); MANIFESTS: (digest, kind) that go, in order."""
    return RepositoryPlan(
        name,
        tuple(PlannedTag(tag, digest, action, "because") for tag, digest, action in tags),
        tuple(
            PlannedManifest(digest, media_types.OCI_MANIFEST, kind, 1, DELETE, "because") for digest, kind in manifests
        ),
        **more,
    )


def plan_of(*repositories, **more):
    return Plan(NOW, tuple(sorted(repositories, key=lambda one: one.name)), **more)


def prune(store, *repositories, saver=None):
    work = StorePrune(store.tree)
    pruning = work.look(plan_of(*repositories))
    saver = saver or Recorder()
    work.save(pruning, saver)
    work.carry_out(pruning, saver)
    return pruning


def held_in(store, name):
    for contents in StoreScan(store.tree).repositories():
        if contents.name == name:
            return {tag.name: tag.digest for tag in contents.tags.values()}, set(contents.manifests)
    return {}, set()


def files(store):
    return {
        os.path.relpath(os.path.join(folder, name), store.root): os.stat(os.path.join(folder, name)).st_mtime_ns
        for folder, _folders, names in os.walk(store.root)
        for name in names
    }


def test_tags_and_manifests_go_and_nothing_else(store):
    old, new = store.image("team/app", "1.0"), store.image("team/app", "2.0")
    store.image("team/app/sub", "1.0")
    before = files(store)
    pruning = prune(store, planned("team/app", [("1.0", old, DELETE), ("2.0", new, KEEP)], [(old, "image")]))
    assert held_in(store, "team/app") == ({"2.0": new}, {new})
    assert pruning.gone() == {"tags": 1, "untagged": 0, "manifests": 1}
    after = files(store)
    gone = {path for path in before if path not in after}
    prefix = "docker/registry/v2/repositories/team/app/_manifests/"
    assert gone == {
        prefix + "tags/1.0/current/link",
        prefix + "tags/1.0/index/%s/link" % old.replace(":", "/"),
        prefix + "revisions/%s/link" % old.replace(":", "/"),
    }
    assert {path: before[path] for path in after} == after
    assert not os.path.exists(os.path.join(store.tree, "repositories/team/app/_manifests/_fleetops_removed"))


class Protection:
    """Covers what it is told."""

    def __init__(self, *covered):
        self._covered = covered

    def covers_tag(self, repository, tag):
        return "%s:%s" % (repository, tag) in self._covered

    def covers_digest(self, repository, digest):
        return digest in self._covered


def test_what_was_protected_since_the_plan_stays_with_all_that_leads_to_it(store):
    child = store.image("app", None)
    index = store.index("app", [child], "multi")
    by_name, by_config, doomed = (store.image("app", tag) for tag in ("named", "running", "gone"))
    plan = planned(
        "app",
        [
            (tag, digest, DELETE)
            for tag, digest in zip(("gone", "multi", "named", "running"), (doomed, index, by_name, by_config))
        ],
        [(index, "index"), (child, "image"), (by_name, "image"), (by_config, "image"), (doomed, "image")],
    )
    work = StorePrune(store.tree, Protection("app:named", child, store.config_of(by_config)))
    pruning = work.look(plan_of(plan))
    work.carry_out(pruning, Recorder())
    assert held_in(store, "app") == (
        {"multi": index, "named": by_name, "running": by_config},
        {child, index, by_name, by_config},
    )
    assert {what for _name, what, _reason in pruning.drifted} == {
        "multi",
        "named",
        "running",
        child,
        index,
        by_name,
        by_config,
    }


def test_a_plan_of_another_registry_is_refused(store):
    digests = [store.image("app", "v%d" % n) for n in range(4)]
    other = "sha256:" + "b" * 64
    foreign = planned("app", [("v%d" % n, other if n else digests[0], KEEP if n else DELETE) for n in range(4)])
    with pytest.raises(StoreInvalid, match="of the 4 tags that both know, 1 name the same"):
        StorePrune(store.tree).look(plan_of(foreign))
    unknown = planned("app", [("x", other, KEEP), ("y", other, DELETE)])
    with pytest.raises(StoreInvalid, match="is not where the registry"):
        StorePrune(store.tree).look(plan_of(unknown))


def test_indexes_go_before_their_children_at_every_depth(store):
    leaf = store.image("app", None)
    inner = store.index("app", [leaf])
    outer = store.index("app", [inner], "x")
    single = store.image("app", "y")
    plan = planned(
        "app",
        [("x", outer, DELETE), ("y", single, DELETE)],
        [(leaf, "image"), (inner, "index"), (outer, "index"), (single, "image")],
    )
    valid = StorePrune(store.tree).look(plan_of(plan)).repositories[0].valid
    assert [[one.digest for one in level] for level in valid.levels] == [[outer, single], [inner], [leaf]]


def test_a_second_run_finds_nothing_to_do(store):
    old = store.image("app", "1.0")
    store.image("app", "2.0")
    plan = planned("app", [("1.0", old, DELETE)], [(old, "image")])
    assert prune(store, plan).changed
    again = prune(store, plan)
    assert not again.changes
    assert not again.changed


def test_untag_keeps_the_manifest(store):
    digest = store.image("app", "1.0")
    store.tag("app", "latest", digest)
    pruning = prune(store, planned("app", [("1.0", digest, UNTAG), ("latest", digest, KEEP)]))
    assert held_in(store, "app") == ({"latest": digest}, {digest})
    assert pruning.gone() == {"tags": 0, "untagged": 1, "manifests": 0}


def test_a_tag_that_was_pushed_since_stays_with_what_it_needs(store):
    old = store.image("app", "1.0")
    other = store.image("app", "2.0")
    store.tag("app", "1.0", other)
    pruning = prune(
        store,
        planned("app", [("1.0", old, DELETE), ("2.0", other, DELETE)], [(old, "image"), (other, "image")]),
    )
    tags, manifests = held_in(store, "app")
    assert tags == {"1.0": other}
    assert manifests == {other}
    assert [(name, what) for name, what, _reason in pruning.drifted] == [("app", "1.0"), ("app", other)]


def test_a_new_tag_on_a_doomed_manifest_keeps_it(store):
    old = store.image("app", "1.0")
    store.tag("app", "new", old)
    prune(store, planned("app", [("1.0", old, DELETE)], [(old, "image")]))
    assert held_in(store, "app") == ({"new": old}, {old})


def test_a_new_index_keeps_a_doomed_child_and_what_refers_to_it(store):
    child = store.image("app", "amd64")
    signature = store.image("app", None, subject=child)
    index = store.index("app", [child], "multi")
    pruning = prune(store, planned("app", [("amd64", child, DELETE)], [(child, "image"), (signature, "artifact")]))
    assert held_in(store, "app") == ({"multi": index}, {child, signature, index})
    assert {what for _name, what, _reason in pruning.drifted} == {child, signature}


def test_an_untagged_index_that_the_plan_does_not_know_keeps_its_children(store):
    child = store.image("app", "amd64")
    store.index("app", [store.index("app", [child])])
    prune(store, planned("app", [("amd64", child, DELETE)], [(child, "image")]))
    assert child in held_in(store, "app")[1]


def test_a_broken_tag_keeps_what_it_may_have_named(store):
    doomed, other = store.image("app", "x"), store.image("app", "y")
    broken = os.path.join(store.repository("app"), "_manifests", "tags", "x", "current", "link")
    with open(broken, "wb"):
        pass
    pruning = prune(
        store, planned("app", [("x", doomed, DELETE), ("y", other, DELETE)], [(doomed, "image"), (other, "image")])
    )
    assert os.path.exists(broken)
    assert held_in(store, "app") == ({}, {doomed})
    assert ("app", "x") in [(name, what) for name, what, _reason in pruning.drifted]


def test_where_something_that_stays_cannot_be_read_nothing_goes(store):
    doomed, stays = store.image("app", "x"), store.image("app", "y")
    with open(store.blob_path(stays), "wb"):
        pass
    fine = store.image("fine", "x")
    pruning = prune(
        store,
        planned("app", [("x", doomed, DELETE)], [(doomed, "image")]),
        planned("fine", [("x", fine, DELETE)], [(fine, "image")]),
    )
    assert held_in(store, "app")[0] == {"x": doomed, "y": stays}
    assert held_in(store, "fine") == ({}, set())
    assert [(name, what) for name, what, _reason in pruning.drifted] == [("app", "app")]


def test_a_dangling_tag_goes_while_it_dangles(store):
    store.image("app", "kept")
    store.tag("app", "dangling", "sha256:" + "a" * 64)
    store.tag("app", "came-back", store.image("app", None))
    pruning = prune(store, planned("app", [("dangling", None, DELETE), ("came-back", None, DELETE)]))
    assert sorted(held_in(store, "app")[0]) == ["came-back", "kept"]
    assert [what for _name, what, _reason in pruning.drifted] == ["came-back"]


def test_a_parked_tag_goes_with_its_tombstone(store):
    doomed, kept = store.image("app", "kept"), None
    kept = doomed
    was = store.image("app", None)
    tombstone = store.index("app", [], annotations={TOMBSTONE_ANNOTATION: "run"})
    store.tag("app", "old", tombstone)
    plan = RepositoryPlan(
        "app",
        (PlannedTag("old", was, DELETE, "because", parked=tombstone),),
        planned("x", (), [(was, "image")]).manifests,
    )
    prune(store, plan)
    assert held_in(store, "app") == ({"kept": kept}, {kept})


def test_repositories_that_are_held_are_left_alone(store):
    digest = store.image("app", "x")
    pruning = prune(
        store,
        planned("app", [("x", digest, DELETE)], [(digest, "image")], guards=(Guard("g", "too many", 5, "app"),)),
        planned("sick", [("x", digest, DELETE)], problem="could not be read"),
    )
    assert pruning.held == [("app", "too many"), ("sick", "could not be read")]
    assert held_in(store, "app") == ({"x": digest}, {digest})


def test_a_repository_that_is_gone_is_no_error(store):
    store.image("app", "x")
    assert not prune(store, planned("gone", [("x", "sha256:" + "a" * 64, DELETE)])).changes


def test_the_backup_is_complete_before_anything_goes(store):
    digest = store.image("app", "x")
    child = store.image("app", None)
    index = store.index("app", [child], "multi")
    seen = []

    class Watching(Recorder):
        def ready(self):
            seen.append(held_in(store, "app"))
            super().ready()

    recorder = Watching()
    prune(
        store,
        planned(
            "app",
            [("multi", index, DELETE), ("x", digest, DELETE)],
            [(index, "index"), (child, "image"), (digest, "image")],
        ),
        saver=recorder,
    )
    assert seen == [({"multi": index, "x": digest}, {digest, child, index})]
    kinds = [entry[0] for entry in recorder.entries]
    assert kinds == ["manifest", "manifest", "config", "manifest", "config", "tag", "tag", "ready", "done", "done"]
    assert recorder.entries[-2:] == [("done", "app", ["multi", "x"], []), ("done", "app", [], [index, digest, child])]


def test_what_cannot_be_saved_holds_its_repository(store):
    digest = store.image("app", "x")
    with open(store.blob_path(digest), "ab") as stream:
        stream.write(b" ")
    pruning = prune(store, planned("app", [("x", digest, DELETE)], [(digest, "image")]), saver=Recorder())
    assert pruning.errors == ["app: %s could not be saved before its deletion: its content is damaged" % digest]
    assert held_in(store, "app")[0] == {"x": digest}


def test_what_was_saved_of_a_held_repository_is_not_left_to_the_next_run(store):
    good, bad = store.image("app", "x"), store.image("app", "y")
    with open(store.blob_path(bad), "ab") as stream:
        stream.write(b" ")
    recorder = Recorder()
    plan = planned("app", [("x", good, DELETE), ("y", bad, DELETE)], [(good, "image"), (bad, "image")])
    prune(store, plan, saver=recorder)
    assert held_in(store, "app") == ({"x": good, "y": bad}, {good, bad})
    assert recorder.entries[-2:] == [("done", "app", [], [good]), ("ready",)]


@pytest.mark.parametrize("what", ["its tags", "a revision's link", "an index"])
def test_what_cannot_be_read_is_not_taken_for_absent(store, monkeypatch, what):
    digest = store.image("app", "x")
    plan = planned("app", [("x", digest, DELETE)], [(digest, "image")])
    index = store.index("app", [digest], "since")
    if what == "its tags":

        def failing(*_arguments):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(repository_scan, "read_tags", failing)
    elif what == "a revision's link":
        with open(store.revision_link("app", index), "wb"):
            pass
    else:
        os.remove(store.blob_path(index))
        monkeypatch.setattr(BlobTable, "trouble_with", lambda _table, _digest: "Permission denied")
    pruning = prune(store, plan)
    monkeypatch.undo()
    assert not pruning.changed
    assert "unknown" in pruning.repositories[0].valid.problem
    assert os.path.exists(store.revision_link("app", digest))
    assert held_in(store, "app")[0] == {"x": digest, "since": index}


def test_what_ends_it_early_still_tells_what_has_gone(store, tmp_path):
    digest = store.image("app", "x")

    class Full(Recorder):
        def done(self, repository, tags=(), digests=()):
            raise RuntimeError("the backup cannot be written: No space left on device")

    plan = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]))
    with pytest.raises(Incomplete, match="It ended early: the backup cannot be written") as caught:
        maintain(wish_for(store, tmp_path, plan), False, NOW, lambda identity: (Full(), "/backup"))
    assert (caught.value.details["changed"], caught.value.details["backup_file"]) == (True, "/backup")
    assert caught.value.details["deleted"]["tags"] == 1


def test_a_backup_that_fails_leaves_everything(store):
    digest = store.image("app", "x")

    class Full(Recorder):
        def ready(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        prune(store, planned("app", [("x", digest, DELETE)], [(digest, "image")]), saver=Full())
    assert held_in(store, "app") == ({"x": digest}, {digest})


def test_a_write_in_between_is_noticed(store):
    digest = store.image("app", "x")
    work = StorePrune(store.tree)
    pruning = work.look(plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")])))
    pushed = store.image("app", "x")
    work.carry_out(pruning, Recorder())
    assert "is the registry read-only" in pruning.errors[0]
    assert held_in(store, "app") == ({"x": pushed}, {digest, pushed})


class Killed(BaseException):
    """In place of SIGKILL."""


@pytest.mark.parametrize("moment", range(1, 14))
def test_killed_at_any_moment_the_store_is_whole_and_the_next_run_finishes(store, tmp_path, monkeypatch, moment):
    child = store.image("app", None)
    index = store.index("app", [child], "multi")
    doomed = store.image("app", "x")
    kept_child = store.image("app", None)
    kept = store.index("app", [kept_child], "kept")
    plan = planned(
        "app",
        [("kept", kept, KEEP), ("multi", index, DELETE), ("x", doomed, DELETE)],
        [(index, "index"), (child, "image"), (doomed, "image")],
    )
    left = [moment]

    def counted(real):
        def call(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "mkdir", "rmdir", "unlink"):
            patch.setattr(trash.os, name, counted(getattr(os, name)))
        # A killed process empties nothing on its way out.
        patch.setattr(Trash, "__exit__", lambda self, kind, *_rest: None if kind else self.empty())
        with contextlib.suppress(Killed):
            prune(store, plan)
    tags, manifests = held_in(store, "app")
    assert tags["kept"] == kept
    assert {kept, kept_child} <= manifests
    assert set(tags.values()) <= manifests
    if index in manifests:
        assert child in manifests
    work = StoreScan(store.tree)
    assert list(work.repositories())
    assert work.would_free("2.x").is_safe
    assert work.would_free("3.x").is_safe
    carry_out(wish_for(store, tmp_path, plan_of(plan)))
    assert held_in(store, "app") == ({"kept": kept}, {kept, kept_child})
    assert not os.path.exists(trash_of(store, "app"))
    assert carry_out(wish_for(store, tmp_path, plan_of(plan)))["changed"] is False


def trash_of(store, name):
    return os.path.join(store.repository(name), "_manifests", "_fleetops_removed")


def left_by_a_killed_run(store, name, tag="doomed"):
    """A tag that has been taken away and not been deleted; returns its batch."""
    store.image(name, tag)
    before = set(os.listdir(trash_of(store, name))) if os.path.isdir(trash_of(store, name)) else set()
    Trash(store.tree, name).take("tags/" + tag)
    (batch,) = set(os.listdir(trash_of(store, name))) - before
    return os.path.join(trash_of(store, name), batch)


def test_what_a_killed_run_took_away_goes_in_the_next_one_whatever_that_does(store, tmp_path):
    kept, old = store.image("app", "kept"), store.image("other", "x")
    for name in ("app", "app/sub", "other"):
        left_by_a_killed_run(store, name)
    left_by_a_killed_run(store, "app", "another")
    os.mkdir(os.path.join(trash_of(store, "other"), "0" * 32))
    store.image("third", "x")
    os.mkdir(trash_of(store, "third"))
    before = held_in(store, "app")
    for wish in (wish_for(store, tmp_path), wish_for(store, tmp_path, purge_stale_uploads=True)):
        shown = carry_out(wish, check_mode=True)
        assert (shown["changed"], shown["swept_repositories"]) == (True, ["app", "app/sub", "other", "third"])
        assert os.path.exists(trash_of(store, "app"))
    plan = plan_of(planned("other", [("x", old, DELETE)], [(old, "image")]))
    done = carry_out(wish_for(store, tmp_path, plan))
    assert (done["changed"], done["deleted"]["tags"]) == (True, 1)
    assert done["swept_repositories"] == ["app", "app/sub", "other", "third"]
    assert not any(os.path.lexists(trash_of(store, name)) for name in ("app", "app/sub", "other", "third"))
    assert held_in(store, "app") == before
    assert kept in before[1]
    again = carry_out(wish_for(store, tmp_path, plan))
    assert (again["changed"], again["swept_repositories"]) == (False, [])


def test_nothing_but_what_a_run_took_away_goes_from_the_trash(store, tmp_path):
    batch = left_by_a_killed_run(store, "app")
    place = trash_of(store, "app")
    for path in ("saved by hand", os.path.join(batch, "notes"), os.path.join(batch, "2", "inner")):
        os.makedirs(os.path.join(place, path))
    with open(os.path.join(place, "0" * 32), "wb"):
        pass
    assert carry_out(wish_for(store, tmp_path))["swept_repositories"] == ["app"]
    assert everything(Path(place)) == sorted(
        ["saved by hand", "0" * 32, os.path.basename(batch), os.path.basename(batch) + "/notes"]
    )
    again = carry_out(wish_for(store, tmp_path))
    assert (again["changed"], again["errors"]) == (False, [])


@pytest.mark.parametrize("part", ["", "_manifests", "_manifests/_fleetops_removed", "batch"])
def test_no_leftovers_are_looked_for_behind_a_link(store, tmp_path, part):
    batch = left_by_a_killed_run(store, "team/app")
    linked = batch if part == "batch" else os.path.join(store.repository("team/app"), part).rstrip("/")
    os.rename(linked, str(tmp_path / "elsewhere"))
    os.symlink(str(tmp_path / "elsewhere"), linked)
    before = everything(tmp_path / "elsewhere")
    result = carry_out(wish_for(store, tmp_path))
    assert (result["changed"], result["errors"]) == (False, [])
    assert everything(tmp_path / "elsewhere") == before
    assert os.path.islink(linked)


def test_leftovers_that_cannot_be_deleted_are_told(store, tmp_path, monkeypatch):
    left_by_a_killed_run(store, "app")

    def refuse(*_arguments, **_named):
        raise OSError(30, "Read-only file system", "link")

    monkeypatch.setattr(trash, "remove_real_tree", refuse)
    with pytest.raises(Incomplete, match="Read-only file system"):
        carry_out(wish_for(store, tmp_path))


def test_leftovers_stay_while_another_run_has_the_lease(store, tmp_path):
    left_by_a_killed_run(store, "app")
    with pytest.raises(LeaseLost):
        carry_out(wish_for(store, tmp_path, lease=str(tmp_path / "lease"), run_id="run"))
    assert os.path.exists(trash_of(store, "app"))


def test_a_tag_that_is_there_is_never_called_gone(store):
    """Somebody who empties the trash of a run that goes on must not make it delete the manifests of tags that stayed."""
    store.image("app", "a")
    store.image("app", "b")
    taken = Trash(store.tree, "app")
    assert taken.take("tags/a") is True
    sweep(store.tree, "app")
    with pytest.raises(OSError, match="could not be taken away"):
        taken.take("tags/b")
    assert taken.take("tags/c") is False


def carry_out(wish, check_mode=False):
    return maintain(wish, check_mode, NOW, lambda identity: (Recorder(), "/backup"))


def test_without_a_backup_nothing_goes(store, tmp_path):
    digest = store.image("app", "x")
    plan = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]))
    with pytest.raises(StorageError, match="backup_dir is needed"):
        maintain(wish_for(store, tmp_path, plan), False, NOW)
    assert held_in(store, "app")[0] == {"x": digest}


def wish_for(store, tmp_path, plan=None, **more):
    if plan is not None:
        more["plan_file"] = str(tmp_path / "plan.gz")
        write_records(more["plan_file"], plan_to_records(plan))
    return Wish(**dict({"storage_root": store.root, "registry_stopped_or_read_only": True}, **more))


def test_it_wants_your_word(store, tmp_path):
    digest = store.image("app", "x")
    plan = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]))
    with pytest.raises(NotConfirmed, match="registry_stopped_or_read_only=true"):
        maintain(wish_for(store, tmp_path, plan, registry_stopped_or_read_only=False), False, NOW)
    assert held_in(store, "app")[0] == {"x": digest}
    shown = maintain(wish_for(store, tmp_path, plan, registry_stopped_or_read_only=False), True, NOW)
    assert shown["changed"] is True


def test_check_mode_tells_and_touches_nothing(store, tmp_path):
    digest = store.image("app", "x")
    store.upload("app")
    plan = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]))
    before = files(store)
    wish = wish_for(store, tmp_path, plan, purge_stale_uploads=True)
    shown = maintain(wish, True, NOW, lambda identity: pytest.fail("a backup in check mode"))
    assert files(store) == before
    assert shown["planned"] == {"tags": 1, "untagged": 0, "manifests": 1}
    assert shown["deleted"] == {"tags": 0, "untagged": 0, "manifests": 0}
    assert shown["repositories"] == [{"name": "app", "tags": ["x"], "manifests": [digest]}]
    assert shown["purged_uploads_count"] == 1
    done = carry_out(wish)
    assert done["changed"] is True
    assert (done["planned"], done["deleted"]) == (shown["planned"], shown["planned"])
    assert done["repositories"] == shown["repositories"]
    again = carry_out(wish)
    assert (again["changed"], again["purged_uploads_count"]) == (False, 0)


def test_only_the_approved_plan(store, tmp_path):
    digest = store.image("app", "x")
    plan = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]))
    with pytest.raises(StorageError, match="not the approved"):
        maintain(wish_for(store, tmp_path, plan, plan_id="0" * 64), False, NOW)
    assert held_in(store, "app")[0] == {"x": digest}
    assert carry_out(wish_for(store, tmp_path, plan, plan_id=plan.identity))["changed"] is True


@pytest.mark.parametrize("made_at", ["https://other.example", ""])
def test_a_plan_that_was_made_at_another_address_is_refused(store, tmp_path, made_at):
    digest = store.image("app", "x")
    plan = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]), url=made_at)
    for check_mode in (True, False):
        with pytest.raises(
            StorageError, match="is of the registry at .*, and url is https://r.example.*Nothing was done"
        ):
            carry_out(wish_for(store, tmp_path, plan, url="https://r.example"), check_mode)
    assert held_in(store, "app")[0] == {"x": digest}
    own = plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]), url="https://r.example")
    assert carry_out(wish_for(store, tmp_path, own, url="https://r.example"))["changed"] is True


def test_a_held_plan_needs_approval(store, tmp_path):
    digest = store.image("app", "x")
    plan = plan_of(
        planned("app", [("x", digest, DELETE)], [(digest, "image")]),
        guards=(Guard("max_delete_percent", "100 % of all tags would go", 100),),
    )
    with pytest.raises(GuardHeld, match="plan_id=" + plan.identity):
        maintain(wish_for(store, tmp_path, plan), False, NOW)
    assert carry_out(wish_for(store, tmp_path, plan, plan_id=plan.identity))["deleted"]["tags"] == 1


def test_a_plan_that_was_altered_is_refused(store, tmp_path):
    digest = store.image("app", "x")
    records = list(plan_to_records(plan_of(planned("app", [("x", digest, DELETE)], [(digest, "image")]))))
    for record in records:
        if record["type"] == "tag":
            record["name"] = "y"
    write_records(str(tmp_path / "plan"), records)
    wish = Wish(storage_root=store.root, registry_stopped_or_read_only=True, plan_file=str(tmp_path / "plan"))
    with pytest.raises(StorageError, match="altered"):
        maintain(wish, False, NOW)


def test_errors_fail_and_tell_what_was_done(store, tmp_path):
    bad, good = store.image("bad", "x"), store.image("good", "x")
    with open(store.blob_path(bad), "ab") as stream:
        stream.write(b" ")
    plan = plan_of(
        planned("bad", [("x", bad, DELETE)], [(bad, "image")]),
        planned("good", [("x", good, DELETE)], [(good, "image")]),
    )
    with pytest.raises(Incomplete, match="its content is damaged") as caught:
        maintain(wish_for(store, tmp_path, plan), False, NOW, lambda identity: (Recorder(), "/backup"))
    assert caught.value.details["deleted"]["tags"] == 1
    assert caught.value.details["changed"] is True
    assert caught.value.details["backup_file"] == "/backup"


def test_stale_uploads_are_purged_and_young_ones_are_not(store, tmp_path):
    store.image("app", "x")
    old = store.upload("app", started="2020-01-01T00:00:00Z")
    young = store.upload("app", started="2027-01-15T07:00:00Z", uuid="young")
    result = maintain(wish_for(store, tmp_path, purge_stale_uploads=True), False, NOW)
    assert (result["purged_uploads_count"], result["purged_uploads_bytes"]) == (1, 4)
    assert not os.path.exists(old)
    assert os.path.exists(young)


def empty(store, name, at=1000):
    store.delete(name, store.image(name, "x", at=at))


def test_emptied_repositories_go_and_nested_ones_stay(store, tmp_path):
    empty(store, "a/b")
    kept = store.image("a/b/c", "x")
    empty(store, "a/b/d/e")
    empty(store, "lonely/one")
    store.image("full", "x", at=1000)
    result = maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)
    assert result["removed_repositories"] == ["a/b", "a/b/d/e", "lonely/one"]
    names = [contents.name for contents in StoreScan(store.tree).repositories()]
    assert names == ["a/b/c", "full"]
    assert held_in(store, "a/b/c") == ({"x": kept}, {kept})
    assert sorted(os.listdir(os.path.join(store.tree, "repositories"))) == ["a", "full"]
    assert maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)["changed"] is False


def test_what_is_not_surely_empty_stays(store, tmp_path):
    store.layer("first-push", b"new", at=NOW - 60)
    empty(store, "uploading")
    store.upload("uploading", started="2027-01-15T07:00:00Z")
    empty(store, "broken-tag")
    os.makedirs(os.path.join(store.repository("broken-tag"), "_manifests", "tags", "odd"))
    digest = store.image("broken-link", "x", at=1000)
    MadeStore.remove(os.path.join(store.repository("broken-link"), "_manifests", "tags", "x"))
    with open(store.revision_link("broken-link", digest), "wb"):
        pass
    result = maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)
    assert result["removed_repositories"] == []


def test_a_repository_whose_uploads_are_purged_may_go(store, tmp_path):
    empty(store, "old")
    store.upload("old")
    wish = wish_for(store, tmp_path, remove_empty_repositories=True, purge_stale_uploads=True)
    assert maintain(wish, True, NOW)["removed_repositories"] == ["old"]
    assert maintain(wish, False, NOW)["removed_repositories"] == ["old"]


def test_manifests_go_before_layers(store, tmp_path, monkeypatch):
    """The other way round, 2.x loses images and 3.x stops collecting if this is interrupted."""
    from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import leftovers

    empty(store, "old")
    order = []
    real = leftovers.remove_tree
    monkeypatch.setattr(
        leftovers, "remove_tree", lambda tree, place: (order.append(os.path.basename(place)), real(tree, place))
    )
    maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)
    assert order == ["_manifests", "_layers", "_uploads"]


def test_symbolic_links_are_not_followed_when_removing(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    empty(store, "old")
    os.symlink(str(outside), os.path.join(store.repository("old"), "_uploads"))
    with pytest.raises(Incomplete):
        maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)
    assert (outside / "precious").exists()


@pytest.fixture
def outside(tmp_path):
    """What nobody has asked to delete, as deep as a store is."""
    for name in ("upload", "batch/taken", "1.0/current"):
        (tmp_path / "outside" / name).mkdir(parents=True)
    (tmp_path / "outside" / "batch" / "taken" / "precious").write_text("x")
    return tmp_path / "outside"


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("part", ["_manifests/_fleetops_removed", "_manifests/_fleetops_removed/batch"])
@pytest.mark.parametrize("doomed", [True, False])
def test_a_link_in_the_place_of_the_trash_is_not_followed(store, outside, part, doomed):
    old, new = store.image("app", "1.0"), store.image("app", "2.0")
    link = os.path.join(store.repository("app"), part)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(str(outside), link)
    before = everything(outside)
    # A tag that has moved leaves the repository nothing to do.
    tags = [("1.0", old if doomed else new, DELETE), ("2.0", new, KEEP)]
    pruning = prune(store, planned("app", tags, [(old, "image")] if doomed else []))
    assert everything(outside) == before
    assert os.path.islink(link)
    if part.endswith("removed") and doomed:
        assert "%s: is a symbolic link or no folder, and is not followed" % link in pruning.errors[0]
    else:
        assert not pruning.errors


@pytest.mark.parametrize("part", ["_manifests", "_manifests/tags", "_manifests/revisions", ""])
def test_nothing_is_moved_out_of_a_folder_behind_a_link(store, tmp_path, part):
    old, new = store.image("team/app", "1.0"), store.image("team/app", "2.0")
    linked = os.path.join(store.repository("team/app"), part).rstrip("/")
    os.rename(linked, str(tmp_path / "elsewhere"))
    os.symlink(str(tmp_path / "elsewhere"), linked)
    before = everything(tmp_path / "elsewhere")
    pruning = prune(store, planned("team/app", [("1.0", old, DELETE), ("2.0", new, KEEP)], [(old, "image")]))
    assert pruning.gone()["manifests"] == 0
    assert "%s: is a symbolic link or no folder, and is not followed" % linked in pruning.errors[0]
    assert everything(tmp_path / "elsewhere") == before


def test_uploads_behind_a_link_are_not_purged(store, tmp_path, outside):
    store.image("app", "x")
    link = os.path.join(store.repository("app"), "_uploads")
    os.symlink(str(outside), link)
    before = everything(outside)
    with pytest.raises(Incomplete) as caught:
        maintain(wish_for(store, tmp_path, purge_stale_uploads=True), False, 2 * NOW)
    assert everything(outside) == before
    assert link + ": is a symbolic link or no folder, and is not followed" in caught.value.details["errors"]


def test_an_upload_that_is_a_link_is_none(store, tmp_path, outside):
    store.upload("app")
    os.symlink(str(outside), os.path.join(store.repository("app"), "_uploads", "zzz"))
    result = maintain(wish_for(store, tmp_path, purge_stale_uploads=True), False, 2 * NOW)
    assert result["purged_uploads_count"] == 1
    assert outside.exists()


def test_an_emptied_repository_behind_a_link_stays(store, tmp_path):
    empty(store, "team/old")
    os.rename(store.repository("team"), str(tmp_path / "elsewhere"))
    os.symlink(str(tmp_path / "elsewhere"), store.repository("team"))
    before = everything(tmp_path / "elsewhere")
    with pytest.raises(Incomplete):
        maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)
    assert everything(tmp_path / "elsewhere") == before


def test_a_store_behind_a_link_is_pruned(store, tmp_path):
    old, new = store.image("app", "1.0"), store.image("app", "2.0")
    empty(store, "old")
    os.rename(store.tree, str(tmp_path / "disk"))
    os.symlink(str(tmp_path / "disk"), store.tree)
    prune(store, planned("app", [("1.0", old, DELETE), ("2.0", new, KEEP)], [(old, "image")]))
    assert held_in(store, "app") == ({"2.0": new}, {new})
    result = maintain(wish_for(store, tmp_path, remove_empty_repositories=True), False, NOW)
    assert result["removed_repositories"] == ["old"]
