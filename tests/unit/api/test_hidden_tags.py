# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that Distribution 3.1.0 and 3.1.1 leave out on S3: whatever there is, asking behind what is listed finds all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import hidden_tags
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.hidden_tags import (
    TooManyTags,
    behind,
    hides_none,
    with_hidden,
)
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import (
    Reply,
    Request,
    in_turn,
    registry_error,
    serving,
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


def test_a_server_that_names_new_tags_for_ever_is_given_up(monkeypatch):
    monkeypatch.setattr(hidden_tags, "MOST_HIDDEN", 500)
    with pytest.raises(TooManyTags):
        with_hidden(["v"], lambda tag, first: [tag + "a"] if first else [tag + "a", tag + "b"])


def test_what_is_listed_in_full_is_not_asked_about():
    with_hidden(["v1", "v10"], lambda *_asked: pytest.fail("asked"))


def test_one_request_for_each_tag_and_one_more_where_something_is_hidden():
    assert found({"a", "b", "c"})[1] == 3
    assert found({"a", "b", "b1", "c"})[1] == 5


# --- which registry hides none, told by what it does

PLAIN, WITH_CHARSET = "application/json", "application/json; charset=utf-8"


@contextmanager
def talking(script: Callable[[Request], Reply]):
    with (
        serving(script) as server,
        RegistryClient(Connection(server.url, retries=0, find_hidden_tags=True), {}) as client,
    ):
        yield client, server


def registry(tags: set[str], content_type: str, heeds_last: bool = True) -> Callable[[Request], Reply]:
    """One that hides some of TAGS, or one of 2.x, which gives all of them whatever it is asked."""

    def answer(request: Request) -> Reply:
        parts = urlsplit(request.path)
        body = b"{}"
        if parts.path.endswith("/tags/list"):
            last = parse_qs(parts.query).get("last", [""])[0]
            body = json.dumps({"name": "x", "tags": walked(tags, last) if heeds_last else sorted(tags)}).encode()
        return Reply(200, body, {"Content-Type": content_type, "Docker-Distribution-Api-Version": "registry/2.0"})

    return answer


@pytest.mark.parametrize("content_type", [PLAIN, WITH_CHARSET])
def test_hidden_tags_are_found_whatever_a_proxy_makes_of_the_headers(content_type):
    with talking(registry({"v1", "v10", "w"}, content_type)) as (client, _server):
        assert client.tags("x") == ["v1", "v10", "w"]


@pytest.mark.parametrize("content_type", [PLAIN, WITH_CHARSET])
def test_2_x_is_found_out_by_one_request_for_all_repositories(content_type):
    with talking(registry({"v1", "w"}, content_type, heeds_last=False)) as (client, server):
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(client.tags, "abcd")) == [["v1", "w"]] * 4
        assert len(server.requests) == 4 + 1
        assert server.count("GET", "last=~") == 1


@pytest.mark.parametrize("reply", [registry_error(400, "PAGINATION_NUMBER_INVALID"), Reply(200, b"no JSON")])
def test_what_says_nothing_is_no_sign_that_none_is_hidden(reply):
    with talking(in_turn(reply)) as (client, _server):
        assert client.lists_all("x", ["v1"]) is False


def test_nothing_is_asked_where_the_list_itself_tells():
    with talking(in_turn(Reply(500))) as (client, server):
        assert client.lists_all("x", ["v1", "v10"]) is True
        assert client.lists_all("x", []) is False
        assert server.requests == []
