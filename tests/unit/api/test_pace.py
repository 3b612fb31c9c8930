# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: what Retry-After may say, and where the end of the run is."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import pace
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import DeadlineExceeded
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.pace import Pace, backoff, retry_after
from hypothesis import given
from hypothesis import strategies as st

NOW = 1700000000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("\u0663", None),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
    ],
)
def test_seconds_and_dates_are_read_and_nonsense_is_not(header, seconds):
    assert retry_after(header, NOW) == seconds


def test_an_absurd_wait_is_far_beyond_what_is_waited_for():
    assert retry_after("9" * 500, NOW) > pace.LONGEST_WAIT


@given(st.text(max_size=80))
def test_no_header_can_break_it(text):
    seconds = retry_after(text, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("attempt", [0, 3, 10, 100, 10**6])
def test_backoff_grows_and_is_bounded(attempt):
    assert 0 < backoff(attempt) <= 12.5


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.slept = []
        monkeypatch.setattr(pace.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(pace.time, "sleep", self.sleep)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_requests_are_spread_by_the_rate_limit(clock):
    limited = Pace(rate_limit=4)
    for _request in range(9):
        limited.wait_for_turn()
    assert clock.now == pytest.approx(102.0)


def test_without_a_limit_nothing_waits(clock):
    free = Pace()
    for _request in range(100):
        free.wait_for_turn()
    assert clock.slept == []


def test_a_pause_holds_every_request(clock):
    held = Pace()
    held.hold_all(5)
    held.wait_for_turn()
    assert clock.now == pytest.approx(105.0)


def test_the_deadline_ends_the_run_instead_of_a_sleep_beyond_it(clock):
    bounded = Pace(deadline=10)
    bounded.wait_for_turn()
    with pytest.raises(DeadlineExceeded, match="10 seconds"):
        bounded.sleep(11)
    assert clock.slept == []
    clock.now += 10
    with pytest.raises(DeadlineExceeded):
        bounded.wait_for_turn()
