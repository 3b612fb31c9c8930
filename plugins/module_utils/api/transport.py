# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request at a time, to any address: bounded in time and size, repeated where that is safe, counted."""

from __future__ import annotations

import http.cookiejar
import os
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import (
    origin_of,
    without_secrets,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.bounded import BoundedAdapter, time_limit
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    ConnectionFailed,
    RegistryError,
    ResponseInvalid,
    Truncated,
    Unreachable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.failures import no_answer
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.libraries import requests, urllib3
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.pace import (
    LONGEST_WAIT,
    Pace,
    backoff,
    retry_after,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.preparation import prepare
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.proxies import proxies_for
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.tls import tls_context

USER_AGENT = "fleetops.container_registry"
_READ = ("GET", "HEAD")
# With these the server says that it did not handle the request, so that even a write may come again.
_TURNED_AWAY = (429, 503)
_BUSY = (429, 502, 503, 504)
_CHUNK = 64 * 1024
_MOST_HEADERS = 64 * 1024
_MOST_ERROR_BYTES = 1024 * 1024


class Transport:
    """Sends requests over one pool of connections. Thread-safe. Close it when done."""

    def __init__(self, connection: Connection, environment: t.Optional[t.Mapping[str, str]] = None) -> None:
        self._connection = connection
        self._pace = Pace(connection.rate_limit, connection.deadline)
        self._lock = threading.Lock()
        # Whoever asks from threads of threads has no more requests under way than one who does not.
        self._room = threading.BoundedSemaphore(max(1, connection.workers))
        self._proxies: t.Dict[str, t.Dict[str, str]] = {}
        self._session = requests.Session()
        # Otherwise requests takes credentials from ~/.netrc, over the ones we set, and for whatever host we are sent to.
        self._session.trust_env = False
        # Otherwise requests reads the whole body of a redirect, unpacks it, and trusts its length, before we see any of it.
        self._session.get_redirect_target = lambda _response: None
        self._session.verify = connection.validate_certs
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        context = tls_context(connection, os.environ if environment is None else environment)
        adapter = BoundedAdapter(context, max(1, connection.workers))
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self.requests_sent = 0

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def exchange(
        self,
        method: str,
        url: str,
        headers: t.Mapping[str, str],
        *,
        limit: int,
        body: t.Optional[bytes] = None,
        first_bytes: bool = False,
        repeatable: bool = False,
        again: bool = True,
    ) -> Answer:
        """Send a request and read its answer, whatever its status; redirects are not followed.

        LIMIT bounds the answer's body in bytes: a larger one raises ResponseInvalid, or is cut there with FIRST_BYTES (content only,
        not an error's text). GET and
        HEAD (and what is REPEATABLE) are repeated after failures; anything else only where it was certainly not carried out, and not
        AGAIN=False: then the wait that the registry asks for is over when its answer is returned, and it is for the caller to look first.
        Raises ConnectionFailed, ResponseInvalid, DeadlineExceeded.
        """
        safe = repeatable or method in _READ
        for attempt in range(self._connection.retries + 1):
            last = attempt == self._connection.retries
            self._pace.wait_for_turn()
            try:
                with self._room:
                    answer = self._once(method, url, headers, body, limit, first_bytes, safe)
            except ConnectionFailed as failure:
                if last or not (safe or isinstance(failure, Unreachable)):
                    raise
                self._pace.sleep(backoff(attempt))
                if not (again or safe):
                    raise
                continue
            if last or answer.status not in (_BUSY if safe else _TURNED_AWAY):
                return answer
            asked = retry_after(answer.header("retry-after"), time.time())
            if asked is not None and asked > LONGEST_WAIT:
                return answer
            wait = backoff(attempt) if asked is None else max(asked, 0.1)
            if answer.status == 429:
                self._pace.hold_all(wait)
            self._pace.sleep(wait)
            if not (again or safe):
                return answer
        raise RegistryError("retries must be 0 or more", method, without_secrets(url))  # not reached otherwise

    def _once(
        self,
        method: str,
        url: str,
        headers: t.Mapping[str, str],
        body: t.Optional[bytes],
        limit: int,
        first_bytes: bool,
        safe: bool,
    ) -> Answer:
        timeout = self._connection.timeout
        left = self._pace.remaining()
        connecting = timeout if left is None else max(0.05, min(timeout, left))
        # A write that has begun gets its whole time: cutting it short would only make its outcome unknown.
        allowed = connecting if safe else timeout
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        with self._lock:
            self.requests_sent += 1
        try:
            with time_limit(allowed, connecting):
                response = self._session.send(
                    prepare(self._session, method, url, sent, body),
                    stream=True,
                    allow_redirects=False,
                    timeout=(connecting, allowed),
                    verify=self._session.verify,
                    proxies=self._proxies_for(url),
                )
                return self._read(response, method, url, limit, first_bytes)
        except RegistryError:
            raise
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Not "from": what urllib3 says has the whole address in it, also that of a redirect with its signature.
            raise no_answer(error, method, url, timeout) from None

    def _read(self, response: t.Any, method: str, url: str, limit: int, first_bytes: bool) -> Answer:
        """Read RESPONSE to its end, or close its connection. requests would decode and trust the length; here neither happens."""
        whole = False
        shown = without_secrets(url)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if sum(len(name) + len(value) for name, value in headers.items()) > _MOST_HEADERS:
                raise ResponseInvalid("%s answers with too many headers." % shown, method, shown, response.status_code)
            if 300 <= response.status_code < 400:
                # Only its headers count; the body is read so that the connection may be used again.
                whole = self._drain(response.raw)
                return Answer(method, shown, response.status_code, headers)
            encoding = headers.get("content-encoding", "identity").strip().lower()
            if encoding not in ("", "identity") and method != "HEAD":
                raise ResponseInvalid(
                    "%s answers with Content-Encoding %r, which was not asked for. Switch compression off in the proxy before the"
                    " registry." % (shown, encoding[:40]),
                    method,
                    shown,
                    response.status_code,
                )
            if response.status_code not in (200, 206):
                limit, first_bytes = (_MOST_ERROR_BYTES if first_bytes else min(limit, _MOST_ERROR_BYTES)), False
            content, whole = self._content(response.raw, limit)
            expected = headers.get("content-length", "").strip()
            bodiless = method == "HEAD" or response.status_code in (204, 304)
            if not whole and not first_bytes:
                raise ResponseInvalid(
                    "%s answers with more than the %d bytes that this may have." % (shown, limit),
                    method,
                    shown,
                    response.status_code,
                )
            if whole and not bodiless and expected.isdigit() and len(content) != int(expected):
                whole = False
                raise Truncated(
                    "%s %s: the answer is truncated, %d of %s bytes came." % (method, shown, len(content), expected),
                    method,
                    shown,
                    response.status_code,
                )
            return Answer(method, shown, response.status_code, headers, content)
        finally:
            if whole:
                response.raw.release_conn()
            else:
                response.raw.close()

    def _drain(self, raw: t.Any) -> bool:
        """Read what little is left of RAW, and whether that was all and as it should be."""
        try:
            return self._content(raw, _CHUNK)[1]
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return False

    @staticmethod
    def _content(raw: t.Any, limit: int) -> t.Tuple[bytes, bool]:
        """At most LIMIT bytes, and whether that is all there is."""
        parts: t.List[bytes] = []
        size = 0
        while True:
            part = raw.read(min(_CHUNK, limit + 1 - size), decode_content=False)
            if not part:
                return b"".join(parts), True
            size += len(part)
            if size > limit:
                return b"".join(parts)[:limit] + part[: limit - (size - len(part))], False
            parts.append(part)

    def _proxies_for(self, url: str) -> t.Dict[str, str]:
        """The proxies that the environment names for the host of URL; looked up once for each scheme and host, it costs time."""
        server = "/".join(url.split("/", 3)[:3])
        with self._lock:
            if server in self._proxies:
                return self._proxies[server]
        origin = origin_of(urlsplit(url))
        if origin is None:
            raise RegistryError(
                "%s is no address that a request can go to." % without_secrets(url), "", without_secrets(url)
            )
        with self._lock:
            return self._proxies.setdefault(server, proxies_for(origin))
