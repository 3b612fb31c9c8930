# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy that fails stands between a module and a real registry: nothing kept is lost, what went is told, and a later run finishes."""

from __future__ import annotations

import itertools
import random
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.tripwire import ask

IMAGES, KEEP = 40, 5

RESET_BEFORE, RESET_AFTER, CUT, STALL, BAD_GATEWAY, BUSY, TWICE, LATE = (
    *("reset before", "reset after", "cut", "stall", "502 after", "503 with Retry-After", "twice", "late"),
)
FAULTS = (RESET_BEFORE, RESET_AFTER, CUT, STALL, BAD_GATEWAY, BUSY, TWICE, LATE)


class FaultyProxy:
    """Passes requests on to TARGET, and does FAULT to about one in EVERY; to none once it is `whole`."""

    def __init__(self, target, fault, every):
        parts = urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.fault, self.every, self.whole = fault, every, False
        self.done = 0
        self.over = threading.Event()
        self._random = random.Random(every)
        self._numbers = itertools.count()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                proxy.serve(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = serve

            def log_message(self, format, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_details):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        # The first requests find out what kind of registry it is.
        hit = not self.whole and next(self._numbers) > 4 and self._random.random() * self.every < 1
        fault = self.fault if hit else ""
        self.done += bool(fault)
        try:
            if fault == RESET_BEFORE:
                return reset(handler)
            if fault == BUSY:
                return answer(handler, 503, [("Retry-After", "0"), ("Content-Length", "4")], b"busy")
            if fault == LATE:
                self.over.wait(0.3)
            status, headers, content = ask(self.target, handler, body)
            if fault == TWICE:
                status, headers, content = ask(self.target, handler, body)
            if fault == RESET_AFTER:
                return reset(handler)
            if fault == STALL:
                self.over.wait(60)
                return reset(handler)
            if fault == BAD_GATEWAY:
                return answer(
                    handler, 502, [("Content-Type", "text/html"), ("Content-Length", "24")], b"<html>bad gateway</html>"
                )
            if fault == CUT and content:
                return answer(handler, status, headers, content, len(content) // 2)
            return answer(handler, status, headers, content)
        except OSError:
            handler.close_connection = True


def answer(handler, status, headers, content, sent=None):
    """Answer; only the first SENT bytes, and then no more, if given."""
    handler.send_response_only(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content[:sent])
    if sent is not None:
        reset(handler)


def reset(handler):
    """Break the connection off."""
    handler.close_connection = True
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("by", ["digest", "tags"])
def test_a_prune_through_a_proxy_that_fails(registry_factory, registry_version, tmp_path, fault, by):
    registry = registry_factory()
    images = {f"t{number}": pushed for number, pushed in enumerate(Pusher(registry.url).many("team/app", IMAGES))}
    kept = {f"t{number}" for number in range(IMAGES - KEEP, IMAGES)}
    strategy = "digest" if by == "digest" else ("tombstone" if registry_version.startswith("2") else "tag")
    with FaultyProxy(registry.url, fault, 6) as proxy:
        arguments = {
            "url": proxy.url,
            "timeout": 2,
            "policies": [{"name": "all", "keep_newest": KEEP}],
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
            "strategy": strategy,
        }
        first = modules.run_module("registry_prune", arguments)
        assert proxy.done, "the proxy was to fail"
        assert "Traceback" not in first.output and "unexpected" not in first.msg
        left = set(store.listed(registry.url, "team/app"))
        assert kept <= left
        if first.failed:
            assert first.msg
        # What it says that it did, it did; what it did, it says.
        assert first["changed"] or left == set(images)
        proxy.whole = True
        second = modules.run_module("registry_prune", arguments)
        assert not second.failed, second.msg
        assert not second["errors"]
        third = modules.run_module("registry_prune", arguments)
        assert not third.failed and not third["changed"], third.data
    assert set(store.listed(registry.url, "team/app")) == kept
    for tag in kept:
        assert store.pull(registry.url, "team/app", tag)
        assert store.digest(registry.url, "team/app", tag) == images[tag].digest
    for tag in set(images) - kept:
        assert store.digest(registry.url, "team/app", images[tag].digest) is None
