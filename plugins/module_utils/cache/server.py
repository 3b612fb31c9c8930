# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Redis server that registries keep their blob descriptor cache in."""

from __future__ import annotations

import traceback
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.cache import keys
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import printable

redis: t.Any
REDIS_IMPORT_ERROR: t.Optional[str]

try:
    import redis as _redis
except ImportError:
    REDIS_IMPORT_ERROR = traceback.format_exc()
    redis = None
else:
    REDIS_IMPORT_ERROR = None
    redis = _redis

BATCH = 500

CACHE_OPTIONS: t.Dict[str, t.Dict[str, t.Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 6379},
    "database": {"type": "int", "default": 0},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "tls": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
}
"""The options of a module that say where the cache is, named as the fields of CacheAddress."""


class CacheError(Exception):
    """A Redis server that did not do what was asked. The text names the server, the reason and the remedy, and no secret."""


@dataclass(frozen=True)
class CacheAddress:
    """Where the cache is and how it is opened. PASSWORD stays out of every text. TIMEOUT in seconds, for each command."""

    host: str
    port: int = 6379
    database: int = 0
    username: t.Optional[str] = None
    password: t.Optional[str] = field(default=None, repr=False)
    tls: bool = False
    ca_path: t.Optional[str] = None
    client_cert: t.Optional[str] = None
    client_key: t.Optional[str] = None
    validate_certs: bool = True
    timeout: float = 10.0

    def __post_init__(self) -> None:
        """Raises CacheError for options of TLS without it: who gives a certificate does not want to speak in the clear."""
        given = [name for name in ("ca_path", "client_cert", "client_key") if getattr(self, name)]
        if given and not self.tls:
            raise CacheError(
                "The Redis server %s would be spoken to without TLS although %s is given. Set tls to true, or leave %s out."
                % (self, " and ".join(given), "it" if len(given) == 1 else "them")
            )

    @property
    def warnings(self) -> t.List[str]:
        """What the user should know of how the server is reached."""
        if not self.tls or self.validate_certs:
            return []
        return [
            "The certificate of the Redis server %s is not checked (validate_certs is false): anybody in between can read the"
            " password and keep the cache as it is. Set ca_path instead." % self
        ]

    def __str__(self) -> str:
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "%s:%d, database %d" % (host, self.port, self.database)


@dataclass(frozen=True)
class Cleared:
    """KEYS of registries that were there, and how many of them were REMOVED."""

    keys: int
    removed: int


def clear(address: CacheAddress, *, remove: bool) -> Cleared:
    """Count the registry's keys at ADDRESS and, if REMOVE, take them out; every other key stays.

    Works in batches by SCAN and UNLINK, which block the server no longer than one batch takes. A registry that still runs may write
    new keys meanwhile, so it should serve nothing but reads or nothing at all. Raises CacheError.
    """
    client = _client(address)
    try:
        found = removed = 0
        for pattern in keys.PATTERNS:
            batch: t.List[bytes] = []
            for key in client.scan_iter(match=pattern, count=BATCH):
                if keys.is_cache_key(key):
                    found += 1
                    batch.append(key)
                if remove and len(batch) >= BATCH:
                    removed += client.unlink(*batch)
                    batch = []
            if remove and batch:
                removed += client.unlink(*batch)
        return Cleared(found, removed)
    except redis.exceptions.RedisError as error:
        raise CacheError(_explain(address, error)) from error
    finally:
        client.close()


def _client(address: CacheAddress) -> t.Any:
    settings: t.Dict[str, t.Any] = {
        "host": address.host,
        "port": address.port,
        "db": address.database,
        "username": address.username,
        "password": address.password,
        "socket_timeout": address.timeout,
        "socket_connect_timeout": address.timeout,
    }
    if address.tls:
        settings.update(
            ssl=True,
            ssl_ca_certs=address.ca_path,
            ssl_certfile=address.client_cert,
            ssl_keyfile=address.client_key,
            ssl_cert_reqs="required" if address.validate_certs else "none",
            ssl_check_hostname=address.validate_certs,
        )
    try:
        return redis.Redis(**settings)
    except (redis.exceptions.RedisError, ValueError) as error:
        raise CacheError("The Redis server %s cannot be used: %s." % (address, printable(str(error)))) from error


def _explain(address: CacheAddress, error: Exception) -> str:
    """ERROR in words; the server's own text never repeats a password."""
    text = printable(str(error)).rstrip(".")
    if isinstance(error, redis.exceptions.AuthenticationError):
        remedy = "Check username and password"
    elif isinstance(error, redis.exceptions.NoPermissionError):
        remedy = "Let the user run SCAN and UNLINK on the keys blobs::* and repository::*"
    elif isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
        remedy = (
            "Check address, port and TLS as seen from this host; inside a container network the name may be another"
        )
    else:
        remedy = "Look at the Redis server's log"
    return "The registry's cache on the Redis server %s could not be cleared: %s. %s." % (address, text, remedy)
