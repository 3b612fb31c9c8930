# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one module as ansible runs it, without a playbook around it: arguments in, one JSON object out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.fleetops.container_registry.plugins.modules"


@dataclass(frozen=True)
class ModuleResult:
    """What a module returned, and everything that it printed."""

    data: dict[str, Any]
    status: int
    output: str

    @property
    def failed(self) -> bool:
        """Whether the task has failed."""
        return bool(self.data.get("failed")) or self.status != 0

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    @property
    def msg(self) -> str:
        """The failure's message, empty for a success."""
        return str(self.data.get("msg", ""))


def start_module(
    name: str,
    arguments: dict[str, Any],
    *,
    check: bool = False,
    diff: bool = False,
    env: dict[str, str] | None = None,
    python: str = sys.executable,
) -> subprocess.Popen[str]:
    """Start the module NAME in a process of its own; finish_module reads its result."""
    given = dict(arguments, _ansible_check_mode=check, _ansible_diff=diff)
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("CONTAINER_REGISTRY_", "REGISTRY_"))
    }
    process = subprocess.Popen(
        [python, "-m", "ansible_collections.fleetops.container_registry.tests.rig.run_module", f"{MODULES}.{name}"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, "PYTHONPATH": str(ROOT.parents[2]), **(env or {})},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    process.stdin.close()
    process.stdin = None
    return process


def finish_module(process: subprocess.Popen[str]) -> ModuleResult:
    """Wait for a module and read its result."""
    output, errors = process.communicate(timeout=600)
    try:
        data = json.loads(output)
    except ValueError:
        data = {"failed": True, "msg": f"no JSON: {output[-2000:]} {errors[-4000:]}"}
    return ModuleResult(data, process.returncode, output + errors)


def run_module(name: str, arguments: dict[str, Any], **options: Any) -> ModuleResult:
    """Run the module NAME to its end."""
    return finish_module(start_module(name, arguments, **options))


def documented_returns(name: str) -> dict[str, str]:
    """What the module NAME says that it returns: each key, and when."""
    text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    block = re.search(r'^RETURN = r"""\n(.*?)^"""', text, re.DOTALL | re.MULTILINE)
    assert block, name
    return {key: entry["returned"] for key, entry in yaml.safe_load(block[1]).items()}
