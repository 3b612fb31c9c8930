# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real nginx before a real registry: path prefix, client certificates, limits, uploads, and blobs that come from elsewhere."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RateLimited, RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, debian_program, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.certificates import make_certificates
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.nginx import nginx
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess, free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

USER, PASSWORD = "robot", "correct horse: battery"

# "front" wants a client's certificate and a password, and has the registry below a path. "blobs" serves the store's own files,
# as an object store does. "busy" and "full" turn requests away that come too fast, "small" those that are too long.
SERVERS = """\
  log_format seen "$request_method $uri $status <$http_authorization>";
  limit_req_zone $server_port zone=requests:1m rate=30r/s;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-Proto $scheme;
  ssl_certificate {certificates}/server.pem;
  ssl_certificate_key {certificates}/server.key;
  server {{
    listen 127.0.0.1:{front} ssl;
    ssl_client_certificate {certificates}/ca.pem;
    ssl_verify_client on;
    access_log {home}/front.log seen;
    location /behind/here/v2/ {{ proxy_pass {guarded}/v2/; }}
  }}
  server {{
    listen 127.0.0.1:{blobs} ssl;
    access_log {home}/blobs.log seen;
    root {store};
  }}
  server {{
    listen 127.0.0.1:{busy};
    access_log {home}/busy.log seen;
    limit_req zone=requests burst=5 nodelay;
    limit_req_status 429;
    add_header Retry-After 1 always;
    location / {{ proxy_pass {open}; }}
  }}
  server {{
    listen 127.0.0.1:{full};
    access_log {home}/full.log seen;
    limit_req zone=requests burst=5 nodelay;
    location / {{ proxy_pass {open}; }}
  }}
  server {{
    listen 127.0.0.1:{small};
    client_max_body_size 200;
    location / {{ proxy_pass {open}; }}
  }}
"""
NAMES = ("front", "blobs", "busy", "full", "small")


class Site:
    """Two registries of one version on one store behind one nginx: GUARDED by htpasswd and sending its clients to "blobs" for
    content, and OPEN for anybody."""

    def __init__(self, version, home, certificates):
        self.home = home
        self.certificates = certificates
        self.ports = {name: free_port() for name in NAMES}
        htpasswd = obtain(lambda: debian_program("apache2-utils", "htpasswd"))
        made = subprocess.run([str(htpasswd), "-Bbn", USER, PASSWORD], check=True, capture_output=True)
        (home / "htpasswd").write_bytes(made.stdout)
        self.open = RegistryProcess(version, home / "open")
        redirect = {"name": "redirect", "options": {"baseurl": f"https://127.0.0.1:{self.ports['blobs']}"}}
        self.guarded = RegistryProcess(
            version,
            home / "guarded",
            extra={
                "auth": {"htpasswd": {"realm": "the realm", "path": str(home / "htpasswd")}},
                "middleware": {"storage": [redirect]},
            },
        )
        # One store for both.
        self.guarded.store_root.rmdir()
        self.guarded.store_root.symlink_to(self.open.store_root)
        servers = SERVERS.format(
            home=home,
            certificates=certificates,
            store=self.open.store_root,
            guarded=self.guarded.url,
            open=self.open.url,
            **self.ports,
        )
        self.nginx = nginx(home, servers, self.ports["small"])

    def url(self, server):
        return f"http://127.0.0.1:{self.ports[server]}"

    @property
    def front(self):
        """The options for the way through the front door."""
        return {
            "url": f"https://127.0.0.1:{self.ports['front']}/behind/here",
            "username": USER,
            "password": PASSWORD,
            "ca_path": str(self.certificates / "ca.pem"),
            "client_cert": str(self.certificates / "client.pem"),
            "client_key": str(self.certificates / "client.key"),
        }

    def seen(self, server):
        """What nginx has logged for SERVER: lines of method, path, status and Authorization."""
        return (self.home / f"{server}.log").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return obtain(lambda: make_certificates(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module", params=VERSIONS)
def site(request, tmp_path_factory, certificates):
    obtain(lambda: registry_binary(request.param))
    site = Site(request.param, tmp_path_factory.mktemp("site"), certificates)
    with site.open, site.guarded, site.nginx:
        yield site


def test_the_whole_job_behind_a_prefix_a_certificate_and_a_password(site, tmp_path):
    pusher = Pusher(site.open.url)
    for number in range(3):
        pusher.image("team/app", f"v{number}", created=number)
    listed = modules.run_module("registry_tags_info", {**site.front, "depth": "configs", "repositories": ["team/app"]})
    assert not listed.failed, listed.msg
    assert [tag["created"][:10] for tag in listed["tags"]] == ["2025-01-01", "2025-01-02", "2025-01-03"]
    # The configs came from the other server, which saw no password.
    assert len([line for line in site.seen("blobs") if line.endswith(" 200 <->")]) == 3
    assert not [line for line in site.seen("blobs") if not line.endswith("<->")]
    assert [line for line in site.seen("front") if "<Basic" in line]
    policy = {"name": "all", "keep_newest": 1}
    arguments = {
        "repositories": ["team/app"],
        "policies": [policy],
        "backup_dir": str(tmp_path),
        "max_delete_percent": 100,
    }
    pruned = modules.run_module("registry_prune", {**site.front, **arguments})
    assert not pruned.failed, pruned.msg
    with RegistryClient(Connection(**site.front)) as client:
        assert client.tags("team/app") == ["v2"]
    restored = modules.run_module("registry_manifest_restore", {**site.front, "backup_file": pruned["backup_file"]})
    assert not restored.failed, restored.msg
    assert not [output for output in (listed, pruned, restored) if PASSWORD in output.output]
    with RegistryClient(Connection(**site.front)) as client:
        assert client.tags("team/app") == ["v0", "v1", "v2"]
        content = b"a config that comes by upload through the proxy"
        client.upload_blob("team/app", content, digest_of(content))
        assert client.get_blob("team/app", digest_of(content), 1000) == content


@pytest.mark.parametrize("missing", ["client_cert", "password", "prefix"])
def test_what_is_missing_at_the_front_door_is_named(site, missing):
    options = dict(site.front)
    says = "username and password"
    if missing == "client_cert":
        del options["client_cert"], options["client_key"]
        says = "client_cert"
    elif missing == "password":
        del options["username"], options["password"]
    else:
        options["url"] = options["url"].partition("/behind")[0]
        says = "path prefix"
    with RegistryClient(Connection(**options)) as client, pytest.raises(RegistryError, match=says):
        client.ping()


@pytest.mark.parametrize(("site", "server", "status"), [("2.8", "busy", 429), ("3.1", "full", 503)], indirect=["site"])
def test_a_limit_of_requests_is_waited_for_and_respected(site, server, status, tmp_path):
    repository = f"limits/{server}"
    pusher = Pusher(site.open.url)
    for number in range(16):
        pusher.image(repository, f"v{number}", layers=0, created=number)
    common = {"url": site.url(server), "repositories": [repository]}

    # Slowly enough, nothing is turned away.
    slow = modules.run_module("registry_tags_info", {**common, "rate_limit": 15, "workers": 2, "retries": 0})
    assert not slow.failed, slow.msg
    assert slow["summary"]["errors"] == 0
    assert not [line for line in site.seen(server) if f" {status} " in line]

    # As fast as it can, it is turned away, comes again, and deletes what it should.
    policy = {"name": "all", "keep_newest": 1, "order_by": "version"}
    arguments = {
        "policies": [policy],
        "backup_dir": str(tmp_path),
        "max_delete_percent": 100,
        "retries": 50,
        "workers": 16,
    }
    pruned = modules.run_module("registry_prune", {**common, **arguments})
    assert not pruned.failed, pruned.msg
    assert [line for line in site.seen(server) if f" {status} " in line]
    with RegistryClient(Connection(url=site.open.url)) as client:
        assert client.tags(repository) == ["v15"]


def test_without_patience_the_limit_is_named(site):
    with (
        RegistryClient(Connection(url=site.url("busy"), retries=0)) as client,
        pytest.raises(RateLimited, match="rate_limit"),
    ):
        for _request in range(1000):
            client.ping()


def test_a_limit_of_the_body_is_named(site):
    content = b"x" * 1000
    with RegistryClient(Connection(url=site.url("small"))) as client, pytest.raises(RegistryError) as refused:
        client.upload_blob("team/app", content, digest_of(content))
    assert refused.value.status == 413
    assert "client_max_body_size" in refused.value.message
