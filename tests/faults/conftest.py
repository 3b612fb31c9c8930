# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests that break things have in common."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.warm import WarmModules


@pytest.fixture(scope="session")
def warm():
    """Runs modules, each in a process of its own that can be killed, without the time that they take to start."""
    with WarmModules() as started:
        yield started
