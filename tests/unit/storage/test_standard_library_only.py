# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The storage room and its modules run where requests has never been installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = ROOT.parents[2]
PREFIX = "ansible_collections.fleetops.container_registry.plugins."
MODULES = ("registry_garbage_collect", "registry_storage_info", "registry_storage_prune", "registry_window_lease")

# What an import of these would find where they are not installed.
ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in %r:
            raise ModuleNotFoundError("No module named " + name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, %r)
"""


def run_without(absent, code):
    done = subprocess.run(
        [sys.executable, "-c", ABSENT % (absent, str(COLLECTIONS)) + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()


def storage_files():
    return sorted((ROOT / "plugins" / "module_utils" / "storage").glob("*.py"))


@pytest.mark.parametrize("path", storage_files(), ids=lambda path: path.stem)
def test_storage_is_imported_without_requests_and_ansible(path):
    run_without(("requests", "urllib3", "ansible", "yaml"), "import %smodule_utils.storage.%s" % (PREFIX, path.stem))


@pytest.mark.parametrize("path", storage_files(), ids=lambda path: path.stem)
def test_storage_imports_downwards_only(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    for name in names:
        if name.startswith(PREFIX):
            assert name[len(PREFIX) :].split(".")[1] in ("storage", "model"), name
        else:
            assert name.split(".")[0] in sys.stdlib_module_names | {"__future__"}, name


@pytest.mark.parametrize("module", MODULES)
def test_the_modules_run_without_requests(module):
    if not (ROOT / "plugins" / "modules" / (module + ".py")).exists():
        pytest.fail("%s is missing" % module)
    run_without(("requests", "urllib3"), "import %smodules.%s as module; module.main" % (PREFIX, module))
