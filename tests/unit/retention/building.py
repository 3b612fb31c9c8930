# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds repositories and snapshots in a few words, for tests of the retention room."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    ARTIFACT,
    CREATED_ANNOTATION,
    IMAGE,
    INDEX,
    Descriptor,
    ImageConfig,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Plan, RepositoryPlan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Revision,
    Snapshot,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import (
    Guards,
    Options,
    make_plan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import compile_policies

DAY = 86400.0
NOW = 1_760_000_000.0
NO_LIMITS = Guards(max_delete_percent=None, allow_empty_repository=True)


def digest(name: str) -> str:
    """A digest that stands for NAME."""
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def image(
    name: str,
    age: float | None = None,
    *,
    labels: t.Mapping[str, str] | None = None,
    annotations: t.Mapping[str, str] | None = None,
    subject: str | None = None,
    layers: t.Sequence[str] = (),
    kind: str = IMAGE,
    read_config: bool = True,
) -> Manifest:
    """An image NAME, created AGE days ago (None: unknown), whose digest is digest(NAME)."""
    created = None if age is None else NOW - age * DAY
    config_type = media_types.OCI_CONFIG if kind == IMAGE else media_types.OCI_EMPTY
    return Manifest(
        digest(name),
        media_types.OCI_MANIFEST,
        500,
        kind,
        config_descriptor=Descriptor(digest("config of " + name), config_type, 50),
        layers=tuple(Descriptor(digest(layer), "", 1000) for layer in layers or ("layer of " + name,)),
        subject=None if subject is None else digest(subject),
        annotations=dict(annotations or {}),
        config=ImageConfig(created, dict(labels or {})) if read_config and kind == IMAGE else None,
    )


def artifact(name: str, subject: str | None = None, age: float | None = None) -> Manifest:
    """An artifact NAME, such as a signature."""
    annotations = {} if age is None else {CREATED_ANNOTATION: format_instant(NOW - age * DAY) or ""}
    return image(name, subject=subject, annotations=annotations, kind=ARTIFACT)


def index(
    name: str,
    children: t.Sequence[str],
    *,
    annotations: t.Mapping[str, str] | None = None,
    subject: str | None = None,
) -> Manifest:
    """An index NAME of CHILDREN; a child written 'name@unknown/unknown' has that platform."""
    entries = []
    for child in children:
        child_name, _at, platform = child.partition("@")
        entries.append(Descriptor(digest(child_name), media_types.OCI_MANIFEST, 500, platform or "linux/amd64"))
    return Manifest(
        digest(name),
        media_types.OCI_INDEX,
        300,
        INDEX,
        children=tuple(entries),
        subject=None if subject is None else digest(subject),
        annotations=dict(annotations or {}),
    )


def repository(
    manifests: t.Iterable[Manifest],
    tags: t.Mapping[str, str | None | Tag],
    *,
    name: str = "team/app",
    missing: t.Iterable[str] = (),
    untagged: t.Mapping[str, float | None] | None = None,
    pushed: t.Mapping[str, float] | None = None,
    **more: t.Any,
) -> Repository:
    """A repository. TAGS: name -> name of a manifest (None: dangling), or a Tag. PUSHED: tag -> days ago.

    UNTAGGED: where it is given the revisions are known; name of manifest -> days since it is untagged (None: unknown).
    """
    by_digest = {manifest.digest: manifest for manifest in manifests}
    listed = []
    for tag, target in tags.items():
        if isinstance(target, Tag):
            listed.append(target)
            continue
        when = None if pushed is None or tag not in pushed else NOW - pushed[tag] * DAY
        listed.append(Tag(tag, None if target is None else digest(target), when))
    revisions = None
    if untagged is not None:
        revisions = {entry: Revision(entry) for entry in by_digest}
        for entry, days in untagged.items():
            since = None if days is None else NOW - days * DAY
            revisions[digest(entry)] = Revision(digest(entry), untagged_since=since)
    return Repository(name, tuple(listed), by_digest, frozenset(digest(entry) for entry in missing), revisions, **more)


def plan_all(repositories: t.Iterable[Repository], policies: t.Any, protected: t.Any = None, **options: t.Any) -> Plan:
    """The plan for REPOSITORIES at NOW, without limits unless OPTIONS say so."""
    options.setdefault("guards", NO_LIMITS)
    return make_plan(Snapshot(NOW, tuple(repositories)), compile_policies(policies, protected), Options(**options))


def plan_one(repository_: Repository, policies: t.Any, protected: t.Any = None, **options: t.Any) -> RepositoryPlan:
    """The plan for one repository."""
    return plan_all([repository_], policies, protected, **options).repositories[0]


def actions(plan: RepositoryPlan) -> dict[str, str]:
    """What happens to each tag."""
    return {tag.name: tag.action for tag in plan.tags}


def reason(plan: RepositoryPlan, tag: str) -> str:
    """Why it happens to TAG."""
    return next(entry.reason for entry in plan.tags if entry.name == tag)


def doomed(plan: RepositoryPlan) -> list[str]:
    """Digests that go, in order."""
    return [manifest.digest for manifest in plan.doomed_manifests]
