# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs with a scan of the store at hand, against a registry in memory: what it knows and the API does not show keeps images."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound, ServerFailed
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.pruning import prune
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.request import prune_request
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    FILESYSTEM,
    Scan,
    StoredManifest,
    StoredRepository,
    StoredTag,
)
from ansible_collections.fleetops.container_registry.tests.unit.changes.options import DEFAULTS
from ansible_collections.fleetops.container_registry.tests.unit.changes.test_pruning import (
    DAY,
    LEFT_OVER,
    NOW,
    ONE,
    Registry,
    days_ago,
    planned,
)
from ansible_collections.fleetops.container_registry.tests.unit.images.played_registry import raising

NO_TAG = [{"name": "left over", "untagged": True, "delete": "all"}]


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def run(registry, tmp_path):
    """A run of the prune, DAYS after NOW."""

    def prune_it(policies, scan, days=0.0, **options):
        given = dict(
            DEFAULTS, max_delete_percent=100.0, policies=policies, backup_dir=str(tmp_path / "backup"), **options
        )
        request = dataclasses.replace(prune_request(given, False), scan=scan)
        return prune(registry, request, NOW + days * DAY)

    return prune_it


def scan_of(registry, **known):
    """A scan of the repository a as it is. KNOWN: facts of each manifest, by digest."""
    tags = {name: StoredTag(name, digest, NOW - 50 * DAY) for name, digest in registry.repositories["a"].items()}
    named = {tag.digest for tag in tags.values()}
    manifests = {
        digest: StoredManifest(digest, NOW - 90 * DAY, **({} if digest in named else known.get(digest, {})))
        for _repository, digest in registry.manifests
    }
    return Scan(FILESYSTEM, NOW, {"a": StoredRepository("a", tags, manifests)})


# --- tags that the store has and the API does not list


@pytest.fixture
def versions(registry):
    return [registry.image("a", f"v{number}", created=days_ago(number + 1)) for number in range(5)]


@pytest.mark.parametrize("listing", ["one", "none", "not found"])
@pytest.mark.parametrize("policies", [NO_TAG, LEFT_OVER])
def test_what_the_store_has_under_a_tag_is_not_untagged(registry, run, versions, policies, listing):
    scan = scan_of(registry)
    registry.faults["tags", "a", ""] = {
        "one": lambda: ["v0"],
        "none": list,
        "not found": raising(NotFound("no repository a", code="NAME_UNKNOWN")),
    }[listing]
    for days in (0, 8):
        result = run(policies, scan, days)
    assert registry.has(*versions) == [True] * 5
    if listing == "one":
        assert (
            planned(result, versions[4]).reason
            == "kept: the store has it under tag v4, which the registry does not list"
        )


def test_nor_does_it_go_as_a_child_or_with_a_tag_that_is_listed(registry, run):
    child = registry.image("a", "v1-amd64", created=days_ago(300))
    registry.index("a", [child], "v1")
    other = registry.image("a", "old", "stable", created=days_ago(200))
    registry.image("a", "new", created=days_ago(1))
    registry.faults["tags", "a", ""] = lambda: ["new", "old", "v1"]
    run(ONE, scan_of(registry))
    assert registry.has(child, other) == [True, True]


def test_what_was_pushed_over_since_the_scan_goes(registry, run):
    old = registry.image("a", "latest", created=days_ago(300))
    registry.image("a", "other", created=days_ago(3))
    scan = scan_of(registry)
    registry.image("a", "latest", created=days_ago(1))
    run(NO_TAG, scan)
    assert registry.has(old) == [False]


def test_a_run_that_took_tags_off_is_finished_with_the_same_scan(registry, run):
    old = registry.image("a", "old", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    scan = scan_of(registry)
    registry.faults["delete", "a", old] = raising(ServerFailed("500"))
    run(ONE, scan, strategy="tag")
    assert (registry.tags_of(), registry.has(old)) == (["new"], [True])
    registry.faults.clear()
    run(ONE, scan, 0.01)
    assert registry.has(old) == [False]


# --- untagged indexes that need what goes


@pytest.fixture
def needy(registry):
    """An index without a tag, of one image that is tagged and one that is not; both, and a manifest that nobody needs."""
    child = registry.image("a", created=days_ago(400))
    other = registry.image("a", created=days_ago(399), size=3)
    loose = registry.image("a", created=days_ago(398), size=4)
    needy = registry.index("a", [registry.index("a", [child, other])])
    registry.index("a", [child], "v1")
    registry.image("a", "new", created=days_ago(1), size=9)
    return needy, child, other, loose


def told_children(registry, scan):
    """SCAN of a store whose indexes were read."""
    manifests = {
        digest: dataclasses.replace(
            manifest,
            children=tuple(
                entry["digest"] for entry in json.loads(registry.manifests["a", digest][1]).get("manifests", ())
            ),
        )
        for digest, manifest in scan.repositories["a"].manifests.items()
    }
    return dataclasses.replace(
        scan, repositories={"a": dataclasses.replace(scan.repositories["a"], manifests=manifests)}
    )


@pytest.mark.parametrize("read", [True, False], ids=["indexes are known", "nobody read the manifests"])
@pytest.mark.parametrize("more", [[], [{"name": "left", "untagged": True, "keep": "all"}]])
def test_an_untagged_index_that_the_scan_knows_keeps_its_children(registry, run, needy, more, read):
    scan = scan_of(registry)
    result = run(ONE + more, told_children(registry, scan) if read else scan)
    assert registry.tags_of() == ["new"]
    assert registry.has(*needy) == [True] * 4
    assert result.plan.repositories[0].untagged is None
    inner = next(digest for digest in registry.manifests if needy[0] == digest[1])
    words = "kept: untagged, no policy governs it" if not more else 'kept by "left": untagged, keep: all'
    assert planned(result, inner[1]).reason == words


def test_only_what_may_be_needed_is_read(registry, run, needy):
    others = [registry.index("a", [needy[3]]), registry.image("a", created=days_ago(7))]
    run(ONE, told_children(registry, scan_of(registry)))
    asked = {name for method, _repository, name in registry.calls if method == "get"}
    assert set(needy[:3]) <= asked
    assert not asked & {needy[3], *others}


def test_what_a_journal_dooms_is_held_by_an_untagged_index_too(registry, run):
    old = registry.image("a", "old", created=days_ago(300))
    registry.image("a", "new", created=days_ago(1))
    registry.faults["delete", "a", old] = raising(ServerFailed("500"))
    run(ONE, None, strategy="tag")
    assert registry.tags_of() == ["new"]
    registry.faults.clear()
    index = registry.index("a", [old])
    run(ONE, told_children(registry, scan_of(registry)), 0.01)
    assert registry.has(old, index) == [True, True]


def test_an_index_that_goes_takes_its_children_along_as_before(registry, run):
    child = registry.image("a", created=days_ago(300))
    index = registry.index("a", [child], "old")
    registry.image("a", "new", created=days_ago(1))
    run(ONE, told_children(registry, scan_of(registry)))
    assert registry.has(index, child) == [False, False]


# --- since when


def test_what_lost_its_tag_lately_waits_from_the_first_run_that_saw_it_so(registry, run):
    """Its tag's folder went with its history; it was pushed 90 days ago."""
    left = registry.image("a", created=days_ago(400))
    registry.image("a", "new", created=days_ago(1))
    reasons = [planned(run(LEFT_OVER, scan_of(registry), days), left).reason for days in (0, 6.9, 7)]
    assert "not known since when" in reasons[0]
    assert "untagged for 6 days, less than 7d" in reasons[1]
    assert registry.has(left) == [False]


def test_what_was_pushed_over_waits_from_then(registry, run):
    left = registry.image("a", created=days_ago(400))
    registry.image("a", "new", created=days_ago(1))
    over = {left: {"untagged_since": NOW - 5 * DAY}}
    for days, there in ((0, True), (1.9, True), (2, False)):
        run(LEFT_OVER, scan_of(registry, **over), days)
        assert registry.has(left) == [there]


def test_the_first_run_already_deletes_what_was_pushed_over_long_ago(registry, run):
    left = registry.image("a", created=days_ago(400))
    registry.image("a", "new", created=days_ago(1))
    run(LEFT_OVER, scan_of(registry, **{left: {"untagged_since": NOW - 8 * DAY}}))
    assert registry.has(left) == [False]


def test_what_a_run_saw_tagged_is_younger_than_another_tags_history_says(registry, run):
    """It was latest, until 8 days ago, and stable, which somebody has removed since the last run."""
    left = registry.image("a", "stable", created=days_ago(400))
    registry.image("a", "latest", created=days_ago(1))
    over = {left: {"untagged_since": NOW - 8 * DAY}}
    run(LEFT_OVER, scan_of(registry, **over))
    del registry.repositories["a"]["stable"]
    for days, there in ((1, True), (7.9, True), (8, False)):
        run(LEFT_OVER, scan_of(registry, **over), days)
        assert registry.has(left) == [there]


def test_a_push_of_the_manifest_itself_starts_the_clock_anew(registry, run):
    """As of a child, which goes before the index that will name it."""
    left = registry.image("a", created=days_ago(400))
    registry.image("a", "new", created=days_ago(1))
    run(LEFT_OVER, scan_of(registry))
    scan = scan_of(registry)
    scan.repositories["a"].manifests[left] = StoredManifest(left, NOW + 6.9 * DAY)
    run(LEFT_OVER, scan, 7)
    assert registry.has(left) == [True]


def test_a_state_file_of_before_is_read(registry, run, tmp_path):
    left = registry.image("a", created=days_ago(400))
    registry.image("a", "new", created=days_ago(1))
    run(LEFT_OVER, scan_of(registry))
    path = tmp_path / "backup" / "state.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for entry in document["registries"].values():
        del entry["looked"]
    path.write_text(json.dumps(document), encoding="utf-8")
    run(LEFT_OVER, scan_of(registry), 7)
    assert registry.has(left) == [False]
