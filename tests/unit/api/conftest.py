# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits between repetitions take no time in these tests; what is asked for is tested in test_pace.py."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import transport


@pytest.fixture
def no_waiting(monkeypatch):
    """Lets backoff be a moment."""
    monkeypatch.setattr(transport, "backoff", lambda _attempt: 0.001)
