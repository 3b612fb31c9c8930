# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress file: one whole record at any time, secrets masked, and never a reason for a run to fail."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.progress_file import ProgressFile
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import APPLY, Step
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.follower import Follower, read_step
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.progress_lines import Lines

STEP = Step(APPLY, 1, 2, "team/app", 3, 9, deleted=3, kept=1)


def plain(text):
    return text


def test_the_last_step_is_there_and_nothing_of_the_one_before(tmp_path):
    path = tmp_path / "progress"
    progress = ProgressFile(str(path), plain)
    for name in ("a/very/long/name/of/a/repository", "b", "some/other"):
        progress(replace(STEP, repository=name))
        assert read_step(str(path)) == replace(STEP, repository=name)
        assert path.read_bytes().count(b"\n") == 1
    progress.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_secrets_are_masked_and_names_are_bounded(tmp_path):
    path = tmp_path / "progress"
    progress = ProgressFile(str(path), lambda text: text.replace("hunter2", "********"))
    progress(replace(STEP, repository="hunter2/app"))
    assert b"hunter2" not in path.read_bytes()
    assert read_step(str(path)).repository == "********/app"
    progress(replace(STEP, repository="\u00e9" * 100_000))
    assert len(read_step(str(path)).repository) == 255
    progress.close()


@pytest.mark.parametrize("kind", ["missing", "directory", "link"])
def test_a_file_that_cannot_be_written_is_no_failure(tmp_path, kind):
    path = tmp_path / "progress"
    if kind == "missing":
        path = tmp_path / "nowhere" / "progress"
    elif kind == "directory":
        path.mkdir()
    else:
        (tmp_path / "mine").write_text("mine", encoding="utf-8")
        path.symlink_to(tmp_path / "mine")
    progress = ProgressFile(str(path), plain)
    progress(STEP)
    progress.close()
    if kind == "link":
        assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_ends_the_telling_and_not_the_run():
    progress = ProgressFile("/dev/full", plain)
    progress(STEP)
    progress(STEP)
    progress.close()


def test_nothing_is_told_after_the_end(tmp_path):
    path = tmp_path / "progress"
    progress = ProgressFile(str(path), plain)
    progress.close()
    progress(STEP)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"stage": "apply"}', b'{"stage": "app'])
def test_what_is_half_written_is_no_step(tmp_path, content):
    path = tmp_path / "progress"
    path.write_bytes(content)
    assert read_step(str(path)) is None
    assert read_step(str(path) + "x") is None


def test_the_follower_shows_what_is_due_and_stops(tmp_path):
    path = tmp_path / "progress"
    progress = ProgressFile(str(path), plain)
    progress(STEP)
    shown, first = [], threading.Event()

    def show(line):
        shown.append(line)
        first.set()

    with Follower(str(path), Lines(-1000.0), show):
        assert first.wait(60)
    progress(replace(STEP, done=9))
    assert shown == ["[registry] 1/2 team/app: 3 deleted, 1 kept"]
    assert not [thread for thread in threading.enumerate() if thread.name == "registry-progress"]
    progress.close()
