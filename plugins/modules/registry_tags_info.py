#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_tags_info
short_description: List the tags of repositories in a container registry, with their images
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Lists the tags of one, several or all repositories, and says of each what it names, as deep as O(depth) asks for.
  - One call handles a whole registry with many requests at once, so there is no need to loop over repositories or tags.
  - A tag or repository that cannot be read does not fail the module. It is in the result with the reason, see
    RV(tags[].error) and RV(repositories[].problem).
extends_documentation_fragment:
  - fleetops.container_registry.connection
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.info_module
  - fleetops.container_registry.attributes.api_module
options:
  repositories:
    description:
      - Names of repositories, and patterns for them. Without the option, all repositories.
      - A pattern is compared with the whole name, and upper and lower case differ. V(*) stands for any characters, V(/) too, V(?) for one and
        V([ab]) for one of those. After V(~) comes a regular expression that is searched for anywhere in the name. After
        V(!) comes a pattern for what is left out.
      - If there are only names, the registry's catalog is not asked for, which not every user may read.
    type: list
    elements: str
  tags:
    description:
      - Patterns for the tags to list, as in O(repositories). Without the option, all tags.
    type: list
    elements: str
  depth:
    description:
      - V(digests) resolves each tag to its digest, with a request for each.
      - V(manifests) reads each manifest instead, and the children of multi-architecture indexes, which tells kind, size and platforms.
        Mostly this takes no more time.
      - V(configs) also reads the config of each image, which tells labels, and the creation date where the manifest has none.
        This takes about twice the requests.
      - V(blobs) also asks for the first byte of each config and layer, which tells what can no longer be pulled, see
        RV(tags[].missing_blobs). This takes one more request for each different blob of a repository. The registry's C(HEAD) is not
        asked, since it answers from a cache, also for what garbage collection took.
    type: str
    choices: [digests, manifests, configs, blobs]
    default: manifests
  shared_with:
    description:
      - Whether to tell which other tags of the repository name the same image. For this every tag is resolved, also those that
        O(tags) does not select.
      - With V(false) only the selected tags are, which is faster if O(tags) selects a few of many.
    type: bool
    default: true
seealso:
  - module: fleetops.container_registry.registry_catalog_info
  - module: fleetops.container_registry.registry_storage_info
    description: The module tells what only the store knows, such as push times and untagged manifests.
"""

EXAMPLES = r"""
- name: List the tags of two repositories
  fleetops.container_registry.registry_tags_info:
    url: https://registry.example.com
    repositories: [shop/api, shop/web]
  delegate_to: localhost
  register: listed

- name: Show the size of each
  ansible.builtin.debug:
    msg: "{{ item.repository }}:{{ item.name }} {{ item.size | default(0) | human_readable }}"
  loop: "{{ listed.tags }}"
  loop_control:
    label: "{{ item.name }}"

- name: Find what carries the label of a branch, in the whole registry
  fleetops.container_registry.registry_tags_info:
    url: https://registry.example.com
    tags: ["~-branch$"]
    depth: configs
    shared_with: false
    workers: 16
  delegate_to: localhost

- name: Find what can no longer be pulled, for instance after a garbage collection beside pushes
  fleetops.container_registry.registry_tags_info:
    url: https://registry.example.com
    depth: blobs
  delegate_to: localhost
  register: examined

- name: Name it
  ansible.builtin.debug:
    msg: "{{ item.repository }}:{{ item.name }} lacks {{ item.missing_blobs | join(', ') }}"
  loop: "{{ examined.tags | selectattr('missing_blobs', 'defined') | selectattr('missing_blobs') }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
tags:
  description: The selected tags, sorted by repository and name.
  returned: success
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
      sample: shop/api
    name:
      description: The tag.
      type: str
      sample: 1.4.2
    digest:
      description: The digest of the manifest that the tag names, or null if that is not known.
      type: str
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    shared_with:
      description: Other tags of the same repository that name the same manifest.
      returned: if O(shared_with) is V(true)
      type: list
      elements: str
      sample: [latest]
    error:
      description:
        - Why nothing more is known. For instance the registry lists the tag, but has no manifest for it.
      returned: if the tag could not be read
      type: str
    kind:
      description: V(image), V(index) (a multi-architecture image), V(artifact) (such as a signature or a chart) or V(tombstone).
      returned: unless O(depth) is V(digests)
      type: str
      sample: image
    media_type:
      description: The manifest's media type.
      returned: unless O(depth) is V(digests)
      type: str
      sample: application/vnd.oci.image.manifest.v1+json
    size:
      description:
        - Bytes of manifest, config and layers, and of all children of an index, each blob once. Layers shared with other images are
          included, so the sizes of several images do not add up to what they take on disk.
      returned: unless O(depth) is V(digests)
      type: int
      sample: 31457280
    created:
      description:
        - When the image was built (UTC), by the annotation C(org.opencontainers.image.created), else by its config. Of an index
          without that annotation it is the date of its newest child. Null if it is not known or not plausible.
        - Configs are read only if O(depth) is V(configs) or V(blobs).
      returned: unless O(depth) is V(digests)
      type: str
      sample: "2026-11-24T18:03:11Z"
    platforms:
      description:
        - The platforms of an index, as C(os/architecture/variant). With O(depth=configs) and O(depth=blobs) also that of a single image.
      returned: unless O(depth) is V(digests)
      type: list
      elements: str
      sample: [linux/amd64, linux/arm64/v8]
    children:
      description: The digests of an index's children.
      returned: unless O(depth) is V(digests)
      type: list
      elements: str
      sample: []
    missing_children:
      description: Digests of children, nested ones too, that the repository does not have. Pulling these platforms fails.
      returned: unless O(depth) is V(digests)
      type: list
      elements: str
      sample: []
    subject:
      description: The digest of the image that this is about, such as the one that a signature signs, or null.
      returned: unless O(depth) is V(digests)
      type: str
      sample: null
    artifact_type:
      description: What kind of artifact it is, or null.
      returned: unless O(depth) is V(digests)
      type: str
      sample: null
    labels:
      description: The labels of the image's config.
      returned: if O(depth) is V(configs) or V(blobs)
      type: dict
      sample: {"org.opencontainers.image.vendor": "Example"}
    missing_blobs:
      description: Digests of configs and layers, those of children too, that the registry does not serve. Pulling the image fails.
      returned: if O(depth) is V(blobs)
      type: list
      elements: str
      sample: []
repositories:
  description: The selected repositories, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The repository's name.
      type: str
      sample: shop/api
    tag_count:
      description: How many of its tags were resolved.
      type: int
      sample: 12
    problem:
      description: Why it could not be read, or not as a whole. Nothing would be pruned there. Null if there is no problem.
      type: str
      sample: null
summary:
  description: Totals.
  returned: success
  type: dict
  contains:
    repositories:
      description: How many repositories were selected.
      type: int
      sample: 2
    tags:
      description: How many tags are listed.
      type: int
      sample: 20
    images:
      description: How many different manifests they name, counted per repository.
      type: int
      sample: 17
    errors:
      description: How many tags could not be read.
      type: int
      sample: 0
    problems:
      description: How many repositories could not be read as a whole.
      type: int
      sample: 0
requests_sent:
  description: How many HTTP requests the module has sent.
  returned: success
  type: int
  sample: 23
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
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Needs, look
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.selection import (
    compile_option,
    select_repositories,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.tag_report import (
    BLOBS,
    CONFIGS,
    DIGESTS,
    MANIFESTS,
    repository_rows,
    summary,
    tag_rows,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import RegistryModule, Result


def list_tags(module: RegistryModule, client: RegistryClient) -> Result:
    depth, shared = module.params["depth"], module.params["shared_with"]
    wanted = compile_option("tags", module.params["tags"]).matches
    selection = select_repositories(client, module.params["repositories"])
    looked = look(
        client,
        None,
        Needs(manifests=depth != DIGESTS, configs=depth in (CONFIGS, BLOBS), blobs=depth == BLOBS),
        now=time.time(),
        repositories=selection.names,
        must_exist=selection.listed is None,
        deep=wanted,
        wanted=None if shared else wanted,
    )
    tags = tag_rows(looked, depth, wanted, shared)
    repositories = repository_rows(looked, selection.unknown)
    return {
        "changed": False,
        "tags": tags,
        "repositories": repositories,
        "summary": summary(tags, repositories),
        "requests_sent": client.requests_sent,
    }


def main() -> None:
    module = RegistryModule(
        {
            "repositories": {"type": "list", "elements": "str"},
            "tags": {"type": "list", "elements": "str"},
            "depth": {"type": "str", "choices": [DIGESTS, MANIFESTS, CONFIGS, BLOBS], "default": MANIFESTS},
            "shared_with": {"type": "bool", "default": True},
        }
    )
    module.run(list_tags)


if __name__ == "__main__":
    main()
