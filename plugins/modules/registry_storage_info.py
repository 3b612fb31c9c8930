#!/usr/bin/python
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scan a registry's store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_storage_info
short_description: Scan the store of a registry on its host
version_added: 0.1.0
author:
  - fleetops.container_registry contributors (@fleetops)
description:
  - Reads the folders of CNCF Distribution's filesystem driver (C(registry:2), C(registry:3)) once, and tells what the API
    cannot tell, which is push times, untagged manifests, bytes, and damage.
  - Foretells exactly which blobs a garbage collection would free if nobody pushed, by the rules of 2.x and by those of 3.x,
    which differ, and whether it would abort or damage images instead.
  - It only reads, and may run while the registry does. What is pushed meanwhile may be missing from the result, and blobs of a
    push that is under way look like garbage, see O(blob_grace).
  - The module runs on the host that holds the store, with Python's standard library alone, and needs to read all of it. Run it as
    root or as the registry's user.
extends_documentation_fragment:
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.info_module
options:
  storage_root:
    description:
      - The C(rootdirectory) of the registry's filesystem driver, as this host sees it, such as the path of a volume. It holds
        C(docker/registry/v2).
    type: path
    required: true
  output:
    description:
      - A file for the scan, with every tag and manifest and their push times.
        O(fleetops.container_registry.registry_prune#module:store_scan) takes it for C(order_by=pushed) and for untagged manifests.
      - It is written in one piece, readable by its owner only, in check mode too.
    type: path
  garbage_output:
    description:
      - A file for the digest and size of every blob that a collection would free, for each of the two families.
      - It has gzip-compressed lines of JSON, and is written in one piece, in check mode too.
    type: path
  details:
    description:
      - V(none) returns sums only.
      - V(repositories) returns a row for each repository as well.
      - V(all) adds every untagged manifest to these rows, and what refers to it. This can be much.
    type: str
    choices: [none, repositories, all]
    default: repositories
  blob_grace:
    description:
      - Seconds. RV(would_free[].blobs_past_grace) counts what is older than this, since younger blobs may belong to pushes that are
        under way. With V(0) every blob counts.
    type: float
    default: 0.0
  stale_uploads_after:
    description:
      - Seconds after which an upload that has not ended is called stale. The default is what the registry itself waits, seven
        days.
    type: float
    default: 604800.0
  verify_digests:
    description:
      - Whether to read every byte of every blob and compare it with its digest. On a large store this takes long.
    type: bool
    default: false
  progress_file:
    description:
      - A file that tells how far O(verify_digests) is, for whoever follows it with C(watch cat). It holds one line of JSON with C(blobs),
        C(of_blobs), C(bytes) and C(of_bytes), which is written anew once a second.
    type: path
  workers:
    description:
      - Blobs that O(verify_digests) reads at the same time, and processes that read repositories, of which there are never more than
        processors.
    type: int
    default: 4
  findings_limit:
    description:
      - Findings of each kind that are returned. RV(findings_counts) counts all.
    type: int
    default: 50
notes:
  - Push times are the modification times of the store's files. Copies without them (C(cp), C(rsync) without C(-a)) and restored
    backups have lost the true ones.
seealso:
  - module: fleetops.container_registry.registry_garbage_collect
  - module: fleetops.container_registry.registry_storage_prune
  - module: fleetops.container_registry.registry_prune
"""

EXAMPLES = r"""
- name: Look at the store before anything is stopped
  fleetops.container_registry.registry_storage_info:
    storage_root: /srv/registry
    output: "/var/lib/container-registry/{{ inventory_hostname }}/store.scan.gz"
  register: store

- name: Refuse to collect what would abort or damage images
  ansible.builtin.assert:
    that: (store.would_free | selectattr("family", "equalto", "2.x") | first).safe
    fail_msg: "{{ store.findings | selectattr('stops_collection') | map(attribute='path') | join(', ') }}"

- name: Read every byte once a month
  fleetops.container_registry.registry_storage_info:
    storage_root: /srv/registry
    verify_digests: true
    details: none
"""

RETURN = r"""
scanned_at:
  description: When the scan began, by this host's clock.
  returned: success
  type: str
  sample: "2026-03-01T12:00:00Z"
repositories_count:
  description: Repositories, emptied ones included.
  returned: success
  type: int
  sample: 40
tags_count:
  description: Tags that name a manifest.
  returned: success
  type: int
  sample: 950
largest_repository_tags:
  description: Tags of the repository that has the most.
  returned: success
  type: int
  sample: 700
manifests_count:
  description: Manifests. One that is in two repositories counts twice.
  returned: success
  type: int
  sample: 1400
untagged_count:
  description: Manifests that no tag names.
  returned: success
  type: int
  sample: 450
untagged_needed_count:
  description: How many of these are children of what is tagged, or refer to it as their subject. They are no garbage.
  returned: success
  type: int
  sample: 310
blobs_count:
  description: Blobs in the store, which are layers, configs and manifests.
  returned: success
  type: int
  sample: 4100
blobs_bytes:
  description: The bytes of all blobs.
  returned: success
  type: int
  sample: 912680550
blobs_unused_count:
  description: Blobs that no manifest of any repository needs.
  returned: success
  type: int
  sample: 1200
blobs_unused_bytes:
  description: Their bytes.
  returned: success
  type: int
  sample: 73400320
blobs_corrupt_count:
  description: Blobs that are not what their digest says, or cannot be read. It is V(null) without O(verify_digests).
  returned: success
  type: int
  sample: 0
would_free:
  description: What a garbage collection without C(--delete-untagged) would do if nobody pushed, for each family of registries.
  returned: success
  type: list
  elements: dict
  contains:
    family:
      description: V(2.x) or V(3.x).
      type: str
      sample: 3.x
    safe:
      description: Whether the collection neither aborts nor removes the content of images that are there.
      type: bool
      sample: true
    aborts:
      description: The path, below C(docker/registry/v2), at which the collection would abort, otherwise V(null).
      type: str
      sample: repositories/team/app/_manifests/revisions/sha256/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a/link
    blobs:
      description: Blobs that it would free. It is V(null) where it would abort.
      type: int
      sample: 1200
    bytes:
      description: Their bytes. It is V(null) where it would abort.
      type: int
      sample: 73400320
    blobs_past_grace:
      description: How many of the blobs are older than O(blob_grace). It is V(null) where it would abort.
      type: int
      sample: 1200
layer_links_dangling_count:
  description: Links of repositories to blobs that are gone. A collection of 2.x leaves them behind, and they do no harm.
  returned: success
  type: int
  sample: 17
uploads_count:
  description: Uploads that have been begun and not ended.
  returned: success
  type: int
  sample: 3
stale_uploads_count:
  description: Uploads that are older than O(stale_uploads_after).
  returned: success
  type: int
  sample: 1
stale_uploads_bytes:
  description: Their bytes.
  returned: success
  type: int
  sample: 1048576
stale_uploads:
  description: Up to 20 of them.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its folder below C(docker/registry/v2).
      type: str
      sample: repositories/team/app/_uploads/0f5bd2d1-8f9e-4e6c-9c1f-6f7a0f6c6c01
    started:
      description: When it was begun.
      type: str
      sample: "2026-01-01T00:00:00Z"
    bytes:
      description: What has come of it.
      type: int
      sample: 1048576
emptied_repositories:
  description: Repositories without any tag or manifest. The catalog still lists them.
  returned: success
  type: list
  elements: str
  sample: [team/old]
findings:
  description: What is wrong with the store, the gravest first, up to O(findings_limit) of each kind.
  returned: success
  type: list
  elements: dict
  contains:
    severity:
      description: V(critical), V(error), V(warning) or V(info).
      type: str
      sample: critical
    code:
      description: The kind of finding, for programs.
      type: str
      sample: link_broken
    path:
      description: Where it is, below C(docker/registry/v2).
      type: str
      sample: repositories/team/app/_manifests/revisions/sha256/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a/link
    repository:
      description: The repository that it is about, empty if it is about none.
      type: str
      sample: team/app
    message:
      description: What it is.
      type: str
      sample: "a manifest's link is broken, and every collection aborts at it: is empty"
    remedy:
      description: What to do.
      type: str
      sample: Remove the folder that holds this link while the registry is stopped or read-only.
    stops_collection:
      description: The families whose collection aborts at it, or loses images by it.
      type: list
      elements: str
      sample: [2.x, 3.x]
findings_counts:
  description: How many findings of each kind there are.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: The kind of finding.
      type: str
      sample: link_broken
    count:
      description: How many.
      type: int
      sample: 1
repositories:
  description: A row for each repository. It is empty with O(details=none).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The repository.
      type: str
      sample: team/app
    tags:
      description: Its tags that name a manifest.
      type: int
      sample: 12
    manifests:
      description: Its manifests.
      type: int
      sample: 30
    untagged:
      description: How many of these no tag names.
      type: int
      sample: 18
    untagged_children:
      description: How many of the untagged are needed by tagged indexes.
      type: int
      sample: 12
    untagged_referrers:
      description: How many of the untagged refer to what is tagged, or to a child of it, as their subject.
      type: int
      sample: 2
    newest_push:
      description: When something was last pushed, V(null) if there is nothing.
      type: str
      sample: "2026-02-28T09:30:00Z"
    bytes:
      description: Bytes of all blobs that its manifests need, each once.
      type: int
      sample: 73400320
    bytes_own:
      description: How many of these no other repository's manifests need.
      type: int
      sample: 41943040
    bytes_shared:
      description: How many of these another repository's manifests need too.
      type: int
      sample: 31457280
    layer_links:
      description: Its links to layers and configs.
      type: int
      sample: 64
    layer_links_dangling:
      description: How many of these lead to blobs that are gone.
      type: int
      sample: 0
    uploads:
      description: Uploads that have been begun and not ended.
      type: int
      sample: 0
    emptied:
      description: Whether it holds no tag and no manifest any more.
      type: bool
      sample: false
    untagged_manifests:
      description: The untagged manifests, sorted by digest.
      returned: with O(details=all)
      type: list
      elements: dict
      contains:
        digest:
          description: The manifest.
          type: str
          sample: sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
        pushed:
          description: When it was last pushed to this repository.
          type: str
          sample: "2026-02-01T09:30:00Z"
        untagged_since:
          description: When a tag that had named it was pushed over, the last time, but not before its own last push. V(null) where no history
            tells it, as the tags that named it were removed, or it never had one.
          type: str
          sample: "2026-02-14T09:30:00Z"
        referred_by:
          description: Indexes of this repository that name it.
          type: list
          elements: str
          sample: []
        refers_to:
          description: Its subject, V(null) if it has none.
          type: str
          sample: null
output:
  description: The scan file that has been written, V(null) if none was asked for.
  returned: success
  type: str
  sample: /var/lib/container-registry/registry1/store.scan.gz
garbage_output:
  description: The file of blobs that has been written, V(null) if none was asked for.
  returned: success
  type: str
  sample: null
duration:
  description: Seconds that the scan has taken.
  returned: success
  type: float
  sample: 1.52
"""

import time

from ansible_collections.fleetops.container_registry.plugins.module_utils.module import Result, StoreModule
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.store_report import (
    Wish,
    report,
)


def job(module: StoreModule) -> Result:
    """Scan the store that the options name."""
    return report(Wish(**module.params), time.time())


def main() -> None:
    """Run as a module."""
    module = StoreModule(
        {
            "storage_root": {"type": "path", "required": True},
            "output": {"type": "path"},
            "garbage_output": {"type": "path"},
            "details": {"type": "str", "choices": ["none", "repositories", "all"], "default": "repositories"},
            "blob_grace": {"type": "float", "default": 0.0},
            "stale_uploads_after": {"type": "float", "default": 604800.0},
            "verify_digests": {"type": "bool", "default": False},
            "progress_file": {"type": "path"},
            "workers": {"type": "int", "default": 4},
            "findings_limit": {"type": "int", "default": 50},
        }
    )
    module.run(job)


if __name__ == "__main__":
    main()
