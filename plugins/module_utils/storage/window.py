# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A maintenance window, as a play goes through it: hold, renew, quiet, take over, hand back, release. Each returns what a module returns."""

from __future__ import annotations

import os
import tempfile
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import LeaseLost, StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.give_back import (
    Orders,
    can_end_collector,
    check_orders,
    end_window_processes,
    works_in_window,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_process import boot_id
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease import Lease
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.watchdog import start_watchdog
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.window_job import wait_for_job

Result = t.Dict[str, t.Any]


def hold(path: str, orders: Orders, duration: float, limit: float, check_mode: bool) -> Result:
    """Begin a lease in the folder PATH for DURATION seconds, renewable for LIMIT, watched by a process that has ORDERS.

    Raises WatchdogUnable, before anything is begun, if they could not be carried out; StorageError if somebody holds it.
    """
    if duration <= 0 or limit <= 0:
        raise StorageError("duration and limit must be above 0, not %g and %g" % (duration, limit))
    lease = Lease(path)
    if lease.watchdog_lives():
        raise StorageError(
            "another window is open (%s), and its watchdog waits. Close it first, which the role does in its next run"
            % path
        )
    if orders.watched:
        with tempfile.TemporaryDirectory(prefix="registry-lease.") as scratch:
            check_orders(orders, scratch)
    result: Result = {"changed": True, "held": not check_mode, "boot_id": boot_id(), "watchdog_pid": None}
    if not check_mode:
        try:
            lease.begin(orders.run_id, duration, limit)
            if orders.watched:
                result["watchdog_pid"] = start_watchdog(lease, orders)
        except OSError as error:
            lease.remove()
            raise StorageError(
                "the lease cannot be written to %s: %s. Make that possible, and run this again" % (path, error.strerror)
            ) from error
        except BaseException:
            lease.remove()
            raise
    return dict(result, seconds_left=min(duration, limit))


def renew(path: str, run_id: str, job_file: t.Optional[str], wait: float, check_mode: bool) -> Result:
    """Hold the lease on, and wait WAIT seconds for the job of JOB_FILE, but no longer than a third of what is left.

    Raises LeaseLost where RUN_ID holds it no more.
    """
    lease = Lease(path)
    if check_mode:
        lease.insist(run_id)
        return {"changed": False, "held": True, "seconds_left": lease.left(), "job_finished": False}
    left = lease.renew(run_id)
    finished = bool(job_file) and wait_for_job(str(job_file), run_id, min(wait, left / 3.0))
    if not finished and lease.left() is None:
        raise LeaseLost("the lease on the maintenance window (%s) has run out" % path)
    return {"changed": True, "held": True, "seconds_left": left, "job_finished": finished}


def quiet(orders: Orders, check_mode: bool) -> Result:
    """Make sure that nothing works in the window of ORDERS. Raises StorageError if something goes on that should have ended."""
    found = works_in_window(orders.run_id)
    certain = can_end_collector(orders)
    if not check_mode:
        end_window_processes(orders)
        left = works_in_window(orders.run_id)
        if left:
            raise StorageError(
                "the collector could not be ended, so nobody may write to the registry yet. End the processes %s on this host, and"
                " run this again" % ", ".join(str(pid) for pid in left)
            )
    return {"changed": bool(found), "held": False, "certain": certain, "ended_processes": found}


def take_over(path: str, duration: float, patience: float, check_mode: bool) -> Result:
    """Act in place of the watchdog for DURATION seconds from now, also again and again; what that has done is returned.

    Raises StorageError if the watchdog is in the middle of an attempt for longer than PATIENCE seconds.
    """
    if duration <= 0:
        raise StorageError("duration must be above 0, not %g" % duration)
    lease = Lease(path)
    taken = lease.exists() and (check_mode or lease.take_over(duration, patience))
    return {
        "changed": taken,
        "held": taken and not check_mode,
        "seconds_left": duration,
        "watchdog_report": lease.report(),
    }


def hand_back(path: str, check_mode: bool) -> Result:
    """Let the watchdog go on at once where a play had taken over, and could not give the registry back."""
    lease = Lease(path)
    if not check_mode:
        lease.hand_back()
    return {"changed": lease.exists(), "held": False, "watched": lease.watchdog_lives()}


def release(path: str, patience: float, check_mode: bool) -> Result:
    """End the lease in the folder PATH and its watchdog, and return what that watchdog has done, if anything.

    Raises StorageError if the watchdog does not leave within PATIENCE seconds, or the folder cannot be removed.
    """
    lease = Lease(path)
    exists = lease.exists()
    if exists and not check_mode:
        lease.release(patience)
    terms = lease.terms()
    seconds = None
    if terms.get("boot_id") == boot_id():
        seconds = round(time.monotonic() - terms["begun"], 3)
    result = {"changed": exists, "held": False, "watchdog_report": lease.report(), "seconds_held": seconds}
    if exists and not check_mode:
        lease.remove()
        if os.path.exists(path):
            raise StorageError("the lease's folder %s cannot be removed. Remove it" % path)
    return result
