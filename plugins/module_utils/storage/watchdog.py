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
    """Wait until LEASE is released, which ends this, or has run out, which carries ORDERS out until they succeed.

    While a play has taken over this looks on, and goes on when that play's time is over, too, or it hands the lease back.
    """
    report: t.Dict[str, t.Any] = {}
    gives_up, tried = time.monotonic() + _KEEP_TRYING_SECONDS, 0
    while not lease.is_released():
        left = lease.left()
        if left is not None:
            gives_up, tried = time.monotonic() + _KEEP_TRYING_SECONDS, 0
            if left > 0 or not lease.end():
                time.sleep(_LOOK_SECONDS)
            continue
        if time.monotonic() > gives_up:
            return
        if not lease.begin_attempt():
            # Somebody was quicker.
            time.sleep(_LOOK_SECONDS)
            continue
        report = report or _begun(lease.terms())
        report["attempts"] += 1
        tried += 1
        report.update(_attempt(orders, lease.path))
        # It must not keep the registry from being given back that the disk is full.
        with contextlib.suppress(OSError):
            lease.write_report(report)
        lease.end_attempt()
        if report["gave_back"] or report.get("final"):
            return
        _pause(lease, tried)


def _begun(terms: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    return {
        "opened": terms.get("opened", ""),
        "ended": _now(),
        "reason": _reason(terms),
        "gave_back": False,
        "attempts": 0,
        "error": "",
    }


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


def _pause(lease: Lease, tried: int) -> None:
    """Wait before another attempt, but not if somebody takes over."""
    seconds = _PAUSES[tried - 1] if tried <= len(_PAUSES) else _LONGEST_PAUSE
    deadline = time.monotonic() + seconds
    while lease.is_ended() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
