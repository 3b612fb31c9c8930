#!/usr/bin/python

# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_prune
short_description: Delete by policy what a container registry need not keep
author: fleetops.container_registry contributors (@fleetops)
version_added: 0.1.0
description:
  - Looks at every repository of a registry, decides by O(policies) which tags and manifests may go, and deletes exactly these.
  - It plans over digests. A manifest goes only if no kept tag, no kept index and nothing protected needs it. A tag that shares
    its manifest with a kept one is taken off alone. Whatever cannot be read, dated or understood is kept and reported.
  - Before the first deletion, the bytes of everything that goes are on disk in O(backup_dir), from where
    M(fleetops.container_registry.registry_manifest_restore) puts them back.
  - A run that was interrupted, by whatever, is finished by the next run with the same O(backup_dir).
  - Deleting manifests frees no space yet. Run M(fleetops.container_registry.registry_garbage_collect), or the role
    P(fleetops.container_registry.registry#role), to get it back.
requirements:
  - requests
extends_documentation_fragment:
  - fleetops.container_registry.connection
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.api_module
  - fleetops.container_registry.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Returns the plan that a real run would carry out, what would hold it, and what cannot be done here (RV(skipped)).
      - A plan that would be held (RV(blocked_by)) is no change; the task warns of it and does not fail.
  diff_mode:
    support: full
    details:
      - Shows the tags of each repository that changes, before and after.
  idempotent:
    support: full
  action:
    support: partial
    details:
      - The action plugin only shows how far a long run is. The module does the same without it, and returns the same.
  async:
    support: full
    details:
      - Nothing is shown of how far an asynchronous run is. Follow O(progress_file) for that.
options:
  policies:
    description:
      - What may go and what stays, as a list of policies in the order in which they are asked. The first one whose
        C(repositories), C(tags) and C(labels) match governs a tag. A tag that none governs is kept.
      - The whole list is checked before the first request, and an error names policy, key and value.
      - The page C(docs/policies.md) of this collection explains every key with worked examples.
    type: list
    elements: raw
    required: true
  protected:
    description:
      - What no policy may delete, whatever it says. Each entry is C(sha256:...), C(repository:tag) or
        C(repository@sha256:...), as container engines report the images that they run.
      - It is matched against manifests, the children of indexes and config digests, and keeps whatever leads to a match.
    type: list
    elements: str
  repositories:
    description:
      - Patterns that limit the run to some repositories. Without them, the whole registry is looked at.
      - A pattern is a glob over the whole name, where C(*) also crosses C(/). With a leading C(~) it is a regular expression
        that is searched, with a leading C(!) it excludes.
    type: list
    elements: str
  store_scan:
    description:
      - A file that M(fleetops.container_registry.registry_storage_info) or
        M(fleetops.container_registry.registry_garbage_collect) has written about this registry's store.
      - It tells what the API does not, push times and manifests without a tag. Policies with C(order_by=pushed) or
        C(untagged=true) need it.
      - It also names indexes without a tag, which keep their children then, whatever the policies are. Without it, such an index
        may lose children that go with a tag of their own.
    type: path
  plan_file:
    description:
      - The plan is saved here, also in check mode, so that it can be reviewed and carried out later with O(apply_plan=true). The
        directory is made if there is none.
    type: path
  apply_plan:
    description:
      - With O(policies) as they were when it was made, since these say what has to be looked at. They decide nothing.
      - Carry out the plan in O(plan_file) instead of making a new one. What has moved since it was made is left alone and
        reported in RV(drifted), and what O(protected) names by now is kept. A tag that was pushed again with the same digest has
        moved where the plan and O(store_scan) both tell its push time; without these it goes. Its numbers count as approved, so
        the O(max_delete_tags), O(max_delete_percent) and O(max_delete_percent_per_repository) of this run are not applied to it.
    type: bool
    default: false
  plan_id:
    description:
      - With O(apply_plan=true), the RV(plan_id) that was approved. Another plan is refused. Without it, the plan in O(plan_file) is carried
        out, whichever it is.
    type: str
  backup_dir:
    description:
      - A directory for backups, one file per run, and for what has to be remembered between runs. It is made if it is absent.
      - Required, except in check mode. Use one directory per registry, and keep it. It is on the host that the module runs on.
    type: path
  max_delete_tags:
    description:
      - The most tags that one run may take off or delete. A plan with more is not carried out at all. Without it there is no such limit.
    type: int
  max_delete_percent:
    description:
      - The largest part of all tags of the run, in percent, that may go. A plan with more is not carried out at all. V(100) is no limit.
      - What O(max_delete_percent_per_repository) or O(allow_empty_repository) hold does not go, so it is not counted.
    type: float
    default: 50
  max_delete_percent_per_repository:
    description:
      - The largest part of a repository's tags, in percent, that may go. A repository with more is left alone, the others are not.
      - Without it there is no such limit.
    type: float
  allow_empty_repository:
    description:
      - Whether a repository may lose its last image. Without this, such a repository is left alone. Signatures and the like do not count
        as images.
    type: bool
    default: false
  remove_dangling_tags:
    description:
      - Whether tags go that the registry lists and has no manifest for. Without this, they are only reported.
    type: bool
    default: false
  remove_orphans:
    description:
      - Whether signatures, attestations and other companions go whose subject does not exist any more in any repository.
        Without this, they are kept and reported, and so they are in a run that O(repositories) limits.
    type: bool
    default: false
  strategy:
    description:
      - How tags leave the registry.
      - V(auto) deletes by digest where that takes seconds, and takes tags off first where a repository is so large that it
        would take long.
      - V(digest) only ever deletes by digest. A push to a tag at the same moment cannot be lost then. A tag that shares its
        manifest with a kept one stays, and is named in RV(skipped).
      - V(tag) deletes each tag first. Distribution 3.0 and later can do this.
      - V(tombstone) moves tags onto an empty index first and deletes that. It needs the right to push.
      - The page C(docs/applying.md) of this collection says what each costs and what can slip through.
    type: str
    choices: [auto, digest, tag, tombstone]
    default: auto
  delete_grace:
    description:
      - A time such as V(7d), a whole number with V(s), V(m), V(h), V(d), V(w) or V(y), for which manifests stay after their tags were
        taken off. A later run deletes them once it is over. With V(0d) they go together.
        Within it, putting an image back is putting back its tag.
      - A later run keeps what an earlier one has promised, also with a shorter time or none.
      - A plan in O(plan_file) holds all that goes in the end. The time counts from the run that applies it, and only if that
        is given it, too.
      - Refused, in check mode too, where tags cannot be taken off before their manifests, as with O(strategy=digest), or on 2.x without
        the right to push.
    type: str
    default: 0d
  assume_delete_enabled:
    description:
      - In check mode, do not count switched-off deletes as an obstacle, since they will be on when the real run comes.
    type: bool
    default: false
  details:
    description:
      - What RV(repositories) holds. V(none) is nothing, V(deleted) is what goes and what holds a repository, V(all) is every tag
        and manifest with its reason.
    type: str
    choices: [none, deleted, all]
    default: deleted
  progress_file:
    description:
      - A file that tells how far the run is. It always holds one line, a JSON object with the C(stage) (C(list), C(tags),
        C(manifests), C(configs), C(backup), C(apply)), the C(repository) that is worked on, the C(number)-th of C(repositories),
        what is C(done) of C(total), and its tags C(deleted) and C(kept).
      - Where the task runs on the controller (P(ansible.builtin.local#connection)), the action plugin of this module uses such a
        file of its own to print a line every few seconds, see the page C(docs/applying.md) of this collection.
      - A file that cannot be written is no failure, and nothing is told then. Secrets are masked in it.
    type: path
seealso:
  - module: fleetops.container_registry.registry_manifest_restore
  - module: fleetops.container_registry.registry_garbage_collect
  - module: fleetops.container_registry.registry_tags_info
"""

EXAMPLES = r"""
- name: Show what would go, and why
  fleetops.container_registry.registry_prune:
    url: http://127.0.0.1:5000
    policies:
      - name: releases
        repositories: ["prod/*"]
        tags: ['~^v?\d+\.\d+\.\d+$']
        keep_newest: 10
        order_by: version
      - name: the rest
        keep_newest: 5
        keep_younger_than: 90d
        keep_tags: [latest, stable]
  check_mode: true
  diff: true

- name: Delete it
  fleetops.container_registry.registry_prune:
    url: http://127.0.0.1:5000
    backup_dir: "/var/lib/container-registry/{{ inventory_hostname }}/backups"
    policies:
      - name: everything
        keep_newest: 5
        keep_tags: [latest]
    protected:
      - prod/api:2.3

- name: Save a plan for review
  fleetops.container_registry.registry_prune:
    url: http://127.0.0.1:5000
    plan_file: "/var/lib/container-registry/{{ inventory_hostname }}/plan.jsonl.gz"
    policies:
      - name: everything
        keep_newest: 5
  check_mode: true
  register: planned

- name: Carry out exactly that plan
  fleetops.container_registry.registry_prune:
    url: http://127.0.0.1:5000
    plan_file: "/var/lib/container-registry/{{ inventory_hostname }}/plan.jsonl.gz"
    apply_plan: true
    plan_id: "{{ planned.plan_id }}"
    backup_dir: "/var/lib/container-registry/{{ inventory_hostname }}/backups"
    policies:
      - name: everything
        keep_newest: 5
"""

RETURN = r"""
plan_id:
  description: The plan's name, the sha256 of what it would do. It is the same in check mode and in a real run.
  returned: once a plan was made
  type: str
  sample: 3b64db95cb55c763391c707108489ae18b4112d783300de38e033b4c98c3deaf
totals:
  description: The plan in numbers, for everything that was looked at.
  returned: once a plan was made
  type: dict
  contains:
    repositories_seen:
      description: Repositories that were looked at.
      type: int
    repositories_affected:
      description: Repositories in which something goes.
      type: int
    repositories_held:
      description: Repositories that are left alone, for a problem or a limit of their own.
      type: int
    tags_seen:
      description: Tags that name an image.
      type: int
    tags_kept:
      description: Tags that stay.
      type: int
    tags_untagged:
      description: Tags that go while their manifest stays.
      type: int
    tags_deleted:
      description: Tags that go with their manifest.
      type: int
    tags_dangling:
      description: Tags that the registry lists without having a manifest for them.
      type: int
    manifests_deleted:
      description: Manifests that go.
      type: int
    untagged_manifests:
      description: Manifests without a tag, none where nobody could list them (see O(store_scan)).
      type: int
    bytes_freed:
      description: Bytes that garbage collection will free, computed over digests of everything that was looked at.
      type: int
blocked_by:
  description: What holds the whole run. Nothing is deleted while this is not empty.
  returned: once a plan was made
  type: list
  elements: dict
  contains:
    name:
      description: The limit's name, or C(delete_disabled), C(delete_read_only), C(delete_proxy), C(delete_unsupported), C(delete_unknown).
      type: str
    repository:
      description: The repository that it holds, empty for the whole run.
      type: str
    message:
      description: What is wrong, in words.
      type: str
    passes_with:
      description: The value that would let this plan through.
      type: raw
repositories:
  description: The plan of each repository, as O(details) says.
  returned: once a plan was made
  type: list
  elements: dict
  contains:
    name:
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
          description: The manifest that it names, none for a dangling tag.
          type: str
        action:
          description: V(keep), V(untag) or V(delete).
          type: str
        reason:
          description: Why, in words.
          type: str
        policy:
          description: The policy that governs it, or empty.
          type: str
        created:
          description: When the image was made, as far as it is known.
          type: str
        pushed:
          description: When the tag was last pushed, as far as it is known.
          type: str
    manifests:
      description: Its manifests, first those that go in the order in which they go.
      type: list
      elements: dict
      contains:
        digest:
          description: The manifest's digest.
          type: str
        media_type:
          description: Its media type.
          type: str
        kind:
          description: V(image), V(index), V(artifact) or V(tombstone).
          type: str
        size:
          description: The bytes of the manifest itself.
          type: int
        action:
          description: V(keep) or V(delete).
          type: str
        reason:
          description: Why, in words.
          type: str
    bytes_own:
      description: Bytes that garbage collection frees once its manifests are gone.
      type: int
    bytes_shared:
      description: Bytes that its manifests use and that something which stays needs too.
      type: int
    tags_seen:
      description: As in RV(totals.tags_seen), for this repository.
      type: int
    tags_kept:
      description: As in RV(totals.tags_kept), for this repository.
      type: int
    tags_untagged:
      description: As in RV(totals.tags_untagged), for this repository.
      type: int
    tags_deleted:
      description: As in RV(totals.tags_deleted), for this repository.
      type: int
    tags_dangling:
      description: As in RV(totals.tags_dangling), for this repository.
      type: int
    manifests_deleted:
      description: As in RV(totals.manifests_deleted), for this repository.
      type: int
    untagged_manifests:
      description: As in RV(totals.untagged_manifests), for this repository.
      type: int
    problem:
      description: Why the repository was left alone, or empty.
      type: str
    blocked_by:
      description: The limits that hold this repository, with the same keys as RV(blocked_by).
      type: list
      elements: dict
deleted:
  description: What was really deleted, in numbers.
  returned: in a real run, once a plan was made
  type: dict
  contains:
    tags:
      description: Tags that went with their manifest.
      type: int
    untagged:
      description: Tags that were taken off.
      type: int
    restored:
      description: Tags that an interrupted run had taken off, and that were put back since the policies keep them.
      type: int
    manifests:
      description: Manifests that went.
      type: int
strategies:
  description: How tags left each repository that was changed.
  returned: in a real run, once a plan was made
  type: list
  elements: dict
  contains:
    repository:
      description: The repository's name.
      type: str
    strategy:
      description: V(digest), V(tag) or V(tombstone).
      type: str
drifted:
  description: What had changed between the look and the deed, and was left alone.
  returned: once a plan was made
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
skipped:
  description:
    - Tags that the policies would take off and that stay, since they cannot be taken off alone here, with the reason. One shares its
      manifest with something that stays, or has none. They are planned to be kept, and do not count as a change.
  returned: once a plan was made
  type: list
  elements: str
errors:
  description: What should have been done and could not. The task fails if there are any.
  returned: in a real run, once a plan was made
  type: list
  elements: str
interrupted:
  description: Why the run ended early, or empty. The next run with the same O(backup_dir) finishes.
  returned: in a real run, once a plan was made
  type: str
held:
  description: What was restored and is held from pruning, as C(repository:tag) and C(repository@digest).
  returned: once a plan was made
  type: list
  elements: str
plan_warnings:
  description:
    - Doubts about the policies, such as a pattern that matches nothing, or a policy that needs a O(store_scan) and has none. They are shown
      as warnings, too.
  returned: once a plan was made
  type: list
  elements: str
plan_file:
  description: Where the plan was saved.
  returned: if O(plan_file) is given, once a plan was made
  type: str
backup_file:
  description: The backup of this run.
  returned: if something was deleted
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
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.pruning import prune
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.report import prune_report
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.request import prune_request
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import RegistryModule, Result


def run(module: RegistryModule, client: RegistryClient) -> Result:
    request = prune_request(module.params, module.check_mode)
    with module.progress() as progress:
        result = prune(client, request, time.time(), progress)
    report = prune_report(result, module.params["details"], module.check_mode, module.wants_diff)
    if request.plan_file:
        report["plan_file"] = request.plan_file
    for warning in result.plan.warnings:
        module.warn(warning)
    return module.judge(report)


def main() -> None:
    module = RegistryModule(
        {
            "policies": {"type": "list", "elements": "raw", "required": True},
            "protected": {"type": "list", "elements": "str"},
            "repositories": {"type": "list", "elements": "str"},
            "store_scan": {"type": "path"},
            "plan_file": {"type": "path"},
            "apply_plan": {"type": "bool", "default": False},
            "plan_id": {"type": "str"},
            "backup_dir": {"type": "path"},
            "max_delete_tags": {"type": "int"},
            "max_delete_percent": {"type": "float", "default": 50},
            "max_delete_percent_per_repository": {"type": "float"},
            "allow_empty_repository": {"type": "bool", "default": False},
            "remove_dangling_tags": {"type": "bool", "default": False},
            "remove_orphans": {"type": "bool", "default": False},
            "strategy": {"type": "str", "choices": ["auto", "digest", "tag", "tombstone"], "default": "auto"},
            "delete_grace": {"type": "str", "default": "0d"},
            "assume_delete_enabled": {"type": "bool", "default": False},
            "details": {"type": "str", "choices": ["none", "deleted", "all"], "default": "deleted"},
            "progress_file": {"type": "path"},
        },
        required_if=[("apply_plan", True, ("plan_file",))],
        required_by={"plan_id": ("plan_file",)},
    )
    module.run(run)


if __name__ == "__main__":
    main()
