# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease has one holder, and its watchdog acts when, and only when, nobody holds it any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import give_back as giving
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import watchdog, window
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_process import WINDOW_MARKER
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    LeaseLost,
    StorageError,
    WatchdogUnable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.give_back import Orders
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_process import (
    boot_id,
    lives,
    start_time,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease import Lease


def run_out(lease: Lease) -> None:
    """As if its time had passed."""
    with open(os.path.join(lease.path, "ends"), "r+b") as stream:
        stream.write(b"%020.3f" % 1.0)


def until(condition, what: str):
    for _try in range(600):
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(what)


class Place:
    """A configuration in its window, and commands that write down that they were run."""

    def __init__(self, home) -> None:
        self.home = home
        self.config = home / "config.yml"
        self.config.write_bytes(b"as it was\n")
        self.log = home / "log"
        self.lease = Lease(str(home / "lease"))

    def script(self, name: str, text: str = "") -> list[str]:
        path = self.home / name
        path.write_text(f'#!/bin/sh\necho {name} >>"{self.log}"\n{text}\n', encoding="utf-8")
        path.chmod(0o755)
        return [str(path)]

    def orders(self, **given) -> Orders:
        known = {
            "run_id": f"test-{self.home.name}",
            "collector_argv": [sys.executable],
            "give_back": [self.script("works")],
            "config": b"as it was\n",
            "config_in_window": b"as it was, read-only\n",
            "config_path": str(self.config),
        }
        return Orders(**{**known, **given})

    def open(self, orders: Orders) -> dict:
        result = window.hold(self.lease.path, orders, 300.0, 600.0, False)
        self.config.write_bytes(b"as it was, read-only\n")
        return result

    @property
    def done(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").split() if self.log.exists() else []

    def report(self) -> dict:
        return until(self.lease.report, "the watchdog has left no report")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "_PAUSES", (0.2,))
    monkeypatch.setattr(watchdog, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(watchdog, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(giving, "_SETTLED_SECONDS", 0.1)
    made = Place(tmp_path)
    yield made
    if made.lease.exists():
        made.lease.release(60.0)


def test_only_its_holder_renews_it_and_not_beyond_its_limit(tmp_path):
    lease = Lease(str(tmp_path / "lease"))
    lease.begin("one", 10.0, 15.0)
    assert 9.0 < lease.left() <= 10.0
    assert lease.renew("one") <= 10.0
    with pytest.raises(LeaseLost, match="another run"):
        lease.renew("two")
    lease.begin("one", 20.0, 5.0)
    assert lease.renew("one") <= 5.0
    lease.begin("one", 20.0, 0.0)
    with pytest.raises(LeaseLost, match="cannot be renewed"):
        lease.renew("one")


def test_a_lease_that_is_renewed_in_time_is_not_taken(tmp_path):
    lease = Lease(str(tmp_path / "lease"))
    lease.begin("one", 100.0, 1000.0)
    assert not lease.end()
    lease.insist("one")
    run_out(lease)
    lease.renew("one")
    assert not lease.end()
    run_out(lease)
    assert lease.end()
    with pytest.raises(LeaseLost, match="not held any more"):
        lease.renew("one")
    with pytest.raises(LeaseLost):
        lease.insist("one")
    assert lease.left() is None


def test_a_released_lease_leaves_neither_watchdog_nor_anything_else(place):
    held = place.open(place.orders())
    pid = held["watchdog_pid"]
    started = start_time(pid)
    assert started
    assert os.getsid(pid) not in (os.getsid(0), 0)
    assert {os.path.realpath(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")} == {os.devnull}
    assert held["boot_id"] == boot_id()
    released = window.release(place.lease.path, 60.0, False)
    assert released["watchdog_report"] is None
    assert 0.0 < released["seconds_held"] < 300.0
    assert not lives(pid, started)
    assert not place.lease.exists()
    assert place.done == []
    assert place.config.read_bytes() == b"as it was, read-only\n"


def test_when_it_runs_out_the_collector_ends_first_then_config_then_restart(place):
    orders = place.orders()
    place.open(orders)
    environment = dict(os.environ, **{giving.MARKER: orders.run_id})
    with subprocess.Popen(["sleep", "600"], env=environment) as collector:
        until(lambda: giving.works_in_window(orders.run_id), "the collector did not start")
        # What has ended but was not waited for has no open files.
        alive = f'[ -e /proc/{collector.pid}/fd/0 ] && echo alive >>"{place.log}"'
        place.script("works", f'cat "{place.config}" >>"{place.log}"; {alive}; true')
        run_out(place.lease)
        report = place.report()
        collector.wait(60)
    assert report["gave_back"]
    assert report["config"] == "written back"
    assert place.done == ["works", "as", "it", "was"]
    assert place.config.read_bytes() == b"as it was\n"


def test_no_registry_is_started_while_its_cache_cannot_be_cleared(place):
    cleared = place.home / "cleared"

    def clear() -> None:
        with open(cleared, "a", encoding="utf-8") as log:
            log.write("x")
        if cleared.stat().st_size < 3:
            raise StorageError("no Redis here")

    place.open(place.orders(clear_cache=clear))
    run_out(place.lease)
    until(lambda: (place.lease.report() or {}).get("gave_back"), "it did not succeed")
    assert cleared.read_text(encoding="utf-8") == "xxx"
    assert place.report()["attempts"] == 3
    assert place.done == ["works"]


def test_a_lease_that_nobody_renews_runs_out_by_itself(place):
    orders = place.orders(config=None)
    window.hold(place.lease.path, orders, 0.5, 600.0, False)
    assert place.report()["gave_back"]
    with pytest.raises(LeaseLost):
        window.renew(place.lease.path, orders.run_id, None, 0.0, False)


def test_it_tries_again_until_the_restart_succeeds_and_keeps_config_and_owner(place):
    flag = place.home / "port"
    orders = place.orders(
        give_back=[
            place.script("stop", "exit 1"),
            place.script("start", f'[ -e "{flag}" ] || {{ echo no port; exit 3; }}'),
        ]
    )
    place.config.chmod(0o640)
    inode = place.config.stat().st_ino
    place.open(orders)
    run_out(place.lease)
    until(lambda: place.done.count("start") > 1, "it did not try again")
    assert "no port" in place.report()["error"]
    assert not place.report()["gave_back"]
    flag.touch()
    until(lambda: place.report()["gave_back"], "it did not succeed")
    assert place.config.stat().st_ino == inode
    assert place.config.stat().st_mode & 0o777 == 0o640
    assert place.done[0::2] == ["stop"] * (len(place.done) // 2)


def test_a_configuration_that_somebody_has_changed_is_left_alone(place):
    place.open(place.orders())
    place.config.write_bytes(b"by hand\n")
    run_out(place.lease)
    report = place.report()
    assert "changed by somebody" in report["error"]
    assert place.config.read_bytes() == b"by hand\n"
    assert place.done == []


@pytest.mark.parametrize("ends_collector", [True, False])
def test_instances_serve_after_the_first_registry_and_not_before_a_collector_has_surely_ended(place, ends_collector):
    flag = place.home / "port"
    further = place.orders(give_back=[place.script("further")], config=None)
    first = [place.script("first", f'[ -e "{flag}" ] || exit 3')]
    place.open(place.orders(give_back=first, restart_ends_collector=ends_collector, instances=(further,)))
    run_out(place.lease)
    until(lambda: place.done.count("first") > 1, "it did not try again")
    assert place.done[0] == "first"
    assert ("further" in place.done) != ends_collector
    flag.touch()
    until(lambda: place.report()["gave_back"], "it did not succeed")
    assert place.done[-2:] == ["first", "further"]


def test_whoever_takes_over_stops_a_watchdog_between_two_attempts(place):
    held = place.open(place.orders(give_back=[place.script("restart", "exit 1")]))
    run_out(place.lease)
    place.report()
    released = window.release(place.lease.path, 60.0, False)
    assert not released["watchdog_report"]["gave_back"]
    assert start_time(held["watchdog_pid"]) is None
    assert not place.lease.exists()


def test_a_play_that_takes_over_and_fails_leaves_the_watchdog_trying(place):
    flag = place.home / "port"
    held = place.open(place.orders(give_back=[place.script("restart", f'[ -e "{flag}" ] || exit 3')]))
    run_out(place.lease)
    place.report()
    taken = window.take_over(place.lease.path, 300.0, 60.0, False)
    assert taken["held"]
    assert not taken["watchdog_report"]["gave_back"]
    tried = len(place.done)
    assert not acts_on(place, tried)
    back = window.hand_back(place.lease.path, False)
    assert back["watched"]
    until(lambda: len(place.done) > tried, "it does not go on")
    flag.touch()
    until(lambda: place.report()["gave_back"], "it did not succeed")
    assert place.config.read_bytes() == b"as it was\n"
    until(lambda: start_time(held["watchdog_pid"]) is None, "it did not leave")


def acts_on(place, tried: int) -> bool:
    """Whether the watchdog tries although somebody has taken over."""
    time.sleep(1.0)
    return len(place.done) > tried


def test_a_play_that_takes_over_and_is_killed_leaves_the_watchdog_trying(place):
    place.open(place.orders())
    assert window.take_over(place.lease.path, 300.0, 60.0, False)["held"]
    with pytest.raises(LeaseLost):
        window.renew(place.lease.path, place.orders().run_id, None, 0.0, False)
    assert not acts_on(place, 0)
    assert window.take_over(place.lease.path, 0.5, 60.0, False)["held"]
    assert place.report()["gave_back"]
    assert place.report()["attempts"] == 1
    assert place.done == ["works"]


def test_a_play_that_takes_over_and_succeeds_ends_the_watchdog(place):
    held = place.open(place.orders())
    assert window.take_over(place.lease.path, 300.0, 60.0, False)["held"]
    released = window.release(place.lease.path, 60.0, False)
    assert start_time(held["watchdog_pid"]) is None
    assert released["watchdog_report"] is None
    assert released["seconds_held"] > 0.0
    assert not place.lease.exists()
    assert place.done == []


def test_nobody_takes_over_in_the_middle_of_an_attempt(place):
    flag = place.home / "go-on"
    place.open(place.orders(give_back=[place.script("restart", f'while [ ! -e "{flag}" ]; do sleep 0.1; done')]))
    run_out(place.lease)
    until(lambda: place.done, "it does not begin")
    with pytest.raises(StorageError, match="is still giving the registry back"):
        window.take_over(place.lease.path, 300.0, 0.5, False)
    flag.touch()
    taken = window.take_over(place.lease.path, 300.0, 60.0, False)
    assert taken["watchdog_report"]["gave_back"]
    assert not window.hand_back(place.lease.path, False)["watched"]


def test_an_attempt_whose_watchdog_was_killed_is_taken_over(place):
    held = place.open(place.orders(give_back=[place.script("restart", "sleep 5")]))
    run_out(place.lease)
    until(lambda: place.done, "it does not begin")
    os.kill(held["watchdog_pid"], signal.SIGKILL)
    assert window.take_over(place.lease.path, 300.0, 60.0, False)["held"]
    assert place.lease.terms()["run_id"] == place.orders().run_id


def test_what_is_not_there_is_neither_taken_over_nor_handed_back(tmp_path):
    path = str(tmp_path / "lease")
    assert not window.take_over(path, 300.0, 60.0, False)["changed"]
    assert not window.hand_back(path, False)["changed"]
    assert not os.path.exists(path)


def test_a_lease_that_is_held_is_not_handed_back(place):
    place.open(place.orders())
    window.hand_back(place.lease.path, False)
    place.lease.insist(place.orders().run_id)


def test_check_mode_only_tells(place):
    place.open(place.orders())
    assert window.release(place.lease.path, 60.0, True)["changed"]
    assert window.take_over(place.lease.path, 300.0, 60.0, True)["changed"]
    assert window.hand_back(place.lease.path, True)["changed"]
    place.lease.insist(place.orders().run_id)
    other = str(place.home / "other")
    assert window.hold(other, place.orders(config=None), 10.0, 20.0, True)["changed"]
    assert not os.path.exists(other)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"give_back": []}, "this deployment gives none"),
        ({"give_back": [["no-such-program-here", "restart"]]}, "does not have"),
        (
            {"collector_argv": ["kubectl", "exec", "pod", "--", "registry"]},
            "could not see that the collector has ended",
        ),
        ({"config": b"another\n"}, "somebody else works on it"),
    ],
)
def test_what_a_watchdog_could_not_do_is_said_before_anything_begins(place, given, words):
    with pytest.raises(WatchdogUnable, match=words):
        window.hold(place.lease.path, place.orders(**given), 300.0, 600.0, False)
    assert not place.lease.exists()


def test_a_second_window_is_refused_while_the_first_is_watched(place):
    place.open(place.orders())
    with pytest.raises(StorageError, match="another window is open"):
        window.hold(place.lease.path, place.orders(config=None), 300.0, 600.0, False)


def test_a_lease_of_before_a_restart_of_the_host_has_no_watchdog(place, monkeypatch):
    place.open(place.orders())
    monkeypatch.setattr(
        "ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease.boot_id", lambda: "another"
    )
    assert not place.lease.watchdog_lives()
    monkeypatch.undo()
    assert place.lease.watchdog_lives()


def test_a_job_has_ended_when_its_result_is_there_or_nobody_of_it_is(tmp_path):
    orders = Orders(run_id=f"test-job-{os.getpid()}")
    path = str(tmp_path / "lease")
    window.hold(path, Orders(run_id=f"test-job-{os.getpid()}", watched=False), 300.0, 600.0, False)
    job = tmp_path / "job"
    job.write_text('{"started": 1, "finished": 0}', encoding="utf-8")
    environment = dict(os.environ, **{WINDOW_MARKER: orders.run_id})
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE) as worker:
        until(lambda: giving.works_in_window(orders.run_id), "the worker did not start")
        assert not window.renew(path, orders.run_id, str(job), 0.5, False)["job_finished"]
        worker.communicate(b"\n")
    # A module that was killed can leave its collector behind.
    environment = dict(os.environ, **{giving.MARKER: orders.run_id})
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE) as collector:
        until(lambda: giving.works_in_window(orders.run_id), "the collector did not start")
        assert window.renew(path, orders.run_id, str(job), 20.0, False)["job_finished"]
        collector.communicate(b"\n")
    job.write_text('{"changed": true}', encoding="utf-8")
    assert window.renew(path, orders.run_id, str(job), 0.0, False)["job_finished"]


def test_quiet_ends_what_works_in_the_window(tmp_path, monkeypatch):
    monkeypatch.setattr(giving, "_SETTLED_SECONDS", 0.1)
    orders = Orders(run_id=f"test-quiet-{os.getpid()}", collector_argv=[sys.executable])
    environment = dict(os.environ, **{WINDOW_MARKER: orders.run_id})
    with subprocess.Popen(["sleep", "600"], env=environment) as worker:
        until(lambda: giving.works_in_window(orders.run_id), "the worker did not start")
        result = window.quiet(orders, False)
        assert worker.wait(60) != 0
    assert result["ended_processes"] == [worker.pid]
    assert result["certain"]
    assert window.quiet(orders, False)["ended_processes"] == []
