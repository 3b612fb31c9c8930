# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of preparing a request gives, byte for byte, what the long way of requests gives."""

from __future__ import annotations

import pytest
import requests
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.preparation import prepare
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "sha256:" + "0" * 64
URLS = (
    "http://127.0.0.1:5000/v2/",
    "http://registry.example/v2/team/app/tags/list",
    "https://registry.example.com:443/v2/_catalog?n=1000",
    "https://registry.example.com/v2/_catalog?last=a/b&n=1000",
    f"https://registry.example.com/prefix/v2/team/app/manifests/{DIGEST}",
    "http://[::1]:5000/v2/",
    "https://user:word@registry.example.com/v2/",
    "https://Registry.Example.com/v2/",
    "https://bücher.example/v2/",
    "https://registry.example.com/v2/a%2Fb/tags/list",
    "https://registry.example.com/v2/../v2/./tags/list",
    "https://registry.example.com/.well-known",
    "https://registry.example.com?x=1",
    "https://registry.example.com/v2/?a b",
    "https://registry.example.com/v2/?",
    "https://registry.example.com/v2/#fragment",
    "https://registry.example.com/?a=%zz",
    "https://registry.example.com//v2//",
)


def session():
    """As the transport makes it."""
    made = requests.Session()
    made.trust_env = False
    return made


def same(method, url, body):
    """Hold both ways against each other; returns the short way's request."""
    headers = {"User-Agent": "us", "Accept-Encoding": "identity", "Content-Type": "text/plain"}
    ours = prepare(session(), method, url, headers, body)
    theirs = session().prepare_request(requests.Request(method, url, headers=headers, data=body))
    assert (ours.method, ours.url, ours.body, ours.path_url) == (
        theirs.method,
        theirs.url,
        theirs.body,
        theirs.path_url,
    )
    assert dict(ours.headers) == dict(theirs.headers)
    assert ours.hooks == theirs.hooks
    return ours


@pytest.mark.parametrize("body", [None, b"", b"{}"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("url", URLS)
def test_both_ways_prepare_the_same_request(url, method, body):
    same(method, url, body)


@settings(max_examples=300, deadline=None)
@given(
    st.text("abz09.-_~:/%@?#&=+ é\\", max_size=30),
    st.text("abz09.-_~:/%@?#&=+ é\\", max_size=30),
)
def test_both_ways_agree_on_any_address(host, path):
    url = f"http://h{host}/{path}"
    try:
        theirs = session().prepare_request(requests.Request("GET", url))
    except (requests.exceptions.RequestException, ValueError):
        theirs = None
    if theirs is None:
        with pytest.raises((requests.exceptions.RequestException, ValueError)):
            prepare(session(), "GET", url, {}, None)
    else:
        same("GET", url, None)


def test_a_registrys_own_addresses_go_the_short_way(monkeypatch):
    def long_way(_session, _request):
        raise AssertionError("the long way")

    monkeypatch.setattr(requests.Session, "prepare_request", long_way)
    for url in URLS[:5]:
        assert prepare(session(), "GET", url, {}, None).url == url
