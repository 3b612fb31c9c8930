# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs of the prune against a registry in memory: what must not happen when runs follow each other, fail, or know only a part.

What a real registry does with the same requests is proved in tests/integration.
"""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    ConnectionFailed,
    NotFound,
    RegistryError,
    ServerFailed,
    Unsupported,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes import undo as undoing
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.naming import (
    delete_named,
    untag_named,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.plan_file import (
    PlanFileError,
    write_plan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.pruning import prune
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.request import prune_request
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import StrategyUnavailable
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.undo import undo
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import KEEP
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import Reference
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    FILESYSTEM,
    GARBAGE_COLLECT,
    Scan,
    StoredManifest,
    StoredRepository,
    StoredTag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.tombstone import (
    Parked,
    make_tombstone,
)
from ansible_collections.fleetops.container_registry.tests.unit.changes.options import DEFAULTS
from ansible_collections.fleetops.container_registry.tests.unit.images.played_registry import (
    PlayedRegistry,
    digest_of,
    raising,
)

DAY = 86400.0
NOW = 1_760_000_000.0
ONE = [{"name": "one", "keep_newest": 1}]
LEFT_OVER = [{"name": "left over", "untagged": True, "keep_younger_than": "7d"}]


def days_ago(days):
    return format_instant(NOW - days * DAY)


class Registry(PlayedRegistry):
    """One that deletes and takes pushes, by whose own clock nothing happens."""

    def __init__(self, native=True, may_push=True):
        super().__init__()
        self.native, self.may_push, self.twos = native, may_push, False
        self.connection.find_hidden_tags = None

    @property
    def address(self):
        return Address.parse(self.connection.url)

    def lists_all(self, _repository, listed):
        return bool(listed) and self.twos

    def probe(self, _name):
        untag = api.NATIVE if self.native else (api.TOMBSTONE if self.may_push else api.NONE)
        return api.Abilities(api.ENABLED, untag, api.ALLOWED if self.may_push else api.DENIED)

    def prepare_push(self, _repository):
        """There is no token to be had."""

    prepare_delete = prepare_push

    def delete_manifest(self, repository, reference):
        self._call("delete", repository, reference)
        tags = self.repositories[repository]
        if reference in tags:
            if not self.native:
                raise Unsupported("no tag goes alone here")
            del tags[reference]
        elif (repository, reference) in self.manifests:
            del self.manifests[repository, reference]
            self.repositories[repository] = {tag: digest for tag, digest in tags.items() if digest != reference}
        else:
            raise NotFound("no %s" % reference, code="MANIFEST_UNKNOWN")
        return api.DeleteAnswer(202)

    def put_manifest(self, repository, reference, body, media_type):
        self._call("put", repository, reference)
        digest = digest_of(body)
        self.manifests[repository, digest] = (media_type, body)
        if reference != digest:
            self.repositories[repository][reference] = digest
        return digest

    def blob_range(self, _repository, _digest):
        return True

    def has(self, *digests, repository="a"):
        return [(repository, digest) in self.manifests for digest in digests]

    def tags_of(self, repository="a"):
        return sorted(self.repositories[repository])


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def run(registry, tmp_path):
    """A run of the prune, DAYS after NOW."""

    def prune_it(policies=None, days=0.0, check=False, scan=None, approved="", **options):
        given = dict(
            DEFAULTS, max_delete_percent=100.0, policies=policies or ONE, backup_dir=str(tmp_path / "backup"), **options
        )
        request = dataclasses.replace(prune_request(given, check), scan=scan, approved=approved)
        return prune(registry, request, NOW + days * DAY)

    return prune_it


def planned(result, digest):
    """What RESULT says of a manifest of the first repository."""
    (found,) = [entry for entry in result.plan.repositories[0].manifests if entry.digest == digest]
    return found


# --- tags that are not listed


def collected(digests):
    return Scan(GARBAGE_COLLECT, NOW, {"a": StoredRepository("a", {}, {one: StoredManifest(one) for one in digests})})


@pytest.fixture
def hiding(registry):
    """build-10 is there and not listed, and build-9 was pushed over: digests of both."""
    registry.image("a", "build-1", created=days_ago(30))
    hidden = registry.image("a", "build-10", created=days_ago(20))
    left = registry.image("a", created=days_ago(25))
    registry.faults["tags", "a", ""] = lambda: ["build-1"]
    return hidden, left


def test_what_may_have_a_hidden_tag_is_not_deleted_as_untagged(registry, run, hiding):
    scan = collected([digest for _name, digest in registry.manifests])
    for days in (0, 8):
        result = run(LEFT_OVER, days, scan=scan)
    assert registry.has(*hiding) == [True, True]
    assert "find_hidden_tags" in planned(result, hiding[0]).reason


@pytest.mark.parametrize("how", ["2.x", "a pair is listed", "asked for", "another storage"])
def test_where_no_tag_is_hidden_what_was_pushed_over_goes(registry, run, hiding, how):
    scan = collected([digest for _name, digest in registry.manifests])
    registry.twos = how == "2.x"
    registry.connection.find_hidden_tags = {"asked for": True, "another storage": False}.get(how)
    registry.faults.clear()
    if how != "a pair is listed":
        registry.repositories["a"]["other"] = registry.repositories["a"].pop("build-10")
    for days in (0, 8):
        run(LEFT_OVER, days, scan=scan)
    assert registry.has(*hiding) == [True, False]


def delete_or_untag(registry, how, *references, check=False):
    names = [Reference.parse(one) for one in references]
    if how == "untag":
        return untag_named(registry, names, "auto", check, NOW)
    return delete_named(registry, names, False, False, "", check, NOW)


@pytest.mark.parametrize("how", ["untag", "delete"])
@pytest.mark.parametrize("search", [None, True])
def test_a_named_tag_that_is_there_and_not_listed_is_not_called_absent(registry, hiding, how, search):
    registry.connection.find_hidden_tags = search
    result = delete_or_untag(registry, how, "a:build-1", "a:build-10", "a:build-11", "b:x")
    (refusal,) = result.named.refusals
    assert refusal.reference == "a:build-10"
    assert ("out of date" if search else "find_hidden_tags: true") in refusal.reason
    assert sorted(result.named.absent) == ["a:build-11", "b:x"]
    assert registry.tags_of() == ["build-1", "build-10"]


@pytest.mark.parametrize("how", ["untag", "delete"])
def test_a_named_tag_of_which_nothing_can_be_told_is_refused(registry, how):
    registry.image("a", "x")
    registry.faults["get", "a", "y"] = raising(ServerFailed("on fire"))
    result = delete_or_untag(registry, how, "a:y", check=True)
    assert result.named.absent == ()
    assert "on fire" in result.named.refusals[0].reason


# --- dates that are not known


@pytest.mark.parametrize("config", [None, b"[]", b" " * (5 << 20)], ids=["gone", "no config", "too large"])
def test_an_index_with_an_image_of_unknown_age_stays(registry, run, config):
    images = [
        registry.image("a", created=days_ago(days), platform="linux/" + name) for days, name in ((2, "x"), (400, "y"))
    ]
    index = registry.index("a", list(zip(images, ("linux/x", "linux/y"))), "multi")
    registry.image("a", "new", created=days_ago(1), size=7)
    newest = json.loads(registry.manifests["a", images[0]][1])["config"]["digest"]
    del registry.blobs[newest]
    if config is not None:
        registry.blobs[newest] = config
    run([{"name": "age", "keep_younger_than": "90d"}])
    assert registry.has(index, *images) == [True, True, True]


# --- protection


@pytest.mark.parametrize("protect", ["{}", "a@{}"])
def test_a_protected_index_without_a_tag_keeps_its_children(registry, run, protect):
    child = registry.image("a", "1.0-amd64", created=days_ago(400))
    other = registry.image("a", created=days_ago(401))
    registry.image("a", "2.0", created=days_ago(1))
    index = registry.index("a", [child, other])
    result = run(protected=[protect.format(index)])
    assert registry.tags_of() == ["2.0"]
    assert registry.has(index, child, other) == [True, True, True]
    assert result.outcome.errors == []


def test_an_index_in_its_grace_keeps_its_children(registry, run):
    child = registry.image("a", "1.0-amd64", created=days_ago(300))
    index = registry.index("a", [child], "1.0")
    registry.image("a", "2.0", created=days_ago(1))
    keep = [{"name": "one", "keep_newest": 1, "keep_tags": ["*-amd64"]}]
    run(keep, delete_grace="7d")
    assert registry.tags_of() == ["1.0-amd64", "2.0"]
    run(ONE, 1)
    assert registry.has(index, child) == [True, True]


def test_what_was_promised_to_wait_waits_whatever_the_next_run_says(registry, run):
    old = registry.image("a", "old", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    run(delete_grace="7d")
    run(days=1)
    assert registry.has(old) == [True]
    run(days=8)
    assert registry.has(old) == [False]


# --- saved plans


@pytest.fixture
def saved(run, tmp_path):
    path = str(tmp_path / "plan.gz")
    return path, lambda **options: run(check=True, plan_file=path, **options)


def test_a_restored_tag_is_held_from_an_approved_plan_too(registry, run, saved):
    path, plan = saved
    registry.image("a", "old", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    plan()
    done = run()
    assert registry.tags_of() == ["new"]
    undo(registry, done.backup_file, None, None, False, 7 * DAY, False, NOW + 20)
    run(approved=path, days=0.01)
    assert registry.tags_of() == ["new", "old"]
    run(approved=path, days=8)
    assert registry.tags_of() == ["new"]


def test_the_hold_knows_its_registry_however_the_address_is_written(registry, run):
    registry.image("a", "old", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    done = run()
    registry.connection.url = "https://R.example/"
    undo(registry, done.backup_file, None, None, False, 7 * DAY, False, NOW + 20)
    registry.connection.url = "https://r.example"
    run(days=0.01)
    assert registry.tags_of() == ["new", "old"]


def test_a_kept_tag_that_was_pushed_again_does_not_stop_an_approved_plan(registry, run, saved):
    path, plan = saved
    before = registry.image("a", "latest", created=days_ago(1))
    registry.image("a", "old", created=days_ago(100))
    plan()
    registry.image("a", "latest", created=days_ago(0))
    run(approved=path)
    assert registry.tags_of() == ["latest"]
    assert registry.has(before) == [True]


def test_a_plan_protects_what_is_protected_since_and_has_no_tag(registry, run, saved):
    path, plan = saved
    child = registry.image("a", "old", created=days_ago(100))
    index = registry.index("a", [child])
    registry.image("a", "new", created=days_ago(1))
    plan()
    run(approved=path, protected=[index])
    assert registry.has(index, child) == [True, True]


def test_a_plan_that_was_altered_to_delete_what_stays_is_another_plan(registry, run, saved):
    path, plan = saved
    registry.image("a", "old", created=days_ago(100))
    kept = registry.image("a", "new", created=days_ago(1))
    first = plan().plan
    (repository,) = first.repositories
    tags = tuple(tag if tag.action == KEEP else dataclasses.replace(tag, parked=kept) for tag in repository.tags)
    altered = dataclasses.replace(
        first, repositories=(dataclasses.replace(repository, tags=tags),), url=registry.address.base
    )
    assert altered.identity != first.identity
    write_plan(path, altered)
    result = run(approved=path)
    assert "is no tombstone" in result.outcome.errors[0]
    assert registry.has(kept) == [True]
    assert registry.tags_of() == ["new", "old"]


# --- runs that deleted nothing


def stored(registry, *untagged):
    tags = {name: StoredTag(name, digest, NOW - 50 * DAY) for name, digest in registry.repositories["a"].items()}
    manifests = {digest: StoredManifest(digest, NOW - 90 * DAY, NOW - 30 * DAY) for digest in untagged}
    return Scan(FILESYSTEM, NOW, {"a": StoredRepository("a", tags, manifests)})


def test_what_a_failed_backup_has_held_is_judged_anew(registry, run, monkeypatch):
    left = registry.image("a", created=days_ago(300))
    registry.image("a", "old", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    unread = registry.manifests["a", left]
    scan = stored(registry, left)
    monkeypatch.setattr(
        "ansible_collections.fleetops.container_registry.plugins.module_utils.images.bodies.Bodies.get",
        lambda _bodies, _name, digest: unread if digest == left else raising(ServerFailed("503"))(),
    )
    first = run(ONE + LEFT_OVER, scan=scan)
    assert "could not be saved" in first.outcome.errors[0]
    assert registry.tags_of() == ["new", "old"]
    monkeypatch.undo()
    run([{"name": "all", "keep": "all"}], 0.01)
    assert registry.has(left) == [True]


def test_a_strategy_that_cannot_be_followed_leaves_nothing_to_finish(registry, run, tmp_path):
    registry.native = False
    left = registry.image("a", created=days_ago(300))
    registry.image("a", "old", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    with pytest.raises(StrategyUnavailable):
        run(ONE + LEFT_OVER, scan=stored(registry, left), strategy="tag")
    assert not list((tmp_path / "backup").glob("*.backup.jsonl"))
    run([{"name": "all", "keep": "all"}], 0.01)
    assert registry.has(left) == [True]


@pytest.mark.parametrize("strategy", ["digest", "tag", "tombstone"])
def test_an_index_that_cannot_be_deleted_keeps_its_children_and_its_signature(registry, run, strategy):
    children = [registry.image("a", created=days_ago(100 + number)) for number in (0, 1)]
    inner = registry.index("a", children)
    index = registry.index("a", [inner], "old")
    signature = registry.image("a", "sha256-%s.sig" % index[7:], created=days_ago(100), size=7)
    registry.image("a", "new", created=days_ago(1))
    registry.faults["delete", "a", index] = raising(ServerFailed("500"))
    first = run(strategy=strategy)
    assert len(first.outcome.errors) == 1
    assert registry.has(index, inner, *children, signature) == [True] * 5
    registry.faults.clear()
    second = run(days=0.01, strategy=strategy)
    assert second.outcome.errors == []
    assert registry.has(index, inner, *children, signature) == [False] * 5


# --- what is remembered


def test_a_restored_tag_that_somebody_pushes_later_is_as_young_as_that_push(registry, run, monkeypatch):
    monkeypatch.setattr(undoing, "time", SimpleNamespace(time=lambda: NOW + 30))
    tagged = registry.image("a", "release", created=days_ago(400))
    registry.image("a", "new", created=days_ago(1))
    policies = [{"name": "young", "keep_younger_than": "90d"}]
    done = run(policies, scan=stored_at(registry, release=390))
    assert registry.tags_of() == ["new"]
    undo(registry, done.backup_file, None, None, False, DAY, False, NOW + 20)
    assert doomed(run(policies, 2, check=True, scan=stored_at(registry, release=-25 / DAY))) == ["release"]
    assert doomed(run(policies, 2, check=True, scan=stored_at(registry, release=-1))) == []
    assert registry.has(tagged) == [True]


def stored_at(registry, **days):
    tags = {
        name: StoredTag(name, digest, NOW - days.get(name, 1) * DAY)
        for name, digest in registry.repositories["a"].items()
    }
    return Scan(FILESYSTEM, NOW, {"a": StoredRepository("a", tags, {})})


def doomed(result):
    return [tag.name for tag in result.plan.repositories[0].doomed_tags]


# --- options


def test_an_empty_list_of_repositories_is_refused_and_means_no_registry(run):
    with pytest.raises(RegistryError, match="repositories: the list is empty"):
        run(repositories=[])


def test_orphans_stay_where_not_every_repository_was_looked_at(registry, run):
    image = registry.image("app", "1.0", created=days_ago(1), size=50)
    gone = "sha256:" + "9" * 64
    for digest in (image, gone):
        registry.image("a", "sha256-%s.sig" % digest[7:], size=int(digest[7:9], 16) + 300)
    registry.image("a", "tools", created=days_ago(1))
    names = registry.tags_of()
    young = [{"name": "young", "keep_younger_than": "90d"}]
    part = run(young, remove_orphans=True, repositories=["a"])
    assert registry.tags_of() == names
    assert "does not look at" in [tag for tag in part.plan.repositories[0].tags if tag.name != "tools"][0].reason
    run(young, remove_orphans=True)
    assert registry.tags_of() == sorted(["tools", "sha256-%s.sig" % image[7:]])


def test_a_tag_that_cannot_be_taken_off_alone_is_a_failure_in_check_mode_too(registry):
    registry.native = registry.may_push = False
    registry.image("a", "x", "y")
    for check in (True, False):
        with pytest.raises(StrategyUnavailable, match="right to push"):
            untag_named(registry, [Reference.parse("a:x")], "auto", check, NOW)


@pytest.mark.parametrize("delete", [False, True])
def test_tags_on_the_tombstone_of_another_one_are_put_back_unless_they_are_named(registry, delete):
    registry.native = False
    images = {tag: registry.image("a", tag, size=number + 1) for number, tag in enumerate("xyz")}
    tombstone = registry.put("a", parking(**images), "x", "y", "z")
    if delete:
        delete_named(registry, [Reference.parse("a:x")], False, False, "", False, NOW)
    else:
        untag_named(registry, [Reference.parse("a:x")], "auto", False, NOW)
    assert registry.repositories["a"] == {"y": images["y"], "z": images["z"]}
    assert registry.has(tombstone, images["x"]) == [False, not delete]


def parking(**images):
    """A tombstone as an interrupted run leaves it, with what each tag named."""
    return json.loads(make_tombstone("run", {tag: Parked(digest) for tag, digest in images.items()}).body)


@pytest.mark.parametrize("next_run", ["the same task", "a prune that keeps it", "a prune that deletes it"])
def test_a_tag_that_was_left_on_a_tombstone_is_finished_or_undone(registry, run, next_run):
    """registry_tag_delete keeps no journal: all that is known of it is what the tombstone itself says."""
    registry.native = False
    image = registry.image("a", "x", created=days_ago(100))
    registry.image("a", "y", created=days_ago(1))
    put = registry.put_manifest

    def die_after(*arguments):
        registry.put_manifest = put
        digest = put(*arguments)
        if arguments[1] == "x":
            registry.faults["delete", "a", digest] = raising(ConnectionFailed("killed"))
        else:
            registry.put_manifest = die_after
        return digest

    registry.put_manifest = die_after
    first = untag_named(registry, [Reference.parse("a:x")], "auto", False, NOW)
    assert "could not be deleted" in first.outcome.errors[0]
    assert registry.repositories["a"]["x"] != image
    registry.faults.clear()
    if next_run == "the same task":
        again = untag_named(registry, [Reference.parse("a:x")], "auto", False, NOW + 60)
        assert [entry.untagged_tags for entry in again.outcome.repositories] == [["x"]]
    else:
        run(ONE if "deletes" in next_run else [{"name": "all", "keep": "all"}], 0.01)
    assert registry.repositories["a"].get("x") == (image if "keeps" in next_run else None)
    assert registry.tags_of() == (["x", "y"] if "keeps" in next_run else ["y"])
    assert registry.has(image) == ["deletes" not in next_run]


def test_a_tombstone_whose_link_a_killed_registry_left_empty_is_pushed_again_and_goes(registry, run):
    registry.native = False
    registry.image("a", "old", "x", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    put, stones = registry.put_manifest, []

    def dying(repository, reference, body, media_type):
        digest = put(repository, reference, body, media_type)
        stones.append(digest)
        registry.repositories["a"].pop(reference, None)
        registry.faults["delete", "a", digest] = raising(ConnectionFailed("killed"))
        return digest

    registry.put_manifest = dying
    first = run(strategy="tombstone")
    assert first.outcome.interrupted or first.outcome.errors
    registry.faults.clear()
    for method in ("get", "head"):
        registry.faults[method, "a", stones[0]] = raising(ServerFailed("500"))

    def mending(repository, reference, body, media_type):
        registry.faults.clear()
        return put(repository, reference, body, media_type)

    registry.put_manifest = mending
    second = run(days=0.01, strategy="tombstone")
    assert second.outcome.errors == []
    assert registry.has(stones[0]) == [False]
    assert registry.tags_of() == ["new"]


@pytest.mark.parametrize("how", ["held", "protected"])
def test_what_refers_to_an_image_that_an_approved_plan_spares_stays_too(registry, run, saved, how):
    path, plan = saved
    image = registry.image("a", "old", created=days_ago(100))
    signature = registry.image("a", "sha256-%s.sig" % image[7:], size=9)
    report = registry.image("a", created=days_ago(100), size=8, subject={"digest": image, "size": 1, "mediaType": "x"})
    registry.repositories["a"]["report"] = report
    registry.image("a", "new", created=days_ago(1))
    plan()
    if how == "held":
        done = run()
        undo(registry, done.backup_file, None, None, False, 7 * DAY, False, NOW + 20)
        assert registry.has(image, signature, report) == [True] * 3
    result = run(approved=path, days=0.01, protected=[image] if how == "protected" else None)
    assert registry.has(image, signature, report) == [True] * 3
    assert ("a:old" in result.held) == (how == "held")


def test_work_that_a_failed_backup_puts_off_is_still_known_afterwards(registry, run, monkeypatch):
    old = registry.image("a", "old", created=days_ago(100))
    registry.image("a", "new", created=days_ago(1))
    registry.faults["delete", "a", old] = raising(ServerFailed("500"))
    run(strategy="tag")
    assert registry.tags_of() == ["new"]
    registry.faults.clear()
    second = registry.image("a", "second", created=days_ago(50))
    target = "ansible_collections.fleetops.container_registry.plugins.module_utils.images.bodies.Bodies.get"
    monkeypatch.setattr(target, lambda *_arguments: raising(ServerFailed("503"))())
    assert "could not be saved" in run(days=0.01).outcome.errors[0]
    monkeypatch.undo()
    assert registry.has(old, second) == [True, True]
    run(days=0.02)
    assert registry.has(old, second) == [False, False]


def test_a_plan_is_saved_where_no_folder_was_and_one_that_is_not_there_is_named(registry, run, tmp_path):
    registry.image("a", "new", created=days_ago(1))
    path = tmp_path / "some" / "where" / "plan.jsonl.gz"
    with pytest.raises(PlanFileError, match="cannot be read: No such file.*Make the plan first"):
        run(approved=str(path))
    run(check=True, plan_file=str(path))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PlanFileError, match="cannot be saved.*Nothing was deleted"):
        run(check=True, plan_file=str(tmp_path / "file" / "plan.jsonl.gz"))


def test_a_kept_manifest_that_is_gone_does_not_stop_an_approved_plan(registry, run, saved):
    path, plan = saved
    before = registry.image("a", "latest", created=days_ago(1))
    registry.image("a", "old", created=days_ago(100))
    plan()
    registry.image("a", "latest", created=days_ago(0))
    del registry.manifests["a", before]
    run(approved=path)
    assert registry.tags_of() == ["latest"]
