# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets stay secret: everything that a maintenance run at -vvv prints, logs, writes and starts is searched for them."""

from __future__ import annotations

import gzip
import os
import re
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import debian_program, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.certificates import THROUGH_PROXY, make_certificates
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.daemon import Daemon
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site

USER = "robot"
PASSWORD = "s3cret-of-the-registry"
TOKEN = "s3cret-token-of-somebody"
PROXY_PASSWORD = "s3cret-of-the-proxy"
HTTP_SECRET = "s3cret-in-the-configuration"

PLAYBOOK = """\
- name: Maintain, and fail in every way there is
  hosts: registries
  gather_facts: false
  module_defaults:
    group/fleetops.container_registry.registry: &connection
      url: "{{ registry_url }}"
      ca_path: "{{ registry_ca_path }}"
      client_cert: "{{ registry_client_cert }}"
      client_key: "{{ registry_client_key }}"
      username: "{{ registry_username }}"
      password: "{{ registry_password }}"
      retries: 0
  tasks:
    - name: Save a plan
      ansible.builtin.include_role:
        name: fleetops.container_registry.registry
        tasks_from: plan
      vars:
        registry_plan_file: "{{ test_plan }}"

    - name: Maintain
      ansible.builtin.include_role:
        name: fleetops.container_registry.registry

    - name: Put back, as far as collection has left anything
      block:
        - name: Restore
          ansible.builtin.include_role:
            name: fleetops.container_registry.registry
            tasks_from: restore
      rescue:
        - name: Go on
          ansible.builtin.meta: noop

    - name: Delete what must not be deleted
      fleetops.container_registry.registry_manifest_delete:
        references: ["team/app:shared", "team/none:1"]
      register: refused
      ignore_errors: true

    - name: Come with a wrong token
      fleetops.container_registry.registry_catalog_info:
        username: "{{ omit }}"
        password: "{{ omit }}"
        token: "{{ lookup('ansible.builtin.env', 'TEST_TOKEN') }}"
      register: wrong
      ignore_errors: true

    - name: Come with a file of logins, and break in the middle
      fleetops.container_registry.registry_tags_info:
        username: "{{ omit }}"
        password: "{{ omit }}"
        auth_file: "{{ test_auth_file }}"
      environment:
        PYTHONPATH: "{{ test_broken }}"
      register: broken
      ignore_errors: true

    - name: See that all of it came about
      ansible.builtin.assert:
        that:
          - registry_prune_result is changed
          - registry_garbage_collect_result is changed
          - refused is failed
          - refused.refused | length > 0
          - wrong is failed
          - wrong.error.status == 401
          - broken is failed
          - broken.msg is search('unexpected RuntimeError')
"""


class ProcessList(threading.Thread):
    """Looks at the command lines of all processes again and again, and keeps those that hold one of SECRETS."""

    def __init__(self, secrets):
        super().__init__(daemon=True)
        self.secrets = [secret.encode() for secret in secrets]
        self.over = threading.Event()
        self.looks = 0
        self.seen = set()
        self.bad = set()

    def run(self):
        while not self.over.wait(0.1):
            self.looks += 1
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        line = Path(f"/proc/{entry}/cmdline").read_bytes()
                    except OSError:
                        continue
                    self.seen.add(line)
                    if any(secret in line for secret in self.secrets):
                        self.bad.add(line)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_details):
        self.over.set()
        self.join()


@pytest.fixture
def site(tmp_path):
    """A registry with TLS that wants a certificate and a password, and whose configuration has a secret; reached by a proxy."""
    program = obtain(lambda: registry_binary("3.1"))
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    obtain(lambda: make_certificates(certificates))
    htpasswd = str(obtain(lambda: debian_program("apache2-utils", "htpasswd")))
    tinyproxy = str(obtain(lambda: debian_program("tinyproxy-bin", "tinyproxy")))
    registry = Operated(tmp_path / "registry", program)
    Pusher(registry.url).image("team/app", ["shared", "also"], created=5)
    for day in range(3):
        registry.push("team/app", f"v{day}", day)
    registry.stop()
    made = subprocess.run([htpasswd, "-Bbn", USER, PASSWORD], check=True, capture_output=True)
    (tmp_path / "htpasswd").write_bytes(made.stdout)
    with open(registry.config, "a", encoding="utf-8") as config:
        config.write(
            f"    secret: {HTTP_SECRET}\n"
            f"    tls: {{certificate: {certificates}/server.pem, key: {certificates}/server.key,"
            f" clientcas: [{certificates}/ca.pem]}}\n"
            f"auth: {{htpasswd: {{realm: r, path: {tmp_path}/htpasswd}}}}\n"
        )
    registry.config.chmod(0o600)
    registry.start()
    port = free_port()
    settings = f"Port {port}\nListen 127.0.0.1\nBasicAuth proxyuser {PROXY_PASSWORD}\n"
    (tmp_path / "tinyproxy.conf").write_text(settings, encoding="utf-8")
    host = {
        **registry.inventory(),
        "registry_url": registry.url.replace("http:", "https:").replace("127.0.0.1", THROUGH_PROXY),
        "registry_username": USER,
        "registry_password": "{{ lookup('ansible.builtin.env', 'TEST_PASSWORD') }}",
        "registry_ca_path": str(certificates / "ca.pem"),
        "registry_client_cert": str(certificates / "client.pem"),
        "registry_client_key": str(certificates / "client.key"),
        "registry_policies": [{"name": "all", "keep_newest": 1}],
        "registry_max_delete_percent": 100,
        "registry_restore_hold": "0d",
    }
    try:
        with Daemon([tinyproxy, "-d", "-c", str(tmp_path / "tinyproxy.conf")], port, tmp_path / "tinyproxy.log"):
            yield Site(tmp_path / "site", {"one": host}), port
    finally:
        registry.stop()


# Hundreds of tasks at -vvv: a minute, or many where others work on the same cores.
@pytest.mark.timeout(1200)
def test_nothing_that_a_run_leaves_or_shows_has_a_secret(site, tmp_path, monkeypatch):
    site, proxy = site
    key = (tmp_path / "certificates" / "client.key").read_text(encoding="utf-8").splitlines()[5]
    secrets = [PASSWORD, TOKEN, PROXY_PASSWORD, HTTP_SECRET, key]
    login = tmp_path / "auth.json"
    login.write_text(
        f'{{"auths": {{"{THROUGH_PROXY}": {{"username": "{USER}", "password": "{PASSWORD}"}}}}}}', encoding="utf-8"
    )
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import requests\ndef broken(*given, **named):\n    raise RuntimeError('broken')\nrequests.Session.send = broken\n",
        encoding="utf-8",
    )
    (tmp_path / "playbook.yml").write_text(PLAYBOOK, encoding="utf-8")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for name, value in {
        "TEST_PASSWORD": PASSWORD,
        "TEST_TOKEN": TOKEN,
        "HTTPS_PROXY": f"http://proxyuser:{PROXY_PASSWORD}@127.0.0.1:{proxy}",
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
        "TMPDIR": str(temporary),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_ASYNC_DIR": str(tmp_path / "async"),
    }.items():
        monkeypatch.setenv(name, value)

    with ProcessList(secrets) as processes:
        settings = {"test_auth_file": str(login), "test_broken": str(broken)}
        settings["test_plan"] = str(tmp_path / "plans" / "plan.jsonl.gz")
        play = site.begin(str(tmp_path / "playbook.yml"), "-vvv", "--diff", **settings)
        try:
            status = play.wait(1100)
        finally:
            if play.poll() is None:
                os.killpg(play.pid, signal.SIGKILL)
    output = (site.home / "background.log").read_text(encoding="utf-8")
    assert status == 0, output[-4000:]

    # It was seen indeed: tracebacks, differences, and the programs that were started.
    assert "RuntimeError" in output and "Traceback" in output
    assert "+++ after" in output
    assert "CONNECT" in (tmp_path / "tinyproxy.log").read_text(encoding="utf-8")
    assert processes.looks > 20
    assert any(b"garbage-collect" in line for line in processes.seen)

    assert [line for line in output.splitlines() if any(secret in line for secret in secrets)] == []
    assert processes.bad == set()
    # The registry's configuration has a secret of its own, and so has the copy beside it that the role makes before it changes it.
    configurations = set((tmp_path / "registry").glob("config.yml*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in configurations} == {0o600}
    own = {login, tmp_path / "tinyproxy.conf", tmp_path / "certificates" / "client.key", *configurations}
    found = []
    searched = []
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in own and (tmp_path / "registry" / "data") not in path.parents:
            searched.append(path.name)
            content = path.read_bytes()
            if path.name.endswith(".gz"):
                content = gzip.decompress(content)
            if any(secret.encode() in content for secret in secrets):
                found.append(str(path))
    assert found == []
    assert "ansible.log" in searched
    assert any(name.endswith(".backup.jsonl") for name in searched)
    assert "plan.jsonl.gz" in searched


def test_what_a_collector_needs_to_know_is_not_shown(tmp_path):
    """Keys of an object store are in the environment of many registries, and the collector needs them."""
    collector = tmp_path / "collector"
    collector.write_text(f'#!/bin/sh\necho "$STORE_KEY" | tee {tmp_path}/seen >&2\nexit 1\n', encoding="utf-8")
    collector.chmod(0o755)
    arguments = {"argv": [str(collector)], "config_path": "/config.yml", "secret_environment": {"STORE_KEY": TOKEN}}
    result = modules.run_module("registry_garbage_collect", arguments)
    assert result.failed
    assert (tmp_path / "seen").read_text(encoding="utf-8").strip() == TOKEN
    assert TOKEN not in result.output


def test_no_task_of_the_role_shows_the_registrys_environment():
    """What is in the keyword `environment` is on a command line: __registry_environment_shown and its like have no secrets."""
    tasks = [path.read_text(encoding="utf-8") for path in (modules.ROOT / "roles").rglob("tasks/**/*.yml")]
    assert len(tasks) > 20
    assert [text for text in tasks if re.search(r"^ *environment: .*__registry_found", text, re.MULTILINE)] == []
