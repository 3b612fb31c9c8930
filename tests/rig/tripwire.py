# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in front of a real registry that counts what it passes on, and acts at a chosen request: the moment to pull a plug."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


def ask(
    target: tuple[str, int], handler: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Pass the request of HANDLER, with its BODY, on to TARGET; returns status, headers without those of one hop, and content."""
    connection = http.client.HTTPConnection(*target, timeout=60)
    try:
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(handler.command, handler.path, body or None, headers)
        got = connection.getresponse()
        content = got.read()
        length = got.getheader("Content-Length") if handler.command == "HEAD" else str(len(content))
        kept = [(name, value) for name, value in got.getheaders() if name.lower() not in HOP_BY_HOP]
        return got.status, [*kept, ("Content-Length", length or "0")], content
    finally:
        connection.close()


class Tripwire:
    """Passes every request to the registry at TARGET. Requests that write (PUT, POST, DELETE) are numbered from 1."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._lock = threading.Lock()
        self._trip: tuple[int, bool, Callable[[], None]] | None = None
        self.writes = 0
        self.requests: list[tuple[str, str]] = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                wire._pass_on(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _pass_on

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def trip_at(self, write: int, after: bool, action: Callable[[], None]) -> None:
        """Call ACTION once, before or AFTER the WRITEth write from now on is passed on."""
        with self._lock:
            self.writes = 0
            self._trip = (write, after, action)

    def disarm(self) -> None:
        """Pass everything on from now on, and begin counting anew."""
        with self._lock:
            self.writes = 0
            self._trip = None
            self.requests = []

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        action, after = self._count(handler.command, handler.path)
        if action is not None and not after:
            action()
            handler.close_connection = True
            return
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        try:
            status, headers, content = ask(self._target, handler, body)
            if action is not None:
                action()
                handler.close_connection = True
                return
            handler.send_response_only(status)
            for name, value in headers:
                handler.send_header(name, value)
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(content)
        except OSError:
            handler.close_connection = True

    def _count(self, method: str, path: str) -> tuple[Callable[[], None] | None, bool]:
        with self._lock:
            self.requests.append((method, path))
            if method not in ("PUT", "POST", "DELETE"):
                return None, False
            self.writes += 1
            if self._trip is None or self.writes != self._trip[0]:
                return None, False
            _write, after, action = self._trip
            self._trip = None
            return action, after

    def __enter__(self) -> Tripwire:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
