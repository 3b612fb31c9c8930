# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What breaks around a play that goes on: collector, module, registry, disk, configuration, restart. One play has all of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.require import require
from ansible_collections.fleetops.container_registry.tests.rig.role_support import PLAYBOOKS, Play, Site, answers
from ansible_collections.fleetops.container_registry.tests.rig.window_support import (
    Windowed,
    kill_play,
    program_of,
    run_out,
    until,
    watchdog_of,
    working_for,
)

HELD = ("collector_killed", "module_killed", "registry_killed", "disk_filled")
FORKS = "--forks=9"

# One play works on many registries, and a busy machine takes its time.
pytestmark = pytest.mark.timeout(1800)


def mount(what: list[str], place: Path) -> None:
    done = subprocess.run(["mount", *what, str(place)], capture_output=True, text=True, check=False)
    require(done.returncode == 0, "a mount of the test's own", f"it needs root: {done.stderr}")


def fill(place: Path) -> None:
    """Leave no room at all in the file system of PLACE."""
    with open(place / "filler", "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"\0" * 4096)
        except OSError:
            return


def failures(play: Play, name: str) -> str:
    """What the play says of the failed tasks of one host."""
    return "\n".join(re.findall(rf"^fatal: \[{name}(?: -> \S+)?\]: .*$", play.output, re.MULTILINE))


class Story:
    """The registries, what was broken about each, and two plays: one beside the faults, one after them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.registries: dict[str, Windowed] = {}
        self.mounts: list[Path] = []

    def add(self, name: str, version: str, **settings) -> Windowed:
        made = Windowed(name, version, self.home, registry_window_lease="10m", **settings)
        self.registries[name] = made
        if name not in HELD:
            made.hold.off()
        return made

    def small_disk(self, made: Windowed) -> Path:
        place = made.home / "small"
        place.mkdir()
        mount(["-t", "tmpfs", "-o", "size=2m", "tmpfs"], place)
        self.mounts.append(place)
        return place

    def prepare(self) -> None:
        for name, version in zip(HELD, ("3.1", "2.8", "3.1", "2.8")):
            self.add(name, version)
        self.move_to(self.small_disk(self.registries["disk_filled"]), self.registries["disk_filled"])
        state_full = self.add("state_full", "3.1")
        self.move_to(self.small_disk(state_full), state_full)
        fill(state_full.home / "small")
        unwritable = self.add("config_unwritable", "2.8")
        mount(["--bind", str(unwritable.config)], unwritable.config)
        self.mounts.append(unwritable.config)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(unwritable.config)], check=True)
        owned = self.add("config_of_another", "3.1")
        owned.config.chmod(0o640)
        os.chown(owned.config, 12345, 12346)
        invalid = self.add("config_invalid", "2.8")
        invalid.config.write_bytes(b"version: 0.1\nstorage: [\n")
        collector = str(self.home / "restart_fails" / "collector")
        (self.add("restart_fails", "3.1", registry_argv=[collector]).home / "break-restarts").touch()

    @staticmethod
    def move_to(disk: Path, made: Windowed) -> None:
        """Configuration and state on that disk."""
        shutil.move(made.config, disk / "config.yml")
        made.config.symlink_to(disk / "config.yml")
        (disk / "state").mkdir()
        made.state.symlink_to(disk / "state")

    def tell(self) -> None:
        self.prepare()
        site = Site(self.home, {name: made.inventory() for name, made in self.registries.items()})
        running = site.begin(str(PLAYBOOKS / "role.yml"), FORKS, test_entry="garbage_collect")
        log = site.home / "background.log"
        try:
            for name in HELD:
                until(
                    lambda name=name: self.registries[name].hold.reached,
                    lambda name=name: name + log.read_text()[-4000:],
                )
            self.break_what_is_held()
            running.wait(900)
        except BaseException:
            kill_play(running)
            raise
        self.first = Play(running.returncode, (site.home / "background.log").read_text(encoding="utf-8"), site.results)
        self.answers = {name: answers(made.url) for name, made in self.registries.items()}
        self.processes = {name: made.process for name, made in self.registries.items()}
        self.disk_filled_waits = self.lease_of("disk_filled")
        self.restart_waits = self.lease_of("restart_fails")
        self.let_watchdogs_finish()
        self.repair()
        self.second = site.role("garbage_collect", FORKS)

    def lease_of(self, name: str) -> bool:
        return (self.registries[name].state / "lease" / "held").exists()

    def break_what_is_held(self) -> None:
        for name in HELD:
            made = self.registries[name]
            working = working_for(made.state)
            if name == "collector_killed":
                self.kill(pid for pid in working if program_of(pid).startswith(str(made.program)))
                made.hold.go_on()
            elif name == "module_killed":
                self.kill(pid for pid in working if "python" in program_of(pid).split(" ")[0])
            elif name == "registry_killed":
                self.kill([made.pid])
                made.hold.go_on()
            else:
                fill(made.home / "small")
                made.hold.go_on()

    @staticmethod
    def kill(pids) -> None:
        victims = list(pids)
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    def let_watchdogs_finish(self) -> None:
        for name in ("disk_filled", "restart_fails"):
            if self.lease_of(name):
                run_out(self.registries[name].state)
        restart = self.registries["restart_fails"]
        log = restart.home / "restarts"
        until(
            lambda: log.read_text(encoding="utf-8").count("restart") > 2, "the watchdog of restart_fails does not try"
        )
        for name in ("break-restarts", "fail-restarts"):
            (restart.home / name).unlink()
        for name in ("disk_filled", "restart_fails"):
            made = self.registries[name]
            until(lambda made=made: answers(made.url) == "enabled", f"the watchdog of {name} does not give it back")
            made.is_whole()

    def repair(self) -> None:
        """Take away what was broken on purpose."""
        for name in ("disk_filled", "state_full"):
            (self.registries[name].home / "small/filler").unlink()
        self.unmount(self.registries["config_unwritable"].config)
        self.invalid = self.registries["config_invalid"].config.read_bytes()
        self.registries["config_invalid"].config.write_bytes(self.registries["config_invalid"].config_before)
        for made in self.registries.values():
            made.hold.off()

    def unmount(self, place: Path) -> None:
        self.mounts.remove(place)
        subprocess.run(["umount", "-l", str(place)], check=True)

    def end(self) -> None:
        for made in self.registries.values():
            for pid in [*working_for(made.state), *self.watchdogs(made)]:
                os.kill(pid, signal.SIGKILL)
            made.stop()
        for place in list(self.mounts):
            self.unmount(place)

    @staticmethod
    def watchdogs(made: Windowed) -> list[int]:
        try:
            known = watchdog_of(made.state)
            return [known["pid"]] if os.path.exists(f"/proc/{known['pid']}") else []
        except OSError:
            return []


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    told = Story(tmp_path_factory.mktemp("faults"))
    try:
        told.tell()
        yield told
    finally:
        told.end()


@pytest.mark.parametrize(
    "name, words",
    [
        ("collector_killed", "The garbage was not collected, and the registry is as it was before"),
        ("module_killed", "The garbage was not collected, and the registry is as it was before"),
        ("config_unwritable", "The garbage was not collected, and the registry is as it was before"),
        ("config_invalid", "config.yml"),
        ("state_full", "No space left on device"),
        ("disk_filled", "could not be given back"),
        ("restart_fails", "no restart today"),
    ],
)
def test_what_went_wrong_is_said(story, name, words):
    assert words in failures(story.first, name)


@pytest.mark.parametrize("name", ["registry_killed", "config_of_another"])
def test_what_does_no_harm_is_no_failure(story, name):
    assert failures(story.first, name) == ""


@pytest.mark.parametrize(
    "name", ["collector_killed", "module_killed", "registry_killed", "config_unwritable", "config_of_another"]
)
def test_the_play_itself_gave_the_registry_back(story, name):
    assert story.answers[name] == "enabled"


@pytest.mark.parametrize("name", ["state_full", "config_invalid"])
def test_what_cannot_begin_touches_nothing(story, name):
    assert story.answers[name] == "enabled"
    assert story.processes[name] == story.registries[name].served_by


def test_an_invalid_configuration_stays_as_it_is(story):
    assert story.invalid == b"version: 0.1\nstorage: [\n"


def test_where_the_play_could_not_the_watchdog_did(story):
    assert story.disk_filled_waits
    assert story.restart_waits
    assert story.answers["restart_fails"] == "read_only"
    told = story.second.result("restart_fails", "repair")["watchdog"]  # on the full disk there was no room to tell
    assert told["gave_back"]
    assert told["attempts"] > 1


def test_owner_and_mode_of_the_configuration_stay(story):
    found = story.registries["config_of_another"].config.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o640)


def test_afterwards_every_registry_is_whole_and_the_next_run_succeeds(story):
    assert story.second.status == 0, story.second.output[-6000:]
    for made in story.registries.values():
        made.is_whole()
        made.is_clean()
