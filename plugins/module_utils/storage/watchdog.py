# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watchdog: it waits on the registry's host for a lease to run out, and gives the registry back if it does."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.detached import detach
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.give_back import (
    ConfigChanged,
    Orders,
    give_back,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_process import start_time
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease import Lease

_NAME = "registry-lease"  # what `ps` shows, 15 letters at most
_LOOK_SECONDS = 0.5
_PAUSES = (5.0, 10.0, 20.0, 40.0, 60.0)
_LONGEST_PAUSE = 300.0
_KEEP_TRYING_SECONDS = 24 * 3600.0


def start_watchdog(lease: Lease, orders: Orders) -> int:
    """Start a process that watches LEASE and carries ORDERS out if it runs out; return its id. Raises StorageError."""

    def prepare() -> None:
        lease.watched_by(os.getpid(), start_time(os.getpid()) or "")

    return detach(_NAME, prepare, lambda: watch(lease, orders))


def watch(lease: Lease, orders: Orders) -> None:
    """Wait until LEASE is not held any more, which ends this, or has run out, which carries ORDERS out until they succeed."""
    while True:
        left = lease.left()
        if left is None:
            return
        if left <= 0 and lease.end():
            break
        time.sleep(_LOOK_SECONDS)
    terms = lease.terms()
    report = {
        "opened": terms.get("opened", ""),
        "ended": _now(),
        "reason": _reason(terms),
        "gave_back": False,
        "attempts": 0,
        "error": "",
    }
    deadline = time.monotonic() + _KEEP_TRYING_SECONDS
    while lease.is_ended() and time.monotonic() < deadline:
        report["attempts"] += 1
        report.update(_attempt(orders, lease.path))
        # It must not keep the registry from being given back that the disk is full.
        with contextlib.suppress(OSError):
            lease.write_report(report)
        if report["gave_back"] or report.get("final"):
            return
        _pause(lease, report["attempts"])


def _attempt(orders: Orders, scratch: str) -> t.Dict[str, t.Any]:
    try:
        return dict(give_back(orders, scratch), gave_back=True, error="", finished=_now())
    except ConfigChanged as error:
        return {"error": error.message, "final": True}
    except (StorageError, OSError) as error:
        return {"error": str(error)}


def _reason(terms: t.Mapping[str, t.Any]) -> str:
    limit = terms.get("limit")
    if limit is not None and time.monotonic() >= limit:
        return "the window took longer than allowed"
    return "the run that had opened the window gave no sign of life for %g s" % terms.get("duration", 0)


def _pause(lease: Lease, attempts: int) -> None:
    """Wait before another attempt, but not if somebody takes over."""
    seconds = _PAUSES[attempts - 1] if attempts <= len(_PAUSES) else _LONGEST_PAUSE
    deadline = time.monotonic() + seconds
    while lease.is_ended() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
