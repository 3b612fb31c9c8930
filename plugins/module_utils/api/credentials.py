# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose credentials are used: the options first, then a file of logins; for a repository, or for the registry."""

from __future__ import annotations

import base64
import os
import threading
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.auth_file import AuthFile
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or an identity token (a refresh token of OAuth2), or a token ready to be sent. SOURCE names where
    they come from, for messages."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def basic(self) -> str:
        """The Authorization header of the basic scheme, or an empty text without a user."""
        if not self.username:
            return ""
        pair = "%s:%s" % (self.username, self.password)
        return "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")


class CredentialSource:
    """Finds the credentials for a repository of one registry. Thread-safe; each login file and helper is asked once per key.

    Order: token, then username and password, then auth_file, then REGISTRY_AUTH_FILE, then config.json in DOCKER_CONFIG; the
    first of the files that is named is the one that counts.
    """

    def __init__(
        self, connection: Connection, address: Address, environment: t.Optional[t.Mapping[str, str]] = None
    ) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._file: t.Optional[AuthFile] = None
        self._own: t.Optional[Credentials] = None
        self._known: t.Dict[str, t.Optional[Credentials]] = {}
        if connection.token:
            self._own = Credentials(registry_token=_header_safe("token", connection.token), source="the option token")
        elif connection.username:
            if ":" in connection.username:
                raise RegistryError("username: a user's name cannot have a colon in it (RFC 7617).")
            self._own = Credentials(
                connection.username, connection.password, source="the options username and password"
            )
        else:
            path, source = login_file(connection, os.environ if environment is None else environment)
            self._file = AuthFile.read(path, source, connection.timeout) if path else None

    @property
    def given(self) -> bool:
        """Whether the user has named any credentials at all."""
        return self._own is not None or self._file is not None

    def find(self, repository: str = "") -> t.Optional[Credentials]:
        """The credentials for REPOSITORY, or for the registry as such; None for anonymous. Raises RegistryError."""
        if self._own is not None or self._file is None:
            return self._own
        with self._lock:
            if repository not in self._known:
                self._known[repository] = self._from_file(self._file, repository)
            return self._known[repository]

    def _from_file(self, file: AuthFile, repository: str) -> t.Optional[Credentials]:
        origin = self._address.origin
        path = (self._address.prefix + "/" + repository).strip("/")
        login = file.login(origin.netloc, path, origin.netloc_with_port)
        if login is None:
            return None
        return Credentials(
            login.username,
            login.password,
            login.identity_token,
            _header_safe("registrytoken of " + file.path, login.registry_token),
            "%s (%s)" % (file.path, login.key),
        )


def login_file(connection: Connection, environment: t.Mapping[str, str]) -> t.Tuple[str, str]:
    """The file with logins that counts and who named it; two empty texts where there is none.

    A file that only the environment names need not exist, as with the container tools.
    """
    if connection.auth_file:
        return connection.auth_file, "auth_file"
    candidates = [(environment.get("REGISTRY_AUTH_FILE", ""), "REGISTRY_AUTH_FILE")]
    if environment.get("DOCKER_CONFIG"):
        candidates.append((os.path.join(environment["DOCKER_CONFIG"], "config.json"), "DOCKER_CONFIG"))
    for path, source in candidates:
        if path and os.path.exists(path):
            return path, source
    return "", ""


def _header_safe(what: str, token: str) -> str:
    if token and not (token.isascii() and token.isprintable() and " " not in token.strip()):
        raise RegistryError("%s: this is no token, it has characters that a header cannot carry." % what)
    return token.strip()
