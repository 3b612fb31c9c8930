# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a program and says what it cost: time, processor, memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).resolve().parents[4]
COLLECTION = "ansible_collections.fleetops.container_registry"


def processor_seconds(pid: int) -> float:
    """What a running process has used of the processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(pid: int) -> None:
    """End a process and all that descends from it: Ansible's workers have sessions of their own, so a group is not enough."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        waiting.extend(children.get(one, ()))
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass


def run(command: list[str], home: Path, budget: float, given: str = "") -> dict[str, Any]:
    """Run COMMAND in HOME with GIVEN on its standard input, for at most BUDGET seconds.

    Returns seconds, processor seconds (children included), peak of memory, and status (None: it did not finish). What it prints
    is in the files output and errors of HOME.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    env = {
        **inherited,
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": str(COLLECTIONS),
    }
    (home / "input").write_text(given, encoding="utf-8")
    with (
        open(home / "input", "rb") as stdin,
        open(home / "output", "wb") as stdout,
        open(home / "errors", "wb") as stderr,
    ):
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=home, start_new_session=True
        )
        status = None
        try:
            while True:
                pid, waited, usage = os.wait4(process.pid, os.WNOHANG)
                seconds = time.monotonic() - started
                if pid:
                    status = os.waitstatus_to_exitcode(waited)
                    break
                if seconds > budget:
                    _end(process.pid)
                    _pid, _waited, usage = os.wait4(process.pid, 0)
                    break
                time.sleep(0.02)
        except KeyboardInterrupt:
            _end(process.pid)
            os.wait4(process.pid, 0)
            raise
        process.returncode = -signal.SIGKILL if status is None else status
    return {
        "seconds": round(seconds, 2),
        "client_cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "status": status,
    }


def run_module(name: str, arguments: dict[str, Any], home: Path, *, check: bool = False) -> dict[str, Any]:
    """Run a module in a process of its own. Returns what :func:`run` does, with the module's result under ``result``.

    Raises RuntimeError where the module fails.
    """
    given = json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments, _ansible_check_mode=check)})
    command = [sys.executable, "-m", f"{COLLECTION}.tests.rig.run_module", f"{COLLECTION}.plugins.modules.{name}"]
    measured = run(command, home, 1800, given)
    output = (home / "output").read_text(encoding="utf-8")
    if measured["status"] != 0:
        raise RuntimeError(f"{name}: {output[-2000:]} {(home / 'errors').read_text(encoding='utf-8')[-2000:]}")
    measured["result"] = json.loads(output)
    return measured
