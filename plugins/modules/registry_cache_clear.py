#!/usr/bin/python
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clear the cache that registries keep in Redis."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_cache_clear
short_description: Clear the cache that registries keep in Redis
version_added: 0.1.0
author:
  - fleetops.container_registry contributors (@fleetops)
description:
  - A registry whose C(storage.cache.blobdescriptor) is C(redis) remembers there which blobs it has, for ever and across restarts.
    After a garbage collection it still takes the collected blobs for present, so clients skip their upload and push images that
    nobody can pull.
  - This module removes exactly the keys that a registry writes, which are C(blobs::DIGEST), C(repository::NAME::blobs) and
    C(repository::NAME::blobs::DIGEST). Every other key of the database stays.
  - Run it after a collection, before the registry is writable again. The role P(fleetops.container_registry.registry#role) does that
    by itself.
  - The registry fills its cache again from the store, so clearing it loses nothing.
extends_documentation_fragment:
  - fleetops.container_registry.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode the module connects and counts.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  host:
    description:
      - The name or address of the Redis server, as the host on which this module runs sees it.
    type: str
    required: true
  port:
    description:
      - The port of the Redis server.
    type: int
    default: 6379
  database:
    description:
      - The number of the database, C(redis.db) in the registry's configuration.
    type: int
    default: 0
  username:
    description:
      - The name of the user, where the server has users.
    type: str
  password:
    description:
      - The password. Without it, nobody logs in.
    type: str
  tls:
    description:
      - Whether the server speaks TLS. Without it, password and keys cross the network as they are.
    type: bool
    default: false
  ca_path:
    description:
      - A file with the certificate authorities to trust. Without it, those of Python. Only with O(tls).
    type: path
  client_cert:
    description:
      - A file with the client's certificate (PEM), for a server that asks for one. Only with O(tls).
    type: path
  client_key:
    description:
      - A file with the key (PEM) of O(client_cert), where that file does not hold it.
    type: path
  validate_certs:
    description:
      - Whether the server's certificate and name must be valid. With V(false) anybody in between can read the password.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that connecting and each command may take. A server that takes longer fails the task.
    type: float
    default: 10.0
requirements:
  - redis (the Python library, on the host on which the module runs)
notes:
  - The user needs the commands C(SCAN) and C(UNLINK).
  - A Redis cluster and Sentinel are not supported. Clear such a cache by other means.
seealso:
  - module: fleetops.container_registry.registry_garbage_collect
"""

EXAMPLES = r"""
- name: Let the registry forget what was collected
  fleetops.container_registry.registry_cache_clear:
    host: 127.0.0.1
    database: 3
    password: "{{ vault_redis_password }}"
"""

RETURN = r"""
keys_found:
  description: Keys of registries that were in the database.
  returned: success
  type: int
  sample: 1840
keys_removed:
  description: How many of them were removed, 0 in check mode.
  returned: success
  type: int
  sample: 1840
"""

import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.fleetops.container_registry.plugins.module_utils.cache import server
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import ModuleFailure, StoreModule


def job(module: StoreModule) -> t.Dict[str, t.Any]:
    """Count, and remove unless in check mode."""
    if server.REDIS_IMPORT_ERROR is not None:
        raise ModuleFailure(missing_required_lib("redis"), {"exception": server.REDIS_IMPORT_ERROR})
    try:
        address = server.CacheAddress(**module.params)
        for warning in address.warnings:
            module.warn(warning)
        cleared = server.clear(address, remove=not module.check_mode)
    except server.CacheError as error:
        raise ModuleFailure(str(error)) from error
    result: t.Dict[str, t.Any] = {
        "changed": cleared.keys > 0,
        "keys_found": cleared.keys,
        "keys_removed": cleared.removed,
    }
    if module.wants_diff:
        result["diff"] = {"before": {"registry_keys": cleared.keys}, "after": {"registry_keys": 0}}
    return result


def main() -> None:
    """Run the module."""
    StoreModule(
        {**server.CACHE_OPTIONS, "timeout": {"type": "float", "default": 10.0}},
        required_by={"client_key": ["client_cert"]},
    ).run(job)


if __name__ == "__main__":
    main()
