# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which error an answer stands for: above all, that nothing passes for absence or for a disabled delete."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import errors
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer, failure_of
from hypothesis import given
from hypothesis import strategies as st


def answer(status, code="", method="GET", message="it says so", body=None, **headers):
    if body is None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode() if code else b""
    return Answer(method, "http://r.example/v2/x", status, headers, body)


@pytest.mark.parametrize(
    ("given_answer", "kind"),
    [
        (answer(401, "UNAUTHORIZED"), errors.AuthenticationFailed),
        (answer(403, "DENIED"), errors.Forbidden),
        (answer(404, "MANIFEST_UNKNOWN"), errors.NotFound),
        (answer(404, "NAME_UNKNOWN"), errors.NotFound),
        (answer(404, "BLOB_UNKNOWN"), errors.NotFound),
        (answer(404), errors.NotARegistry),
        (answer(404, body=b"<html>not here</html>"), errors.NotARegistry),
        (answer(404, "NOT_FOUND"), errors.NotARegistry),
        (answer(404, body=b"404 page not found\n"), errors.NotARegistry),
        (answer(405, "UNSUPPORTED", method="DELETE"), errors.DeleteDisabled),
        (answer(405, method="DELETE", body=b"Method not allowed\n", allow="GET, HEAD"), errors.ReadOnly),
        (answer(405, method="PUT", body=b"Method not allowed\n", allow="GET, HEAD"), errors.ReadOnly),
        (answer(400, "UNSUPPORTED", method="DELETE"), errors.Unsupported),
        (answer(429, "TOOMANYREQUESTS"), errors.RateLimited),
        (answer(500, "UNKNOWN"), errors.ServerFailed),
        (answer(503), errors.ServerFailed),
        (answer(200), errors.ResponseInvalid),
        (answer(302, location="https://else.example/?sig=secret"), errors.RegistryError),
        (answer(418), errors.RegistryError),
    ],
)
def test_status_and_code_together_tell_the_error(given_answer, kind):
    failure = failure_of(given_answer, "Doing it")
    assert failure.__class__ is kind
    assert failure.status == given_answer.status
    assert failure.message.startswith("Doing it failed: HTTP %d" % given_answer.status)
    assert "secret" not in failure.message


@pytest.mark.parametrize(
    "given_answer",
    [
        answer(405, method="DELETE", body=b"Method not allowed\n"),  # some proxy
        answer(405, method="DELETE", allow="GET, HEAD, PUT"),  # not what a read-only registry allows
        answer(405, "DENIED", method="DELETE"),  # zot: the child of an index
        answer(405, "UNSUPPORTED", method="GET"),
    ],
)
def test_a_405_that_is_neither_is_only_unsupported(given_answer):
    assert failure_of(given_answer, "Doing it").__class__ is errors.Unsupported


def test_the_registrys_own_words_are_in_the_message_and_its_code_in_the_error():
    failure = failure_of(answer(400, "TAG_INVALID", message="bad\x1b[31m tag\n"), "Doing it")
    assert "TAG_INVALID: bad [31m tag" in failure.message
    assert failure.code == "TAG_INVALID"
    assert failure.as_dict() == {"method": "GET", "url": "http://r.example/v2/x", "status": 400, "code": "TAG_INVALID"}


def test_what_a_hostile_server_says_is_cut():
    body = json.dumps({"errors": [{"code": "X", "message": "y" * 100000}] * 1000}).encode()
    assert len(failure_of(answer(400, body=body), "Doing it").message) < 3000


def test_a_web_page_is_no_registry():
    page = Answer("GET", "http://r.example", 200, {"content-type": "text/html; charset=utf-8"}, b"<html>Login</html>")
    with pytest.raises(errors.NotARegistry, match="web page"):
        page.json("Listing")


def test_other_bodies_are_invalid():
    with pytest.raises(errors.ResponseInvalid, match="no JSON"):
        Answer("GET", "http://r.example", 200, {}, b"{").json("Listing")
    with pytest.raises(errors.ResponseInvalid):
        Answer("GET", "http://r.example", 200, {}, b"[" * 100000).json("Listing")


@given(st.integers(100, 599), st.binary(max_size=200), st.sampled_from(["GET", "DELETE", "PUT", "HEAD"]))
def test_every_answer_stands_for_some_error(status, body, method):
    failure = failure_of(Answer(method, "http://r.example", status, {}, body), "Doing it")
    assert isinstance(failure, errors.RegistryError)
    assert failure.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (413, b"<html>413 Request Entity Too Large</html>", errors.RegistryError, "client_max_body_size"),
        (407, b"", errors.RegistryError, "USER:PASSWORD@HOST:PORT"),
        (400, b"<html>No required SSL certificate was sent</html>", errors.AuthenticationFailed, "client_cert"),
        (400, b"<html>The SSL certificate error</html>", errors.AuthenticationFailed, "client_cert"),
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>", errors.NotARegistry, "https://"),
        (400, b"Client sent an HTTP request to an HTTPS server.", errors.NotARegistry, "https://"),
    ],
)
def test_what_stands_before_the_registry_is_told_with_its_remedy(status, body, kind, says):
    failure = failure_of(answer(status, method="PUT", body=body), "Writing")
    assert isinstance(failure, kind)
    assert says in failure.message
