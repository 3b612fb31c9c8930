# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real proxies on the way to a real registry: tinyproxy for HTTP and CONNECT, microsocks for SOCKS."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import (
    debian_program,
    registry_binary,
    unpacked_debian_program,
)
from ansible_collections.fleetops.container_registry.tests.rig.certificates import THROUGH_PROXY, make_certificates
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.daemon import Daemon
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess, free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

USER, PASSWORD = "proxyuser", "proxy-secret-42"
TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 60
LogLevel Connect
LogFile "{home}/tinyproxy.log"
BasicAuth {user} {password}
"""


class Way:
    """Two registries, one with TLS, and the proxies before them; every way is closed without the proxy's password."""

    def __init__(self, home):
        obtain(lambda: registry_binary("3.1"))
        self.home = home
        self.certificates = obtain(lambda: make_certificates(home))
        self.plain = RegistryProcess("3.1", home / "plain")
        tls = {"certificate": str(home / "server.pem"), "key": str(home / "server.key")}
        self.secure = RegistryProcess("3.1", home / "secure", extra={"http": {"tls": tls}})
        port, socks = free_port(), free_port()
        config = home / "tinyproxy.conf"
        config.write_text(TINYPROXY.format(port=port, home=home, user=USER, password=PASSWORD), encoding="utf-8")
        program = obtain(lambda: debian_program("tinyproxy-bin", "tinyproxy"))
        self.http = Daemon([str(program), "-d", "-c", str(config)], port, home / "tinyproxy.out")
        program = obtain(lambda: unpacked_debian_program("microsocks", "usr/bin/microsocks"))
        command = [str(program), "-i", "127.0.0.1", "-p", str(socks), "-u", USER, "-P", PASSWORD]
        self.socks = Daemon(command, socks, home / "microsocks.log")
        self.ca = {"ca_path": str(home / "ca.pem")}

    def http_url(self, password=PASSWORD):
        return f"http://{USER}:{password}@127.0.0.1:{self.http.port}"

    def socks_url(self, password=PASSWORD):
        return f"socks5h://{USER}:{password}@127.0.0.1:{self.socks.port}"

    def passed(self):
        """How many connections either proxy has taken so far."""
        logs = (self.home / "tinyproxy.log", self.home / "microsocks.log")
        return tuple(log.read_text(encoding="utf-8").count("connect") if log.exists() else 0 for log in logs)


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    way = Way(tmp_path_factory.mktemp("way"))
    with way.plain:
        way.secure.start()
        way.secure.url = way.secure.url.replace("http:", "https:")
        try:
            with way.http, way.socks:
                Pusher(way.plain.url).image("team/app", "1.0")
                yield way
        finally:
            way.secure.stop()


VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def ask(registry, env, module="registry_tags_info", url="", **options):
    # The lower-case form, which comes first, the same: none of the caller's own is left.
    proxies = {name: env.get(name, "") for name in VARIABLES}
    proxies.update({name.lower(): value for name, value in proxies.items()})
    result = modules.run_module(
        module,
        {"url": url or registry.url.replace("127.0.0.1", THROUGH_PROXY), "retries": 0, **options},
        env={**env, **proxies},
    )
    assert PASSWORD not in result.output
    assert "wrong-secret" not in result.output
    return result


def test_http_and_tls_go_through_the_proxy_that_the_environment_names(way):
    before = way.passed()
    plain = ask(way.plain, {"HTTP_PROXY": way.http_url()})
    assert not plain.failed, plain.msg
    assert [tag["name"] for tag in plain["tags"]] == ["1.0"]
    between = way.passed()
    assert between[0] > before[0]
    secure = ask(way.secure, {"HTTPS_PROXY": way.http_url()}, "registry_info", **way.ca)
    assert not secure.failed, secure.msg
    assert secure["delete"] == "enabled"
    assert "CONNECT" in (way.home / "tinyproxy.log").read_text(encoding="utf-8")
    # What is read through the tunnel is the registry's certificate, and it is checked.
    refused = ask(way.secure, {"HTTPS_PROXY": way.http_url()}, "registry_info")
    assert refused.failed and "is not trusted" in refused.msg


def test_socks_carries_both(way):
    before = way.passed()
    for registry, options in ((way.plain, {}), (way.secure, way.ca)):
        result = ask(registry, {"ALL_PROXY": way.socks_url()}, "registry_info", **options)
        assert not result.failed, result.msg
    after = way.passed()
    assert after[1] > before[1] and after[0] == before[0]


def test_no_proxy_goes_straight(way):
    before = way.passed()
    for exception in (THROUGH_PROXY, f"example.com,{THROUGH_PROXY}", "*"):
        env = {"HTTP_PROXY": way.http_url(), "ALL_PROXY": way.socks_url(), "NO_PROXY": exception}
        result = ask(way.plain, env)
        assert not result.failed, result.msg
    assert way.passed() == before


def test_this_host_itself_is_not_asked_through_a_proxy(way):
    before = way.passed()
    for url in (way.plain.url, way.plain.url.replace("127.0.0.1", "localhost")):
        result = ask(way.plain, {"HTTP_PROXY": way.http_url(), "ALL_PROXY": way.socks_url()}, url=url)
        assert not result.failed, result.msg
    assert way.passed() == before


@pytest.mark.parametrize(
    ("registry", "variable", "proxy", "says"),
    [
        ("plain", "HTTP_PROXY", lambda way: f"http://127.0.0.1:{way.http.port}", "proxy of the environment wants"),
        ("secure", "HTTPS_PROXY", lambda way: f"http://127.0.0.1:{way.http.port}", "407"),
        # tinyproxy says 401 instead of 407 to a wrong password, just as a registry does.
        ("plain", "HTTP_PROXY", lambda way: way.http_url("wrong-secret"), "HTTP 401"),
        ("secure", "HTTPS_PROXY", lambda way: way.http_url("wrong-secret"), "proxy of the environment"),
        ("plain", "ALL_PROXY", lambda way: way.socks_url("wrong-secret"), "SOCKS5"),
        ("plain", "HTTP_PROXY", lambda way: f"http://{USER}:{PASSWORD}@127.0.0.1:{free_port()}", "cannot be reached"),
        ("plain", "HTTP_PROXY", lambda way: f"http://{USER}:{PASSWORD}@[bad", "proxy of the environment"),
        ("plain", "HTTP_PROXY", lambda way: f"http://{USER}:{PASSWORD}@", "proxy of the environment"),
        ("plain", "HTTP_PROXY", lambda way: f"gopher://{USER}:{PASSWORD}@127.0.0.1:1", "proxy of the environment"),
        ("plain", "HTTP_PROXY", lambda way: f"http://{USER}:{PASSWORD}@127.0.0.1:port", "proxy of the environment"),
    ],
)
def test_a_proxy_that_does_not_work_is_named_and_its_password_is_not(way, registry, variable, proxy, says):
    registry = getattr(way, registry)
    refused = ask(registry, {variable: proxy(way)}, "registry_info", **(way.ca if registry is way.secure else {}))
    assert refused.failed
    assert says in refused.msg, refused.msg
    assert "unexpected" not in refused.msg, refused.msg


def test_socks_without_its_library_says_what_to_install(way, tmp_path):
    (tmp_path / "socks.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    env = {"ALL_PROXY": way.socks_url(), "PYTHONPATH": f"{tmp_path}:{modules.ROOT.parents[2]}"}
    refused = ask(way.plain, env)
    assert refused.failed
    assert "PySocks" in refused.msg
