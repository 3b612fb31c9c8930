# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import tempfile

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    JournalError,
    JournalWriter,
    SavedTag,
    close_journal,
    note_done,
    read_journal,
    unfinished_journals,
)

URL = "http://127.0.0.1:5000"
NOW = 1764104400.0
BODY = b'{"schemaVersion": 2,\n   "x": "\xc3\xa9"}'
DIGEST = "sha256:" + "a" * 64


def written(directory, ready=True):
    writer = JournalWriter.create(str(directory), "run1", URL, "plan1", NOW)
    writer.manifest("team/app", DIGEST, "application/x", BODY)
    writer.config("team/app", "sha256:" + "b" * 64, b"\xff\xfe\x00")
    writer.tag("team/app", SavedTag("1.0", DIGEST, "delete", 1764000000.5))
    if ready:
        writer.ready()
    return writer


def test_bytes_come_back_exactly_as_text_or_base64(tmp_path):
    written(tmp_path).close()
    path = next(tmp_path.iterdir())
    journal = read_journal(str(path), bodies=True)
    repository = journal.repositories["team/app"]
    assert repository.manifests[DIGEST].body == BODY
    assert repository.configs["sha256:" + "b" * 64] == b"\xff\xfe\x00"
    assert repository.tags["1.0"] == SavedTag("1.0", DIGEST, "delete", 1764000000.5)
    assert (journal.run, journal.url, journal.plan, journal.started_at) == ("run1", URL, "plan1", NOW)
    assert '"text":' in path.read_text() and '"base64":' in path.read_text()


def test_bodies_are_left_out_unless_asked_for(tmp_path):
    written(tmp_path).close()
    journal = read_journal(str(next(tmp_path.iterdir())))
    assert journal.repositories["team/app"].manifests[DIGEST].body == b""


@pytest.mark.parametrize(
    ("real", "mask"), [("team/app", "team/********"), ('"1.0"', '"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"')]
)
def test_a_copy_with_masked_names_is_no_backup(tmp_path, real, mask):
    written(tmp_path).close()
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text(encoding="utf-8").replace(real, mask), encoding="utf-8")
    with pytest.raises(JournalError, match="masked a secret"):
        read_journal(str(path))


def test_a_backup_is_for_its_owner_only(tmp_path):
    written(tmp_path / "new").close()
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(next((tmp_path / "new").iterdir())).st_mode) == 0o600


def test_a_journal_without_ready_has_nothing_to_finish(tmp_path):
    written(tmp_path, ready=False).close()
    assert unfinished_journals(str(tmp_path), URL) == []


def test_a_ready_journal_is_unfinished_until_a_run_closes_it(tmp_path):
    written(tmp_path).close()
    (journal,) = unfinished_journals(str(tmp_path), URL)
    assert journal.repositories["team/app"].open_digests == (DIGEST,)
    assert unfinished_journals(str(tmp_path), "http://elsewhere:5000") == []
    close_journal(journal, "run2")
    assert unfinished_journals(str(tmp_path), URL) == []


def test_what_is_done_is_not_open(tmp_path):
    writer = written(tmp_path)
    writer.done("team/app", tags=["1.0"], digests=[DIGEST])
    writer.close()
    (journal,) = unfinished_journals(str(tmp_path), URL)
    assert journal.repositories["team/app"].open_digests == ()
    assert journal.repositories["team/app"].open_tags == ()


def test_tombstones_are_open_until_they_are_done(tmp_path):
    writer = written(tmp_path)
    stones = ("sha256:" + "c" * 64, "sha256:" + "d" * 64)
    for stone in stones:
        writer.tombstone("team/app", stone, b"what it says")
    writer.done("team/app", digests=stones[:1])
    writer.close()
    (journal,) = unfinished_journals(str(tmp_path), URL)
    assert journal.repositories["team/app"].open_tombstones == stones[1:]
    whole = read_journal(journal.path, bodies=True).repositories["team/app"]
    assert set(whole.tombstones.values()) == {b"what it says"}
    assert journal.repositories["team/app"].open_digests == (DIGEST,)


def test_half_a_last_line_is_passed_over_and_cut_before_the_next_record(tmp_path):
    written(tmp_path).close()
    path = next(tmp_path.iterdir())
    with open(path, "ab") as stream:
        stream.write(b'{"type":"done","repository":"team/app","ta')
    (journal,) = unfinished_journals(str(tmp_path), URL)
    note_done(journal, "team/app", ["1.0"], [])
    again = read_journal(str(path))
    assert again.repositories["team/app"].open_tags == ()
    assert again.repositories["team/app"].open_digests == (DIGEST,)


@pytest.mark.parametrize(
    "line",
    [b"not json\n", b'{"type":"surprise","repository":"x"}\n', b'{"type":"tag","repository":"x"}\n', b"[1]\n"],
)
def test_a_whole_line_that_is_odd_is_refused_by_number(tmp_path, line):
    written(tmp_path).close()
    path = next(tmp_path.iterdir())
    with open(path, "ab") as stream:
        stream.write(line)
    with pytest.raises(JournalError, match="line 6 of the backup"):
        read_journal(str(path))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.backup.jsonl"
    path.write_text('{"type":"header","schema":"other","version":1}\n')
    with pytest.raises(JournalError, match="no backup of a version"):
        read_journal(str(path))
    path.write_text("")
    with pytest.raises(JournalError, match="is empty"):
        read_journal(str(path))


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="Nothing was deleted"):
        JournalWriter.create(str(tmp_path / "file" / "sub"), "run1", URL, "plan1", NOW)


def damaged(directory, end):
    """A journal whose second line is no record, and that ends with END."""
    written(directory).close()
    (path,) = directory.iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"not a record\n", *lines[2:], end]))
    return path


def test_a_finished_journal_is_known_by_its_last_line_and_not_read(tmp_path):
    path = damaged(tmp_path, b'{"type":"finished","by":"run2"}\n')
    assert unfinished_journals(str(tmp_path), URL) == []
    with pytest.raises(JournalError, match="line 2"):
        read_journal(str(path))


@pytest.mark.parametrize(
    "end",
    [
        b"",
        b'{"type":"finished","by":"run2"}',
        b'{"type":"finished","by":"run2"}\n{"type":"done"',
        b'{"type":"finished","by":"run2"}\n\n',
        b'{"type":"finished"}\n',
        b'{"type":"finished","by":"run2","too":1}\n',
        b'[{"type":"finished","by":"run2"}]\n',
        b'{"type":"done","by":"finished"}\n',
        b" " * 1500 + b'{"type":"finished","by":"run2"}\n',
        b"[" * 900 + b"\n",
    ],
)
def test_whatever_ends_otherwise_is_read_whole(tmp_path, end):
    damaged(tmp_path, end)
    with pytest.raises(JournalError, match="line 2 of the backup .* move it out of the directory"):
        unfinished_journals(str(tmp_path), URL)


def test_a_finished_record_that_is_all_there_is_is_no_journal(tmp_path):
    (tmp_path / "x.backup.jsonl").write_text('{"type":"finished","by":"run2"}\n')
    with pytest.raises(JournalError, match="no backup of a version"):
        unfinished_journals(str(tmp_path), URL)


def test_a_backup_that_cannot_be_opened_says_what_to_do(tmp_path):
    (tmp_path / "x.backup.jsonl").mkdir()
    with pytest.raises(JournalError, match="cannot be read: .* Let this user read it"):
        unfinished_journals(str(tmp_path), URL)


def test_an_empty_backup_says_what_to_do(tmp_path):
    (tmp_path / "x.backup.jsonl").write_bytes(b"")
    with pytest.raises(JournalError, match="is empty: .* Give the backup of another run"):
        read_journal(str(tmp_path / "x.backup.jsonl"))


def test_a_directory_that_cannot_be_listed_says_what_to_do():
    """Not in tmp_path, whose parents nobody but its owner may enter."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o111)
        try:
            if root:
                os.seteuid(65534)
            with pytest.raises(JournalError, match="cannot be listed: .* Let this user read it"):
                unfinished_journals(directory, URL)
        finally:
            if root:
                os.seteuid(0)
            os.chmod(directory, 0o700)
