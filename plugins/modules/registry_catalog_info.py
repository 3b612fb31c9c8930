#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_catalog_info
short_description: List the repositories of a container registry
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Lists the names of a registry's repositories, all of them or those that patterns select.
  - A registry also lists repositories whose last image was deleted. With O(skip_empty) they are left out.
  - Not every registry lets every user list all repositories, and some do not have a catalog at all. The module then fails and says so.
extends_documentation_fragment:
  - fleetops.container_registry.connection
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.info_module
  - fleetops.container_registry.attributes.api_module
options:
  patterns:
    description:
      - Which repositories to list. Without the option, all of them.
      - A pattern is compared with the whole name, and upper and lower case differ. V(*) stands for any characters, V(/) too, V(?) for one and
        V([ab]) for one of those.
      - After V(~) comes a regular expression that is searched for anywhere in the name.
      - After V(!) comes a pattern for what is left out, wherever it stands in the list.
    type: list
    elements: str
  skip_empty:
    description:
      - Whether to leave out repositories that have no tags. This takes a request for each repository.
      - One whose tags cannot be read is not left out.
    type: bool
    default: false
seealso:
  - module: fleetops.container_registry.registry_tags_info
"""

EXAMPLES = r"""
- name: List the repositories of two teams, without their scratch space
  fleetops.container_registry.registry_catalog_info:
    url: https://registry.example.com
    patterns:
      - "shop/*"
      - "~^(infra|ops)/"
      - "!*/scratch/*"
  delegate_to: localhost
  register: catalog

- name: Show them
  ansible.builtin.debug:
    var: catalog.repositories
"""

RETURN = r"""
repositories:
  description: The names of the selected repositories, sorted.
  returned: success
  type: list
  elements: str
  sample: [shop/api, shop/web]
total:
  description: How many repositories the registry lists to this user, selected or not.
  returned: success
  type: int
  sample: 42
requests_sent:
  description: How many HTTP requests the module has sent.
  returned: success
  type: int
  sample: 1
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

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.selection import (
    compile_option,
    with_tags,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import RegistryModule, Result


def list_repositories(module: RegistryModule, client: RegistryClient) -> Result:
    selected = compile_option("patterns", module.params["patterns"])
    catalog = sorted(client.catalog())
    names = [name for name in catalog if selected.matches(name)]
    if module.params["skip_empty"]:
        names = with_tags(client, names)
    return {
        "changed": False,
        "repositories": names,
        "total": len(catalog),
        "requests_sent": client.requests_sent,
    }


def main() -> None:
    module = RegistryModule(
        {
            "patterns": {"type": "list", "elements": "str"},
            "skip_empty": {"type": "bool", "default": False},
        }
    )
    module.run(list_repositories)


if __name__ == "__main__":
    main()
