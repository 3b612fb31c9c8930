#!/usr/bin/python
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a registry's own garbage collector."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_garbage_collect
short_description: Free the space of deleted images with the registry's own garbage collector
version_added: 0.1.0
author:
  - fleetops.container_registry contributors (@fleetops)
description:
  - Runs C(garbage-collect) of CNCF Distribution (C(registry:2) from 2.7 on, C(registry:3)) and reads what it prints.
  - It always makes a dry run first. Where that finds nothing that may go, the module ends there, unchanged. Otherwise the guards are
    checked and then the real collection runs. In check mode the module ends after the dry run.
  - A collection counts as successful only if it has printed its summary and has ended with status 0. The registry's program also
    ends with status 0 for a flag or a command that it does not know.
  - The collector knows nothing of pushes that are under way. B(Run this module only while the registry is stopped or in its
    read-only mode), and restart a registry with an in-memory cache afterwards. The role P(fleetops.container_registry.registry#role)
    does all of this. A dry run is harmless at any time.
  - C(--delete-untagged) is never used, because it destroys multi-architecture images on 2.x and can do so on 3.x. Untagged manifests
    are found with O(manifests_output) and removed with M(fleetops.container_registry.registry_prune).
  - The module runs where the program or the container engine is, with Python's standard library alone.
extends_documentation_fragment:
  - fleetops.container_registry.attributes
attributes:
  check_mode:
    support: full
    details:
      - The check mode is the collector's dry run. It does write the file of O(manifests_output), which is a report and not a change.
  diff_mode:
    support: full
    details:
      - The diff shows how much may go before and after, not each blob.
  idempotent:
    support: full
options:
  argv:
    description:
      - The command that leads to the registry's program, word by word, with that program as its last word.
        C(garbage-collect), its flags and O(config_path) are added to it.
      - Examples are V([registry]), V([docker, exec, registry, registry]), V([docker, run, --rm, --volumes-from, registry,
        --network, none, "registry:2"]), V([podman, exec, registry, registry]) and V([kubectl, exec, deploy/registry, --,
        registry]).
      - The collector needs the environment (C(REGISTRY_*)) of the registry that it collects for. With C(exec) it has that by itself.
      - With C(docker) and C(podman), an environment variable C(FLEETOPS_REGISTRY_COLLECTION) is added to the command, so that
        the collector can be found and ended inside its container.
    type: list
    elements: str
    required: true
  config_path:
    description:
      - The registry's config, as the program sees it.
      - In the official images it is V(/etc/docker/registry/config.yml) (C(registry:2)) or V(/etc/distribution/config.yml)
        (C(registry:3)).
    type: str
    required: true
  storage_root:
    description:
      - The C(rootdirectory) of the registry's filesystem driver, as this host sees it, such as the path of a volume.
      - Only with it are sizes and ages of blobs known. Leave it out where the store is not on this host's file system.
      - The module fails if the collector names a blob that is not there, because then the two are different stores.
    type: path
  manifests_output:
    description:
      - A file for the digest of every manifest of every repository, as the dry run names them, whatever the storage driver.
        O(fleetops.container_registry.registry_prune#module:store_scan) takes it to find untagged manifests.
      - It is written in one piece, and only if the dry run has succeeded.
    type: path
  blob_grace:
    description:
      - Seconds. While all that may go is younger than this, it is taken for pushes that are under way and nothing is collected.
      - Requires O(storage_root) or O(seen_file).
    type: float
    default: 0.0
  seen_file:
    description:
      - A file in which runs remember what dry runs have named, for stores whose disk this host does not see, such as those on S3, which
        tell no age. There, what dry runs have named for as long as O(blob_grace) counts as old enough. With O(storage_root) it is not
        used.
      - It is written in check mode, too. Its folder is made if it is absent.
    type: path
  max_blobs:
    description:
      - Collect nothing if more blobs than this would go. Without it there is no such limit.
    type: int
  max_bytes:
    description:
      - Collect nothing if more bytes than this would go. Without it there is no such limit.
      - Requires O(storage_root).
    type: int
  max_percent:
    description:
      - Collect nothing if more than this percentage of the store's blobs would go. Without it there is no such limit.
      - With O(storage_root) the blobs are counted in the store. Without it those count that the collector marks, some of which may not be there.
    type: float
  allow_empty:
    description:
      - Whether everything may go. A collection that marks no blob and would remove some is refused otherwise, because this is what
        a wrong or damaged store looks like.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that the dry run and the real run may take each. After that the collector is ended and the module fails. The
        message says if it could not be made sure that a collector inside a container or a pod has ended.
      - By default there is no limit. A collection of a large store on an object storage can take hours.
    type: float
  secret_environment:
    description:
      - Variables that are added to the environment of this task, and so of everything that it starts, without being shown. What stands in
        the keyword C(environment) of a task is part of a command line, where every user of the host can read it, and is shown
        with C(-vvv).
    type: dict
  run_id:
    description:
      - The value of C(FLEETOPS_REGISTRY_COLLECTION) in the collector's environment, by which another process can find it.
      - By default it is random.
    type: str
  lease:
    description:
      - The O(fleetops.container_registry.registry_window_lease#module:path) of the lease on the maintenance window that this collection
        belongs to. Nothing is collected unless O(run_id) holds it.
      - Set C(FLEETOPS_REGISTRY_WINDOW) to O(run_id) in the environment of such a task, so that the watchdog finds the module, too.
    type: path
notes:
  - The dry run of 3.0 before 3.0.0-rc.1 deletes layer links. The module refuses these versions.
seealso:
  - module: fleetops.container_registry.registry_storage_info
    description: Finds beforehand whatever would make the collector abort or eat images.
  - module: fleetops.container_registry.registry_prune
  - module: fleetops.container_registry.registry_window_lease
"""

EXAMPLES = r"""
- name: See what a collection would free, while the registry runs
  fleetops.container_registry.registry_garbage_collect:
    argv: [docker, exec, registry, registry]
    config_path: /etc/docker/registry/config.yml
    storage_root: /srv/registry
  check_mode: true
  register: garbage

- name: Collect while the registry is stopped
  fleetops.container_registry.registry_garbage_collect:
    argv: [docker, run, --rm, --network, none, --volumes-from, registry, "registry:2"]
    config_path: /etc/docker/registry/config.yml
    storage_root: /srv/registry
    max_percent: 60

- name: List every manifest of a registry on S3
  fleetops.container_registry.registry_garbage_collect:
    argv: [registry]
    config_path: /etc/distribution/config.yml
    manifests_output: "/var/lib/container-registry/{{ inventory_hostname }}/manifests.scan.gz"
  check_mode: true
"""

RETURN = r"""
family:
  description: The engine's family by its C(--version), V(2.x), V(3.x) or V(unknown).
  returned: success, or failure by a limit or in the real collection
  type: str
  sample: 3.x
version:
  description: The engine's version, empty where it does not tell.
  returned: success, or failure by a limit or in the real collection
  type: str
  sample: v3.1.1
repositories_count:
  description: Repositories that the collector has visited.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 40
manifests_count:
  description: Manifests that the collector has found in them. A manifest in two repositories counts twice.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 950
blobs_marked:
  description: Distinct digests that are in use, including those of blobs that are not stored here.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 2900
blobs_eligible:
  description: Blobs that no manifest needs, by the dry run.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 1200
blobs_young:
  description: How many of these are younger than O(blob_grace). It is V(null) without O(storage_root) and O(seen_file).
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 0
collection_wanted:
  description: Whether there is anything to collect that is older than O(blob_grace), whatever the limits say.
  returned: success, or failure by a limit or in the real collection
  type: bool
  sample: true
manifests_eligible:
  description: Manifests that the collector would remove. It is V(0), since C(--delete-untagged) is never used.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 0
layer_links_eligible:
  description: Links from repositories to blobs that no manifest needs, by the dry run. Only 3.x removes them.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 800
bytes_eligible:
  description: The sum of the sizes of RV(blobs_eligible). It is V(null) without O(storage_root).
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 73400320
blobs_removed:
  description: Blobs that have been removed. It is V(0) in check mode.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 1200
layer_links_removed:
  description: Layer links that have been removed. It is V(0) in check mode.
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 800
bytes_freed:
  description: The bytes of the blobs that have been removed, by the store itself. It is V(null) without O(storage_root).
  returned: success, or failure by a limit or in the real collection
  type: int
  sample: 73400320
blocked_by:
  description: The guards that do not let this collection through. Outside check mode the module fails if there are any.
  returned: success, or failure by a limit or in the real collection
  type: list
  elements: dict
  contains:
    name:
      description: The option to change.
      type: str
      sample: max_percent
    message:
      description: What it is about.
      type: str
      sample: "1200 of 4100 blobs would go (29.3 %) and max_percent allows 20: max_percent=29.3 lets this through"
    passes_with:
      description: The value of that option which would let this collection through.
      type: raw
      sample: "29.3"
sample:
  description: Up to 20 of the blobs that may go or have gone.
  returned: success, or failure by a limit or in the real collection
  type: list
  elements: str
  sample: ["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]
message:
  description: Why nothing was collected although it was asked for, such as a registry to which nothing has ever been pushed.
  returned: success, or failure by a limit or in the real collection
  type: str
  sample: ""
manifests_output:
  description: The file that has been written, V(null) if none was asked for.
  returned: success, or failure by a limit or in the real collection
  type: str
  sample: /var/lib/container-registry/registry1/manifests.scan.gz
duration:
  description: Seconds that the whole call has taken.
  returned: success
  type: float
  sample: 4.21
collection_seconds:
  description: Seconds that the real collection has taken.
  returned: when something was collected
  type: float
  sample: 2.8
rc:
  description: The collector's exit status.
  returned: when the collector ran and failed
  type: int
  sample: 1
argv:
  description: The command that was to run.
  returned: when the collector failed or could not be started
  type: list
  elements: str
  sample: [registry, garbage-collect, --dry-run, /etc/distribution/config.yml]
stderr_tail:
  description: The end of what the collector has printed as errors and log.
  returned: when the collector ran and failed
  type: str
  sample: "failed to garbage collect: failed to mark: invalid checksum digest format"
collector_ended:
  description: Whether it is certain that the collector has ended. Allow no writes to the registry before it has.
  returned: when the collector ran into the time-out
  type: bool
  sample: true
"""

import time

from ansible_collections.fleetops.container_registry.plugins.module_utils.module import Result, StoreModule
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collection import (
    Wish,
    collect,
)


def job(module: StoreModule) -> Result:
    """Collect what the options name, or in check mode only tell."""
    result = collect(Wish(**module.params), module.check_mode, time.time())
    if module.wants_diff and result["changed"]:
        before = {name: result[name] for name in ("blobs_eligible", "layer_links_eligible", "bytes_eligible")}
        after = {name: None if value is None else 0 for name, value in before.items()}
        result["diff"] = {"before": before, "after": after}
    return result


def main() -> None:
    """Run as a module."""
    module = StoreModule(
        {
            "argv": {"type": "list", "elements": "str", "required": True},
            "config_path": {"type": "str", "required": True},
            "storage_root": {"type": "path"},
            "manifests_output": {"type": "path"},
            "blob_grace": {"type": "float", "default": 0.0},
            "seen_file": {"type": "path"},
            "max_blobs": {"type": "int"},
            "max_bytes": {"type": "int"},
            "max_percent": {"type": "float"},
            "allow_empty": {"type": "bool", "default": False},
            "timeout": {"type": "float"},
            "secret_environment": {"type": "dict", "no_log": True},
            "run_id": {"type": "str"},
            "lease": {"type": "path"},
        },
        required_by={"lease": ("run_id",)},
    )
    module.run(job)


if __name__ == "__main__":
    main()
