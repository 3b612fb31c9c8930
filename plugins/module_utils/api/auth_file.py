# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of logins: docker's config.json and containers' auth.json.

Keys may be a registry ('host:5000'), one with a path ('host/team' or 'host/team/app', containers-auth.json(5)), or docker's
older form with scheme and version ('https://host/v1/'). The longest that fits wins. The login that docker keeps for Docker Hub
has the key 'https://index.docker.io/v1/', that of the containers tools 'docker.io'.
"""

from __future__ import annotations

import base64
import binascii
import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credential_helper import ask_helper
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError

_MOST_BYTES = 4 * 1024 * 1024
# Docker Hub's registry, the name that images have for it, and the one that docker logs in at.
_HUB = ("registry-1.docker.io", "docker.io", "index.docker.io")
_HUB_LOGIN = "https://index.docker.io/v1/"


@dataclass(frozen=True)
class Login:
    """What a file, or a helper that it names, says for KEY."""

    key: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


class AuthFile:
    """One file of logins, read once."""

    def __init__(self, path: str, document: t.Mapping[str, t.Any], helper_timeout: float) -> None:
        self.path = path
        self._auths = _mapping(path, document, "auths")
        self._helpers = _mapping(path, document, "credHelpers")
        store = document.get("credsStore")
        self._store = store if isinstance(store, str) else ""
        self._timeout = helper_timeout
        self._answers: t.Dict[t.Tuple[str, str], t.Union[Login, RegistryError, None]] = {}

    @classmethod
    def read(cls, path: str, source: str, helper_timeout: float = 30.0) -> AuthFile:
        """Read PATH, which SOURCE (an option or variable) named. Raises RegistryError; its text never shows content."""
        try:
            with open(path, "rb") as stream:
                content = stream.read(_MOST_BYTES + 1)
        except OSError as error:
            raise RegistryError("%s: %s cannot be read: %s." % (source, path, error.strerror or error)) from error
        if len(content) > _MOST_BYTES:
            raise RegistryError(
                "%s: %s is no file of logins, it is larger than %d bytes." % (source, path, _MOST_BYTES)
            )
        try:
            document = json.loads(content.decode("utf-8") or "{}")
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise RegistryError(
                "%s: %s is no file of logins, it holds no JSON object. 'docker login', 'podman login' and 'skopeo login' write one."
                % (source, path)
            )
        return cls(path, document, helper_timeout)

    def login(self, host: str, path: str = "", also: str = "") -> t.Optional[Login]:
        """The login for PATH (a repository, with the registry's path prefix) at HOST (host:port), or None.

        ALSO is another way to write HOST, such as that with the port that goes without saying. As the container tools have it: a
        helper named for this registry comes before an entry, an entry before the store. Raises RegistryError.
        """
        host = host.lower()
        hosts = [host, also.lower()] if also else [host]
        if host in _HUB:
            hosts = list(_HUB)
        helpers = {_normal(key): (key, name) for key, name in self._helpers.items() if isinstance(name, str)}
        entries = {_normal(key): (key, entry) for key, entry in self._auths.items()}
        for candidate in _candidates(hosts, path):
            if candidate in helpers:
                key, name = helpers[candidate]
                return self._asked(name, key)
            if candidate in entries:
                login = self._entry(*entries[candidate])
                if login is not None:
                    return login
                if self._store:  # 'docker login' with a store leaves an empty entry under the key to ask the store for
                    return self._asked(self._store, entries[candidate][0])
        return self._asked(self._store, _HUB_LOGIN if host in _HUB else host) if self._store else None

    def _asked(self, helper: str, server: str) -> t.Optional[Login]:
        """What HELPER keeps for SERVER. It is asked once, also where it fails: a hundred repositories would wait a hundred times."""
        if (helper, server) not in self._answers:
            try:
                self._answers[helper, server] = self._ask(helper, server)
            except RegistryError as error:
                self._answers[helper, server] = error
        answer = self._answers[helper, server]
        if isinstance(answer, RegistryError):
            raise answer
        return answer

    def _ask(self, helper: str, server: str) -> t.Optional[Login]:
        answer = ask_helper(helper, server, self._timeout)
        if answer is None:
            return None
        username, secret = answer
        key = "%s by helper %s" % (server, helper)
        if username == "<token>":  # docker's way to say that the secret is an identity token
            return Login(key, identity_token=secret)
        return Login(key, username, secret)

    def _entry(self, key: str, entry: t.Any) -> t.Optional[Login]:
        if not isinstance(entry, dict):
            raise RegistryError("%s: the entry %r is no JSON object. Log in again." % (self.path, key))
        username, password = _text(entry, "username"), _text(entry, "password")
        if _text(entry, "auth"):
            try:
                pair = base64.b64decode(_text(entry, "auth"), validate=True).decode("utf-8")
            except (binascii.Error, ValueError):
                pair = ""
            username, colon, password = pair.partition(":")
            if not colon:
                raise RegistryError(
                    "%s: 'auth' of the entry %r is not user:password in base64. Log in again." % (self.path, key)
                )
            password = password.rstrip("\0")  # docker pads with NUL in old versions
        login = Login(key, username, password, _text(entry, "identitytoken"), _text(entry, "registrytoken"))
        return login if login.username or login.identity_token or login.registry_token else None


def _candidates(hosts: t.Sequence[str], path: str) -> t.List[str]:
    """Keys from the most to the least specific, for each of HOSTS."""
    parts = [part for part in path.split("/") if part]
    return ["/".join([host, *parts[:length]]) for length in range(len(parts), -1, -1) for host in hosts]


def _normal(key: str) -> str:
    """KEY without scheme, slashes at its end, and the version that docker's older form ends with; host in lower case."""
    text = key.partition("://")[2] or key
    old_form = "://" in key
    text = text.rstrip("/")
    if old_form and text.endswith(("/v1", "/v2")):
        text = text[:-3]
    host, slash, path = text.partition("/")
    return host.lower() + slash + path


def _mapping(path: str, document: t.Mapping[str, t.Any], name: str) -> t.Dict[str, t.Any]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RegistryError("%s: %r is no JSON object. Log in again." % (path, name))
    return value


def _text(entry: t.Mapping[str, t.Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
