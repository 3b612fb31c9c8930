# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that misbehaves as told: for faults that a real registry cannot be made to show."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What is answered. RAW, if given, writes to the socket itself. LENGTH: the Content-Length, if it shall lie."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    raw: Callable[[BaseHTTPRequestHandler], None] | None = None


Script = Callable[[Request], Reply]


class FaultyServer:
    """Answers by SCRIPT on loopback and remembers every request."""

    def __init__(self, script: Script) -> None:
        self.requests: list[Request] = []
        self.script = script
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile.read(length))
                outer.requests.append(request)
                reply = outer.script(request)
                if reply.raw is not None:
                    self.close_connection = True
                    try:
                        reply.raw(self)
                    except OSError:
                        pass  # the client has had enough
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
                if reply.length is not None:
                    self.close_connection = True
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, method: str, part: str = "") -> int:
        """How many requests of METHOD had PART in their path."""
        return sum(1 for one in self.requests if one.method == method and part in one.path)


@contextmanager
def serving(script: Script) -> Iterator[FaultyServer]:
    """A running server."""
    with FaultyServer(script) as server:
        yield server


def in_turn(*replies: Reply) -> Script:
    """One reply after the other, the last one for ever."""
    left = list(replies)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


def registry_error(status: int, code: str, message: str = "", **headers: str) -> Reply:
    """An error as registries have them."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, body, {"Content-Type": "application/json", **headers})


def as_json(document: object, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json", **named})


def digest_of(body: bytes) -> str:
    """The sha256 digest of BODY."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def manifest_body(name: str = "a") -> bytes:
    """A small, valid image manifest."""
    blob = digest_of(name.encode())
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob, "size": 1}
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()


def manifest_reply(body: bytes | None = None, **changes: str) -> Reply:
    """A manifest with its digest; CHANGES replace headers (content_type, docker_content_digest)."""
    body = manifest_body() if body is None else body
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest_of(body)}
    headers.update({name.replace("_", "-").title(): value for name, value in changes.items()})
    return Reply(200, body, headers)
