#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_manifest_delete
short_description: Delete named manifests from a container registry
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Deletes the manifests that O(references) name by tag or by digest, with all their tags, many of them in one call.
  - Deleting a manifest takes every tag on it along. The module refuses where that hits tags that are not named, or where it would
    leave an index without one of its children, unless O(shared_tags) or O(index_child) allow it. If one reference is refused,
    nothing at all is deleted.
  - Children of a deleted index that no tag and no tagged index of the repository leads to are deleted with it. An index without
    a tag cannot be seen over the API. Where images run by the digest of such an index, delete by a policy instead, with that
    digest in O(fleetops.container_registry.registry_prune#module:protected).
  - What refers to a deleted manifest stays, as nobody has named it. These are signatures, attestations and other companions, with a tag such as
    C(sha256-....sig) or with an OCI C(subject). They are orphans from then on. Name them too, or let
    M(fleetops.container_registry.registry_prune) take them with O(fleetops.container_registry.registry_prune#module:remove_orphans).
    With a companion that has no tag, that takes a policy about untagged manifests and a list of what is there.
  - What does not exist any more counts as success. A tag that the registry has and does not list is refused.
  - If it is interrupted, the same task with the same O(backup_dir) finishes it. That one also deletes children of a deleted index that no tag leads
    to any more, and tags whose manifest is gone. What was tagged again meanwhile stays.
requirements:
  - requests
extends_documentation_fragment:
  - fleetops.container_registry.connection
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.api_module
attributes:
  check_mode:
    support: full
    details:
      - What would be held (RV(blocked_by)) is no change; the task warns of it and does not fail.
  diff_mode:
    support: full
    details:
      - Shows the tags and the named manifests, before and after.
  idempotent:
    support: full
options:
  references:
    description:
      - What to delete, each as C(repository:tag) or C(repository@sha256:...).
    type: list
    elements: str
    required: true
  shared_tags:
    description:
      - What to do if a manifest carries tags that O(references) does not name.
      - V(refuse) names them and deletes nothing. V(delete) deletes the manifest with all of them.
      - To take off one tag and keep the manifest, use M(fleetops.container_registry.registry_tag_delete).
    type: str
    choices: [refuse, delete]
    default: refuse
  index_child:
    description:
      - What to do if a manifest is part of an index (a multi-architecture image) that stays.
      - V(refuse) names the index and deletes nothing. V(delete) deletes the manifest and leaves the index broken.
    type: str
    choices: [refuse, delete]
    default: refuse
  backup_dir:
    description:
      - A directory on the host that the module runs on. Everything that goes is written to a file there first, from which
        M(fleetops.container_registry.registry_manifest_restore) puts it back.
      - Without it, there is no way back, and nobody knows what an interrupted run has left.
    type: path
seealso:
  - module: fleetops.container_registry.registry_tag_delete
  - module: fleetops.container_registry.registry_prune
  - module: fleetops.container_registry.registry_manifest_restore
  - module: fleetops.container_registry.registry_garbage_collect
"""

EXAMPLES = r"""
- name: Delete an image and a manifest by digest
  fleetops.container_registry.registry_manifest_delete:
    url: http://127.0.0.1:5000
    backup_dir: "/var/lib/container-registry/{{ inventory_hostname }}/backups"
    references:
      - team/app:1.0
      - team/web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

- name: Delete an image with every tag that it carries
  fleetops.container_registry.registry_manifest_delete:
    url: http://127.0.0.1:5000
    references:
      - team/app:nightly
    shared_tags: delete
"""

RETURN = r"""
deleted:
  description: What was deleted, in check mode what would be. What an interrupted run of the same task has left counts as well.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    tags:
      description: Tags that went, sorted.
      type: list
      elements: str
    manifests:
      description: Digests of the manifests that went, an index before its children.
      type: list
      elements: str
absent:
  description: References that name nothing in the registry.
  returned: success or failure, once the registry was read
  type: list
  elements: str
refused:
  description: References that must not be deleted like this. Nothing was deleted if there are any.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    reference:
      description: The reference as it was given.
      type: str
    reason:
      description: Why, and what would allow it.
      type: str
drifted:
  description: What had changed between the look and the deed, and was left alone.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    name:
      description: A tag or a digest.
      type: str
    reason:
      description: What had changed.
      type: str
errors:
  description: What should have been done and could not. The task fails if there are any.
  returned: success or failure, once the registry was read
  type: list
  elements: str
backup_file:
  description: The backup of this run.
  returned: if something was deleted and O(backup_dir) is given
  type: str
blocked_by:
  description: Why this registry lets nobody delete. Nothing is deleted while this is not empty.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    name:
      description: C(delete_disabled), C(delete_read_only), C(delete_proxy), C(delete_unsupported) or C(delete_unknown).
      type: str
    repository:
      description: Always empty here.
      type: str
    message:
      description: What is wrong, and what to do.
      type: str
    passes_with:
      description: What the registry would have to answer.
      type: str
interrupted:
  description:
    - Why the run ended early, or empty. With O(backup_dir), the same task finishes it, as does one that names more. So does a run of
      M(fleetops.container_registry.registry_prune) with the same directory, but for what had no tag, which its policies judge.
  returned: success or failure, once the registry was read
  type: str
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
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.naming import (
    delete_named,
    parse_references,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.report import named_report
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import RegistryModule, Result


def delete(module: RegistryModule, client: RegistryClient) -> Result:
    params = module.params
    result = delete_named(
        client,
        parse_references(params["references"]),
        shared_tags=params["shared_tags"] == "delete",
        index_child=params["index_child"] == "delete",
        backup_dir=params["backup_dir"] or "",
        check=module.check_mode,
        now=time.time(),
    )
    return module.judge(named_report(result, module.check_mode, module.wants_diff))


def main() -> None:
    module = RegistryModule(
        {
            "references": {"type": "list", "elements": "str", "required": True},
            "shared_tags": {"type": "str", "choices": ["refuse", "delete"], "default": "refuse"},
            "index_child": {"type": "str", "choices": ["refuse", "delete"], "default": "refuse"},
            "backup_dir": {"type": "path"},
        }
    )
    module.run(delete)


if __name__ == "__main__":
    main()
