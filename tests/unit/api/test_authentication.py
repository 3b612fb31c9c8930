# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in, as registry and token server ask for it: one more try, no loop, and no secret to the wrong place."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import errors, token_service
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address, Origin
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.challenge import Challenge
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credentials import CredentialSource
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.token_service import TokenService
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import (
    Reply,
    as_json,
    registry_error,
    serving,
)

pytestmark = pytest.mark.usefixtures("no_waiting")

SECRET = "s3cret:with colon"
ME = "Basic " + base64.b64encode(b"me:" + SECRET.encode()).decode()


def challenge(text):
    reply = registry_error(401, "UNAUTHORIZED", "authentication required")
    reply.headers["WWW-Authenticate"] = text
    return reply


class Registry:
    """A registry that wants ACCEPTED as Authorization, and else answers with CHALLENGE."""

    def __init__(self, accepted, text):
        self.accepted, self.text = accepted, text

    def __call__(self, request):
        if request.headers.get("authorization") != self.accepted:
            return challenge(self.text)
        if request.path == "/v2/":
            return as_json({})
        if request.method == "DELETE":
            return Reply(202)
        return as_json({"name": "x", "tags": ["v1"], "repositories": ["x"]})


class Tokens:
    """Registry and token server in one. GRANT turns the scopes asked for into those of the token."""

    def __init__(self, grant=lambda scopes: scopes, expires_in=300, realm=None, error="insufficient_scope"):
        self.grant, self.expires_in, self.realm, self.error = grant, expires_in, realm, error
        self.given = {}
        self.revoked = set()
        self.url = ""

    def __call__(self, request):
        if request.path.startswith("/token"):
            return self.token(request)
        needed = self.needed(request)
        token = request.headers.get("authorization", "").partition(" ")[2]
        if token not in self.given or token in self.revoked or not needed <= self.given[token]:
            realm = self.realm or f"{self.url}/token"
            text = f'Bearer realm="{realm}",service="the registry"'
            if needed:
                text += f',scope="{" ".join(sorted(needed))}"'
            if token:
                text += f',error="{self.error}"'
            return challenge(text)
        return Registry(request.headers["authorization"], "")(request)

    @staticmethod
    def needed(request):
        if request.path == "/v2/":
            return set()
        if "_catalog" in request.path:
            return {"registry:catalog:*"}
        name = request.path.split("/")[2]
        actions = {"DELETE": "delete", "PUT": "push"}.get(request.method, "pull")
        return {f"repository:{name}:{actions}"}

    def token(self, request):
        query = parse_qs(urlsplit(request.path).query or request.body.decode())
        scopes = set()
        for scope in " ".join(query.get("scope", ())).split():
            kind, name, actions = scope.split(":")
            scopes.update(f"{kind}:{name}:{action}" for action in actions.split(","))
        value = f"token-{len(self.given)}"
        self.given[value] = self.grant(scopes)
        return as_json({"token": value, "expires_in": self.expires_in})


@pytest.fixture
def talk():
    opened = []

    def start(script, environment=None, **options):
        server = serving(script)
        running = server.__enter__()
        if isinstance(script, Tokens):
            script.url = running.url
        client = RegistryClient(Connection(running.url, **{"retries": 0, **options}), environment or {})
        opened.append((server, client))
        return client, running

    yield start
    for server, client in opened:
        client.close()
        server.__exit__(None, None, None)


def me(**more):
    return {"username": "me", "password": SECRET, **more}


class TestBasic:
    """User and password."""

    def test_they_are_sent_once_the_registry_asks_and_from_then_on(self, talk):
        client, server = talk(Registry(ME, 'Basic realm="r"'), **me())
        assert client.tags("x") == ["v1"]
        assert client.tags("x") == ["v1"]
        assert [one.headers.get("authorization") for one in server.requests] == [None, ME, ME]
        assert client.auth_scheme == "basic"

    def test_a_registry_that_asks_for_nothing_gets_nothing(self, talk):
        client, server = talk(lambda _request: as_json({"tags": ["v1"]}), **me())
        client.tags("x")
        client.tags("x")
        assert [one.headers.get("authorization") for one in server.requests] == [None, None, None]
        assert client.auth_scheme == "none"

    def test_wrong_ones_are_refused_once(self, talk):
        client, server = talk(Registry("Basic other", 'Basic realm="r"'), **me())
        with pytest.raises(errors.AuthenticationFailed, match="options username and password are refused") as refused:
            client.tags("x")
        assert SECRET not in refused.value.message
        assert len(server.requests) == 2

    def test_without_any_the_options_are_named(self, talk):
        client, server = talk(Registry(ME, 'Basic realm="r"'))
        with pytest.raises(errors.AuthenticationFailed, match="Set username and password, token, or auth_file"):
            client.ping()
        assert len(server.requests) == 1

    def test_a_file_without_an_entry_for_this_registry_says_so(self, talk, tmp_path):
        path = tmp_path / "auth.json"
        path.write_text(json.dumps({"auths": {"other.example": {"auth": "bWU6cHc="}}}), encoding="utf-8")
        client, server = talk(Registry(ME, 'Basic realm="r"'), auth_file=str(path))
        with pytest.raises(errors.AuthenticationFailed, match="no entry for 127.0.0.1:"):
            client.ping()
        assert all("authorization" not in one.headers for one in server.requests)

    def test_each_repository_with_the_login_that_the_file_has_for_it(self, talk, tmp_path):
        path = tmp_path / "auth.json"
        logins = {"x": "ME_X", "y": "ME_Y"}
        seen = {}

        def script(request):
            header = request.headers.get("authorization", "")
            seen.setdefault(request.path.split("/")[2], []).append(header)
            return as_json({"tags": []}) if header else challenge("Basic")

        client, server = talk(script, {"REGISTRY_AUTH_FILE": str(path)})
        client.close()
        auths = {
            f"127.0.0.1:{server.port}/{name}": {"auth": base64.b64encode(f"{user}:p".encode()).decode()}
            for name, user in logins.items()
        }
        path.write_text(json.dumps({"auths": auths}), encoding="utf-8")
        with RegistryClient(Connection(server.url), {"REGISTRY_AUTH_FILE": str(path)}) as fresh:
            fresh.tags("x")
            fresh.tags("y")
        for name, user in logins.items():
            assert base64.b64decode(seen[name][-1].partition(" ")[2]) == f"{user}:p".encode()

    def test_a_scheme_that_nobody_here_can_do(self, talk):
        client, _server = talk(Registry(ME, "Negotiate, NTLM"), **me())
        with pytest.raises(errors.AuthenticationFailed, match="negotiate, ntlm"):
            client.ping()


class TestStaticToken:
    """A token that somebody gave us."""

    def test_it_is_sent_at_once_and_as_it_is(self, talk):
        client, server = talk(Registry("Bearer abc.def", 'Bearer realm="https://auth.example/"'), token="abc.def")
        assert client.tags("x") == ["v1"]
        assert len(server.requests) == 1

    @pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
    def test_that_of_one_repository_is_sent_for_that_one(self, talk, tmp_path, scheme):
        accepted = ["Bearer for-x"]

        def script(request):
            if request.path.startswith("/token"):
                return as_json({"token": "nobody"})
            return Registry(accepted[0], f'{scheme} realm="http://127.0.0.1:{server.port}/token"')(request)

        path = tmp_path / "auth.json"
        _client, server = talk(script)
        entry = {"auths": {f"127.0.0.1:{server.port}/x": {"registrytoken": "for-x"}}}
        path.write_text(json.dumps(entry), encoding="utf-8")
        with RegistryClient(Connection(server.url), {"REGISTRY_AUTH_FILE": str(path)}) as fresh:
            assert fresh.tags("x") == ["v1"]
            accepted[0] = "Bearer another"
            with pytest.raises(errors.AuthenticationFailed, match="The token from .* is refused"):
                fresh.tags("x")
            with pytest.raises(errors.AuthenticationFailed):
                fresh.tags("y")
        shown = {request.headers.get("authorization") for request in server.requests if "/y/" in request.path}
        assert "Bearer for-x" not in shown

    def test_a_refused_one_is_not_exchanged_for_another(self, talk):
        client, server = talk(Registry("Bearer else", 'Bearer realm="https://auth.example/"'), token="abc.def")
        with pytest.raises(errors.AuthenticationFailed, match="option token is refused") as refused:
            client.tags("x")
        assert "abc.def" not in refused.value.message
        assert len(server.requests) == 1


class TestTokenServer:
    """The distribution token protocol."""

    def test_a_token_for_each_scope_is_asked_for_once(self, talk):
        client, server = talk(Tokens(), **me())
        for _again in range(3):
            client.tags("x")
            client.tags("y")
            list(client.catalog())
        asked = [one for one in server.requests if one.path.startswith("/token")]
        scopes = [parse_qs(urlsplit(one.path).query).get("scope", []) for one in asked]
        assert scopes.count(["repository:x:pull"]) == scopes.count(["repository:y:pull"]) == 1
        assert scopes.count(["registry:catalog:*"]) == 1
        for one in asked:
            assert one.headers["authorization"] == ME
            assert parse_qs(urlsplit(one.path).query)["service"] == ["the registry"]
        for one in server.requests:
            if not one.path.startswith("/token"):
                assert not one.headers.get("authorization", "").startswith("Basic")
        assert client.auth_scheme == "bearer"

    def test_deleting_asks_for_that_right_and_keeps_it_for_reading(self, talk):
        client, server = talk(Tokens(), **me())
        client.delete_manifest("x", "sha256:" + "1" * 64)
        client.tags("x")
        asked = [parse_qs(urlsplit(one.path).query).get("scope") for one in server.requests if "/token" in one.path]
        assert [scope for scope in asked if scope and scope[0].startswith("repository")] == [
            ["repository:x:delete,pull"]
        ]

    def test_the_nameless_get_a_token_too(self, talk):
        client, server = talk(Tokens())
        assert client.tags("x") == ["v1"]
        assert all("basic" not in one.headers.get("authorization", "").lower() for one in server.requests)

    def test_many_threads_ask_for_one_token(self, talk):
        client, server = talk(Tokens(), **me(workers=8))
        client.ping()
        list(run_parallel(lambda _number: client.tags("x"), range(40), 8))
        asked = [one.path for one in server.requests if "/token" in one.path and "repository" in one.path]
        assert len(asked) == 1

    def test_it_is_renewed_before_it_expires(self, talk, monkeypatch):
        client, server = talk(Tokens(expires_in=100), **me())
        client.tags("x")
        before = server.count("GET", "/token")
        now = token_service.time.monotonic()
        monkeypatch.setattr(token_service.time, "monotonic", lambda: now + 91)
        client.tags("x")
        assert server.count("GET", "/token") == before + 1

    def test_those_that_have_expired_are_not_kept(self, talk, monkeypatch):
        client, _server = talk(Tokens(expires_in=100), **me())
        for number in range(100):
            client.tags("early%d" % number)
        now = token_service.time.monotonic()
        monkeypatch.setattr(token_service.time, "monotonic", lambda: now + 91)
        for number in range(100):
            client.tags("late%d" % number)
        kept = {key[1] for key in client._authentication._way._service._tokens}
        assert {"late%d" % number for number in range(100)} <= kept
        assert not any(name.startswith("early") for name in kept)

    def test_the_longest_that_is_taken(self, talk):
        """One byte more is refused for its length, and this one for nothing but the registry's own limit."""

        def script(length):
            def reply(request):
                if request.path.startswith("/token"):
                    return as_json({"token": "a" * length})
                return challenge(f'Bearer realm="http://127.0.0.1:{port[0]}/token"')

            return reply

        port = [0]
        for length, refusal in ((64 * 1024 + 1, "too long"), (64 * 1024, "HTTP 4")):
            client, server = talk(script(length), **me())
            port[0] = server.port
            with pytest.raises(errors.RegistryError, match=refusal):
                client.tags("x")

    def test_one_that_is_refused_early_is_renewed_once(self, talk):
        tokens = Tokens()
        client, server = talk(tokens, **me())
        client.tags("x")
        tokens.revoked.update(tokens.given)
        before = len(server.requests)
        assert client.tags("x") == ["v1"]
        assert len(server.requests) == before + 3  # refused, token, again

    def test_a_write_by_tag_is_not_sent_again_before_somebody_has_looked(self, talk):
        tokens = Tokens()
        client, server = talk(tokens, **me())
        client.prepare_delete("x")
        tokens.revoked.update(tokens.given)
        with pytest.raises(errors.LoginRenewed):
            client.delete_manifest("x", "v1")
        assert server.count("DELETE") == 1
        assert client.delete_manifest("x", "v1").status == 202
        assert server.count("DELETE") == 2

    def test_nobody_asks_for_a_token_between_a_look_and_its_write(self, talk):
        client, server = talk(Tokens(), **me())
        client.prepare_delete("x")
        before = server.count("GET", "/token")
        client.tags("x")
        client.delete_manifest("x", "v1")
        assert server.count("GET", "/token") == before

    def test_missing_rights_to_write_by_tag_are_the_end_too(self, talk):
        tokens = Tokens(grant=lambda scopes: {scope for scope in scopes if scope.endswith(":pull")})
        client, server = talk(tokens, **me())
        with pytest.raises(errors.LoginRenewed):
            client.delete_manifest("x", "v1")
        with pytest.raises(errors.InsufficientScope, match="repository:x:delete"):
            client.delete_manifest("x", "v1")
        assert server.count("DELETE") == 2

    @pytest.mark.parametrize("expires_in", ["soon", -1, 0, True, None, 1e300, float("nan")])
    def test_an_odd_lifetime_is_the_usual_minute(self, talk, expires_in):
        client, server = talk(Tokens(expires_in=expires_in), **me())
        client.tags("x")
        client.tags("x")
        assert server.count("GET", "scope=repository") == 1

    def test_missing_rights_are_named_and_the_end(self, talk):
        tokens = Tokens(grant=lambda scopes: {scope for scope in scopes if scope.endswith(":pull")})
        client, server = talk(tokens, **me())
        client.tags("x")
        before = len(server.requests)
        with pytest.raises(errors.InsufficientScope) as refused:
            client.delete_manifest("x", "sha256:" + "1" * 64)
        assert "repository:x:delete" in refused.value.message
        assert "'me'" in refused.value.message
        assert server.count("DELETE") == 2
        assert len(server.requests) - before == 4

    def test_a_registry_that_does_not_trust_its_token_server(self, talk):
        client, _server = talk(Tokens(grant=lambda _scopes: set(), error="invalid_token"), **me())
        with pytest.raises(errors.AuthenticationFailed, match="keys, names or clocks") as refused:
            client.tags("x")
        assert not isinstance(refused.value, errors.InsufficientScope)

    def test_an_identity_token_is_exchanged_and_never_shown_to_the_registry(self, talk, tmp_path):
        path = tmp_path / "config.json"
        tokens = Tokens()
        client, server = talk(tokens)
        path.write_text(
            json.dumps({"auths": {f"127.0.0.1:{server.port}": {"identitytoken": "refresh-me"}}}), encoding="utf-8"
        )
        with RegistryClient(Connection(server.url, auth_file=str(path)), {}) as fresh:
            assert fresh.tags("x") == ["v1"]
        posts = [one for one in server.requests if one.method == "POST"]
        assert posts
        for one in posts:
            form = parse_qs(one.body.decode())
            assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], ["refresh-me"])
            assert one.path == "/token"
        assert all("refresh-me" not in one.headers.get("authorization", "") + one.path for one in server.requests)

    @pytest.mark.parametrize(
        "realm", ["http://203.0.113.9/token", "http://localhost.evil.example/token", "http://127.0.0.1.evil.example/t"]
    )
    def test_credentials_never_go_to_a_realm_without_tls(self, talk, realm):
        client, server = talk(Tokens(realm=realm), **me())
        with pytest.raises(errors.AuthenticationFailed, match="without TLS"):
            client.tags("x")
        assert all("authorization" not in one.headers for one in server.requests)

    @pytest.mark.parametrize(
        "realm", ["http://127.0.0.1:1/token", "https://169.254.169.254/latest", "http://[::1]/t", "http://localhost/t"]
    )
    @pytest.mark.parametrize("options", [{}, me()], ids=["nameless", "with a password"])
    def test_a_registry_elsewhere_cannot_make_us_ask_what_only_we_can_reach(self, realm, options):
        """What a metadata service of a cloud answers would go to the registry as a token."""
        source = CredentialSource(
            Connection("https://registry.example", **options), Address.parse("https://registry.example"), {}
        )
        asked = Challenge("bearer", {"realm": realm})
        with pytest.raises(errors.AuthenticationFailed, match="on this host or link"):
            TokenService.of(asked, source, None, Origin("https", "192.0.2.1", 443))

    @pytest.mark.parametrize("realm", ["", "ftp://a/", "token", "https://me:pw@auth.example/", "https://["])
    def test_a_realm_that_is_no_address(self, talk, realm):
        tokens = Tokens(realm=realm or " ")
        client, _server = talk(tokens, **me())
        with pytest.raises(errors.AuthenticationFailed, match="token server"):
            client.tags("x")

    @pytest.mark.parametrize(
        "reply",
        [
            as_json({}),
            as_json([]),
            as_json({"token": ""}),
            as_json({"token": 5}),
            as_json({"token": "a b"}),
            as_json({"token": "a\r\nX-Evil: 1"}),
            as_json({"token": "\u00e9"}),
            Reply(200, b"nothing"),
            Reply(200, b"<html>", {"Content-Type": "text/html"}),
            Reply(401, b""),
            Reply(403, b""),
            Reply(500, b""),
            Reply(302, headers={"Location": "https://evil.example/"}),
        ],
    )
    def test_a_token_server_that_gives_none(self, talk, reply):
        def script(request):
            if request.path.startswith("/token"):
                return reply
            return challenge(f'Bearer realm="http://127.0.0.1:{port[0]}/token"')

        port = [0]
        client, server = talk(script, **me())
        port[0] = server.port
        with pytest.raises(errors.RegistryError) as refused:
            client.tags("x")
        assert SECRET not in str(refused.value)
        assert len(server.requests) <= 4
