# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a registry has its cache, by its configuration and environment."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fleetops.container_registry.plugins.filter.registry_redis import registry_redis

CACHED = "storage: {cache: {blobdescriptor: redis}, filesystem: {}}\n"


@pytest.mark.parametrize(
    ("redis", "environment", "found"),
    [
        ("redis: {addr: 'cache:6380', db: 2}", {}, {"host": "cache", "port": 6380, "database": 2, "tls": False}),
        ("redis: {addrs: ['cache:6380']}", {}, {"host": "cache", "port": 6380, "database": 0, "tls": False}),
        ("redis: {addr: cache}", {}, {"host": "cache", "port": 6379, "database": 0, "tls": False}),
        ("redis: {addr: ':6379'}", {}, {"host": "127.0.0.1", "port": 6379, "database": 0, "tls": False}),
        ("redis: {addr: '[::1]:6379'}", {}, {"host": "::1", "port": 6379, "database": 0, "tls": False}),
        (
            "redis: {addrs: [cache], username: me, password: secret, tls: {rootcas: [/ca], certificate: /c, key: /k}}",
            {},
            {
                "host": "cache",
                "port": 6379,
                "database": 0,
                "username": "me",
                "password": "secret",
                "tls": True,
                "ca_path": "/ca",
                "client_cert": "/c",
                "client_key": "/k",
            },
        ),
        ("redis: {addr: cache, tls: {enabled: true}}", {}, {"host": "cache", "port": 6379, "database": 0, "tls": True}),
        (
            "redis: {addr: cache}",
            {"REGISTRY_REDIS_ADDR": "other:1", "REGISTRY_REDIS_DB": "5"},
            {"host": "other", "port": 1, "database": 5, "tls": False},
        ),
        (
            "redis: {addr: cache}",
            {"REGISTRY_STORAGE": "{filesystem: {rootdirectory: /srv}}"},
            {"host": "cache", "port": 6379, "database": 0, "tls": False},
        ),
        (
            "",
            {"REGISTRY_REDIS_ADDRS": "[other:1]", "REGISTRY_REDIS": "{db: 4}"},
            {"host": "other", "port": 1, "database": 4, "tls": False},
        ),
    ],
)
def test_the_server_is_found(redis, environment, found):
    assert registry_redis(CACHED + redis, environment) == found


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("storage: {filesystem: {}}\nredis: {addr: 'cache:6379'}", {}),
        ("storage: {cache: {blobdescriptor: inmemory}}\nredis: {addr: 'cache:6379'}", {}),
        (CACHED + "redis: {addr: 'cache:6379'}", {"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "inmemory"}),
    ],
)
def test_no_cache_in_redis(text, environment):
    assert registry_redis(text, environment) == {}


def test_the_first_name_of_the_setting_and_the_environment_count():
    assert registry_redis("storage: {cache: {layerinfo: redis}}\nredis: {addr: cache}")["host"] == "cache"
    environment = {"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "redis", "REGISTRY_REDIS_ADDR": "cache"}
    assert registry_redis("storage: {filesystem: {}}", environment)["host"] == "cache"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CACHED + "redis: {addrs: ['one:1', 'two:2']}", "cluster"),
        (CACHED + "redis: {addrs: ['one:1'], mastername: main}", "Sentinel"),
        (CACHED, "names no address"),
        (CACHED + "redis: {addr: 'redis://me:secret@cache/six'}", "HOST:PORT"),
        ("a: [", r"no valid YAML \(line 1\)"),
        ("\npassword: *secret\n", r"no valid YAML \(line 2\)"),
        ("password: \x07secret", "no valid YAML$"),
        ("just text", "configuration file"),
        (None, "configuration file"),
    ],
)
def test_what_cannot_be_cleared_is_refused(text, message):
    with pytest.raises(AnsibleFilterError, match=message) as refusal:
        registry_redis(text)
    assert "secret" not in str(refusal.value)
