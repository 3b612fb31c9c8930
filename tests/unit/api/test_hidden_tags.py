# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that Distribution 3.1.0 and 3.1.1 leave out on S3: whatever there is, asking behind what is listed finds all of it."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.hidden_tags import (
    behind,
    hides_none,
    with_hidden,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def walked(tags: set[str], last: str = "") -> list[str]:
    """TAGS as that walk lists them, from LAST on: by key, leaving out what begins with the name that it has just passed."""
    listed: list[str] = []
    passed = ""
    for tag in sorted(tags, key=lambda tag: tag + "/"):
        if last and tag + "/index/" <= last:  # every key of it comes before
            continue
        if passed and tag.startswith(passed):
            continue
        passed = tag
        if tag.replace("/", "\0") > last.replace("/", "\0"):
            listed.append(tag)
    return listed


def found(tags: set[str]) -> tuple[list[str], int]:
    asked = []

    def tags_behind(tag: str, first: bool) -> list[str]:
        asked.append(tag)
        names = walked(tags, behind(tag))
        return names[:1] if first else names

    return with_hidden(walked(tags), tags_behind), len(asked)


def test_the_list_and_what_it_hides():
    tags = {"v1", "v1-rc", "v1.0", "v10", "v100", "v1_a", "v2", "latest", "latest2"}
    assert walked(tags) == ["latest", "v1-rc", "v1.0", "v1", "v2"]
    assert walked(tags, behind("v1")) == ["v10", "v1_a", "v2"]
    assert found(tags)[0] == sorted(tags)


@settings(max_examples=500, deadline=None)
@given(st.sets(st.text("v1-._a", min_size=1, max_size=5), max_size=12))
def test_whatever_there_is_all_of_it_is_found(tags):
    assert found(tags)[0] == sorted(tags)


@settings(max_examples=500, deadline=None)
@given(st.sets(st.text("v1-._a", min_size=1, max_size=5), max_size=12))
def test_no_list_that_hides_something_looks_like_one_that_hides_nothing(tags):
    listed = walked(tags)
    assert not hides_none(listed)


def test_what_is_listed_in_full_is_not_asked_about():
    with_hidden(["v1", "v10"], lambda *_asked: pytest.fail("asked"))


def test_one_request_for_each_tag_and_one_more_where_something_is_hidden():
    assert found({"a", "b", "c"})[1] == 3
    assert found({"a", "b", "b1", "c"})[1] == 5
