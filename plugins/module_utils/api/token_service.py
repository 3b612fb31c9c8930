# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens by the distribution token protocol (distribution/docs: spec/auth/token and spec/auth/oauth).

One token per scope, kept until shortly before it expires. User and password go to the token server only over https or to this
machine itself, and a redirect of the token server is not followed.
"""

from __future__ import annotations

import threading
import time
import typing as t
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import (
    Origin,
    is_inward,
    is_loopback,
    origin_of,
    without_secrets,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer, failure_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.challenge import Challenge
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credentials import (
    Credentials,
    CredentialSource,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    AuthenticationFailed,
    ResponseInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.scope import Scope
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.transport import Transport

CLIENT_ID = "fleetops.container_registry"
# "If this token should be omitted, this defaults to 60 seconds" (spec/auth/token).
_DEFAULT_LIFETIME = 60.0
_MOST_BYTES = 1024 * 1024
# No server takes a longer header, and one is kept for each repository.
_LONGEST_TOKEN = 64 * 1024
# Up to so many are kept without a look whether they have expired.
_FEW_TOKENS = 32


class _Token(t.NamedTuple):
    value: str
    scope: Scope
    expires: float


class TokenService:
    """The token server of one challenge. Thread-safe: while one thread asks for a scope, others that want it wait."""

    def __init__(self, realm: str, service: str, source: CredentialSource, transport: Transport) -> None:
        self._realm = realm
        self._service = service
        self._source = source
        self._transport = transport
        self._lock = threading.Lock()
        self._locks: t.Dict[t.Tuple[str, str, str], threading.Lock] = {}
        self._tokens: t.Dict[t.Tuple[str, str, str], _Token] = {}
        self._look_at = _FEW_TOKENS

    @classmethod
    def of(cls, challenge: Challenge, source: CredentialSource, transport: Transport, home: Origin) -> TokenService:
        """The token server that a bearer CHALLENGE of the registry at HOME names.

        Raises AuthenticationFailed for a realm that nobody can ask, and for one that only this host or its link can reach while
        the registry is elsewhere: it would make us read there, and bring it what we have read as a token.
        """
        realm = challenge.parameters.get("realm", "")
        try:
            parts = urlsplit(realm)
        except ValueError:
            parts = urlsplit("")
        origin = origin_of(parts)
        if origin is not None and origin.host != home.host and is_inward(origin.host) and not is_inward(home.host):
            raise AuthenticationFailed(
                "The registry names %s as its token server, on this host or link, which is not asked."
                % without_secrets(realm)
            )
        if origin is None or "@" in parts.netloc:
            raise AuthenticationFailed(
                "The registry names %r as its token server, which is no address." % without_secrets(realm)[:200]
            )
        return cls(urlunsplit(parts._replace(fragment="")), challenge.parameters.get("service", ""), source, transport)

    def token(self, scope: Scope) -> str:
        """A token for SCOPE, from the cache while it lasts. Raises AuthenticationFailed and what the transport raises."""
        with self._lock_for(scope):
            kept = self._kept(scope)
            return kept.value if kept else self._ask(scope, "").value

    def fresh_token(self, scope: Scope, refused: str, wanted: str) -> str:
        """A token for SCOPE other than REFUSED; WANTED is the scope that the registry's challenge asks for."""
        with self._lock_for(scope):
            kept = self._kept(scope)
            if kept and kept.value != refused:
                return kept.value  # another thread has renewed it meanwhile
            self._tokens.pop(scope.key, None)
            return self._ask(scope, wanted).value

    def _lock_for(self, scope: Scope) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(scope.key, threading.Lock())

    def _kept(self, scope: Scope) -> t.Optional[_Token]:
        token = self._tokens.get(scope.key)
        return token if token and token.scope.covers(scope) and time.monotonic() < token.expires else None

    def _ask(self, scope: Scope, wanted: str) -> _Token:
        earlier = self._tokens.get(scope.key)
        if earlier is not None:  # pull alternating with delete would otherwise ask again each time
            scope = Scope(scope.kind, scope.name, scope.actions | earlier.scope.actions, scope.also)
        scopes = [text for text in (str(scope), scope.also) if text]
        if wanted and wanted != str(scope):
            scopes.extend(part for part in wanted.split() if part not in scopes)
        credentials = self._source.find(scope.repository)
        self._check_realm(credentials)
        asked = time.monotonic()
        answer = self._exchange(credentials, scopes)
        if answer.status != 200:
            raise self._refusal(answer, credentials)
        document = answer.json("Asking %s for a token" % answer.url)
        value = ""
        lifetime: t.Any = None
        if isinstance(document, dict):
            value = document.get("token") or document.get("access_token") or ""
            lifetime = document.get("expires_in")
        if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ResponseInvalid("The token server %s answers without a usable token." % answer.url, *answer.where)
        if len(value) > _LONGEST_TOKEN:
            raise ResponseInvalid("The token server %s gives a token that is too long." % answer.url, *answer.where)
        if isinstance(lifetime, bool) or not isinstance(lifetime, (int, float)) or not 0 < lifetime < 1e9:
            lifetime = _DEFAULT_LIFETIME
        # Renewed a little early, so that it does not expire on its way.
        token = _Token(value, scope, asked + float(lifetime) * 0.9)
        with self._lock:
            self._drop_expired()
            self._tokens[scope.key] = token
        return token

    def _drop_expired(self) -> None:
        """Forget tokens whose time is over, at most once for each time that the tokens have doubled: a registry has many repositories."""
        if len(self._tokens) < self._look_at:
            return
        now = time.monotonic()
        self._tokens = {key: token for key, token in self._tokens.items() if now < token.expires}
        self._look_at = max(_FEW_TOKENS, 2 * len(self._tokens))

    def _check_realm(self, credentials: t.Optional[Credentials]) -> None:
        origin = origin_of(urlsplit(self._realm))
        if credentials is not None and origin is not None and origin.scheme != "https" and not is_loopback(origin.host):
            raise AuthenticationFailed(
                "The registry names %s as its token server, without TLS. Credentials are not sent there: give the token server TLS,"
                " or set token." % without_secrets(self._realm)
            )

    def _exchange(self, credentials: t.Optional[Credentials], scopes: t.Sequence[str]) -> Answer:
        headers = {"Accept": "application/json"}
        if credentials is not None and credentials.identity_token:
            form = [("grant_type", "refresh_token"), ("service", self._service), ("client_id", CLIENT_ID)]
            form.extend((("scope", " ".join(scopes)), ("refresh_token", credentials.identity_token)))
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode("ascii")
            return self._transport.exchange("POST", self._realm, headers, limit=_MOST_BYTES, body=body, repeatable=True)
        parts = urlsplit(self._realm)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if self._service:
            query.append(("service", self._service))
        query.extend(("scope", scope) for scope in scopes)
        if credentials is not None and credentials.basic:
            headers["Authorization"] = credentials.basic
            query.append(("account", credentials.username))
        url = urlunsplit(parts._replace(query=urlencode(query)))
        return self._transport.exchange("GET", url, headers, limit=_MOST_BYTES)

    @staticmethod
    def _refusal(answer: Answer, credentials: t.Optional[Credentials]) -> Exception:
        failure = failure_of(answer, "Asking for a token")
        if answer.status not in (400, 401, 403):
            return failure
        who = (
            "The credentials from %s are refused." % credentials.source
            if credentials
            else "It gives no token without a login."
        )
        return AuthenticationFailed("%s %s" % (failure.message, who), *answer.where)
