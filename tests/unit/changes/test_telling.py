# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What whoever follows is told while things go: numbers that only grow, and end where they should."""

from __future__ import annotations

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import RepositoryOutcome
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.telling import Telling
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)


def plan_of(name, going, staying):
    tags = [
        PlannedTag("v%d" % n, "sha256:%064d" % n, DELETE if n < going else KEEP, "") for n in range(going + staying)
    ]
    manifests = [
        PlannedManifest(tag.digest, "application/vnd.oci.image.manifest.v1+json", "image", 100, tag.action, "")
        for tag in tags
    ]
    return RepositoryPlan(name, tags=tuple(tags), manifests=tuple(manifests))


def test_every_deletion_and_every_repository_is_told():
    told = []
    telling = Telling(told.append, [plan_of("a", 2, 3), plan_of("b", 1, 0)])
    a, b = RepositoryOutcome("a"), RepositoryOutcome("b")
    a.deleted_tags.extend(["v0", "v1"])
    telling.went(a)
    telling.went(a, manifests=1)
    b.deleted_tags.append("v0")
    telling.went(b, manifests=1)
    telling.went(a, manifests=1)
    telling.finished(a)
    telling.finished(b)
    assert [(s.repository, s.number, s.done, s.deleted, s.kept, s.to_go) for s in told] == [
        ("a", 1, 2, 2, 3, 2),
        ("a", 1, 3, 2, 3, 1),
        ("b", 1, 5, 1, 0, 0),
        ("a", 1, 6, 2, 3, 0),
        ("a", 1, 6, 2, 3, 0),
        ("b", 2, 6, 1, 0, 0),
    ]
    assert {(s.repositories, s.total) for s in told} == {(2, 6)}


def test_what_was_left_alone_is_not_waited_for():
    told = []
    telling = Telling(told.append, [plan_of("a", 5, 0)])
    telling.finished(RepositoryOutcome("a"))
    (step,) = told
    assert (step.done, step.total, step.deleted, step.to_go) == (10, 10, 0, 0)


def test_nobody_has_to_listen():
    telling = Telling(None, [plan_of("a", 1, 0)])
    telling.went(RepositoryOutcome("a"), manifests=1)
    telling.finished(RepositoryOutcome("a"))
