# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP adapter whose requests end in time: the time-out of requests bounds each read and each address, not their sum.

A server that sends one byte every few seconds would hold a thread for ever, in the headers as well as in the body, and a name with
a dozen dead addresses a dozen times too long. Here each read gets what is left of the whole request's time, and each address its
share of it. Looking a name up takes as long as the system's resolver allows (resolv.conf(5), timeout and attempts).
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
import typing as t
from contextlib import contextmanager

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.libraries import HTTPAdapter, urllib3

# Seconds that an address gets at least.
_SHORTEST = 0.05

_limit = threading.local()


@contextmanager
def time_limit(seconds: float, connecting: float) -> t.Iterator[None]:
    """Within it, reading by this thread through a BoundedAdapter ends SECONDS from now with a time-out, connecting CONNECTING seconds."""
    now = time.monotonic()
    _limit.expires, _limit.connects = now + seconds, now + connecting
    try:
        yield
    finally:
        _limit.expires = _limit.connects = None


class _ReadInTime(io.RawIOBase):
    """The bytes of a socket, each read with what is left of the time."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._usual = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> t.Optional[int]:
        expires = getattr(_limit, "expires", None)
        if expires is None:
            return t.cast(t.Optional[int], self._raw.readinto(buffer))
        left = expires - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        try:
            return t.cast(t.Optional[int], self._raw.readinto(buffer))
        finally:
            if self._sock.fileno() >= 0:
                self._sock.settimeout(self._usual)

    def close(self) -> None:
        try:
            self._raw.close()
        finally:
            super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """A response that reads through _ReadInTime."""

    def __init__(self, sock: socket.socket, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_ReadInTime(sock, raw))


class _ConnectInTime:
    """Mixed into urllib3's connections: the addresses of a name share the time, so that a dead one leaves some for the next."""

    def _new_conn(self: t.Any) -> t.Any:
        expires = getattr(_limit, "connects", None)
        connect = super()._new_conn  # type: ignore[misc]
        if expires is None:
            return connect()
        name, usual = self._dns_host, self.timeout
        found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        try:
            for number, address in enumerate(addresses):
                left = max(expires - time.monotonic(), 0.0)
                self._dns_host, self.timeout = address, max(left / (len(addresses) - number), _SHORTEST)
                try:
                    return connect()
                except urllib3.exceptions.HTTPError:
                    if number == len(addresses) - 1 or time.monotonic() >= expires:
                        raise
        finally:
            self._dns_host, self.timeout = name, usual
        raise socket.gaierror(
            socket.EAI_NONAME, "Name or service not known"
        )  # not reached: getaddrinfo finds one or raises


class _SendInTime:
    """Mixed in as well: what is sent after connecting has the time of the whole request, not what connecting was given."""

    def connect(self: t.Any) -> None:
        super().connect()  # type: ignore[misc]
        expires = getattr(_limit, "expires", None)
        if expires is not None:
            self.sock.settimeout(max(expires - time.monotonic(), _SHORTEST))


class BoundedAdapter(HTTPAdapter):  # type: ignore[misc]
    """Connections with one TLS context, whose responses end within time_limit(). At most SIZE are kept open per host."""

    def __init__(self, context: ssl.SSLContext, size: int) -> None:
        self._context = context
        super().__init__(pool_connections=16, pool_maxsize=size, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: t.Any) -> t.Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        _bound(manager)
        return manager

    def cert_verify(self, conn: t.Any, url: str, verify: t.Any, cert: t.Any) -> None:
        """The context says what is trusted; requests would load its own bundle on top of it, for each connection."""
        conn.cert_reqs = "CERT_REQUIRED" if verify else "CERT_NONE"


def _bound(manager: t.Any) -> None:
    """Let the pools of MANAGER make connections whose answers are bounded (SOCKS has pools of its own, hence no fixed class)."""
    classes = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        if getattr(pool.ConnectionCls, "response_class", None) is not _BoundedResponse:
            bases: t.Tuple[t.Any, ...] = (_SendInTime, pool.ConnectionCls)
            if "socks" not in pool.ConnectionCls.__module__:  # there the proxy may be who looks names up
                bases = (_ConnectInTime, *bases)
            connection = type("Bounded", bases, {"response_class": _BoundedResponse})
            pool = type("BoundedPool", (pool,), {"ConnectionCls": connection})
        classes[scheme] = pool
    manager.pool_classes_by_scheme = classes
