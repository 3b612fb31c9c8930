#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_info
short_description: Find out what a container registry is and what may be done in it
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Proves that a registry answers at O(url), and finds out whether manifests can be deleted and tags removed there.
  - It finds out by trying what cannot have an effect. A digest and a tag that do not exist are deleted, and an index is pushed
    under a digest that it does not have and with a child that does not exist. A CNCF Distribution in which deletes are disabled is
    sent an image without its config as well. The registry's log shows these requests as refused.
  - A product that is known not to delete over the registry API is recognised and asked none of this. See RV(product).
  - The module fails if there is no registry at O(url), if it cannot be reached, or if it refuses the credentials.
extends_documentation_fragment:
  - fleetops.container_registry.connection
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.info_module
  - fleetops.container_registry.attributes.api_module
options:
  repository:
    description:
      - The repository that the trials are made in. It need not exist, and it is not created.
      - Name one of your own where the user may not do the same in every repository.
    type: str
    default: fleetops-probe/none
seealso:
  - module: fleetops.container_registry.registry_catalog_info
  - module: fleetops.container_registry.registry_tags_info
  - module: fleetops.container_registry.registry_prune
"""

EXAMPLES = r"""
- name: Look at the registry
  fleetops.container_registry.registry_info:
    url: https://registry.example.com
    auth_file: ~/.docker/config.json
  delegate_to: localhost
  register: registry

- name: Stop if nothing could be deleted anyway
  ansible.builtin.assert:
    that: registry.delete == 'enabled'
    fail_msg: "{{ registry.advice | join(' ') }}"

- name: Wait for a registry that was just restarted
  fleetops.container_registry.registry_info:
    url: http://127.0.0.1:5000
    retries: 0
  register: restarted
  until: restarted is success
  retries: 10
  delay: 2
"""

RETURN = r"""
reachable:
  description: V(true) if the module succeeds. If it fails, V(false) means that there was no answer at all.
  returned: success, or failure without an answer
  type: bool
  sample: true
url:
  description: The registry's address as it was used.
  returned: success
  type: str
  sample: https://registry.example.com
family:
  description:
    - The engine, as far as it can be told from its answers. V(2.x) and V(3.x) are CNCF Distribution (C(registry:2) and
      C(registry:3)), V(other) is anything else.
    - This is a hint for people. RV(delete) and RV(can_untag) are found out by trial and do not depend on it.
  returned: success
  type: str
  sample: 3.x
product:
  description:
    - The product, if it is another one than CNCF Distribution and says so in public, by its host name, its headers, or the way it
      asks for a login.
    - V(docker_hub), V(github), V(ecr) and V(google) never delete over the registry API. Of V(acr), V(gitlab), V(harbor), V(quay),
      V(gitea) (also Forgejo), V(nexus) and V(artifactory), RV(delete) says whether they do.
    - V(unknown) means that there is no sign, or that signs contradict each other. CNCF Distribution itself gives none.
  returned: success
  type: str
  sample: harbor
retention:
  description: What RV(product) has of its own to remove old images, with the page that documents it. Empty if it is not known.
  returned: success
  type: str
  sample: "Use the tag retention rules of Harbor: https://goharbor.io/docs/latest/"
api_version:
  description: What the registry says to be its API version, if anything.
  returned: success
  type: str
  sample: registry/2.0
auth:
  description:
    - How the module has logged in.
    - V(none) means that the registry did not ask, V(basic) with user and password, V(bearer) with tokens of a token server, V(token)
      with the token that was given.
  returned: success
  type: str
  sample: basic
delete:
  description:
    - Whether manifests can be deleted.
    - V(disabled) means that the registry's configuration does not have C(storage.delete.enabled), V(read_only) that it has
      C(storage.maintenance.readonly), V(proxy) that it is a pull-through cache, which never deletes over the API.
    - V(unsupported) means that RV(product) does not delete over the registry API. RV(advice) names what it has instead.
    - V(unknown) means that the registry's answer told none of these, for instance because this user is not allowed to ask.
  returned: success
  type: str
  sample: enabled
can_untag:
  description:
    - How a tag can be removed without the manifest that it names.
    - V(native) means that the registry deletes tags. V(tombstone) means that it does not (2.x), so that the tag is first pushed onto an
      empty index, which is then deleted. V(none) means that it is not possible, and V(unknown) that it could not be found out.
    - V(tombstone) is for CNCF Distribution, and for what looks like it. A recognised RV(product) deletes tags itself or not at all.
  returned: success
  type: str
  sample: native
can_push:
  description:
    - Whether this user may push, which V(tombstone) and restoring need. V(allowed), V(denied), V(read_only), V(proxy) or V(unknown).
  returned: success
  type: str
  sample: allowed
needs:
  description:
    - The actions that a user needs in each repository for pruning here, as a token server names them. Basic authentication of
      the registry itself does not tell them apart.
  returned: success
  type: list
  elements: str
  sample: [pull, delete]
advice:
  description: What to do so that images can be deleted, in sentences. Empty if they can.
  returned: success
  type: list
  elements: str
  sample: []
requests_sent:
  description: How many HTTP requests the module has sent.
  returned: success
  type: int
  sample: 4
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

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import (
    OTHER,
    PROBE_REPOSITORY,
    RegistryClient,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import ConnectionFailed
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.abilities import advice, needed_actions
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import require_repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import (
    ModuleFailure,
    RegistryModule,
    Result,
)


def describe(module: RegistryModule, client: RegistryClient) -> Result:
    repository = require_repository(module.params["repository"])
    try:
        ping = client.ping()
    except ConnectionFailed as error:
        raise ModuleFailure(error.message, {"reachable": False, "error": error.as_dict()}) from error
    found = client.probe(repository)
    return {
        "changed": False,
        "reachable": True,
        "url": client.address.base,
        "family": ping.family if found.product is None else OTHER,
        "product": found.product.key if found.product is not None else "unknown",
        "retention": found.product.pointer if found.product is not None else "",
        "api_version": ping.api_version,
        "auth": client.auth_scheme,
        "delete": found.delete,
        "can_untag": found.untag,
        "can_push": found.push,
        "needs": needed_actions(found),
        "advice": advice(found),
        "requests_sent": client.requests_sent,
    }


def main() -> None:
    RegistryModule({"repository": {"type": "str", "default": PROBE_REPOSITORY}}).run(describe)


if __name__ == "__main__":
    main()
