# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several processes find what one finds, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import parallel_scan
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.blob_table import BlobTable
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import FAMILIES, Findings
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_walk import RepositoryWalk
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan import StoreScan
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.store_report import Wish, report
from ansible_collections.fleetops.container_registry.tests.unit.storage.made_store import MadeStore


@pytest.fixture
def store(tmp_path):
    return MadeStore(tmp_path / "root")


def no_children():
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def told(scan):
    contents = list(scan.repositories())
    return (
        [
            (one.name, one.tags, one.manifests, one.parents, sorted(one.blobs), one.uploads, one.aborts)
            for one in contents
        ],
        [scan.would_free(family) for family in FAMILIES],
        [sorted(scan.collectable(family)) for family in FAMILIES],
        [finding.as_dict() for finding in scan.findings.kept],
        (scan.findings.counts, scan.findings.stops),
        [scan.bytes_of(one.name) for one in contents],
        scan.table.unused(),
    )


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_it_tells_what_one_process_tells(store, workers):
    shared = store.unique()
    for number in range(7):
        name = "team/app-%d" % number
        child = store.image(name, None, layers=[shared, store.unique()])
        store.index(name, [child], "multi")
        store.delete(name, store.image(name, "gone"))
        store.image(name, "pushed-over")
        store.image(name, "pushed-over")
        store.tag(name, "dangling", "sha256:%064x" % number)
    store.schema1("team/app-3", "old")
    with open(store.revision_link("team/app-5", store.image("team/app-5", "broken")), "wb"):
        pass
    store.upload("team/app-2")
    assert told(StoreScan(store.tree, 3, workers)) == told(StoreScan(store.tree, 3))
    no_children()


def test_what_is_pushed_since_the_table_was_made_is_marked(store):
    for number in range(4):
        store.image("app-%d" % number, "x")
    table, findings = BlobTable(store.tree), Findings()
    table.scan(findings)
    before = len(table)
    shared = [store.unique()]
    for number in range(4):
        store.image("app-%d" % number, "new", layers=shared)
    found = list(RepositoryWalk(store.tree, findings))
    list(parallel_scan.read_repositories(store.tree, table, findings, found, 3))
    assert len(table) == before + 4 * 2 + 1
    assert [list(table.unmarked(family)) for family in FAMILIES] == [[], []]
    assert table.unused() == (0, 0)
    assert findings.kept == []


def test_who_wants_no_more_leaves_no_process(store):
    for number in range(9):
        store.image("app-%d" % number, "x")
    reading = StoreScan(store.tree, 3, 3).repositories()
    assert next(reading).name == "app-0"
    reading.close()
    no_children()


def test_a_process_that_is_killed_ends_the_scan_with_a_reason(store, monkeypatch):
    for number in range(4):
        store.image("app-%d" % number, "x")
    mother = os.getpid()
    real = parallel_scan.RepositoryScan.read

    def killed(self, found):
        if found.name == "app-3" and os.getpid() != mother:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, found)

    monkeypatch.setattr(parallel_scan.RepositoryScan, "read", killed)
    with pytest.raises(StorageError, match="in the middle of it"):
        list(StoreScan(store.tree, 3, 2).repositories())
    no_children()


def test_the_verification_tells_how_far_it_is(store, tmp_path):
    for number in range(4):
        store.image("app", "v%d" % number)
    path = tmp_path / "progress"
    result = report(Wish(storage_root=store.root, verify_digests=True, progress_file=str(path)), 1_800_000_000.0)
    told_last = json.loads(path.read_text(encoding="ascii"))
    assert told_last["blobs"] == told_last["of_blobs"] == result["blobs_count"] == 12
    assert told_last["bytes"] == told_last["of_bytes"] == result["blobs_bytes"]
    (tmp_path / "elsewhere").write_text("precious", encoding="ascii")
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    with pytest.raises(OSError):
        report(
            Wish(storage_root=store.root, verify_digests=True, progress_file=str(tmp_path / "link")), 1_800_000_000.0
        )
    assert (tmp_path / "elsewhere").read_text(encoding="ascii") == "precious"
