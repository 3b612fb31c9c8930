# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""WWW-Authenticate, as registries send it and as anybody might."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.challenge import parse_challenges
from hypothesis import given
from hypothesis import strategies as st


def parsed(header):
    return [(one.scheme, dict(one.parameters)) for one in parse_challenges(header)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, []),
        ("", []),
        ('Basic realm="Registry Realm"', [("basic", {"realm": "Registry Realm"})]),
        ("Basic", [("basic", {})]),
        (
            'Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://auth.example/token", "service": "r", "scope": "repository:a/b:pull,push"})],
        ),
        (
            'Bearer realm="https://a/t", service=r , error="insufficient_scope"',
            [("bearer", {"realm": "https://a/t", "service": "r", "error": "insufficient_scope"})],
        ),
        (
            'Negotiate, Basic realm="a \\"quoted\\" one", Bearer realm="x"',
            [("negotiate", {}), ("basic", {"realm": 'a "quoted" one'}), ("bearer", {"realm": "x"})],
        ),
        ('BEARER REALM="x"', [("bearer", {"realm": "x"})]),
    ],
)
def test_challenges_are_read_in_order(header, expected):
    assert parsed(header) == expected


def test_the_first_of_two_equal_parameters_counts():
    assert parsed('Bearer realm="https://good",realm="https://evil"') == [("bearer", {"realm": "https://good"})]


@given(st.text(max_size=300))
def test_nothing_breaks_it(header):
    parse_challenges(header)


def test_a_huge_header_is_read_in_no_time():
    parse_challenges("Basic a=" + '"\\' * 200000)
    parse_challenges("a" * 10**6)
    parse_challenges(", " * 10**6)
