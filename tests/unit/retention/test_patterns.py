# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Globs, regular expressions, exclusions."""

from __future__ import annotations

import fnmatch

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import (
    MAX_PATTERN_LENGTH,
    PatternInvalid,
    compile_patterns,
    compile_regex,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("patterns", "yes", "no"),
    [
        (["prod/*"], ["prod/a", "prod/a/b", "prod/"], ["prod", "xprod/a", "PROD/a"]),
        (["*"], ["", "a", "a/b"], []),
        (["a*b*c"], ["abc", "a-b-c", "abbc", "abcbc"], ["ab", "acb", "abcd"]),
        (["a*a"], ["aa", "aba"], ["a"]),
        (["*-*"], ["a-b", "-"], ["ab"]),
        (["v?"], ["v1"], ["v", "v12"]),
        (["v[12]", "w[!12]", "x[a-c]"], ["v1", "v2", "w3", "xb"], ["v3", "w1", "xd", "v", "v12"]),
        (["*[0-9]"], ["a1", "1"], ["a", "1a"]),
        (["latest"], ["latest"], ["latest2", "Latest", "alatest"]),
        (["a.b"], ["a.b"], ["axb"]),
        (["~^v"], ["v1", "v"], ["av"]),
        (["~v"], ["av1"], ["a"]),
        (["~^v$"], ["v"], ["v1"]),
        (["!*-rc"], ["v1"], ["v1-rc"]),
        (["v*", "!*-rc", "!~beta"], ["v1"], ["v1-rc", "v1beta", "w"]),
        (["!v1", "v*"], ["v2"], ["v1"]),
    ],
    ids=lambda value: str(value)[:20],
)
def test_matching(patterns, yes, no):
    compiled = compile_patterns(patterns)
    assert [name for name in yes if not compiled.matches(name)] == []
    assert [name for name in no if compiled.matches(name)] == []


def test_the_pattern_that_matched_is_told():
    compiled = compile_patterns(["a*", "~b", "!c"])
    assert [compiled.match(name) for name in ("ax", "xb", "c", "d")] == ["a*", "~b", None, None]
    assert compile_patterns(["!c"]).match("d") == "*"


@pytest.mark.parametrize(
    "text", ["", "!", "~", "!~", "[a", "~(", "a b", "a,b", "^v", "v1$", "(a)", "a" * 1001, "~" + "a" * 1001, None, 1.1]
)
def test_what_cannot_be_meant_is_refused(text):
    with pytest.raises(PatternInvalid) as caught:
        compile_patterns([text])
    assert caught.value.pattern == text


@pytest.mark.parametrize("text", ["~^[[:digit:]]+$", "~[a--b]", "~[a&&b]", "[a--b]", "x[--0]"])
def test_what_other_dialects_read_differently_is_refused(text):
    with pytest.raises(PatternInvalid):
        compile_patterns([text])


def test_a_pattern_of_the_greatest_length_is_taken():
    assert compile_patterns(["a" * MAX_PATTERN_LENGTH]).matches("a" * MAX_PATTERN_LENGTH)
    with pytest.raises(PatternInvalid):
        compile_regex("(" * 900)


@settings(max_examples=600, deadline=None)
@given(st.text("ab*?[]!-./", min_size=1, max_size=12), st.text("ab./-", max_size=12))
def test_a_glob_matches_what_the_standard_library_says(glob, name):
    if glob[0] in "!~":
        return
    try:
        compiled = compile_patterns([glob])
    except PatternInvalid:
        return
    assert compiled.matches(name) == fnmatch.fnmatchcase(name, glob)


def test_a_glob_of_many_stars_costs_no_time():
    # A backtracking matcher would not end within the life of this test.
    assert not compile_patterns(["*a" * 400 + "b"]).matches("a" * 5000)
