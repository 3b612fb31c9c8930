# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong between us and a registry, as typed errors whose texts name the thing, the reason and the remedy."""

from __future__ import annotations

import typing as t


class RegistryError(Exception):
    """A request that did not give what was asked for.

    METHOD and URL (without user, password and query) name the request, STATUS is the HTTP status or None where there was no
    answer, CODE is the registry's own error code (such as MANIFEST_UNKNOWN) or empty.
    """

    def __init__(
        self, message: str, method: str = "", url: str = "", status: t.Optional[int] = None, code: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.url = url
        self.status = status
        self.code = code
        # Seconds after which the server wants to be asked again (Retry-After), where it says so.
        self.retry_after: t.Optional[float] = None

    def as_dict(self) -> t.Dict[str, t.Any]:
        """The parts, for a module's result."""
        return {"method": self.method, "url": self.url, "status": self.status, "code": self.code}


class ConnectionFailed(RegistryError):
    """No answer: host unknown, port closed, TLS mismatch, time-out, reset. Whether the request was carried out is unknown."""


class Unreachable(ConnectionFailed):
    """No connection came about, so the request was certainly not carried out."""


class Truncated(ConnectionFailed):
    """The answer began, and then fewer bytes came than it announced."""


class NotARegistry(RegistryError):
    """The server answers, but does not speak the registry's v2 API."""


class AuthenticationFailed(RegistryError):
    """The registry wants credentials, or rejects the ones it got (401)."""


class LoginRenewed(RegistryError):
    """A login that was missing or had run out (401), and there is a new one: nothing was done, and whoever sends it again looks first."""


class InsufficientScope(AuthenticationFailed):
    """The token server gives this user a token, but not for what was asked (401 again)."""


class Forbidden(RegistryError):
    """The registry, or something in front of it, refuses this user (403)."""


class NotFound(RegistryError):
    """A repository, manifest or blob that does not exist (404 with the registry's own code)."""


class Unsupported(RegistryError):
    """The registry cannot or may not do this (405, or 400 with UNSUPPORTED)."""


class DeleteDisabled(Unsupported):
    """Deletes are switched off, or the registry is a pull-through cache: both answer 405 with UNSUPPORTED."""


class ReadOnly(Unsupported):
    """The registry is in its read-only mode."""


class RateLimited(RegistryError):
    """Too many requests (429), still so after every retry."""


class ServerFailed(RegistryError):
    """The registry failed (5xx), still so after every retry where a retry was safe."""


class ResponseInvalid(RegistryError):
    """An answer that cannot be believed: wrong digest, truncated, no JSON, endless, or of the wrong type."""


class DeadlineExceeded(RegistryError):
    """The time given to the whole run is used up."""
