# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan held against the store: what is about an image that is spared stays with it."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import StoredManifest, StoredTag
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import parse_protected
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.repository_scan import (
    RepositoryContents,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.still_valid import still_valid

IMAGE, SIGNATURE, LISTED, KEPT, STONE = ("sha256:" + letter * 64 for letter in "12345")


def doomed(*tags, manifests=(IMAGE, SIGNATURE), parked=""):
    """A plan that dooms TAGS (name, digest) and MANIFESTS, and keeps one image."""
    return RepositoryPlan(
        "app",
        (
            *(PlannedTag(name, digest, DELETE, "because", parked=parked) for name, digest in tags),
            PlannedTag("kept", KEPT, KEEP, "because"),
        ),
        tuple(PlannedManifest(one, media_types.OCI_MANIFEST, "image", 1, DELETE, "because") for one in manifests),
    )


def contents(tags, manifests=(IMAGE, SIGNATURE), **more):
    tags = {"kept": KEPT, **tags}
    return RepositoryContents(
        "app",
        tags={name: StoredTag(name, digest) for name, digest in tags.items()},
        manifests={digest: StoredManifest(digest) for digest in (*manifests, KEPT)},
        **more,
    )


def going(valid):
    return {tag.name for tag in valid.tags}, {manifest.digest for manifest in valid.manifests}


def companion(ending):
    return "sha256-%s%s" % (IMAGE[7:], ending)


@pytest.mark.parametrize("ending", [".sig", ".att", ".sbom", ""])
@pytest.mark.parametrize("how", ["tagged since", "tag protected", "digest protected"])
def test_a_companion_tag_stays_with_the_image_that_it_is_about(ending, how):
    plan = doomed(("v1", IMAGE), (companion(ending), SIGNATURE))
    tags = {"v1": IMAGE, companion(ending): SIGNATURE}
    if how == "tagged since":
        tags["prod"] = IMAGE
    protected = {"tag protected": ["app:v1"], "digest protected": [IMAGE]}.get(how)
    valid = still_valid(plan, contents(tags), "/nowhere", parse_protected(protected) if protected else None)
    assert going(valid) == ({"v1"} if how == "tagged since" else set(), set())
    assert (companion(ending), "it is about %s, which stays" % IMAGE) in valid.drifted
    assert {IMAGE, SIGNATURE} < {what for what, _reason in valid.drifted}


def test_so_does_a_tag_whose_manifest_has_it_as_its_subject(ending="report"):
    plan = doomed(("v1", IMAGE), (ending, SIGNATURE))
    now = contents({"v1": IMAGE, "prod": IMAGE, ending: SIGNATURE}, subjects={SIGNATURE: IMAGE})
    assert going(still_valid(plan, now, "/nowhere")) == ({"v1"}, set())


def test_and_what_a_fallback_index_lists():
    plan = doomed(("v1", IMAGE), (companion(""), LISTED), manifests=(IMAGE, LISTED, SIGNATURE))
    tags = {"v1": IMAGE, "prod": IMAGE, companion(""): LISTED}
    now = contents(tags, (IMAGE, LISTED, SIGNATURE), parents={SIGNATURE: [LISTED]})
    assert going(still_valid(plan, now, "/nowhere")) == ({"v1"}, set())
    now.unread.add(LISTED)
    valid = still_valid(plan, now, "/nowhere")
    assert "%s stays and cannot be read" % LISTED in valid.problem
    assert valid.is_noop


def test_the_companion_of_an_image_that_came_back_stays():
    plan = doomed((companion(".sig"), SIGNATURE), manifests=(SIGNATURE,))
    now = contents({"v1": IMAGE, companion(".sig"): SIGNATURE})
    assert going(still_valid(plan, now, "/nowhere")) == (set(), set())


def test_one_that_stands_on_a_tombstone_is_left_there():
    plan = doomed((companion(".sig"), SIGNATURE), manifests=(IMAGE, SIGNATURE), parked=STONE)
    now = contents({"prod": IMAGE, companion(".sig"): STONE}, (IMAGE, SIGNATURE, STONE))
    valid = still_valid(plan, now, "/nowhere")
    assert going(valid) == (set(), set())
    assert valid.tombstones == []


@pytest.mark.parametrize("image", ["goes", "has gone"])
def test_else_companions_go(image):
    plan = doomed(("v1", IMAGE), (companion(".sig"), SIGNATURE))
    tags = {companion(".sig"): SIGNATURE}
    there = (SIGNATURE,)
    if image == "goes":
        tags["v1"] = IMAGE
        there = (IMAGE, SIGNATURE)
    assert going(still_valid(plan, contents(tags, there), "/nowhere")) == (set(tags), set(there))


def test_an_orphan_goes_though_an_index_names_what_it_was_about():
    plan = doomed((companion(".sig"), SIGNATURE), manifests=(SIGNATURE,))
    now = contents({companion(".sig"): SIGNATURE}, (SIGNATURE,), parents={IMAGE: [KEPT]})
    assert going(still_valid(plan, now, "/nowhere")) == ({companion(".sig")}, {SIGNATURE})
