# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs modules as tests.rig.modules does, each in a process of its own that can be killed, but forked from one that has imported all.

A test that needs hundreds of runs saves the half second that Python and ansible take to start each of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from .modules import MODULES, ROOT, ModuleResult


class WarmRun:
    """A module that runs. PID is its process, which nothing else ends or waits for."""

    def __init__(self, warm: WarmModules, pid: int, output: Path) -> None:
        self._warm = warm
        self._output = output
        self.pid = pid

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        os.kill(self.pid, signal.SIGKILL)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet (an ended one stays a zombie until it is finished)."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in "ZX"

    def finish(self) -> ModuleResult:
        """Wait for it and read its result."""
        status = self._warm.ask({"wait": self.pid})
        output = self._output.read_text(encoding="utf-8")
        self._output.unlink()
        try:
            data = json.loads(output)
        except ValueError:
            data = {"failed": True, "msg": f"no JSON: {output[-6000:]}"}
        return ModuleResult(data, status, output)


class WarmModules:
    """The process that modules are forked from."""

    def __init__(self) -> None:
        env = {
            key: value for key, value in os.environ.items() if not key.startswith(("CONTAINER_REGISTRY_", "REGISTRY_"))
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ansible_collections.fleetops.container_registry.tests.rig.warm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**env, "PYTHONPATH": str(ROOT.parents[2])},
        )
        self._place = tempfile.TemporaryDirectory()
        self._number = 0

    def ask(self, question: dict[str, Any]) -> int:
        """Send one line to the process, and return the number that it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, name: str, arguments: dict[str, Any], *, check: bool = False, diff: bool = False) -> WarmRun:
        """Start the module NAME."""
        self._number += 1
        output = Path(self._place.name) / str(self._number)
        given = dict(arguments, _ansible_check_mode=check, _ansible_diff=diff)
        pid = self.ask({"run": f"{MODULES}.{name}", "arguments": given, "output": str(output)})
        return WarmRun(self, pid, output)

    def run(self, name: str, arguments: dict[str, Any], **options: Any) -> ModuleResult:
        """Run the module NAME to its end."""
        return self.start(name, arguments, **options).finish()

    def __enter__(self) -> WarmModules:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._place.cleanup()


def _child(question: dict[str, Any]) -> int:
    """Be the module, with its output in a file; returns the exit status."""
    import importlib

    from ansible.module_utils import basic

    target = os.open(question["output"], os.O_WRONLY | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)
    module = importlib.import_module(question["run"])
    try:
        try:
            from ansible.module_utils.testing import patch_module_args
        except ImportError:  # ansible-core 2.18
            basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": question["arguments"]}).encode()
            module.main()
        else:
            with patch_module_args(question["arguments"]):
                module.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def main() -> None:
    """Answer each line of standard input: fork a module, or wait for one."""
    import importlib
    import traceback

    for name in ("registry_prune", "registry_manifest_restore", "registry_storage_info"):
        importlib.import_module(f"{MODULES}.{name}")
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            answer = os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                status = 1
                try:
                    status = _child(question)
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
