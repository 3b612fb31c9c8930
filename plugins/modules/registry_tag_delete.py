#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_tag_delete
short_description: Take tags off images in a container registry and keep the images
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Removes the tags that O(references) name. Their manifests stay, with all their other tags.
  - Distribution 3.0 and later deletes a tag itself. Distribution 2.x cannot, it only deletes a manifest with all its tags. There the
    tag is moved onto an empty index of this collection's own (a tombstone) first, and that is deleted. This needs the right to
    push, and a registry that sends notifications sends a push for each tag, and a delete for the tombstone and for each tag.
  - Before anything is moved, a harmless request shows that deletes are allowed. If the module is killed between the two, the tag stands on
    the tombstone until the same task, or M(fleetops.container_registry.registry_prune), runs again.
  - A tag that does not exist any more counts as success. One that the registry has and does not list is refused.
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
      - Shows the tags of each repository, before and after.
  idempotent:
    support: full
options:
  references:
    description:
      - The tags to take off, each as C(repository:tag).
    type: list
    elements: str
    required: true
  strategy:
    description:
      - V(auto) deletes the tag itself where the registry can, and goes by way of a tombstone elsewhere.
      - V(tag) fails where the registry cannot delete a tag itself, V(tombstone) always goes by way of a tombstone.
    type: str
    choices: [auto, tag, tombstone]
    default: auto
seealso:
  - module: fleetops.container_registry.registry_manifest_delete
  - module: fleetops.container_registry.registry_prune
"""

EXAMPLES = r"""
- name: Take off two tags, whatever else their images are tagged with
  fleetops.container_registry.registry_tag_delete:
    url: http://127.0.0.1:5000
    references:
      - team/app:candidate
      - team/app:1.0-rc.1
"""

RETURN = r"""
untagged:
  description: The tags that were taken off, in check mode those that would be.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    tags:
      description: Its tags that were taken off, sorted.
      type: list
      elements: str
absent:
  description: References whose tag does not exist.
  returned: success or failure, once the registry was read
  type: list
  elements: str
refused:
  description:
    - References in repositories that cannot be read, and tags that the registry has and does not list. Nothing was changed if there
      are any.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    reference:
      description: The reference as it was given.
      type: str
    reason:
      description: What cannot be read, or what to do.
      type: str
drifted:
  description: Tags that had been pushed between the look and the deed, and were left alone.
  returned: success or failure, once the registry was read
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    name:
      description: The tag.
      type: str
    reason:
      description: What it names now.
      type: str
strategies:
  description: How the tags were taken off, per repository.
  returned: in a real run, once the registry was read
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    strategy:
      description: V(tag) or V(tombstone).
      type: str
errors:
  description: What should have been done and could not. The task fails if there are any.
  returned: success or failure, once the registry was read
  type: list
  elements: str
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
  description: Why the run ended early, or empty. The same task again goes on.
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
    parse_references,
    untag_named,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.report import untag_report
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import RegistryModule, Result


def untag(module: RegistryModule, client: RegistryClient) -> Result:
    references = parse_references(module.params["references"], tags_only=True)
    result = untag_named(client, references, module.params["strategy"], module.check_mode, time.time())
    return module.judge(untag_report(result, module.check_mode, module.wants_diff))


def main() -> None:
    module = RegistryModule(
        {
            "references": {"type": "list", "elements": "str", "required": True},
            "strategy": {"type": "str", "choices": ["auto", "tag", "tombstone"], "default": "auto"},
        }
    )
    module.run(untag)


if __name__ == "__main__":
    main()
