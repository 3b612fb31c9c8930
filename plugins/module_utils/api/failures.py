# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which error a request stands for that got no answer, or only a part of one."""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import without_secrets
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    ConnectionFailed,
    RegistryError,
    Truncated,
    Unreachable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.libraries import requests, urllib3
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import printable


def no_answer(error: BaseException, method: str, url: str, timeout: float) -> RegistryError:
    """Turn what requests, urllib3 or the socket raised into an error whose text names host, reason and remedy.

    Unreachable means that the request was not sent; any other ConnectionFailed leaves that open.
    """
    shown = without_secrets(url)
    chain = list(_causes(error))
    secure = next((one for one in chain if isinstance(one, ssl.SSLError)), None)
    where = (method, shown)
    if any(isinstance(one, requests.exceptions.InvalidSchema) for one in chain):
        # requests has this for SOCKS without its library.
        return RegistryError(
            "%s cannot be reached through the proxy of the environment: %s Install the Python library PySocks on the host that the"
            " module runs on." % (shown, printable(str(chain[-1]))),
            *where,
        )
    if secure is not None or any(isinstance(one, requests.exceptions.SSLError) for one in chain):
        return _tls_failure(chain, secure, where)
    if any(isinstance(one, requests.exceptions.ProxyError) for one in chain):
        return Unreachable(
            "%s cannot be reached through the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY): %s."
            % (shown, _reason(chain)),
            *where,
        )
    if any(isinstance(one, socket.gaierror) for one in chain):
        return Unreachable(
            "The host of %s is unknown: %s. Check url, and name resolution on the host that the module runs on."
            % (shown, _reason(chain)),
            *where,
        )
    if any(isinstance(one, requests.exceptions.ConnectTimeout) for one in chain):
        return Unreachable(
            "%s gives no sign within %g seconds. Check host and port in url, and firewalls." % (shown, timeout), *where
        )
    if any(isinstance(one, urllib3.exceptions.NewConnectionError) for one in chain):
        return Unreachable(
            "%s cannot be reached: %s. Check host and port in url, and whether the registry is running."
            % (shown, _reason(chain)),
            *where,
        )
    if any(
        isinstance(one, (socket.timeout, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)) for one in chain
    ):
        return ConnectionFailed(
            "%s %s: no whole answer within %g seconds. Raise timeout, or look what holds the registry up."
            % (method, shown, timeout),
            *where,
        )
    if any(isinstance(one, http.client.IncompleteRead) for one in chain):
        return Truncated("%s %s: the answer is truncated." % (method, shown), *where)
    return ConnectionFailed(
        "%s %s: the connection broke before the answer was whole: %s." % (method, shown, _reason(chain)), *where
    )


def _tls_failure(
    chain: t.Sequence[BaseException], secure: t.Optional[ssl.SSLError], where: t.Tuple[str, str]
) -> RegistryError:
    text = printable(str(secure)) if secure is not None else _reason(chain)
    shown = where[1]
    upper = text.upper().replace(" ", "_")
    if "WRONG_VERSION_NUMBER" in upper or "UNKNOWN_PROTOCOL" in upper or "RECORD_LAYER_FAILURE" in upper:
        return RegistryError("%s does not speak TLS. For a registry without TLS write http:// in url." % shown, *where)
    if isinstance(secure, ssl.SSLCertVerificationError):
        return RegistryError(
            "The certificate of %s is not trusted: %s. For an authority of your own set ca_path to its certificate."
            % (shown, printable(secure.verify_message or text)),
            *where,
        )
    if "CERTIFICATE" in upper:
        return RegistryError(
            "%s refuses the connection over the certificate of the client: %s. Set client_cert and client_key."
            % (shown, text),
            *where,
        )
    return ConnectionFailed("TLS with %s failed: %s." % (shown, text), *where)


def _reason(chain: t.Sequence[BaseException]) -> str:
    """The innermost cause in its own words: the outer texts repeat the URL with its query."""
    innermost = chain[-1]
    if isinstance(innermost, OSError) and innermost.strerror:
        return printable(innermost.strerror)
    # What is no HTTP, for one, is quoted by Python as it came.
    text = printable(str(innermost))
    return "%s: %s" % (type(innermost).__name__, text) if text else type(innermost).__name__


def _causes(error: BaseException) -> t.Iterator[BaseException]:
    """ERROR, then what it was made from, as far as requests and urllib3 tell: 'reason', arguments, cause, context."""
    seen: t.Set[int] = set()
    current: t.Optional[BaseException] = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner: t.List[t.Any] = [getattr(current, "reason", None)]
        inner.extend(current.args)
        inner.extend((current.__cause__, current.__context__))
        current = next((one for one in inner if isinstance(one, BaseException) and id(one) not in seen), None)
