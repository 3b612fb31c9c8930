# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scan's figures, on stores that are written straight to the disk."""

from __future__ import annotations

import os

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    StorageError,
    StoreInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import tree_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    read_records,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan import StoreScan
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import read_scan
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.store_report import (
    Wish,
    report,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.trash import Trash
from ansible_collections.fleetops.container_registry.tests.unit.storage.made_store import MadeStore

NOW = 1_800_000_000.0
HOUR = 3600.0


@pytest.fixture
def store(tmp_path):
    return MadeStore(tmp_path / "root")


def scan(store):
    work = StoreScan(store.tree)
    return work, {contents.name: contents for contents in work.repositories()}


def told(store, **wish):
    return report(Wish(storage_root=store.root, **wish), NOW)


def row(result, name):
    return next(one for one in result["repositories"] if one["name"] == name)


def codes(work):
    return sorted(finding.kind.code for finding in work.findings.kept)


def test_push_times_are_those_of_the_links(store):
    digest = store.image("team/app", "1.0", at=1000.5)
    store.tag("team/app", "1.1", digest, at=2000.25)
    _work, repositories = scan(store)
    contents = repositories["team/app"]
    assert {name: tag.pushed for name, tag in contents.tags.items()} == {"1.0": 1000.5, "1.1": 2000.25}
    assert contents.manifests[digest].pushed == 1000.5
    assert contents.manifests[digest].untagged_since is None


def test_a_manifest_is_untagged_since_the_next_push_to_its_tag(store):
    first = store.image("app", "latest", at=1000)
    second = store.image("app", "latest", at=2000)
    third = store.image("app", "latest", at=3000)
    _work, repositories = scan(store)
    manifests = repositories["app"].manifests
    assert [manifests[digest].untagged_since for digest in (first, second, third)] == [2000, 3000, None]


def test_it_counts_from_the_last_of_several_tags(store):
    old = store.image("app", "latest", at=1000)
    store.tag("app", "stable", old, at=1100)
    store.image("app", "latest", at=2000)
    store.image("app", "stable", at=5000)
    _work, repositories = scan(store)
    assert repositories["app"].manifests[old].untagged_since == 5000


def test_without_a_history_nobody_knows_since_when(store):
    alone = store.image("app", None, at=1234)
    gone = store.image("app", "gone", at=1000)
    MadeStore.remove(os.path.join(store.repository("app"), "_manifests", "tags", "gone"))
    _work, repositories = scan(store)
    manifests = repositories["app"].manifests
    assert [(manifests[one].pushed, manifests[one].untagged_since) for one in (alone, gone)] == [
        (1234, None),
        (1000, None),
    ]
    assert {one["untagged_since"] for one in row(told(store, details="all"), "app")["untagged_manifests"]} == {None}


def test_it_is_never_before_its_own_last_push(store):
    old = store.image("app", "latest", at=1000)
    store.image("app", "latest", at=2000)
    store.revision("app", old, at=9000)
    _work, repositories = scan(store)
    assert repositories["app"].manifests[old].untagged_since == 9000


def test_who_needs_the_untagged(store):
    child = store.image("app", None)
    inner = store.index("app", [child])
    store.index("app", [inner], "multi")
    referrer = store.image("app", None, subject=child)
    of_referrer = store.image("app", None, subject=referrer)
    lost = store.image("app", None)
    lost_child = store.image("app", None)
    lost_index = store.index("app", [lost_child])
    _work, repositories = scan(store)
    children, referrers = repositories["app"].needed_by_tags()
    assert children == {inner, child}
    assert referrers == {referrer, of_referrer}
    result = row(told(store, details="all"), "app")
    assert (result["untagged"], result["untagged_children"], result["untagged_referrers"]) == (7, 2, 2)
    untagged = {one["digest"]: one for one in result["untagged_manifests"]}
    assert untagged[child]["referred_by"] == [inner]
    assert untagged[lost_child]["referred_by"] == [lost_index]
    assert untagged[referrer]["refers_to"] == child
    assert untagged[lost]["referred_by"] == []


def test_indexes_name_their_children_and_what_cannot_be_read_may_name_anything(store):
    child, lost = store.image("app", None), store.image("app", None)
    inner = store.index("app", [child])
    outer = store.index("app", [inner, child], "multi")
    with open(store.blob_path(lost), "wb"):
        pass
    _work, repositories = scan(store)
    manifests = repositories["app"].manifests
    children = [manifests[digest].children for digest in (child, inner, outer, lost)]
    assert children == [(), (child,), (inner, child), None]


def test_bytes_are_counted_once_and_shared_ones_apart(store):
    shared = store.layer("one", b"s" * 1000)
    store.image("one", "a", layers=[shared, b"1" * 100])
    store.image("one", "b", layers=[shared])
    store.image("two", "a", layers=[shared, b"2" * 10])
    store.image("three", "a", layers=[b"3"])
    store.blob(b"n" * 77)
    result = told(store)
    one, two, three = (row(result, name) for name in ("one", "two", "three"))
    assert (one["bytes_shared"], two["bytes_shared"], three["bytes_shared"]) == (1000, 1000, 0)
    for repository in (one, two, three):
        assert repository["bytes"] == repository["bytes_own"] + repository["bytes_shared"]
    assert result["blobs_bytes"] == one["bytes_own"] + two["bytes_own"] + three["bytes_own"] + 1000 + 77
    assert (result["blobs_unused_count"], result["blobs_unused_bytes"]) == (1, 77)


def test_names_may_nest(store):
    for name in ("a", "a/b", "a/b/c", "x/y"):
        store.image(name, "t")
    _work, repositories = scan(store)
    assert sorted(repositories) == ["a", "a/b", "a/b/c", "x/y"]


def test_emptied_repositories_and_uploads(store):
    store.delete("old", store.image("old", "x"))
    store.image("live", "x")
    store.upload("live", started="2020-01-01T00:00:00Z", data=b"12345")
    store.upload("live", started="2027-01-15T07:00:00Z", uuid="young")
    store.upload("only/uploads", started=None, uuid="unknown")
    os.utime(os.path.join(store.repository("only/uploads"), "_uploads", "unknown"), (5, 5))
    result = told(store)
    assert result["emptied_repositories"] == ["old", "only/uploads"]
    assert (result["uploads_count"], result["stale_uploads_count"], result["stale_uploads_bytes"]) == (
        3,
        2,
        9,
    )
    assert result["stale_uploads"][0] == {
        "path": "repositories/live/_uploads/0f5bd2d1-8f9e-4e6c-9c1f-6f7a0f6c6c01",
        "started": "2020-01-01T00:00:00Z",
        "bytes": 5,
    }
    assert told(store, stale_uploads_after=1e10)["stale_uploads_count"] == 0


def test_a_broken_link_keeps_a_repository_from_being_called_emptied(store):
    digest = store.image("app", None)
    with open(store.revision_link("app", digest), "wb"):
        pass
    assert told(store)["emptied_repositories"] == []


def test_the_scan_file_holds_it_all(store, tmp_path):
    old = store.image("team/app", "latest", at=1000)
    new = store.image("team/app", "latest", at=2000)
    store.image("Wrong Name", "x")
    path = str(tmp_path / "scan.gz")
    assert told(store, output=path)["output"] == path
    found = read_scan(path)
    assert found.scanned_at == NOW
    assert sorted(found.repositories) == ["team/app"]
    stored = found.repositories["team/app"]
    assert stored.tags["latest"].digest == new
    assert stored.tags["latest"].pushed == 2000
    assert stored.manifests[old].untagged_since == 2000


def test_the_garbage_file_names_every_blob(store, tmp_path):
    store.image("app", "x")
    digest = store.blob(b"garbage", at=NOW - HOUR)
    young = store.blob(b"young", at=NOW - 10)
    path = str(tmp_path / "garbage.gz")
    result = told(store, garbage_output=path, blob_grace=60.0)
    records = list(read_records(path))
    named = sorted((one["family"], one["digest"]) for one in records[1:-1])
    assert named == sorted((family, one) for family in ("2.x", "3.x") for one in (digest, young))
    assert records[-1] == {"type": "end", "blobs": 4}
    assert [(one["blobs"], one["bytes"], one["blobs_past_grace"]) for one in result["would_free"]] == [(2, 12, 1)] * 2


def test_where_a_collection_aborts_no_count_is_given(store):
    store.image("team/app", "x")
    store.schema1("old", "y")
    result = told(store)
    two, three = result["would_free"]
    assert two["safe"] and two["aborts"] is None and two["blobs"] == 0
    assert not three["safe"] and three["aborts"].startswith("repositories/old/_manifests/revisions/sha256/")
    assert (three["blobs"], three["bytes"], three["blobs_past_grace"]) == (None, None, None)
    finding = next(one for one in result["findings"] if one["code"] == "manifest_schema1")
    assert finding["stops_collection"] == ["3.x"]
    assert finding["repository"] == "old"


def test_images_that_cannot_be_pulled_are_found(store):
    missing = store.unique()
    digest = store.image("app", "broken", layers=[missing])
    layer = store.layer("app", missing)
    MadeStore.remove(os.path.dirname(store.blob_path(layer)))
    store.image("app", "foreign", foreign=["sha256:" + "f" * 64])
    store.index("app", ["sha256:" + "e" * 64], "sparse")
    elsewhere = store.layer("other", b"not linked here")
    body = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"digest": elsewhere, "size": 1, "mediaType": "x"},
        "layers": [],
    }
    store.manifest("app", body, "unlinked")
    work, _repositories = scan(store)
    assert codes(work) == ["child_missing", "content_missing", "layer_unlinked"]
    content = next(one for one in work.findings.kept if one.kind.code == "content_missing")
    assert content.path.endswith(digest.split(":")[1] + "/link")
    assert content.detail == layer


def test_findings_are_bounded_and_counted(store):
    for number in range(30):
        store.tag("app", "t%d" % number, "sha256:%064x" % number)
    store.image("app", "ok")
    result = told(store, findings_limit=5)
    assert len(result["findings"]) == 5
    assert result["findings_counts"] == [{"code": "tag_dangling", "count": 30}]


def test_damaged_content_is_found_when_every_byte_is_read(store):
    digest = store.image("app", "x", layers=[b"layer" * 1000])
    path = store.blob_path(store.blob(b"layer" * 1000))
    with open(path, "r+b") as stream:
        stream.write(b"L")
    assert told(store)["blobs_corrupt_count"] is None
    result = told(store, verify_digests=True, workers=2)
    assert result["blobs_corrupt_count"] == 1
    assert [one["code"] for one in result["findings"]] == ["blob_corrupt"]
    assert result["findings"][0]["path"] == os.path.relpath(path, store.tree)
    assert digest in store.blobs()


def test_links_that_lead_in_a_circle_end(store):
    store.image("app", "x")
    os.symlink(os.path.join(store.tree, "repositories"), os.path.join(store.repository("app"), "again"))
    work, repositories = scan(store)
    assert "app" in repositories
    assert codes(work) == ["folder_loop"]
    assert not work.would_free("2.x").is_safe


def test_a_repository_behind_a_symbolic_link_counts(store, tmp_path):
    store.image("app", "x")
    os.rename(store.repository("app"), str(tmp_path / "elsewhere"))
    os.symlink(str(tmp_path / "elsewhere"), store.repository("app"))
    work, repositories = scan(store)
    assert list(repositories["app"].tags) == ["x"]
    assert work.would_free("3.x").blobs == 0


def test_the_root_must_be_one(tmp_path):
    with pytest.raises(StoreInvalid, match="is no folder"):
        tree_of(str(tmp_path / "nothing"))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("")
    with pytest.raises(StoreInvalid, match="holds no docker/registry/v2"):
        tree_of(str(tmp_path / "etc"))
    (tmp_path / "fresh").mkdir()
    assert report(Wish(storage_root=str(tmp_path / "fresh")), NOW)["repositories_count"] == 0


def test_the_tree_itself_is_taken_for_the_root(store):
    store.image("app", "x")
    assert tree_of(store.tree) == store.tree
    assert tree_of(store.root) == store.tree


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"findings_limit": 0}, {"blob_grace": -1.0}, {"stale_uploads_after": -1.0}]
)
def test_wishes_that_make_no_sense_are_refused(store, wrong):
    store.image("app", "x")
    with pytest.raises(StorageError, match=next(iter(wrong))):
        told(store, **wrong)


def test_the_store_is_not_touched(store):
    store.image("app", "x", at=1000)
    store.upload("app")

    def state():
        return sorted(
            (path, names, [os.stat(os.path.join(path, name)).st_mtime_ns for name in names])
            for path, _folders, names in os.walk(store.root)
        )

    before = state()
    told(store, verify_digests=True, details="all")
    assert state() == before


def test_what_a_killed_prune_left_is_a_finding_and_what_is_none_of_it_another(store):
    store.image("app", "a")
    store.image("app", "b")
    store.image("other", "a")
    Trash(store.tree, "app").take("tags/a")
    os.makedirs(os.path.join(store.repository("other"), "_manifests", "_fleetops_removed", "mine"))
    result = told(store)
    assert [(one["code"], one["severity"], one["path"], one["repository"]) for one in result["findings"]] == [
        ("removal_strange", "warning", "repositories/other/_manifests/_fleetops_removed", "other"),
        ("removal_unfinished", "info", "repositories/app/_manifests/_fleetops_removed", "app"),
    ]
    assert result["findings"][0]["message"].endswith(": mine")
    assert "registry_storage_prune" in result["findings"][1]["remedy"]
    assert not any(one["stops_collection"] for one in result["findings"])
    assert all(one["safe"] for one in result["would_free"])
