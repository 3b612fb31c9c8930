# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the collection importable, as ``ansible_collections.fleetops.container_registry``, for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

if ROOT.parts[-3:] != ("ansible_collections", "fleetops", "container_registry"):
    raise pytest.UsageError(
        f"{ROOT} is not a path that ansible can import a collection from. Run the tests by `make unit`,"
        " `make integration` or `make test`, which copy the collection to one."
    )
sys.path.insert(0, str(ROOT.parents[2]))
# For pytest-ansible, which reads it when pytest starts, and for every ansible program that a test runs.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT.parents[2])

pytest_plugins = ["ansible_collections.fleetops.container_registry.tests.rig.fixtures"]

if "pytest_ansible" in sys.modules:
    # ansible's finder must be there before the first import of a collection, and pytest-ansible comes too late with it.
    from ansible.plugins.loader import init_plugin_loader

    for imported in [name for name in sys.modules if name.partition(".")[0] == "ansible_collections"]:
        del sys.modules[imported]
    init_plugin_loader([str(ROOT.parents[2])])
