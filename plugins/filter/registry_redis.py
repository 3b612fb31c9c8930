# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the Redis server that a registry's configuration, with its environment over it, uses as blob descriptor cache."""

from __future__ import annotations

import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.yaml_line import line_of

_PREFIX = "REGISTRY_"


def registry_redis(text: t.Any, environment: t.Any = None) -> t.Dict[str, t.Any]:
    """Return the options of registry_cache_clear for the registry's cache, empty where its cache is not in Redis.

    TEXT is a config.yml of 2.x (redis.addr) or 3.x (redis.addrs), ENVIRONMENT the REGISTRY_* variables that the registry runs
    with, as a mapping. Raises AnsibleFilterError for what cannot be read, and for a cluster or Sentinel.
    """
    try:
        settings = yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError as error:
        raise AnsibleFilterError("The registry's configuration is no valid YAML%s" % line_of(error)) from None
    if not isinstance(settings, dict):
        raise AnsibleFilterError("registry_redis works on the text of a registry's configuration file")
    # The server applies longer names last (configuration/parser.go), so that is the order here.
    for name, value in sorted((environment or {}).items(), key=lambda item: (len(item[0]), item[0])):
        if name.startswith((_PREFIX + "REDIS", _PREFIX + "STORAGE")):
            _override(settings, name[len(_PREFIX) :].lower().split("_"), str(value))
    cache = _mapping(_mapping(settings.get("storage")).get("cache"))
    # 2.x still reads the key of its first versions.
    if "redis" not in (cache.get("blobdescriptor"), cache.get("layerinfo")):
        return {}
    return _options(_mapping(settings.get("redis")))


def _override(settings: t.Dict[str, t.Any], path: t.List[str], value: str) -> None:
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = value
    place = settings
    for key in path[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    if isinstance(parsed, dict) and isinstance(place.get(path[-1]), dict):
        # Whatever the server makes of a partial mapping: to clear a cache that is not used costs nothing.
        place[path[-1]] = {**place[path[-1]], **parsed}
    else:
        place[path[-1]] = parsed


def _options(redis: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    if redis.get("mastername") or redis.get("sentinelusername") or redis.get("sentinelpassword"):
        raise AnsibleFilterError("The registry's cache is behind Redis Sentinel, which cannot be cleared from here")
    addresses = redis.get("addrs") or redis.get("addr")
    if isinstance(addresses, str):
        addresses = [addresses]
    if not isinstance(addresses, list) or not addresses:
        raise AnsibleFilterError(
            "The registry's cache is in Redis, but its configuration names no address (redis.addr, redis.addrs)"
        )
    if len(addresses) > 1:
        raise AnsibleFilterError("The registry's cache is a Redis cluster, which cannot be cleared from here")
    host, colon, port = str(addresses[0]).rpartition(":")
    if not colon or "]" in port:
        host, port = str(addresses[0]), "6379"
    if not port.isdigit():  # the address is not shown: a part of it may be a password
        raise AnsibleFilterError("The registry's cache has an address in its configuration that is not HOST:PORT")
    tls = _mapping(redis.get("tls"))
    found = {
        "host": host.strip("[]") or "127.0.0.1",
        "port": int(port),
        "database": redis.get("db") or 0,
        "username": redis.get("username"),
        "password": redis.get("password"),
        # 2.x has a switch, 3.x files
        "tls": bool(tls.get("enabled"))
        or any(tls.get(name) for name in ("certificate", "key", "rootcas", "clientcas")),
        "client_cert": tls.get("certificate"),
        "client_key": tls.get("key"),
        "ca_path": next(iter(tls.get("rootcas") or tls.get("clientcas") or []), None),
    }
    return {name: value for name, value in found.items() if value is not None}


def _mapping(value: t.Any) -> t.Dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


class FilterModule:
    """The filter, by name."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """What this file adds to Jinja."""
        return {"registry_redis": registry_redis}
