# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries whose collector stops in the middle of its work, plays that are killed, and clients that look on."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.give_back import works_in_window
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, answers

# More lines than a pipe takes, so that a collector whose output nobody reads stops in the middle of its sweep.
GARBAGE = 900

# The registry's program, whose real collections wait after the first blob until somebody writes into the pipe "go".
HELD_PROGRAM = """\
#!/bin/sh
case "$*" in
*--dry-run*) ;;
garbage-collect*)
    if [ -e "{hold}/hold" ]; then
        {{ "{program}" "$@"; echo $? >"{hold}/status"; }} | {{
            while IFS= read -r line; do
                echo "$line"
                case "$line" in
                "blob eligible"*)
                    if [ ! -e "{hold}/collecting" ]; then : >"{hold}/collecting"; read -r go <"{hold}/go"; fi ;;
                esac
            done
        }}
        read -r status <"{hold}/status"
        exit "$status"
    fi ;;
esac
exec "{program}" "$@"
"""


def until(condition: Callable, what: object, seconds: float = 900.0):
    """Wait for CONDITION to give something true, and return that; WHAT (a text or what makes one) is said if it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(what() if callable(what) else what)


def add_garbage(data: Path, count: int = GARBAGE) -> None:
    """Blobs that nothing refers to, as deleted images leave them."""
    for number in range(count):
        content = f"garbage {number}".encode()
        name = hashlib.sha256(content).hexdigest()
        place = data / "docker/registry/v2/blobs/sha256" / name[:2] / name
        place.mkdir(parents=True)
        (place / "data").write_bytes(content)


def held_program(home: Path, program: str) -> str:
    """The text of a program that stands for PROGRAM, with what holds its collections in the folder HOME."""
    return HELD_PROGRAM.format(hold=home, program=program)


class Hold:
    """Whether collections stop in the middle, by files in a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        os.mkfifo(home / "go")
        self.on()

    def on(self) -> None:
        (self.home / "collecting").unlink(missing_ok=True)
        (self.home / "hold").touch()

    def off(self) -> None:
        (self.home / "hold").unlink(missing_ok=True)

    @property
    def reached(self) -> bool:
        return (self.home / "collecting").exists()

    def go_on(self) -> None:
        """Let the collection that waits go on."""
        self.off()
        with open(self.home / "go", "w", encoding="ascii") as pipe:
            pipe.write("go\n")


class Windowed(Operated):
    """A registry with an image to keep, garbage, deletes enabled, and a collector that stops in its middle."""

    def __init__(self, name: str, version: str, home: Path, *, mode: str = "readonly", **settings: object) -> None:
        super().__init__(home / name, obtain(lambda: registry_binary(version)))
        self.name, self.version, self.mode, self.settings = name, version, mode, settings
        self.hold = Hold(self.home / "holding")
        program = self.home / "held-program"
        program.write_text(held_program(self.hold.home, str(self.program)), encoding="utf-8")
        program.chmod(0o755)
        self.kept = {"kept": self.push("team/app", "kept", 1)}
        add_garbage(self.home / "data")
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(
            text.replace("http:\n", "    delete: {enabled: true}   # since 2024\nhttp:\n"), encoding="utf-8"
        )
        self.stop()
        self.start()
        self.config_before = self.config.read_bytes()
        self.served_by = self.process

    def inventory(self) -> dict:
        return {
            **super().inventory(),
            "registry_argv": [str(self.home / "held-program")],
            "registry_garbage_collect_mode": self.mode,
            "registry_window_quiet": "0s",
            **self.settings,
        }

    @property
    def marker(self) -> dict:
        return json.loads((self.state / "window.json").read_text(encoding="utf-8"))

    @property
    def restarts(self) -> int:
        log = self.home / "restarts"
        return log.read_text(encoding="utf-8").count("restart") if log.exists() else 0

    def is_whole(self) -> None:
        """It serves as before: configuration byte for byte, deletes, every kept image in full."""
        assert answers(self.url) == "enabled", self.name
        assert self.config.read_bytes() == self.config_before, self.name
        assert self.tags("team/app") == self.kept, self.name

    def is_clean(self) -> None:
        """Nothing of a window is left: neither marker nor lease nor lock."""
        assert {path.name for path in self.state.iterdir()} <= {"backups"}, self.name


def working_for(state: Path) -> list[int]:
    """The processes that work in the window which the marker in STATE tells of; none without a marker."""
    try:
        marker = json.loads((state / "window.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return works_in_window(marker["collection"])


def watchdog_of(state: Path) -> dict:
    return json.loads((state / "lease" / "watchdog.json").read_text(encoding="utf-8"))


def run_out(state: Path) -> None:
    """Let the lease in STATE run out in a moment, instead of after the minutes that it was held for."""
    with open(state / "lease" / "ends", "r+b") as stream:
        stream.write(b"%020.3f" % (time.monotonic() + 1.0))


class Writer(threading.Thread):
    """A client that tries to begin an upload again and again, and notes if it may while something works in the window."""

    def __init__(self, port: int, state: Path) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._state = state
        self._ends = threading.Event()
        self.refused = 0
        self.accepted = 0
        self.accepted_beside: list[list[int]] = []
        self.start()

    def run(self) -> None:
        while not self._ends.wait(0.1):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("POST", "/v2/team/written/blobs/uploads/")
                status = connection.getresponse().status
                connection.close()
            except (OSError, http.client.HTTPException):
                continue
            if status == 202:
                # Looked for after the answer: whoever is there now was there then.
                working = working_for(self._state)
                self.accepted += 1
                if working:
                    self.accepted_beside.append(working)
            else:
                self.refused += 1

    def stop(self) -> None:
        self._ends.set()
        self.join(60)


def program_of(pid: int) -> str:
    """The command line of a process, empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def running(words: str) -> list[int]:
    """The processes of this host whose command line has WORDS."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and words in program_of(int(pid))]


def family_of(pid: int) -> list[int]:
    """PID and all that it has started, whatever sessions these are in."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found.extend(parents.get(parent, []))
    return found


def kill_play(play) -> None:
    """As if the controller had lost its power: every process of a play at once, without a word to any host.

    What runs on a host goes on, as it does on another machine, although here it is the same.
    """
    victims = [pid for pid in family_of(play.pid) if "ansible-playbook" in program_of(pid)]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            continue
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    play.wait()
