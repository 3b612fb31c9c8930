# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to prove who we are, chosen by what the registry challenges with."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer, failure_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.challenge import (
    Challenge,
    parse_challenges,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credentials import (
    Credentials,
    CredentialSource,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    AuthenticationFailed,
    InsufficientScope,
    RegistryError,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.scope import Scope
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.token_service import TokenService
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.transport import Transport
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import printable

_REMEDY = "Set username and password, token, or auth_file."


class Anonymous:
    """Nothing is sent until the registry asks for it."""

    name = "none"

    def authorization(self, scope: Scope) -> str:
        """No header."""
        return ""

    def renew(self, scope: Scope, used: str, challenge: t.Optional[Challenge]) -> str:
        """There is nothing to renew."""
        return ""


class Basic:
    """User and password with each request; the basic scheme knows no scopes."""

    name = "basic"

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def authorization(self, scope: Scope) -> str:
        """The header for SCOPE's repository, which a file of logins may have another user for."""
        credentials = self._source.find(scope.repository)
        return credentials.basic if credentials else ""

    def renew(self, scope: Scope, used: str, challenge: t.Optional[Challenge]) -> str:
        """The header, unless that one was just refused."""
        fresh = self.authorization(scope)
        return "" if fresh == used else fresh


class StaticToken:
    """A token that was given to us, sent as it is."""

    name = "token"

    def __init__(self, token: str) -> None:
        self._header = "Bearer " + token

    def authorization(self, scope: Scope) -> str:
        """The token, for whatever scope."""
        return self._header

    def renew(self, scope: Scope, used: str, challenge: t.Optional[Challenge]) -> str:
        """A given token cannot be renewed."""
        return "" if used == self._header else self._header


class Bearer:
    """The distribution token protocol: a token per scope from the server that the challenge names."""

    name = "bearer"

    def __init__(self, service: TokenService) -> None:
        self._service = service

    def authorization(self, scope: Scope) -> str:
        """A cached or new token for SCOPE."""
        return "Bearer " + self._service.token(scope) if scope.kind else ""

    def renew(self, scope: Scope, used: str, challenge: t.Optional[Challenge]) -> str:
        """A new token, also for what the challenge says is missing."""
        wanted = challenge.parameters.get("scope", "") if challenge else ""
        return "Bearer " + self._service.fresh_token(scope, used.partition(" ")[2], wanted)


Way = t.Union[Anonymous, Basic, StaticToken, Bearer]


class Authentication:
    """Authorization headers for one registry. Thread-safe."""

    def __init__(self, source: CredentialSource, transport: Transport, address: Address) -> None:
        self._source = source
        self._transport = transport
        self._address = address
        self._lock = threading.Lock()
        self._settled = False
        own = source.find() if source.given else None
        self._way: Way = StaticToken(own.registry_token) if own and own.registry_token else Anonymous()

    @property
    def scheme(self) -> str:
        """'none' (nothing was asked for yet), 'basic', 'bearer' or 'token'."""
        return self._way.name

    @property
    def undecided(self) -> bool:
        """Whether credentials are there, but no challenge has told yet how to use them."""
        return not self._settled and self._source.given and isinstance(self._way, Anonymous)

    def settle(self) -> None:
        """The registry was asked how to log in; if it did not say, it lets anybody in."""
        self._settled = True

    def authorization(self, scope: Scope) -> str:
        """The Authorization header for a request that needs SCOPE; empty for none. May ask the token server."""
        return self._way_for(scope).authorization(scope)

    def _way_for(self, scope: Scope) -> Way:
        """How to log in for SCOPE: a file of logins may have a token that is ready for one repository, whatever the registry asks for."""
        if isinstance(self._way, StaticToken):
            return self._way
        own = self._source.find(scope.repository) if self._source.given else None
        return StaticToken(own.registry_token) if own and own.registry_token else self._way

    def renewed(self, answer: Answer, scope: Scope, used: str) -> str:
        """The header to try once more with after the 401 ANSWER to a request sent with USED; empty: there is no better one."""
        challenges = parse_challenges(answer.header("www-authenticate"))
        with self._lock:
            if isinstance(self._way, Anonymous):
                self._way = self._chosen(challenges)
        way = self._way_for(scope)
        named = next((one for one in challenges if one.scheme == way.name), None)
        if isinstance(way, Bearer) and named is None and any(one.scheme == "basic" for one in challenges):
            return Basic(self._source).renew(scope, used, None)  # Harbor gives tokens, but none for its catalog
        return way.renew(scope, used, named)

    def _chosen(self, challenges: t.Sequence[Challenge]) -> Way:
        """The way that answers the first challenge we can answer; a token server also gives tokens to the nameless."""
        for challenge in challenges:
            if challenge.scheme == "bearer":
                service = TokenService.of(challenge, self._source, self._transport, self._address.origin)
                return Bearer(service)
            if challenge.scheme == "basic":
                return Basic(self._source)
        return self._way

    def refusal(self, answer: Answer, scope: Scope, what: str) -> RegistryError:
        """The error for a 401 that stays after everything was tried: who was refused, and what was missing."""
        challenges = parse_challenges(answer.header("www-authenticate"))
        failure = failure_of(answer, what)
        detail = self._reason(challenges, scope)
        kind: t.Type[RegistryError] = AuthenticationFailed
        bearer = next((one for one in challenges if one.scheme == "bearer"), None)
        if bearer is not None and isinstance(self._way_for(scope), Bearer):
            if bearer.parameters.get("error") == "invalid_token":
                detail = (
                    "The registry does not accept the token server's token: their keys, names or clocks may not match."
                )
            else:
                kind = InsufficientScope
                missing = printable(bearer.parameters.get("scope", ""), 200)
                detail = "The token server gives %s no token for the scope %s. Grant it, or use another user." % (
                    self._who(scope),
                    missing or scope,
                )
        return kind("%s %s" % (failure.message, detail), answer.method, answer.url, answer.status, failure.code)

    def _reason(self, challenges: t.Sequence[Challenge], scope: Scope) -> str:
        credentials = self._source.find(scope.repository)
        if isinstance(self._way_for(scope), StaticToken):
            return "The token from %s is refused; it may have expired, or not be for this." % self._token_source(
                credentials
            )
        if not challenges:
            return (
                "It does not say how to log in (no WWW-Authenticate), as a registry would: perhaps a proxy answers instead of it,"
                " that of the environment or one in front of the registry."
            )
        if credentials is None:
            file = (
                " The file of logins has no entry for %s." % self._address.origin.netloc if self._source.given else ""
            )
            return "The registry wants to know who asks.%s %s" % (file, _REMEDY)
        if isinstance(self._way, Anonymous):
            schemes = ", ".join(one.scheme for one in challenges)[:100]
            return "It wants one of: %s, which this collection cannot do." % schemes
        if isinstance(self._way, Basic) and not credentials.username:
            return "It wants user and password, and %s holds a token only." % credentials.source
        return "User and password from %s are refused." % credentials.source

    def _who(self, scope: Scope) -> str:
        credentials = self._source.find(scope.repository)
        if credentials is None:
            return "an anonymous user"
        return (
            "the user %r from %s" % (credentials.username, credentials.source)
            if credentials.username
            else credentials.source
        )

    @staticmethod
    def _token_source(credentials: t.Optional[Credentials]) -> str:
        return credentials.source if credentials else "the options"
