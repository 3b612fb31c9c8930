# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking: nothing unknown may pass for absent, and nothing is asked for twice."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import errors, parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.bodies import Bodies
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Needs, look
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.refresh import refresh
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.selection import select_repositories
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.unfinished import (
    Unfinished,
    with_unfinished,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import MAX_CONFIG_BYTES
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import ReferenceInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    FILESYSTEM,
    GARBAGE_COLLECT,
    Scan,
    StoredManifest,
    StoredRepository,
    StoredTag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.tombstone import Parked, make_tombstone
from ansible_collections.fleetops.container_registry.tests.unit.images.played_registry import (
    PlayedRegistry,
    digest_of,
    raising,
)

NOW = 1700000000.0
GONE = "sha256:" + "9" * 64
DEEP = Needs(manifests=True, configs=True)


@pytest.fixture
def registry():
    return PlayedRegistry()


def seen(registry, needs=DEEP, patterns=None, **more):
    looked = look(registry, patterns, needs, now=NOW, **more)
    return {repository.name: repository for repository in looked.snapshot.repositories}


def tags_of(repository):
    return {tag.name: tag.digest for tag in repository.tags}


def test_each_thing_is_read_once(registry):
    for number in range(5):
        registry.image("a", f"v{number}", f"w{number}", created=f"2024-01-0{number + 1}T00:00:00Z")
    registry.image("b", "v", created="2024-01-01T00:00:00Z")  # the same config as in a
    repositories = seen(registry)
    assert {name: len(repository.tags) for name, repository in repositories.items()} == {"a": 10, "b": 1}
    assert registry.count("tags") == 2
    assert registry.count("get") == 11
    assert registry.count("blob") == 5
    assert all(manifest.config.created for one in repositories.values() for manifest in one.manifests.values())


def test_only_digests_take_no_more_than_a_head_each(registry):
    digest = registry.image("a", "v1", "v2")
    repository = seen(registry, Needs(manifests=False))["a"]
    assert tags_of(repository) == {"v1": digest, "v2": digest}
    assert repository.manifests == {}
    assert (registry.count("head"), registry.count("get"), registry.count("blob")) == (2, 0, 0)


def test_children_at_every_level_are_read_once_and_missing_ones_noted(registry):
    leaf = registry.image("a")
    inner = registry.index("a", [leaf, GONE])
    registry.index("a", [inner, leaf], "v1")
    registry.index("a", [leaf, inner], "v2")
    repository = seen(registry)["a"]
    assert {leaf, inner} < set(repository.manifests)
    assert repository.missing == {GONE}
    assert repository.problem == ""
    by_digest = [name for method, _repository, name in registry.calls if method == "get" and name.startswith("sha256:")]
    assert sorted(by_digest) == sorted([leaf, inner, GONE])


def test_subjects_and_the_images_of_companion_tags_are_looked_for(registry):
    untagged = registry.image("a")
    registry.image("a", "signature", subject={"mediaType": "x", "digest": untagged, "size": 1})
    other = registry.image("a", created="2024-01-01T00:00:00Z")
    registry.image("a", "sha256-%s.sig" % other[7:], created="2024-01-02T00:00:00Z")
    registry.image("a", "sha256-" + "9" * 64, created="2024-01-03T00:00:00Z")
    repository = seen(registry)["a"]
    assert {untagged, other} <= set(repository.manifests)
    assert repository.missing == {GONE}


def test_a_tag_that_vanished_is_dropped(registry):
    registry.image("a", "v1", "v2")
    registry.faults["get", "a", "v2"] = raising(errors.NotFound("gone"))
    lists = [["v1", "v2"], ["v1"]]
    registry.faults["tags", "a", ""] = lambda: lists.pop(0)
    repository = seen(registry)["a"]
    assert list(tags_of(repository)) == ["v1"]
    assert repository.problem == ""


def test_a_tag_that_is_still_listed_and_absent_twice_is_dangling(registry):
    registry.image("a", "v1", "v2")
    registry.faults["get", "a", "v2"] = raising(errors.NotFound("gone"))
    repository = seen(registry)["a"]
    assert tags_of(repository)["v2"] is None
    assert repository.problem == ""
    assert [call for call in registry.calls if call == ("get", "a", "v2")] == [("get", "a", "v2")] * 2


def test_a_tag_that_comes_back_is_read(registry):
    digest = registry.image("a", "v1")
    answers = [errors.NotFound("not yet")]

    def once():
        if answers:
            raise answers.pop()

    registry.faults["get", "a", "v1"] = once
    assert tags_of(seen(registry)["a"]) == {"v1": digest}


@pytest.mark.parametrize(
    "error",
    [
        errors.ServerFailed("on fire"),
        errors.ConnectionFailed("on fire"),
        errors.ResponseInvalid("on fire"),
        errors.NotARegistry("on fire"),
        errors.AuthenticationFailed("on fire"),
        errors.Forbidden("on fire"),
        errors.RateLimited("on fire"),
    ],
)
@pytest.mark.parametrize("where", ["tags", "tag", "child", "config", "tags again"])
def test_any_other_failure_is_a_problem_of_that_repository_alone(registry, error, where):
    child = registry.image("a", created="2024-01-01T00:00:00Z")
    registry.index("a", [child], "v1")
    registry.image("a", "v2", created="2024-02-02T00:00:00Z")
    registry.image("b", "v1", created="2024-03-03T00:00:00Z")
    config = seen(registry)["a"].manifests[child].config_descriptor.digest
    if where == "tags again":
        registry.faults["get", "a", "v2"] = raising(errors.NotFound("gone"))
        lists = iter([["v1", "v2"]])

        def fail_later():
            try:
                return next(lists)
            except StopIteration:
                raise error from None

        registry.faults["tags", "a", ""] = fail_later
    else:
        key = {"tags": ("tags", "a", ""), "tag": ("get", "a", "v1"), "child": ("get", "a", child)}
        registry.faults[key.get(where, ("blob", "a", config))] = raising(error)
    repositories = seen(registry)
    assert repositories["a"].problem == "on fire"
    assert repositories["b"].problem == ""
    assert len(repositories["b"].manifests) == 1


def test_the_end_of_the_run_is_no_ones_problem(registry):
    registry.image("a", "v1")
    registry.faults["get", "a", "v1"] = raising(errors.DeadlineExceeded("over"))
    with pytest.raises(errors.DeadlineExceeded):
        seen(registry)


def test_a_registry_that_fails_is_not_asked_on_and_on(registry):
    for number in range(400):
        registry.image("a", f"v{number}")
    for number in range(400):
        registry.faults["get", "a", f"v{number}"] = raising(errors.ServerFailed("down"))
    seen(registry)
    # No more than were begun before the first answer was looked at.
    assert registry.count("get") <= registry.connection.workers * parallel._AHEAD


def test_one_odd_manifest_does_not_hide_the_others(registry):
    registry.image("a", "v1")
    registry.put("a", {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}, "odd")
    looked = look(registry, None, DEEP, now=NOW)
    (repository,) = looked.snapshot.repositories
    assert "cannot be understood" in repository.problem
    assert set(looked.tag_errors["a"]) == {"odd"}
    assert len(repository.manifests) == 1


@pytest.mark.parametrize("fault", ["gone", "huge", "no JSON"])
def test_a_config_that_tells_nothing_leaves_the_image_without_a_date(registry, fault):
    digest = registry.image("a", "v1", created="2024-01-01T00:00:00Z")
    config = next(iter(registry.blobs))
    if fault == "gone":
        del registry.blobs[config]
    elif fault == "no JSON":
        registry.blobs[config] = b"\xff"
    else:
        registry.manifests["a", digest] = (
            registry.manifests["a", digest][0],
            registry.manifests["a", digest][1].replace(
                b'"size": %d' % len(registry.blobs[config]), b'"size": %d' % (MAX_CONFIG_BYTES + 1)
            ),
        )
    repository = seen(registry)["a"]
    assert repository.problem == ""
    assert repository.manifests[digest].config is None
    assert (registry.count("blob") == 0) is (fault == "huge")


def test_a_config_that_one_repository_lacks_is_asked_for_in_the_next(registry):
    """A blob's link may be gone from one repository: that is no reason to take an image of another for one without a date."""
    digests = {registry.image(name, "v1", "v2", created="2024-01-01T00:00:00Z") for name in "abc"}
    (config,) = registry.blobs
    registry.faults["blob", "a", config] = raising(errors.NotFound("no blob", code="BLOB_UNKNOWN"))
    found = seen(registry)
    (digest,) = digests
    assert all(found[name].manifests[digest].config for name in "abc")
    assert [call[1] for call in registry.calls if call[0] == "blob"] == ["a", "b"]


def test_an_endless_nest_of_indexes_is_refused(registry):
    inner = registry.image("a")
    for _level in range(60):
        inner = registry.index("a", [inner])
    registry.index("a", [inner], "v1")
    assert "nested" in seen(registry)["a"].problem


def test_repositories_by_pattern_and_by_name(registry):
    for name in ("team/a", "team/b", "x"):
        registry.image(name, "v1")
    assert sorted(seen(registry, patterns=["team/*", "!*/b"])) == ["team/a"]
    assert sorted(seen(registry, repositories=["x", "x", "nowhere"])) == ["nowhere", "x"]
    assert seen(registry, repositories=["nowhere"])["nowhere"].problem == "no repository nowhere"
    assert seen(registry, repositories=["nowhere"], must_exist=False)["nowhere"].problem == ""
    with pytest.raises(ReferenceInvalid):
        seen(registry, repositories=["../x"])


def test_a_repository_of_the_catalog_without_tags_is_empty(registry):
    registry.repositories["a"] = {}
    registry.faults["tags", "a", ""] = raising(errors.NotFound("NAME_UNKNOWN"))
    assert (seen(registry)["a"].tags, seen(registry)["a"].problem) == ((), "")


def test_the_catalog_is_asked_for_only_if_there_is_a_pattern(registry):
    for name in ("team/a", "team/b"):
        registry.image(name, "v1")
    assert select_repositories(registry, ["team/a"]).names == ("team/a",)
    assert registry.count("catalog") == 0
    selection = select_repositories(registry, ["team/b", "nowhere", "~a$"])
    assert (selection.names, selection.unknown, selection.listed) == (("team/a", "team/b"), ("nowhere",), 2)
    assert select_repositories(registry, ["team/*", "!team/b"]).names == ("team/a",)
    assert select_repositories(registry, None).names == ("team/a", "team/b")


@pytest.mark.parametrize(("entries", "says"), [([], "empty"), (["~("], "regular expression"), (["a", ""], "empty")])
def test_entries_that_select_nothing_sensible(registry, entries, says):
    with pytest.raises(errors.RegistryError, match="^repositories: .*" + says):
        select_repositories(registry, entries)
    with pytest.raises(ReferenceInvalid):
        select_repositories(registry, ["Team/A"])
    assert registry.calls == []


def test_progress_covers_every_stage_of_a_look(registry):
    registry.image("a", "v1", "v2")
    registry.image("b", "v1")
    told = []
    seen(registry, progress=told.append)
    at = {stage: [step for step in told if step.stage == stage] for stage in ("list", "tags", "configs")}
    assert [step.stage for step in told] == [step.stage for stage in at.values() for step in stage]
    for stage, repositories in (("list", "ab"), ("tags", "aab")):
        steps = at[stage]
        assert [(step.done, step.total) for step in steps] == [(n, len(steps)) for n in range(1, len(steps) + 1)]
        assert "".join(step.repository for step in steps) == repositories
        assert {(step.repository, step.number, step.repositories) for step in steps} == {("a", 1, 2), ("b", 2, 2)}
    assert at["configs"]


class TestTombstones:
    """Tags that an unfinished run has moved."""

    def stand(self, registry, before, *tags):
        tombstone = make_tombstone("run1", before)
        registry.manifests["a", tombstone.digest] = (tombstone.media_type, tombstone.body)
        registry.repositories["a"].update(dict.fromkeys(tags, tombstone.digest))
        return tombstone.digest

    def test_a_parked_tag_is_what_it_was(self, registry):
        digest = registry.image("a", "kept")
        untagged = registry.image("a", created="2024-01-01T00:00:00Z")
        tombstone = self.stand(registry, {"v1": Parked(untagged, 12.0)}, "v1", "stranger")
        repository = seen(registry)["a"]
        tags = {tag.name: tag for tag in repository.tags}
        assert (tags["v1"].digest, tags["v1"].parked, tags["v1"].pushed) == (untagged, tombstone, 12.0)
        assert (tags["stranger"].digest, tags["stranger"].parked) == (tombstone, "")
        assert {untagged, digest} < set(repository.manifests)

    def test_one_whose_manifest_is_gone_is_missing(self, registry):
        registry.image("a", "kept")
        self.stand(registry, {"v1": Parked(GONE)}, "v1")
        repository = seen(registry)["a"]
        assert repository.missing == {GONE}
        looked = with_unfinished(registry, look(registry, None, DEEP, now=NOW), {"a": Unfinished()})
        tag = next(tag for tag in looked.snapshot.repositories[0].tags if tag.name == "v1")
        assert tag.digest is None
        assert "v1" in looked.snapshot.repositories[0].unfinished_tags


class TestUnfinished:
    """What a journal says of tags holds only as long as they name what they did then."""

    def test_only_what_dangles_or_has_not_moved_is_marked(self, registry):
        same, other = registry.image("a", "same", created="2024-01-01T00:00:00Z"), registry.image("a", "moved", "new")
        registry.repositories["a"]["dangling"] = GONE
        doomed = {("same", same), ("moved", same), ("dangling", GONE), ("absent", other)}
        looked = with_unfinished(
            registry, look(registry, None, DEEP, now=NOW), {"a": Unfinished(tags=frozenset(doomed))}
        )
        assert looked.snapshot.repositories[0].unfinished_tags == {"same", "dangling"}


def scanned(tags=(), manifests=(), source=FILESYSTEM):
    stored = StoredRepository(
        "a",
        {name: StoredTag(name, digest, pushed) for name, digest, pushed in tags},
        {digest: StoredManifest(digest, 5.0, 6.0, ()) for digest in manifests},
    )
    return Scan(source, NOW, {"a": stored})


class TestScan:
    """What the store tells, as far as it agrees with the API."""

    def test_push_times_of_tags_that_have_not_moved(self, registry):
        one, two = registry.image("a", "v1"), registry.image("a", "v2", created="2024-01-01T00:00:00Z")
        scan = scanned([("v1", one, 11.0), ("v2", one, 12.0)], [one])
        pushed = {tag.name: tag.pushed for tag in seen(registry, scan=scan)["a"].tags}
        assert pushed == {"v1": 11.0, "v2": None}
        assert two

    def test_untagged_manifests_are_read_and_gone_ones_left_out(self, registry):
        tagged = registry.image("a", "v1")
        untagged = registry.image("a", created="2024-01-01T00:00:00Z")
        new = registry.image("a", "v2", created="2024-02-02T00:00:00Z")
        scan = scanned([("v1", tagged, 11.0)], [tagged, untagged, GONE])
        repository = seen(registry, Needs(untagged=True), scan=scan)["a"]
        assert set(repository.revisions) == {tagged, untagged, new}
        assert repository.revisions[untagged].untagged_since == 6.0
        assert (repository.revisions[new].pushed, repository.revisions[new].untagged_since) == (None, None)
        assert untagged in repository.manifests
        assert GONE in repository.missing

    def test_they_are_not_read_unless_needed(self, registry):
        registry.image("a", "v1")
        untagged = registry.image("a", created="2024-01-01T00:00:00Z")
        repository = seen(registry, Needs(), scan=scanned([], [untagged]))["a"]
        assert repository.revisions is None
        assert untagged not in repository.manifests

    def test_an_untagged_index_that_needs_what_is_tagged_is(self, registry):
        tagged = registry.image("a", "v1")
        other = registry.image("a", created="2024-01-01T00:00:00Z")
        outer = registry.index("a", [registry.index("a", [tagged, other])])
        (inner,) = (child["digest"] for child in json.loads(registry.manifests["a", outer][1])["manifests"])
        scan = scanned([("v1", tagged, 1.0)], [tagged, other])
        scan.repositories["a"].manifests[inner] = StoredManifest(inner, children=(tagged, other))
        scan.repositories["a"].manifests[outer] = StoredManifest(outer, children=(inner,))
        registry.faults["get", "a", outer] = raising(errors.ServerFailed("down"))
        assert "down" in seen(registry, Needs(), scan=scan)["a"].problem
        registry.faults.clear()
        repository = seen(registry, Needs(), scan=scan)["a"]
        assert set(repository.manifests) == {tagged, other, inner, outer}

    @pytest.mark.parametrize("tags", [[("v1", GONE, 1.0), ("v2", GONE, 1.0)], [("other", GONE, 1.0)]])
    def test_a_scan_of_another_store_is_not_believed(self, registry, tags):
        registry.image("a", "v1", "v2")
        repository = seen(registry, Needs(untagged=True), scan=scanned(tags, [GONE]))["a"]
        assert repository.revisions is None
        assert all(tag.pushed is None for tag in repository.tags)

    def test_a_repository_that_the_scan_does_not_have_is_unknown(self, registry):
        registry.image("b", "v1")
        assert seen(registry, Needs(untagged=True), scan=scanned())["b"].revisions is None

    def test_a_dry_run_knows_digests_only(self, registry):
        registry.image("a", "v1")
        untagged = registry.image("a", created="2024-01-01T00:00:00Z")
        scan = Scan(GARBAGE_COLLECT, NOW, {"a": StoredRepository("a", {}, {untagged: StoredManifest(untagged)})})
        repository = seen(registry, Needs(untagged=True), scan=scan)["a"]
        assert untagged in repository.revisions


class TestRefresh:
    """The second look, right before deleting."""

    def test_tags_that_moved_and_new_ones_are_seen_with_what_they_name(self, registry):
        old, doomed = registry.image("a", "kept"), registry.image("a", "going", created="2024-01-01T00:00:00Z")
        before = seen(registry)["a"]
        child = registry.image("a", created="2024-02-02T00:00:00Z")
        index = registry.index("a", [child])
        registry.repositories["a"]["kept"] = index
        registry.repositories["a"]["new"] = doomed
        now = refresh(registry, before, {"going"})
        assert tags_of(now) == {"going": doomed, "kept": index, "new": doomed}
        assert {index, child, old} <= set(now.manifests)

    def test_what_cannot_be_read_stops_the_deletion(self, registry):
        registry.image("a", "kept", "going")
        before = seen(registry)["a"]
        registry.faults["head", "a", "kept"] = raising(errors.ServerFailed("down"))
        with pytest.raises(errors.ServerFailed):
            refresh(registry, before, {"going"})

    def test_a_repository_that_is_gone_has_no_tags(self, registry):
        registry.image("a", "kept")
        before = seen(registry)["a"]
        del registry.repositories["a"]
        assert refresh(registry, before, set()).tags == ()


class TestBodies:
    """The bytes behind it."""

    def test_what_was_dropped_is_read_again(self, registry):
        digests = [registry.image("a", f"v{number}", created=f"2024-01-0{number + 1}T00:00:00Z") for number in range(3)]
        bodies = Bodies(registry, most_bytes=1000)
        for digest in digests:
            bodies.keep(digest, *registry.manifests["a", digest])
        registry.calls.clear()
        for digest in digests:
            assert bodies.get("a", digest) == registry.manifests["a", digest]
        assert 1 <= registry.count("get") <= 3

    def test_nothing_larger_than_the_room_is_kept(self, registry):
        bodies = Bodies(registry, most_bytes=10)
        bodies.keep("sha256:x", "", b"x" * 11)
        assert bodies.config("sha256:x") is None
        bodies.keep("sha256:y", "", b"y" * 10)
        assert bodies.config("sha256:y") == b"y" * 10

    def test_manifests_and_configs_of_a_look_are_there(self, registry):
        digest = registry.image("a", "v1", created="2024-01-01T00:00:00Z")
        looked = look(registry, None, DEEP, now=NOW)
        registry.calls.clear()
        assert looked.bodies.get("a", digest) == registry.manifests["a", digest]
        config = looked.snapshot.repositories[0].manifests[digest].config_descriptor.digest
        assert digest_of(looked.bodies.config(config)) == config
        assert registry.calls == []
