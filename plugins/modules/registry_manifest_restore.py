#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_manifest_restore
short_description: Put back manifests and tags that were deleted from a container registry
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Puts back what a backup of M(fleetops.container_registry.registry_prune) or
    M(fleetops.container_registry.registry_manifest_delete) holds, byte for byte, children first and tags last.
  - Before garbage collection everything can come back. After it, an image comes back if its layers are still used by another
    repository, from which they are mounted; its config comes from the backup. What cannot come back is named with the reason.
  - A blob counts as there only if its content can be read. A registry whose cache still claims blobs that garbage collection has taken
    has to be restarted first, and the module says so.
  - A tag that was pushed since is left alone, unless O(overwrite) says otherwise.
  - Restored tags keep their old push time for later runs of M(fleetops.container_registry.registry_prune) with the same
    backup directory and the same address, and what came back is held from pruning for O(hold), tagged or not. It is held before it is put
    back, so an interrupted restoration leaves nothing unheld. The same task again goes on.
  - A backup of another registry can be restored, with a warning.
requirements:
  - requests
extends_documentation_fragment:
  - fleetops.container_registry.connection
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.api_module
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  backup_file:
    description:
      - The backup to restore from, as RV(fleetops.container_registry.registry_prune#module:backup_file) named it. It is on the host
        that the module runs on.
    type: path
    required: true
  backup_dir:
    description:
      - The O(fleetops.container_registry.registry_prune#module:backup_dir) of later runs, which hold what comes back. It is needed
        if O(backup_file) is a copy that lies elsewhere, since without it the directory of O(backup_file) is taken.
    type: path
  repositories:
    description:
      - Patterns that limit the restoration to some repositories, as in
        O(fleetops.container_registry.registry_prune#module:repositories).
    type: list
    elements: str
  tags:
    description:
      - Names of tags that limit the restoration to these and the manifests that they need. One that no selected repository of the backup
        has fails the task before anything is done.
    type: list
    elements: str
  overwrite:
    description:
      - Whether a tag that was pushed since is set back to what the backup holds. What was pushed then loses that tag. Without this, it
        stays as it is, and is reported as V(pushed_since).
    type: bool
    default: false
  hold:
    description:
      - A time such as V(7d), a whole number with V(s), V(m), V(h), V(d), V(w) or V(y), for which no policy deletes what comes back. With
        V(0d) the next run may.
    type: str
    default: 7d
seealso:
  - module: fleetops.container_registry.registry_prune
  - module: fleetops.container_registry.registry_manifest_delete
"""

EXAMPLES = r"""
- name: Undo a whole run
  fleetops.container_registry.registry_manifest_restore:
    url: http://127.0.0.1:5000
    backup_file: "/var/lib/container-registry/{{ inventory_hostname }}/backups/20261125T210000Z-5b2f0c9a1d3e.backup.jsonl"

- name: Put back one image
  fleetops.container_registry.registry_manifest_restore:
    url: http://127.0.0.1:5000
    backup_file: "/var/lib/container-registry/{{ inventory_hostname }}/backups/20261125T210000Z-5b2f0c9a1d3e.backup.jsonl"
    repositories: [team/app]
    tags: ["1.0"]
"""

RETURN = r"""
repositories:
  description: What became of everything that was to be put back. If the registry fails in the middle, what was done until then.
  returned: success or failure, once the backup was read
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    tags:
      description: Its tags.
      type: list
      elements: dict
      contains:
        name:
          description: The tag.
          type: str
        digest:
          description: What it names in the backup.
          type: str
        state:
          description: V(restored), V(present) where nothing was to do, V(pushed_since) or V(lost).
          type: str
        reason:
          description: Why it could not be put back.
          type: str
    manifests:
      description: Its manifests, with the same keys as RV(repositories[].tags).
      type: list
      elements: dict
totals:
  description: How many tags and manifests ended in each state.
  returned: success or failure, once the backup was read
  type: dict
  contains:
    restored:
      description: Tags and manifests that were put back.
      type: int
    present:
      description: Tags and manifests that were there already.
      type: int
    pushed_since:
      description: Tags that were left alone since somebody pushed them.
      type: int
    lost:
      description: Tags and manifests that cannot come back. The task fails if there are any.
      type: int
errors:
  description: What cannot come back, in words. The task fails if there is anything.
  returned: success or failure, once the backup was read
  type: list
  elements: str
error:
  description: The request that failed.
  returned: failure, if a request was made
  type: dict
  contains:
    method:
      description: The HTTP method.
      type: str
    url:
      description: The URL, without user, password and query.
      type: str
    status:
      description: The HTTP status, or null if there was no answer.
      type: int
    code:
      description: The registry's own error code, such as V(UNAUTHORIZED), or an empty string.
      type: str
"""

import time

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.report import restore_report
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.request import (
    OptionInvalid,
    duration_option,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.undo import RestoreInterrupted, undo
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.selection import compile_option
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import (
    ModuleFailure,
    RegistryModule,
    Result,
)


def restore(module: RegistryModule, client: RegistryClient) -> Result:
    params = module.params
    repositories = params["repositories"]
    if params["tags"] is not None and not params["tags"]:
        raise OptionInvalid("tags: the list is empty. Leave the option out to restore all.")
    try:
        result = undo(
            client,
            params["backup_file"],
            repositories=compile_option("repositories", repositories) if repositories is not None else None,
            tags=params["tags"],
            overwrite=params["overwrite"],
            hold=duration_option("hold", params["hold"]),
            check=module.check_mode,
            now=time.time(),
            backup_dir=params["backup_dir"],
            warn=module.warn,
        )
    except RestoreInterrupted as ended:
        report = dict(restore_report(ended.results), error=ended.error.as_dict())
        raise ModuleFailure("The same task again goes on: %s" % ended.error.message, report) from ended
    return module.judge(restore_report(result))


def main() -> None:
    module = RegistryModule(
        {
            "backup_file": {"type": "path", "required": True},
            "backup_dir": {"type": "path"},
            "repositories": {"type": "list", "elements": "str"},
            "tags": {"type": "list", "elements": "str"},
            "overwrite": {"type": "bool", "default": False},
            "hold": {"type": "str", "default": "7d"},
        }
    )
    module.run(restore)


if __name__ == "__main__":
    main()
