# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's lock, by the tasks that take and release it: it has one holder, also where nobody can see whether that one lives."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Site

TAKE = Path(__file__).resolve().parents[2] / "roles/registry/tasks/state/take_lock.yml"
HOUR = 3600
UNKNOWN = "run=unknown-1,host=another"


def hosts_with_locks(home: Path, locks: dict[str, str], **settings: object) -> Site:
    """One host for each of LOCKS, whose lock has that text; none has a lock where that is empty."""
    hosts = {}
    for name, text in locks.items():
        state = home / name
        state.mkdir()
        if text:
            os.symlink(text, state / "lock")
        hosts[name] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_state_dir": str(state),
            "__registry_lock": str(state / "lock"),
            "__registry_owner": f"run=mine,host={name}",
            **settings,
        }
    return Site(home, hosts)


def holders(home: Path, names: list[str]) -> dict[str, str]:
    return {name: os.readlink(home / name / "lock") if os.path.lexists(home / name / "lock") else "" for name in names}


def test_a_holder_that_cannot_be_looked_up_keeps_the_lock_for_its_time(tmp_path):
    locks = {"young": UNKNOWN, "same": "run=mine,host=same", "west": UNKNOWN, "old": UNKNOWN, "free": ""}
    site = hosts_with_locks(tmp_path, locks)
    # A controller west of Greenwich is as late as any other.
    site.settings = {"TZ": "America/Los_Angeles"}
    now = time.time()
    for name, hours in (("west", 8), ("old", 13)):
        os.utime(tmp_path / name / "lock", (now - hours * HOUR,) * 2, follow_symlinks=False)
    play = site.role("state/take_lock")
    assert play.status != 0
    assert "Another run works on this registry" in play.failure
    assert {name for name in locks if play.recap(name)["failed"]} == {"young", "same", "west"}
    mine = {name: f"run=mine,host={name}" for name in ("old", "free")}
    assert holders(tmp_path, list(locks)) == {**locks, **mine}
    assert {path.name for path in tmp_path.glob("*/lock*")} == {"lock"}


def test_only_its_holder_removes_it(tmp_path):
    locks = {"mine": "run=mine,host=mine", "another": UNKNOWN, "none": ""}
    play = hosts_with_locks(tmp_path, locks, __registry_lock_held=True).role("state/unlock")
    assert play.status == 0, play.output[-3000:]
    assert holders(tmp_path, list(locks)) == {"mine": "", "another": UNKNOWN, "none": ""}


@pytest.fixture
def takeover(tmp_path):
    """The lock, and what begins the command that puts OWNER's in the place of the JUDGED one."""
    (block,) = [task["block"] for task in yaml.safe_load(TAKE.read_text(encoding="utf-8")) if "block" in task]
    (words,) = [task["ansible.builtin.command"]["argv"] for task in block if task["name"] == "Take it over"]
    lock = tmp_path / "lock"

    def begin(owner: str, judged: str) -> subprocess.Popen:
        return subprocess.Popen(
            [words[0], str(tmp_path), *words[2:6], str(lock), judged, owner], stderr=subprocess.DEVNULL
        )

    return lock, begin


def ends(process: subprocess.Popen) -> int:
    return process.wait(60)


def test_of_many_that_judge_the_same_lock_one_has_it(takeover):
    lock, begin = takeover
    for _round in range(10):
        lock.unlink(missing_ok=True)
        os.symlink("gone", lock)
        running = [begin(f"run={number}", "gone") for number in range(8)]
        won = [number for number, process in enumerate(running) if ends(process) == 0]
        assert len(won) == 1
        assert os.readlink(lock) == f"run={won[0]}"
    assert [path.name for path in lock.parent.iterdir()] == ["lock"]


@pytest.mark.parametrize("judged", ["gone", ""])
def test_a_lock_that_is_not_the_judged_one_any_more_stays(takeover, judged):
    lock, begin = takeover
    os.symlink("another", lock)
    assert ends(begin("run=late", judged)) != 0
    assert os.readlink(lock) == "another"


def test_a_lock_that_was_released_meanwhile_is_taken(takeover):
    lock, begin = takeover
    assert ends(begin("run=late", "")) == 0
    assert os.readlink(lock) == "run=late"
