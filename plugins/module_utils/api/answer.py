# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP answer read to its end, and which error it stands for."""

from __future__ import annotations

import json
import re
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import without_secrets
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    AuthenticationFailed,
    DeleteDisabled,
    Forbidden,
    NotARegistry,
    NotFound,
    RateLimited,
    ReadOnly,
    RegistryError,
    ResponseInvalid,
    ServerFailed,
    Unsupported,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.pace import retry_after
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import json_parts, printable

# Codes of the distribution specification with which a registry says that it knows the request, but not the thing.
_ABSENT = ("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN", "MANIFEST_BLOB_UNKNOWN")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}\Z")
# What Go's servers and nginx say to plain HTTP on their TLS port.
_PLAIN_TO_TLS = (b"HTTP request to an HTTPS server", b"plain HTTP request was sent to HTTPS port")
_MOST_ERRORS = 5
# A list of the most names that are taken, with room for what some products tell of each.
_MOST_PARTS = 4000000

DELETE_REMEDY = (
    "Set storage.delete.enabled: true in the registry's configuration (or REGISTRY_STORAGE_DELETE_ENABLED=true) and restart it."
    " A pull-through cache answers the same and can never delete this way."
)
READ_ONLY_REMEDY = (
    "Its configuration has storage.maintenance.readonly enabled: end that, or wait for the maintenance to be over."
)


@dataclass(frozen=True)
class Answer:
    """One answer. URL without secrets. HEADERS with names in lower case. BODY is whole, or empty for HEAD."""

    method: str
    url: str
    status: int
    headers: t.Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> t.Optional[str]:
        """The header NAME (in lower case), or None."""
        return self.headers.get(name)

    @property
    def media_type(self) -> str:
        """Content-Type without parameters, in lower case; empty where there is none."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    def json(self, what: str) -> t.Any:
        """The body as JSON; raises NotARegistry for an HTML page and ResponseInvalid for anything else that is none, or too much."""
        if json_parts(self.body) > _MOST_PARTS:
            raise ResponseInvalid(
                "%s: %s answers with more than %d values." % (what, self.url, _MOST_PARTS), *self.where
            )
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            pass
        if self.media_type == "text/html" or self.body.lstrip()[:1] == b"<":
            raise NotARegistry(
                "%s: %s answers with a web page instead of a registry's JSON. Check url: host, port and path prefix; a login page"
                " or a proxy may stand before the registry." % (what, self.url),
                *self.where,
            )
        raise ResponseInvalid("%s: %s answers with something that is no JSON." % (what, self.url), *self.where)

    @property
    def where(self) -> t.Tuple[str, str, int]:
        """Method, URL and status, as errors carry them."""
        return (self.method, self.url, self.status)

    @property
    def errors(self) -> t.Tuple[t.Tuple[str, str], ...]:
        """The registry's own errors as (code, message), as far as the body has any; texts are cut and made printable."""
        if json_parts(self.body) > _MOST_PARTS:
            return ()
        try:
            document = json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return ()
        listed = document.get("errors") if isinstance(document, dict) else None
        found = []
        for entry in listed[:_MOST_ERRORS] if isinstance(listed, list) else ():
            code = entry.get("code") if isinstance(entry, dict) else None
            if isinstance(code, str) and _CODE.match(code):
                found.append((code, _said(entry.get("message"))))
        return tuple(found)

    @property
    def code(self) -> str:
        """The registry's first error code, or an empty text."""
        errors = self.errors
        return errors[0][0] if errors else ""


def failure_of(answer: Answer, what: str) -> RegistryError:
    """The error that ANSWER stands for, where WHAT says what was wanted ('Reading the tags of app').

    A 404 is NotFound only with one of the registry's own codes: a proxy's 404 must never pass for absence.
    """
    error = _error_of(answer, what)
    error.retry_after = retry_after(answer.header("retry-after"), time.time())
    return error


def _error_of(answer: Answer, what: str) -> RegistryError:
    codes = [code for code, _message in answer.errors]
    code = codes[0] if codes else ""
    said = "; ".join("%s: %s" % pair if pair[1] else pair[0] for pair in answer.errors)
    where = (answer.method, answer.url, answer.status, code)
    start = "%s failed: HTTP %d from %s" % (what, answer.status, answer.url)
    text = "%s (%s)." % (start, said) if said else "%s." % start
    if answer.status == 401:
        return AuthenticationFailed(text, *where)
    if answer.status == 403:
        return Forbidden(text + " This user may not do that, or something in front of the registry forbids it.", *where)
    if answer.status == 404:
        if any(one in _ABSENT for one in codes):
            return NotFound(text, *where)
        return NotARegistry(
            text + " The answer has no error code of a registry: check url, above all its path prefix, and any proxy.",
            *where,
        )
    if answer.status == 405 or (answer.status == 400 and "UNSUPPORTED" in codes):
        return _unsupported(answer, text, where)
    wait = answer.header("retry-after")
    hint = " It asks to come back after %s." % printable(wait) if wait else ""
    if answer.status == 429:
        return RateLimited(text + hint + " Lower workers, set rate_limit, or try later.", *where)
    if 300 <= answer.status < 400:
        target = without_secrets(answer.header("location") or "")
        return RegistryError(
            "%s It redirects to %s, which is not followed here. If that is the registry's address, use it as url."
            % (text, target or "nowhere"),
            *where,
        )
    if answer.status >= 500:
        return ServerFailed(text + hint + " The registry's log says more.", *where)
    if answer.status == 413:
        return RegistryError(
            text
            + " Something in front of the registry limits the size of requests, such as client_max_body_size of nginx:"
            " raise that, or go past it.",
            *where,
        )
    if answer.status == 407:
        return RegistryError(
            text + " The proxy of the environment wants a user and a password, or refuses them: write"
            " http://USER:PASSWORD@HOST:PORT in HTTP_PROXY or HTTPS_PROXY.",
            *where,
        )
    # What nginx says where no certificate came, or one that it does not trust (status 400, or 495 and 496 within nginx).
    if answer.status == 400 and not codes and b"SSL certificate" in answer.body:
        return AuthenticationFailed(
            text
            + " A server in front of the registry wants a certificate of the client that it trusts: set client_cert"
            " and client_key.",
            *where,
        )
    if answer.status == 400 and any(known in answer.body for known in _PLAIN_TO_TLS):
        return NotARegistry("%s failed: %s wants TLS. Write https:// in url." % (what, answer.url), *where)
    if 200 <= answer.status < 300:
        return ResponseInvalid(text + " That is not the status that the protocol has for this.", *where)
    return RegistryError(text, *where)


def _unsupported(answer: Answer, text: str, where: t.Tuple[str, str, int, str]) -> RegistryError:
    """Distribution in read-only mode answers writes without JSON and allows GET and HEAD; UNSUPPORTED as JSON means disabled."""
    if answer.method in ("DELETE", "PUT", "POST", "PATCH"):
        allowed = {part.strip().upper() for part in (answer.header("allow") or "").split(",")} - {""}
        if not answer.errors and allowed and allowed <= {"GET", "HEAD", "OPTIONS"}:
            return ReadOnly("%s The registry is read-only. %s" % (text, READ_ONLY_REMEDY), *where)
        if answer.method == "DELETE" and answer.status == 405 and where[3] == "UNSUPPORTED":
            return DeleteDisabled("%s Deletes are disabled there. %s" % (text, DELETE_REMEDY), *where)
    return Unsupported(text + " The registry does not support this.", *where)


def _said(value: t.Any) -> str:
    return printable(value) if isinstance(value, str) else ""
