# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hostile network: every fault ends in bounded time and memory, and no write is ever repeated blindly."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
import tracemalloc
import types
from pathlib import Path

import pytest
import requests
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import errors
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.proxies import proxies_for
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.redirects import Redirects
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.tls import tls_context
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.transport import Transport
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import Reply, in_turn, serving

pytestmark = pytest.mark.usefixtures("no_waiting")

OK = Reply(200, b"{}")


def drop(handler):
    """Close the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def half(handler):
    """Announce more than comes."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def drip(head):
    """Send HEAD, then a byte every tenth of a second, for as long as anybody listens."""

    def dripping(handler):
        handler.wfile.write(head)
        for _byte in range(600):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)

    return dripping


def endless(handler):
    """A body without length and end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        handler.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


class Sender:
    """A transport to one server."""

    def __init__(self, server, **options):
        self.server = server
        self.transport = Transport(Connection(server.url, **{"timeout": 10.0, **options}), {})

    def __enter__(self):
        return self

    def __exit__(self, *_details):
        self.transport.close()

    def send(self, method="GET", path="/v2/x", limit=1000, **more):
        return self.transport.exchange(method, self.server.url + path, {}, limit=limit, **more)


@pytest.mark.parametrize("fault", [Reply(429), Reply(502), Reply(503), Reply(504), Reply(raw=drop), Reply(raw=half)])
def test_a_read_is_repeated_until_it_works(fault):
    with serving(in_turn(fault, fault, OK)) as server, Sender(server) as sender:
        assert sender.send().body == b"{}"
        assert len(server.requests) == 3
        assert sender.transport.requests_sent == 3


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST"])
@pytest.mark.parametrize("fault", [Reply(500), Reply(502), Reply(504), Reply(raw=drop), Reply(raw=half)])
def test_a_write_of_unknown_outcome_is_never_repeated(method, fault):
    with serving(in_turn(fault, OK)) as server, Sender(server) as sender:
        try:
            assert sender.send(method).status >= 500
        except errors.ConnectionFailed as failure:
            assert not isinstance(failure, errors.Unreachable)
        assert len(server.requests) == 1


def test_a_write_that_times_out_is_never_repeated():
    with serving(in_turn(Reply(raw=drip(b"HTTP/1.1 202 Accepted\r\n")), OK)) as server:
        with Sender(server, timeout=2.0) as sender, pytest.raises(errors.ConnectionFailed, match="2 seconds"):
            sender.send("DELETE")
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_write_that_was_turned_away_comes_again_unless_somebody_has_to_look_first(method, status):
    with serving(in_turn(Reply(status), Reply(202))) as server, Sender(server) as sender:
        assert sender.send(method).status == 202
        assert len(server.requests) == 2
    with serving(in_turn(Reply(status), Reply(202))) as server, Sender(server) as sender:
        assert sender.send(method, again=False).status == status
        assert len(server.requests) == 1


@pytest.mark.parametrize("first_bytes", [False, True])
def test_a_redirect_is_its_headers_whatever_body_comes_with_it(first_bytes):
    """requests would read the whole body, unpack it, and leave nothing for us: 'truncated'."""
    moved = {"Location": "https://cdn.example/blob"}
    page = b"<html>moved</html>"
    bomb = gzip.compress(b"0" * 50_000_000)
    packed = {"Content-Encoding": "gzip", **moved}
    short = Reply(307, page, moved, length=1000)
    for reply in (Reply(307, page, moved), Reply(302, bomb, packed), Reply(307, b"x" * 3_000_000, moved), short):
        with serving(in_turn(reply)) as server, Sender(server) as sender:
            answer = sender.send(first_bytes=first_bytes)
            assert (answer.status, answer.header("location")) == (reply.status, "https://cdn.example/blob")
            assert answer.body == b""


def test_what_a_failure_says_is_bounded():
    with (
        serving(in_turn(Reply(500, b"x" * 3_000_000))) as server,
        Sender(server, retries=0) as sender,
        pytest.raises(errors.ResponseInvalid, match="more than"),
    ):
        sender.send(limit=50_000_000)


def test_500_and_404_are_answers_and_not_asked_for_again():
    for status in (404, 500):
        with serving(in_turn(Reply(status), OK)) as server, Sender(server) as sender:
            assert sender.send().status == status
            assert len(server.requests) == 1


def test_retries_are_as_many_as_told():
    for retries in (0, 2):
        with serving(in_turn(Reply(503))) as server, Sender(server, retries=retries) as sender:
            assert sender.send().status == 503
            assert len(server.requests) == retries + 1


def test_an_absurd_retry_after_is_answered_at_once():
    with serving(in_turn(Reply(429, headers={"Retry-After": "86400"}), OK)) as server, Sender(server) as sender:
        assert sender.send().status == 429
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"],
    ids=["before the status", "in the headers", "in the body"],
)
def test_an_answer_that_only_drips_ends_with_the_time_out(head):
    with (
        serving(in_turn(Reply(raw=drip(head)))) as server,
        Sender(server, timeout=0.7, retries=0) as sender,
        pytest.raises(errors.ConnectionFailed),
    ):
        sender.send()


def repeated(*answers):
    """Answers that come at once for one request, and leave the connection open."""

    def raw(handler):
        handler.wfile.write(b"".join(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(a), a) for a in answers))
        handler.close_connection = False

    return Reply(raw=raw)


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_requests():
    with (
        serving(in_turn(repeated(b"mine", b"stray", b"stray"), Reply(200, b"the next"))) as server,
        Sender(server) as sender,
    ):
        assert sender.send().body == b"mine"
        assert sender.send().body == b"the next"
        assert len(server.requests) == 2


def test_more_bytes_than_announced_are_not_taken_for_the_next_answer():
    long = Reply(200, b"short and a long rest", length=5)
    with serving(in_turn(long, Reply(200, b"the next"))) as server, Sender(server) as sender:
        assert sender.send().body == b"short"
        assert sender.send().body == b"the next"


def without_end(head, line):
    def raw(handler):
        handler.wfile.write(head)
        while True:
            handler.wfile.write(line * 1000)

    return Reply(raw=raw)


@pytest.mark.parametrize(
    "reply",
    [
        without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        without_end(b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n"),
        without_end(b"HTTP/1.1 200 OK\r\nX-Header: ", b"value"),
        without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: value\r\n"),
        without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0000000000"),
        without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"extension"),
    ],
    ids=["interim answers", "headers", "one header", "trailers", "a chunk's size", "a chunk's extension"],
)
def test_whatever_has_no_end_ends_in_bounded_time_and_memory(reply):
    with serving(in_turn(reply)) as server, Sender(server, timeout=2.0, retries=0) as sender:
        tracemalloc.start()
        try:
            with pytest.raises(errors.ConnectionFailed):
                sender.send()
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()


def test_an_endless_body_is_left_at_the_limit():
    with serving(in_turn(Reply(raw=endless))) as server, Sender(server) as sender:
        with pytest.raises(errors.ResponseInvalid, match="more than the 1000 bytes"):
            sender.send()
        assert len(server.requests) == 1
        assert sender.send(first_bytes=True, limit=3).body == b"xxx"


def test_a_body_of_just_the_limit_is_taken():
    with serving(in_turn(Reply(200, b"x" * 1000))) as server, Sender(server) as sender:
        assert len(sender.send().body) == 1000


def test_compression_that_nobody_asked_for_is_refused_unopened():
    bomb = gzip.compress(b"\0" * 10_000_000)
    reply = Reply(200, bomb, {"Content-Encoding": "gzip"})
    with serving(in_turn(reply)) as server, Sender(server) as sender:
        with pytest.raises(errors.ResponseInvalid, match="gzip"):
            sender.send(limit=10**8)
        assert server.requests[0].headers["accept-encoding"] == "identity"


def test_huge_headers_are_refused():
    reply = Reply(200, headers={f"X-{number}": "y" * 60000 for number in range(2)})
    with (
        serving(in_turn(reply)) as server,
        Sender(server, retries=0) as sender,
        pytest.raises(errors.RegistryError),
    ):
        sender.send()


@pytest.mark.parametrize(
    "text", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/1.1 abc\r\n\r\n", b""]
)
def test_what_speaks_no_http_is_a_broken_connection(text):
    reply = Reply(raw=lambda handler: handler.wfile.write(text))
    with serving(in_turn(reply)) as server, Sender(server, retries=1) as sender:
        with pytest.raises(errors.ConnectionFailed):
            sender.send()
        assert len(server.requests) == 2


def test_a_closed_port_is_unreachable_and_may_be_tried_again_even_for_a_write():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens: nor can another test in the meantime
        closed = types.SimpleNamespace(url="http://127.0.0.1:%d" % taken.getsockname()[1])
        with Sender(closed, retries=2) as sender:
            with pytest.raises(errors.Unreachable, match="refused"):
                sender.send("DELETE")
            assert sender.transport.requests_sent == 3


@contextlib.contextmanager
def deaf(address, port):
    """A socket whose queue is full, so that nobody's connection to it ever comes about."""
    with contextlib.ExitStack() as opened:
        listening = opened.enter_context(socket.socket())
        listening.bind((address, port))
        listening.listen(0)
        for _one in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((address, port))
        yield


def named(monkeypatch, *addresses):
    """Let every name have these ADDRESSES."""
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _host, port, *_more, **_named: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses
        ],
    )


def test_a_dead_address_of_a_name_leaves_time_for_the_next(monkeypatch):
    with serving(in_turn(OK)) as server, deaf("127.0.0.2", server.port), deaf("127.0.0.3", server.port):
        named(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
        there = types.SimpleNamespace(url="http://registry.invalid:%d" % server.port)
        with Sender(there, timeout=3.0, retries=0) as sender:
            assert sender.send().status == 200
        assert server.requests[0].headers["host"] == "registry.invalid:%d" % server.port


def test_a_name_with_many_dead_addresses_is_given_up_in_its_time(monkeypatch):
    waits = []
    usual = socket.socket.settimeout
    monkeypatch.setattr(
        socket.socket, "settimeout", lambda self, seconds: (waits.append(seconds or 0.0), usual(self, seconds))
    )
    with socket.socket() as free, contextlib.ExitStack() as opened:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        addresses = ["127.0.0.%d" % number for number in range(2, 12)]
        for address in addresses:
            opened.enter_context(deaf(address, port))
        named(monkeypatch, *addresses)
        there = types.SimpleNamespace(url="http://registry.invalid:%d" % port)
        waits.clear()
        with (
            Sender(there, timeout=2.0, retries=0) as sender,
            pytest.raises(errors.Unreachable, match="within 2 seconds"),
        ):
            sender.send()
    assert len(waits) == len(addresses)
    assert sum(waits) <= 2.0 + 0.05 * len(addresses)


def test_a_write_whose_connection_has_not_come_about_ends_with_the_deadline(monkeypatch):
    given = []

    class Recorded(socket.socket):
        def connect(self, address):
            given.append(self.gettimeout())
            return super().connect(address)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with deaf("127.0.0.1", port):
        monkeypatch.setattr(socket, "socket", Recorded)
        there = types.SimpleNamespace(url="http://127.0.0.1:%d" % port)
        with Sender(there, timeout=8.0, deadline=0.5, retries=0) as sender, pytest.raises(errors.Unreachable):
            sender.send("DELETE")
    assert len(given) == 1 and given[0] <= 0.5


def test_what_is_no_http_is_quoted_as_text():
    def garbage(handler):
        handler.wfile.write(b"\x1b]0;title\x07\x1b[2J" + b"x" * 5000 + b"\r\n\r\n")

    caught = pytest.raises(errors.ConnectionFailed)
    with serving(in_turn(Reply(raw=garbage))) as server, Sender(server, retries=0) as sender, caught as raised:
        sender.send()
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment_counts_instead_of_the_systems(tmp_path, variable):
    first = Path(requests.certs.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(first[0] + first[1] + "\n", encoding="utf-8")
    context = tls_context(Connection("https://registry.invalid"), {variable: str(bundle)})
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert tls_context(Connection("https://registry.invalid"), {}).verify_mode == ssl.CERT_REQUIRED


def test_plain_http_behind_https_is_said_to_be_no_tls():
    with serving(in_turn(OK)) as server:
        server.url = server.url.replace("http://", "https://")
        with Sender(server, retries=0) as sender, pytest.raises(errors.RegistryError, match="http://"):
            sender.send()


def test_redirects_are_answers():
    with serving(in_turn(Reply(302, headers={"Location": "/elsewhere"}), OK)) as server, Sender(server) as sender:
        assert sender.send().status == 302
        assert len(server.requests) == 1


def test_no_cookie_and_no_netrc_is_ever_sent(tmp_path, monkeypatch):
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        serving(in_turn(Reply(200, headers={"Set-Cookie": "session=1; Path=/"}), OK)) as server,
        Sender(server) as sender,
    ):
        sender.send()
        sender.send()
        assert [one.headers.get("cookie") for one in server.requests] == [None, None]
        assert [one.headers.get("authorization") for one in server.requests] == [None, None]


def test_the_deadline_stops_everything_that_has_not_begun():
    with serving(in_turn(OK)) as server, Sender(server, deadline=600.0) as sender:
        sender.send()
        sender.transport._pace._ends = time.monotonic()
        for method in ("GET", "DELETE"):
            with pytest.raises(errors.DeadlineExceeded):
                sender.send(method)
        assert len(server.requests) == 1


def test_requests_are_counted_exactly_by_many_threads():
    with serving(in_turn(OK)) as server, Sender(server, workers=8) as sender:
        threads = [threading.Thread(target=lambda: [sender.send() for _number in range(10)]) for _thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sender.transport.requests_sent == len(server.requests) == 80


def test_http_proxies_of_the_environment_are_used_and_no_proxy_is_honoured(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(in_turn(Reply(200, b"by proxy"))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        transport = Transport(Connection("http://registry.invalid:5000"), {})
        assert transport.exchange("GET", "http://registry.invalid:5000/v2/", {}, limit=100).body == b"by proxy"
        assert proxy.requests[0].path == "http://registry.invalid:5000/v2/"
        monkeypatch.setenv("no_proxy", "registry.invalid")
        monkeypatch.setenv("NO_PROXY", "registry.invalid")
        transport.close()
        direct = Transport(Connection("http://registry.invalid:5000", retries=0), {})
        with pytest.raises(errors.Unreachable, match="host of .* is unknown"):
            direct.exchange("GET", "http://registry.invalid:5000/v2/", {}, limit=100)
        direct.close()
        assert len(proxy.requests) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_this_host_is_never_asked_through_a_proxy(monkeypatch, host):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert proxies_for(Address.parse("http://%s:5000" % host).origin) == {}
    assert proxies_for(Address.parse("http://registry.invalid:5000").origin)["http"] == "http://proxy.invalid:3128"


class TestRedirects:
    """Blobs may live elsewhere."""

    def follow(self, server, location, home=None, headers=None):
        with Sender(server) as sender:
            redirects = Redirects(Address.parse(home or server.url).origin, sender.transport)
            sent = {"Authorization": "Basic secret", **(headers or {})}
            first = sender.send()
            answer = redirects.follow(
                type(first)(first.method, first.url, 307, {"location": location}), sent, 1000, False, "Reading"
            )
            return answer

    def test_credentials_stay_at_home(self):
        with serving(in_turn(OK)) as server, serving(in_turn(Reply(200, b"blob"))) as store:
            assert self.follow(server, store.url + "/blob?sig=1").body == b"blob"
            assert "authorization" not in store.requests[0].headers
            assert store.requests[0].path == "/blob?sig=1"

    def test_within_the_registry_they_are_kept(self):
        with serving(in_turn(OK)) as server:
            self.follow(server, "/elsewhere")
            assert server.requests[-1].headers["authorization"] == "Basic secret"

    def test_a_circle_ends(self):
        with serving(
            lambda request: OK if request.path == "/v2/x" else Reply(302, headers={"Location": "/a"})
        ) as server:
            with pytest.raises(errors.ResponseInvalid, match="circle"):
                self.follow(server, "/a")
            assert len(server.requests) < 10

    @pytest.mark.parametrize(
        ("location", "says"),
        [
            ("http://169.254.169.254/latest/meta-data", "on this host or link"),
            ("http://127.0.0.1:1/", "on this host or link"),
            ("http://[::1]:1/", "on this host or link"),
            ("http://localhost:1/", "on this host or link"),
            ("ftp://example.com/", "no address"),
            ("file:///etc/passwd", "no address"),
            ("http://me:secret@example.com/", "no address"),
            ("", "no address"),
        ],
    )
    def test_where_nobody_may_send_us(self, location, says):
        with serving(in_turn(OK)) as server:
            with pytest.raises(errors.ResponseInvalid) as refused:
                self.follow(server, location, home="http://203.0.113.1:5000")
            assert says in refused.value.message
            assert "secret" not in refused.value.message
            assert len(server.requests) == 1

    def test_tls_is_never_left(self):
        with serving(in_turn(OK)) as server, pytest.raises(errors.ResponseInvalid, match="from TLS"):
            self.follow(server, "http://203.0.113.2/blob", home="https://203.0.113.1")


def test_never_are_more_requests_under_way_than_there_are_workers():
    """Whoever starts threads from threads would have the square of them otherwise."""
    under_way, most, lock = [], [], threading.Lock()
    enough = threading.Event()

    def slow(_request):
        with lock:
            under_way.append(1)
            most.append(len(under_way))
            if len(most) == 12:
                enough.set()
        time.sleep(0.05)
        with lock:
            under_way.pop()
        return Reply(200, b"{}")

    with serving(slow) as server, Sender(server, workers=3) as sender:
        threads = [threading.Thread(target=sender.send) for _number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert enough.is_set()
    assert max(most) == 3
