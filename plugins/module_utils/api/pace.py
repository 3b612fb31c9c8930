# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast and how long: requests a second, waits between repetitions, and the end of the run."""

from __future__ import annotations

import email.utils
import random
import threading
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import DeadlineExceeded

# A server that wants us to come back later than this is told to the user instead of being waited for.
LONGEST_WAIT = 60.0
_FIRST_WAIT = 0.5
_LONGEST_BACKOFF = 10.0


def retry_after(value: t.Optional[str], now: float) -> t.Optional[float]:
    """Seconds to wait by a Retry-After header (RFC 9110 10.2.3: seconds, or a date compared with NOW, an epoch time).

    None where there is none, or none that makes sense; never negative.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isdigit() and text.isascii():
        return float(text[:12])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if moment is None:  # what Python before 3.10 returns for no date
        return None
    try:
        return max(0.0, moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def backoff(attempt: int) -> float:
    """Seconds before repetition ATTEMPT (0 is the first): doubling, with a random part so that threads spread."""
    spread = random.uniform(0.75, 1.25)  # nosec B311
    return min(_LONGEST_BACKOFF, _FIRST_WAIT * 2.0 ** min(attempt, 10)) * spread


class Pace:
    """Shared by all threads of a client. RATE_LIMIT in requests a second, DEADLINE in seconds from now; None means none."""

    def __init__(self, rate_limit: t.Optional[float] = None, deadline: t.Optional[float] = None) -> None:
        self._interval = 1.0 / rate_limit if rate_limit else 0.0
        self._deadline = deadline
        self._ends = None if deadline is None else time.monotonic() + deadline
        self._next = 0.0
        self._lock = threading.Lock()

    def remaining(self) -> t.Optional[float]:
        """Seconds left of the run, or None without a deadline; may be negative."""
        return None if self._ends is None else self._ends - time.monotonic()

    def wait_for_turn(self) -> None:
        """Return when the next request may be sent. Raises DeadlineExceeded if that is not before the end of the run."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._interval
        self.sleep(turn - time.monotonic())

    def hold_all(self, seconds: float) -> None:
        """Let no thread send anything for SECONDS: the registry asked for a pause."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise DeadlineExceeded at once if the run would be over before the end of it."""
        left = self.remaining()
        if left is not None and left <= max(seconds, 0.0):
            raise DeadlineExceeded(
                "The deadline of %g seconds for this run is used up. Raise deadline, or let the run do less (fewer"
                " repositories, more workers)." % (self._deadline or 0.0)
            )
        if seconds > 0:
            time.sleep(seconds)
