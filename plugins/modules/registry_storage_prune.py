#!/usr/bin/python
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prune a registry's store while the registry is stopped or read-only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_storage_prune
short_description: Carry out a plan on the store of a registry that is stopped or read-only
version_added: 0.1.0
author:
  - fleetops.container_registry contributors (@fleetops)
description:
  - Removes the tags and manifests of a plan that M(fleetops.container_registry.registry_prune) has saved, directly from the folders of
    CNCF Distribution's filesystem driver. For repositories with tens of thousands of tags this takes seconds where the API takes
    minutes, and it works where deletes are disabled in the registry's config.
  - Each tag and each manifest is held against the store first. What has moved since the plan was made is left alone and reported in
    RV(drifted). A plan of which most tags name something else here is refused as that of another registry.
  - Tags go first, then manifests, an index before its children. Each is taken out of the registry's sight by one rename, so that an
    interruption at any moment leaves a store in order, and a second run finishes. Nothing else is touched. The space comes back with
    M(fleetops.container_registry.registry_garbage_collect).
  - On request it also removes what deletions and pushes leave behind, which the API cannot do.
  - Every run also deletes what an earlier one that was killed had already taken out of the registry's sight, in whatever repository, and
    says so in RV(swept_repositories).
  - The module runs on the host that holds the store, with Python's standard library alone. Run it as root or as the registry's user.
  - The role P(fleetops.container_registry.registry#role) opens the window for this, makes sure that URL and store are the same
    registry, and restarts a registry that caches.
extends_documentation_fragment:
  - fleetops.container_registry.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The diff shows the tags of each repository that go.
  idempotent:
    support: full
options:
  storage_root:
    description:
      - The C(rootdirectory) of the registry's filesystem driver, as this host sees it.
    type: path
    required: true
  registry_stopped_or_read_only:
    description:
      - Your word that every registry on this store is stopped or in its read-only mode, and stays so until the module has ended. A
        registry that takes pushes meanwhile can lose what is pushed.
      - It must be V(true), except in check mode.
    type: bool
    default: false
  plan_file:
    description:
      - The plan, as O(fleetops.container_registry.registry_prune#module:plan_file) has saved it. A file that is damaged or altered is
        refused.
      - Without it no image goes, and only left-overs are removed, if that is asked for.
    type: path
  plan_id:
    description:
      - The approved plan's RV(fleetops.container_registry.registry_prune#module:plan_id). Another plan is refused.
      - A plan that a limit of the run holds is carried out only if it is approved with this option. Repositories that are held are left
        alone in any case.
    type: str
  protected:
    description:
      - What must not go, although the plan says so, in the form of O(fleetops.container_registry.registry_prune#module:protected). It is
        left alone and reported in RV(drifted), with the indexes above it and the tags on these.
    type: list
    elements: str
  backup_dir:
    description:
      - A directory for backups on this host. Before anything is removed, the bytes of every manifest and image config that goes are on
        disk there, from where M(fleetops.container_registry.registry_manifest_restore) puts them back. It is made if it is absent.
      - It is needed to carry out a plan, except in check mode.
    type: path
  url:
    description:
      - The registry's URL, to be noted in the backup, so that M(fleetops.container_registry.registry_prune) finds an interrupted run of
        this module in O(backup_dir) and finishes it.
      - A plan that was made at another address is refused. Without it, a plan is only held against the tags of the store.
    type: str
  purge_stale_uploads:
    description:
      - Whether uploads that were begun longer than O(stale_uploads_after) ago are removed.
    type: bool
    default: false
  stale_uploads_after:
    description:
      - Seconds after which an upload that has not ended is called stale. The default is seven days.
    type: float
    default: 604800.0
  remove_empty_repositories:
    description:
      - Whether repositories without any tag, manifest and upload leave the store, and with it the catalog. Repositories below them stay.
    type: bool
    default: false
  empty_repository_grace:
    description:
      - Seconds. A repository to which a layer was pushed within this time is not removed by O(remove_empty_repositories), since its first
        push may be under way.
    type: float
    default: 3600.0
  lease:
    description:
      - The O(fleetops.container_registry.registry_window_lease#module:path) of the lease on the maintenance window that this run belongs
        to. Nothing is removed unless O(run_id) holds it.
      - Set C(FLEETOPS_REGISTRY_WINDOW) to O(run_id) in the environment of such a task, so that the watchdog finds the module.
    type: path
  run_id:
    description:
      - The O(fleetops.container_registry.registry_window_lease#module:run_id) that holds the O(lease).
    type: str
  details:
    description:
      - V(none) returns numbers only, V(deleted) also names what goes.
    type: str
    choices: [none, deleted]
    default: deleted
notes:
  - Restart a registry that has a cache afterwards. It goes on answering for removed manifests until then.
seealso:
  - module: fleetops.container_registry.registry_prune
  - module: fleetops.container_registry.registry_storage_info
  - module: fleetops.container_registry.registry_garbage_collect
  - module: fleetops.container_registry.registry_manifest_restore
  - module: fleetops.container_registry.registry_window_lease
"""

EXAMPLES = r"""
- name: Carry out the reviewed plan while the registry is stopped
  fleetops.container_registry.registry_storage_prune:
    storage_root: /srv/registry
    registry_stopped_or_read_only: true
    plan_file: "/var/lib/container-registry/{{ inventory_hostname }}/plan.jsonl.gz"
    plan_id: 0d7d5a9a5e0f6b6a6b1d7c2f8f6c3b9f5d0c1e2a3b4c5d6e7f8091a2b3c4d5e6
    backup_dir: "/var/lib/container-registry/{{ inventory_hostname }}/backups"
    url: https://registry.example.com

- name: Clear away what is left over
  fleetops.container_registry.registry_storage_prune:
    storage_root: /srv/registry
    registry_stopped_or_read_only: true
    purge_stale_uploads: true
    remove_empty_repositories: true
"""

RETURN = r"""
plan_id:
  description: The plan's name, V(null) without O(plan_file).
  returned: success, or failure after something was removed
  type: str
  sample: 0d7d5a9a5e0f6b6a6b1d7c2f8f6c3b9f5d0c1e2a3b4c5d6e7f8091a2b3c4d5e6
planned:
  description: What of the plan the store still allows, in numbers.
  returned: success, or failure after something was removed
  type: dict
  contains:
    tags:
      description: Tags that go with their manifest.
      type: int
      sample: 90
    untagged:
      description: Tags that go while their manifest stays.
      type: int
      sample: 3
    manifests:
      description: Manifests that go.
      type: int
      sample: 120
deleted:
  description: What has been removed, with the same keys as RV(planned). It is all V(0) in check mode.
  returned: success, or failure after something was removed
  type: dict
  contains:
    tags:
      description: Tags that went with their manifest.
      type: int
      sample: 90
    untagged:
      description: Tags that went while their manifest stays.
      type: int
      sample: 3
    manifests:
      description: Manifests that went.
      type: int
      sample: 120
repositories:
  description: What has been removed from each repository, in check mode what would be. It is empty with O(details=none).
  returned: success, or failure after something was removed
  type: list
  elements: dict
  contains:
    name:
      description: The repository.
      type: str
      sample: team/app
    tags:
      description: The tags, sorted.
      type: list
      elements: str
      sample: ["1.0", "1.1"]
    manifests:
      description: The manifests, in the order in which they go.
      type: list
      elements: str
      sample: ["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]
drifted:
  description: What has moved since the plan was made, and was left alone.
  returned: success, or failure after something was removed
  type: list
  elements: dict
  contains:
    repository:
      description: The repository.
      type: str
      sample: team/app
    name:
      description: A tag, a digest, or the repository itself.
      type: str
      sample: "1.0"
    reason:
      description: What has moved.
      type: str
      sample: something that stays needs it now
held:
  description: Repositories of the plan that were left alone, for a problem or a limit of their own.
  returned: success, or failure after something was removed
  type: list
  elements: dict
  contains:
    repository:
      description: The repository.
      type: str
      sample: team/app
    reason:
      description: Why.
      type: str
      sample: 12 of 12 tags would go and allow_empty_repository is false
purged_uploads_count:
  description: Stale uploads that have been removed, in check mode that would be.
  returned: success, or failure after something was removed
  type: int
  sample: 2
purged_uploads_bytes:
  description: Their bytes.
  returned: success, or failure after something was removed
  type: int
  sample: 1048576
removed_repositories:
  description: Emptied repositories that have been removed. Check mode does not know of those that the plan would empty.
  returned: success, or failure after something was removed
  type: list
  elements: str
  sample: [team/old]
swept_repositories:
  description:
    - Repositories in which a run that was killed had left what it had taken out of the registry's sight, and from which that has been
      deleted, in check mode that would be.
  returned: success, or failure after something was removed
  type: list
  elements: str
  sample: [team/app]
backup_file:
  description: The backup of this run, V(null) if there is none.
  returned: success, or failure after something was removed
  type: str
  sample: /var/lib/container-registry/registry1/backups/20260301T120000Z-2f1c.backup.jsonl
errors:
  description: What should have been done and could not. The task fails if there are any.
  returned: success, or failure after something was removed
  type: list
  elements: str
  sample: []
duration:
  description: Seconds that it has taken.
  returned: success, or failure after something was removed
  type: float
  sample: 1.52
"""

import os
import time
import typing as t
import uuid

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address, AddressInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    JournalError,
    JournalWriter,
    close_journal,
    unfinished_journals,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import ReferenceInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import (
    ModuleFailure,
    Result,
    StoreModule,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import parse_protected
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import tree_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.prune import Saver, holds_any
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.store_maintenance import (
    Wish,
    maintain,
)


def job(module: StoreModule) -> Result:
    """Carry out what the options ask for, with a backup if there is a directory for it."""
    wish = {name: value for name, value in module.params.items() if name not in ("backup_dir", "protected")}
    try:
        wish["protection"] = parse_protected(module.params["protected"]) if module.params["protected"] else None
    except ReferenceInvalid as error:
        raise ModuleFailure("protected: %s" % error) from error
    wish["url"] = address_of(module.params["url"])
    # A backup is of the registry that it was told, or of its store.
    registry = wish["url"] or "file://" + os.path.abspath(module.params["storage_root"])
    now = time.time()
    run = uuid.uuid4().hex
    journals: list[JournalWriter] = []

    def open_journal(plan_id: str) -> t.Tuple[Saver, str]:
        journal = JournalWriter.create(module.params["backup_dir"], run, registry, plan_id, now)
        journals.append(journal)
        return journal, journal.path

    try:
        result = maintain(Wish(**wish), module.check_mode, now, open_journal if module.params["backup_dir"] else None)
        for journal in journals:
            journal.finished(run)
        if module.params["plan_file"] and module.params["backup_dir"] and not module.check_mode:
            close_done(module, registry, run)
    except JournalError as error:
        raise ModuleFailure(str(error)) from error
    finally:
        for journal in journals:
            journal.close()
    if module.wants_diff:
        rows = [{"repository": row["name"], "tags": row["tags"]} for row in result["repositories"] if row["tags"]]
        result["diff"] = {"before": {"repositories": rows}, "after": {"repositories": []}}
    return result


def address_of(url: t.Optional[str]) -> t.Optional[str]:
    """URL as the API's modules write it, None without one. Raises ModuleFailure."""
    try:
        return Address.parse(url).base if url else None
    except AddressInvalid as error:
        raise ModuleFailure("%s. Nothing was done" % error) from error


def close_done(module: StoreModule, registry: str, run: str) -> None:
    """Close the backups of interrupted runs on REGISTRY of which nothing is left to do."""
    tree = tree_of(module.params["storage_root"])
    for journal in unfinished_journals(module.params["backup_dir"], registry):
        left = (
            holds_any(tree, name, saved.open_tags, saved.open_digests) for name, saved in journal.repositories.items()
        )
        if not journal.defer and not any(left):
            close_journal(journal, run)


def main() -> None:
    """Run as a module."""
    module = StoreModule(
        {
            "storage_root": {"type": "path", "required": True},
            "registry_stopped_or_read_only": {"type": "bool", "default": False},
            "plan_file": {"type": "path"},
            "plan_id": {"type": "str"},
            "protected": {"type": "list", "elements": "str"},
            "backup_dir": {"type": "path"},
            "url": {"type": "str"},
            "purge_stale_uploads": {"type": "bool", "default": False},
            "stale_uploads_after": {"type": "float", "default": 604800.0},
            "remove_empty_repositories": {"type": "bool", "default": False},
            "empty_repository_grace": {"type": "float", "default": 3600.0},
            "lease": {"type": "path"},
            "run_id": {"type": "str"},
            "details": {"type": "str", "choices": ["none", "deleted"], "default": "deleted"},
        },
        required_by={"plan_id": ("plan_file",), "lease": ("run_id",)},
    )
    module.run(job)


if __name__ == "__main__":
    main()
