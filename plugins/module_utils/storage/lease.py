# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease on a maintenance window: it runs out unless somebody renews it, and then nobody may work in that window any more.

It is a folder on the registry's host. One file in it is the token, and its name says who may act: `held` by the play, `ended` by the
watchdog, `acting` while the watchdog is at it, `taken_over` by a play again for some time, `released` nobody any more. A renaming is
atomic and needs no space on the disk, so of two that want the token one gets it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import LeaseLost, StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_process import boot_id, lives

HELD, ENDED, ACTING, TAKEN_OVER, RELEASED = "held", "ended", "acting", "taken_over", "released"
_ENDS, _WATCHDOG, _REPORT = "ends", "watchdog.json", "report.json"
_STEP = 0.2


class Lease:
    """The lease in the folder PATH. Times are in seconds of this host's monotonic clock, which no change of date moves."""

    def __init__(self, path: str) -> None:
        self.path = path

    def begin(self, run_id: str, duration: float, limit: float) -> None:
        """Hold it as RUN_ID for DURATION seconds from now, to be renewed until LIMIT seconds from now.

        What an earlier run has left in the folder is removed: whoever begins has made sure that it is of no use any more. Raises
        OSError if it cannot be written.
        """
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path, mode=0o700)
        now = time.monotonic()
        self._write(_ENDS, b"%020.3f" % (now + min(duration, limit)))
        terms = {
            "run_id": run_id,
            "boot_id": boot_id(),
            "duration": duration,
            "begun": now,
            "limit": now + limit,
            "opened": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self._write(HELD, json.dumps(terms).encode("utf-8"))

    def renew(self, run_id: str) -> float:
        """Hold it for its duration from now on, and return the seconds left. Raises LeaseLost where RUN_ID holds it no more."""
        terms = self._terms_of_holder(run_id)
        now = time.monotonic()
        ends = min(now + terms["duration"], terms["limit"])
        if ends <= now:
            raise LeaseLost(
                "the lease on the maintenance window (%s) cannot be renewed any more: the window has been open for as long as it may be"
                % self.path
            )
        self._move_end(ends)
        # Whoever ends it looks at the end once more after taking the token.
        self._terms_of_holder(run_id)
        return float(ends - now)

    def insist(self, run_id: str) -> None:
        """Raise LeaseLost unless RUN_ID holds it."""
        self._terms_of_holder(run_id)

    def left(self) -> t.Optional[float]:
        """Seconds until a play may act no more, below zero afterwards; None if no play may, 0 where nobody can tell. Raises nothing."""
        if not any(os.path.exists(self._file(name)) for name in (HELD, TAKEN_OVER)):
            return None
        try:
            return self._end() - time.monotonic()
        except (OSError, ValueError):
            return 0.0

    def end(self) -> bool:
        """Take the token from a play whose time is over; whether that was so. From then on no holder can do anything."""
        before = next((name for name in (HELD, TAKEN_OVER) if self._pass_on(name, ENDED)), None)
        if before is None:
            return False
        try:
            renewed = self._end() > time.monotonic()
        except (OSError, ValueError):
            renewed = False
        return not (renewed and self._pass_on(ENDED, before))

    def is_ended(self) -> bool:
        """Whether the watchdog may act."""
        return os.path.exists(self._file(ENDED))

    def begin_attempt(self) -> bool:
        """Whether the watchdog may act and does from now on, so that nobody takes over before end_attempt."""
        return self._pass_on(ENDED, ACTING)

    def end_attempt(self) -> None:
        """The watchdog may be taken over from again."""
        self._pass_on(ACTING, ENDED)

    def take_over(self, duration: float, patience: float) -> bool:
        """Let a play act for DURATION seconds from now while the watchdog looks on; whether there was a token to take.

        It waits up to PATIENCE seconds for an attempt of the watchdog to end. Raises StorageError if that goes on.
        """
        deadline = time.monotonic() + patience
        while True:
            watched = self.watchdog_lives()
            # Before the token is taken, since whoever ends it looks at the end once more.
            self._move_end(time.monotonic() + duration)
            # One that is gone will never end its attempt.
            takeable = (TAKEN_OVER, HELD, ENDED) if watched else (TAKEN_OVER, HELD, ENDED, ACTING)
            if any(self._pass_on(name, TAKEN_OVER) for name in takeable):
                return True
            if not watched:
                return False
            self._insist_on_patience(deadline)

    def hand_back(self) -> None:
        """Let the watchdog act again, at once, if a play has taken over."""
        self._pass_on(TAKEN_OVER, ENDED)

    def release(self, patience: float) -> None:
        """Let nobody act any more, and wait up to PATIENCE seconds for the watchdog to leave. Raises StorageError if it does not."""
        deadline = time.monotonic() + patience
        self.take_over(patience, patience)
        self._pass_on(TAKEN_OVER, RELEASED)
        while self.watchdog_lives():
            self._insist_on_patience(deadline)

    def is_released(self) -> bool:
        """Whether nobody has anything to do with it any more."""
        return os.path.exists(self._file(RELEASED)) or not self.exists()

    def remove(self) -> None:
        """Leave nothing behind. Raises nothing: whether it has worked, `exists` tells."""
        shutil.rmtree(self.path, ignore_errors=True)

    def exists(self) -> bool:
        """Whether there is a lease, held or not."""
        return os.path.isdir(self.path)

    def terms(self) -> t.Dict[str, t.Any]:
        """What it was begun with: run_id, boot_id, duration, limit, opened; empty if that cannot be read."""
        for name in (HELD, ENDED, ACTING, TAKEN_OVER, RELEASED):
            found = self._read(name)
            if found:
                return found
        return {}

    def watched_by(self, pid: int, started: str) -> None:
        """Remember the watchdog's process."""
        self._write(_WATCHDOG, json.dumps({"pid": pid, "started": started, "boot_id": boot_id()}).encode("utf-8"))

    def watchdog_lives(self) -> bool:
        """Whether the watchdog's process is there."""
        known = self._watchdog()
        return bool(known) and known.get("boot_id") == boot_id() and lives(known["pid"], known["started"])

    def write_report(self, report: t.Dict[str, t.Any]) -> None:
        """Keep what the watchdog has done, for the next run. Raises OSError."""
        self._write(_REPORT, json.dumps(report).encode("utf-8"))

    def report(self) -> t.Optional[t.Dict[str, t.Any]]:
        """What the watchdog has done, None if it has left nothing."""
        return self._read(_REPORT) or None

    def _watchdog(self) -> t.Dict[str, t.Any]:
        return self._read(_WATCHDOG)

    def _insist_on_patience(self, deadline: float) -> None:
        """Wait a moment. Raises StorageError after DEADLINE."""
        if time.monotonic() > deadline:
            raise StorageError(
                "the watchdog of an earlier window (process %s) is still giving the registry back. See what it waits for, or end"
                " it, and run this again" % self._watchdog().get("pid")
            )
        time.sleep(_STEP)

    def _end(self) -> float:
        with open(self._file(_ENDS), "rb") as stream:
            return float(stream.read())

    def _move_end(self, ends: float) -> None:
        # In place and as long as before: it must work on a full disk.
        with contextlib.suppress(FileNotFoundError), open(self._file(_ENDS), "r+b", buffering=0) as stream:
            stream.write(b"%020.3f" % ends)

    def _terms_of_holder(self, run_id: str) -> t.Dict[str, t.Any]:
        terms = self._read(HELD)
        if not terms:
            raise LeaseLost(
                "the lease on the maintenance window (%s) is not held any more, so nothing may be done in that window: it was not renewed"
                " in time, or took longer than allowed" % self.path
            )
        if terms.get("run_id") != run_id:
            raise LeaseLost(
                "the lease on the maintenance window (%s) is held by another run (%s)"
                % (self.path, terms.get("run_id"))
            )
        return terms

    def _pass_on(self, before: str, after: str) -> bool:
        try:
            os.rename(self._file(before), self._file(after))
        except OSError:
            return False
        return True

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _read(self, name: str) -> t.Dict[str, t.Any]:
        try:
            with open(self._file(name), "rb") as stream:
                found = json.loads(stream.read().decode("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, content: bytes) -> None:
        temporary = self._file(name + ".new")
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, self._file(name))
