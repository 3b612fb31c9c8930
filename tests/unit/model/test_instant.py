# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as RFC 3339 writes them."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import (
    format_instant,
    parse_instant,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-02-29T12:00:00Z", 1709208000),
        ("2024-02-29t12:00:00z", 1709208000),
        ("2024-02-29 12:00:00", 1709208000),
        ("2024-02-29T14:00:00+02:00", 1709208000),
        ("2024-02-29T06:30:00-0530", 1709208000),
        ("2024-02-29T12:00:00.5Z", 1709208000.5),
        ("2024-02-29T12:00:00.123456789Z", 1709208000.123456789),
        ("0001-01-01T00:00:00Z", -62135596800),
        ("9999-12-31T23:59:59Z", 253402300799),
        ("2016-12-31T23:59:60Z", 1483228800),
    ],
)
def test_times(text, seconds):
    assert parse_instant(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        b"2024-01-01T00:00:00Z",
        "",
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00Z\n",
        " 2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.Z",
        "２０２４-01-01T00:00:00Z",
        "20240101T000000Z",
        "2024-01-01T00:00:00." + "1" * 100000 + "Z",
    ],
    ids=lambda text: repr(text)[:30],
)
def test_no_times(text):
    assert parse_instant(text) is None


@pytest.mark.parametrize(
    "seconds", [None, float("nan"), float("inf"), float("-inf"), 1e300, 253402300800, -62135596801]
)
def test_what_no_calendar_holds_has_no_text(seconds):
    assert format_instant(seconds) is None


@settings(max_examples=300, deadline=None)
@given(st.datetimes(min_value=datetime.datetime(1, 1, 1)))
def test_there_and_back(moment):
    moment = moment.replace(microsecond=0)
    text = moment.isoformat() + "Z"
    assert format_instant(parse_instant(text)) == text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)\Z"))
def test_any_text_is_a_time_or_none(text):
    seconds = parse_instant(text)
    assert seconds is None or isinstance(seconds, (int, float))
