# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record files: all of it, or nothing of it."""

from __future__ import annotations

import gzip
import os
import stat

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import record_file
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    RecordFileInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    read_records,
    write_records,
)

RECORDS = [{"type": "one", "name": "é\n"}, {"type": "two", "number": 2}]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "records.gz"
    write_records(str(path), iter(RECORDS))
    assert list(read_records(str(path))) == RECORDS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(str(tmp_path)) == ["records.gz"]


def test_equal_records_make_equal_files(tmp_path):
    write_records(str(tmp_path / "a"), RECORDS)
    write_records(str(tmp_path / "b"), RECORDS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failing_source_leaves_the_old_file(tmp_path):
    path = tmp_path / "records.gz"
    write_records(str(path), RECORDS)

    def failing():
        yield {"type": "new"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(str(path), failing())
    assert list(read_records(str(path))) == RECORDS
    assert os.listdir(str(tmp_path)) == ["records.gz"]


def test_a_folder_that_is_not_there_is_made_for_the_owner_alone(tmp_path):
    path = tmp_path / "not" / "there" / "records.gz"
    write_records(str(path), [{"type": "one"}])
    assert list(read_records(str(path))) == [{"type": "one"}]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_relative_path_is_written_where_it_points(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_records("records.gz", RECORDS)
    assert list(read_records(str(tmp_path / "records.gz"))) == RECORDS


@pytest.mark.parametrize("cut", [1, 5, 20, -1, -4, -8, -9])
def test_a_file_cut_short_is_refused_wherever_it_is_cut(tmp_path, cut):
    path = tmp_path / "records.gz"
    write_records(str(path), RECORDS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RecordFileInvalid) as caught:
        list(read_records(str(path)))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"{}", "end is missing"),
        (b"no json\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100000 + b"\n", "no JSON"),
        (b"[]\n", "no JSON object"),
    ],
)
def test_bad_content_is_refused(tmp_path, content, reason):
    path = tmp_path / "records.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(RecordFileInvalid, match=reason):
        list(read_records(str(path)))


def test_a_file_that_is_no_gzip_is_refused(tmp_path):
    path = tmp_path / "records.gz"
    path.write_bytes(b'{"type": "header"}\n')
    with pytest.raises(RecordFileInvalid, match="cut short or damaged"):
        list(read_records(str(path)))


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "records.gz"
    write_records(str(path), [{"name": "x" * 50, "n": number} for number in range(50)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))
    with pytest.raises(RecordFileInvalid):
        list(read_records(str(path)))


def test_an_endless_line_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(record_file, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "records.gz"
    path.write_bytes(gzip.compress(b'{"a": "' + b"x" * 5000 + b'"}\n'))
    with pytest.raises(RecordFileInvalid, match="longer than 1000 bytes"):
        list(read_records(str(path)))
    with pytest.raises(ValueError, match="larger than"):
        write_records(str(tmp_path / "other"), [{"a": "x" * 2000}])
    assert os.listdir(str(tmp_path)) == ["records.gz"]
