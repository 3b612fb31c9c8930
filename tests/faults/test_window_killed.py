# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A play that is killed in its window: the watchdog on the registry's host gives the registry back, and only after the collector.

One play works on all registries at once, each of which it has brought to another point when it is killed.
"""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_process import start_time
from ansible_collections.fleetops.container_registry.tests.rig.role_support import PLAYBOOKS, Site, answers
from ansible_collections.fleetops.container_registry.tests.rig.window_support import (
    Windowed,
    Writer,
    kill_play,
    run_out,
    running,
    until,
    watchdog_of,
    working_for,
)

# Seconds; long enough for a busy machine. Once the play is dead the test does not wait for its end.
LEASE = 600
WATCHED = ("sweeping", "stubborn", "entering", "leaving")
ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000"

# Restarts stop where the test says so: before the first, which makes the registry read-only, or before the second.
STOPPING_RESTART = """\
#!/bin/sh
echo restart >>"$1/restarts"
number=$(wc -l <"$1/restarts")
if [ -e "$1/stop-at-$number" ]; then : >"$1/stopped"; read -r go <"$1/restart-goes-on"; fi
for pid in $(grep -lsE "FLEETOPS_REGISTRY_(COLLECTION|WINDOW)=" /proc/[0-9]*/environ | cut -d/ -f3); do
    grep -qszF "$1/held-program" "/proc/$pid/cmdline" && echo "a collector works: $pid" >>"$1/violations"
done
"$1/stop" "$1" && "$1/start" "$1" "$2"
"""

# One play works on many registries, and a busy machine takes its time.
pytestmark = pytest.mark.timeout(1800)


class Story:
    """The registries, the play that is killed, and what came after."""

    def __init__(self, home) -> None:
        self.registries: dict[str, Windowed] = {}
        self.writers: dict[str, Writer] = {}
        self.home = home

    def add(self, name: str, version: str, **settings) -> Windowed:
        made = Windowed(
            name, version, self.home, registry_window_lease=f"{LEASE}s", registry_ready_timeout=20, **settings
        )
        self.registries[name] = made
        (made.home / "restart").write_text(STOPPING_RESTART, encoding="utf-8")
        os.mkfifo(made.home / "restart-goes-on")
        return made

    def tell(self) -> None:
        self.add("sweeping", "3.1")
        self.add("stubborn", "2.8", mode="stopped")
        self.add("entering", "2.8")
        self.add("leaving", "3.1")
        self.add("rebooted", "2.8")
        for name, number in (("entering", 1), ("leaving", 2)):
            (self.registries[name].home / f"stop-at-{number}").touch()
        self.registries["leaving"].hold.off()
        self.site = Site(self.home, {name: made.inventory() for name, made in self.registries.items()})
        self.site.settings = {"ANSIBLE_STRATEGY": "free"}
        play = self.site.begin(str(PLAYBOOKS / "role.yml"), "--forks=6", test_entry="garbage_collect")
        try:
            for name, made in self.registries.items():
                reached = made.home / "stopped" if name in ("entering", "leaving") else made.hold.home / "collecting"
                until(reached.exists, lambda name=name: f"{name}: {self.log()}")
            self.in_window = {name: answers(made.url) for name, made in self.registries.items()}
            for name in ("sweeping", "stubborn"):
                made = self.registries[name]
                self.writers[name] = Writer(made.port, made.state)
            beside = Site(self.home / "beside", {"sweeping": self.registries["sweeping"].inventory()})
            self.beside = beside.role("garbage_collect")
            self.watchdogs = {name: watchdog_of(made.state) for name, made in self.registries.items()}
            for pid in working_for(self.registries["stubborn"].state):
                os.kill(pid, signal.SIGSTOP)
        finally:
            kill_play(play)
        for name in ("entering", "leaving"):
            # The command that restarts it is on the registry's host, and goes on.
            with open(self.registries[name].home / "restart-goes-on", "w", encoding="ascii") as pipe:
                pipe.write("go\n")
            script = f"{self.registries[name].home}/restart "
            until(lambda script=script: not running(script), f"the restart of {name} does not end")
        self.reboot(self.registries["rebooted"])
        for name in WATCHED:
            run_out(self.registries[name].state)
        for name in WATCHED:
            lease = self.registries[name].state / "lease"
            until((lease / "report.json").exists, f"the watchdog of {name} has done nothing")
        for name, made in self.registries.items():
            if name != "rebooted":
                until(lambda made=made: answers(made.url) == "enabled", f"{name} does not come back")
        self.after = {name: made.process for name, made in self.registries.items()}
        self.in_window["rebooted"] = answers(self.registries["rebooted"].url)
        for writer in self.writers.values():
            until(lambda writer=writer: writer.accepted, "no write was accepted again")
            writer.stop()
        for name, made in self.registries.items():
            if name != "rebooted":
                made.is_whole()
            made.hold.off()
        self.next = self.site.role("garbage_collect", "--forks=6")
        self.repaired = {name: self.next.result(name, "repair") for name in self.registries}
        self.last = self.site.role("garbage_collect", "--forks=6")

    def log(self) -> str:
        return (self.site.home / "background.log").read_text(encoding="utf-8")[-4000:]

    def reboot(self, made: Windowed) -> None:
        """All processes gone at once, another boot id, and the registry started again with the configuration that is there."""
        for pid in [watchdog_of(made.state)["pid"], *working_for(made.state), made.pid]:
            os.kill(pid, signal.SIGKILL)
        for path in (made.state / "lease/watchdog.json", made.state / "lease/held", made.state / "window.json"):
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(self.watchdogs["rebooted"]["boot_id"], ANOTHER_BOOT), encoding="utf-8")
        made.start()

    def end(self) -> None:
        for writer in self.writers.values():
            writer.stop()
        for made in self.registries.values():
            for pid in working_for(made.state):
                os.kill(pid, signal.SIGKILL)
            made.stop()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    told = Story(tmp_path_factory.mktemp("killed"))
    try:
        told.tell()
        yield told
    finally:
        told.end()


def test_the_play_was_killed_where_it_should(story):
    assert story.in_window == {
        "sweeping": "read_only",
        "stubborn": "down",
        "entering": "enabled",
        "leaving": "read_only",
        "rebooted": "read_only",
    }


def test_a_second_run_beside_the_first_is_refused(story):
    assert story.beside.status != 0
    assert "Another run works on this registry" in story.beside.failure


@pytest.mark.parametrize("name", ["sweeping", "stubborn"])
def test_no_write_is_accepted_before_the_collector_has_ended(story, name):
    writer = story.writers[name]
    assert writer.accepted_beside == []
    assert writer.accepted > 0
    if name == "sweeping":
        assert writer.refused > 0


@pytest.mark.parametrize("name", WATCHED)
def test_no_restart_began_beside_a_collector(story, name):
    assert not (story.registries[name].home / "violations").exists()


@pytest.mark.parametrize("name", WATCHED)
def test_the_watchdog_told_the_next_run_and_left(story, name):
    result = story.repaired[name]
    report = result["watchdog"]
    assert report["gave_back"], report
    assert report["attempts"] == 1
    assert f"gave no sign of life for {LEASE} s" in report["reason"]
    assert result["restarted"] is False
    assert start_time(story.watchdogs[name]["pid"]) is None
    if name != "entering":
        assert story.after[name] != story.registries[name].served_by


def test_after_a_restart_of_the_host_the_next_run_gives_the_registry_back(story):
    result = story.repaired["rebooted"]
    assert result["watchdog"] is None
    assert result["restarted"] is True


@pytest.mark.parametrize("name", [*WATCHED, "rebooted"])
def test_the_next_run_finishes_and_the_one_after_changes_nothing(story, name):
    assert story.next.status == 0, story.next.output[-6000:]
    made = story.registries[name]
    made.is_whole()
    made.is_clean()
    assert story.last.status == 0, story.last.output[-6000:]
    assert story.last.recap(name)["changed"] == 0
    assert story.last.result(name, "garbage_collect")["blobs_eligible"] == 0
