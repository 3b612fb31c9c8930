# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Skips a test where a piece of the rig cannot be had; in CI that is a failure instead, so that nothing is skipped unseen."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from .binaries import Unavailable

T = TypeVar("T")


def require(condition: object, what: str, why: str) -> None:
    """Go on only if the condition holds. ``what`` is the missing piece, ``why`` the reason or the remedy."""
    if condition:
        return
    reason = f"{what} is not available: {why}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def obtain(supplier: Callable[[], T]) -> T:
    """What the supplier returns; where it raises Unavailable, the test is skipped (in CI: fails)."""
    try:
        return supplier()
    except Unavailable as unavailable:
        reason = str(unavailable)
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
