# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scan files: complete and well-formed, or refused."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    FILESYSTEM,
    GARBAGE_COLLECT,
    Scan,
    StoredManifest,
    StoredRepository,
    StoredTag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    RecordFileInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    read_records,
    write_records,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import (
    read_scan,
    write_scan_of,
)

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
SCAN = Scan(
    source=FILESYSTEM,
    scanned_at=1700000000.25,
    repositories={
        "team/app": StoredRepository(
            name="team/app",
            tags={"1.0": StoredTag("1.0", A, 1600000000.5), "odd": StoredTag("odd", B)},
            manifests={A: StoredManifest(A, 1600000000.5), B: StoredManifest(B, 1.0, 2.0, (A,))},
        ),
        "empty": StoredRepository(name="empty"),
    },
)


def write(path, scan):
    write_scan_of(path, scan.source, scan.scanned_at, scan.repositories.values())


@pytest.fixture
def records(tmp_path):
    write(str(tmp_path / "scan"), SCAN)
    return list(read_records(str(tmp_path / "scan")))


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / "scan")
    write(path, SCAN)
    assert read_scan(path) == SCAN


def test_repositories_may_come_one_by_one(tmp_path):
    path = str(tmp_path / "scan")
    write_scan_of(path, GARBAGE_COLLECT, 5.0, (StoredRepository("r%d" % number) for number in range(3)))
    assert sorted(read_scan(path).repositories) == ["r0", "r1", "r2"]


def change(index, **values):
    def changed(records):
        records[index].update(values)
        return records

    return changed


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda records: records[1:], "does not begin"),
        (change(0, schema="other"), "does not begin"),
        (change(0, version=2), "version 2"),
        (change(0, source="guess"), "unknown source 'guess'"),
        (change(0, scanned_at=None), "when the store was scanned"),
        (change(0, scanned_at=True), "no time"),
        (change(2, pushed="yesterday"), "no time"),
        (change(2, pushed=float("1e300")), "no time"),
        (change(2, children="all"), "its children are no list"),
        (change(2, children=["all"]), "the impossible digest 'all'"),
        (change(1, name="Bad Name"), "impossible or repeated name"),
        (change(1, name="../../etc"), "impossible or repeated name"),
        (change(1, name=None), "impossible or repeated name"),
        (change(6, name="team/app"), "impossible or repeated name"),
        (change(2, digest="sha256:abc"), "impossible digest"),
        (change(3, digest=A), "repeated"),
        (change(4, name=".."), "tag '..' is impossible"),
        (change(4, name="odd"), "tag 'odd' is impossible, repeated"),
        (change(4, digest=7), "impossible digest"),
        (change(4, type="surprise"), "unknown type 'surprise'"),
        (lambda records: records[:1] + records[2:], "in no repository"),
        (lambda records: records[:-1], "end is missing"),
        (lambda records: records[:4] + records[5:], "it holds 1 tags and should hold 2"),
        (change(-1, manifests=1), "it holds 2 manifests and should hold 1"),
        (lambda records: records + [{"type": "end"}], "something after its end"),
    ],
)
def test_a_scan_that_is_not_whole_and_well_formed_is_refused(tmp_path, records, spoil, reason):
    path = str(tmp_path / "spoilt")
    write_records(path, spoil(records))
    with pytest.raises(RecordFileInvalid) as caught:
        read_scan(path)
    assert reason in str(caught.value)
    assert path in str(caught.value)
