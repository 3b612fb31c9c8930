# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong on the registry's host, as typed errors whose texts name the thing, the reason and the remedy."""

from __future__ import annotations

import typing as t


class StorageError(Exception):
    """A store, a collector or a file that did not give what was asked for.

    MESSAGE is meant for people. DETAILS holds what a program may want to know; a module returns it beside the message.
    """

    def __init__(self, message: str, /, **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: t.Dict[str, t.Any] = details


class RecordFileInvalid(StorageError):
    """A scan, plan or backup file that is damaged, cut short, or of a kind or version that is not understood."""


class StoreInvalid(StorageError):
    """A folder that is no registry's store, or not the store that the collector works on."""


class CollectorFailed(StorageError):
    """The registry's garbage collector could not be started, aborted, or ended without its summary."""


class CollectorRefused(StorageError):
    """A collector that must not be run: its dry run is known to delete."""


class CollectorTimedOut(CollectorFailed):
    """The collector took longer than allowed. DETAILS["collector_ended"] says whether it is certain that it has ended."""


class GuardHeld(StorageError):
    """A limit that the user has set does not let this collection or this plan through."""


class LeaseLost(StorageError):
    """The maintenance window's lease is not held by this run (any more), so that nothing may be done in it."""


class WatchdogUnable(StorageError):
    """Something that a watchdog would have to do and cannot, said before the window opens."""
