# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of registry_tags_info."""

from __future__ import annotations

from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import ResponseInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.abilities import advice, needed_actions
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Needs, look
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.tag_report import (
    BLOBS,
    CONFIGS,
    DIGESTS,
    MANIFESTS,
    repository_rows,
    summary,
    tag_rows,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of
from ansible_collections.fleetops.container_registry.tests.unit.images.played_registry import PlayedRegistry

NOW = 1800000000.0
GONE = "sha256:" + "9" * 64


def rows(registry, depth=CONFIGS, wanted=lambda _name: True, shared=True):
    needs = Needs(manifests=depth != DIGESTS, configs=depth in (CONFIGS, BLOBS), blobs=depth == BLOBS)
    looked = look(registry, None, needs, now=NOW, deep=wanted, wanted=None if shared else wanted)
    return {(row["repository"], row["name"]): row for row in tag_rows(looked, depth, wanted, shared)}


def test_an_index_sums_its_children_each_blob_once_and_is_as_old_as_its_newest():
    registry = PlayedRegistry()
    old = registry.image("a", created="2024-01-01T00:00:00Z", size=1000)
    new = registry.image("a", created="2024-05-05T00:00:00Z", size=1000, platform="linux/arm64")
    children = [(old, "linux/amd64"), (new, "linux/arm64"), (GONE, "unknown/unknown")]
    index = registry.index("a", children, "v1")
    row = rows(registry)["a", "v1"]
    bodies = sum(len(registry.manifests["a", digest][1]) for digest in (old, new, index))
    assert row["size"] == bodies + sum(len(blob) for blob in registry.blobs.values()) + 1000
    assert row["created"] == "2024-05-05T00:00:00Z"
    assert row["platforms"] == ["linux/amd64", "linux/arm64"]
    assert (row["kind"], row["children"], row["missing_children"]) == ("index", [old, new, GONE], [GONE])


def test_depth_decides_what_is_told():
    registry = PlayedRegistry()
    registry.image("a", "v1", created="2024-01-01T00:00:00Z", labels={"team": "shop"})
    shallow, middle, deep = (rows(registry, depth)["a", "v1"] for depth in (DIGESTS, MANIFESTS, CONFIGS))
    assert set(shallow) == {"repository", "name", "digest", "shared_with"}
    assert (middle["kind"], middle["created"], "labels" in middle) == ("image", None, False)
    assert (deep["created"], deep["labels"]) == ("2024-01-01T00:00:00Z", {"team": "shop"})


def test_each_blob_is_asked_for_once_and_one_that_lives_elsewhere_is_not():
    registry = PlayedRegistry()
    there, gone, elsewhere = (digest_of(words) for words in (b"100", b"200", b"elsewhere"))
    registry.blobs[there] = b"it does not matter what"
    foreign = {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": elsewhere, "size": 9}
    registry.image("a", "one", size=100)
    registry.image("a", "two", created="2024-01-01T00:00:00Z", size=100)
    lacking = registry.image("a", "three", size=200)
    registry.index("a", [lacking], "index")
    registry.image("a", "windows", layers=[foreign])
    found = rows(registry, BLOBS)
    assert {name: row["missing_blobs"] for (_repository, name), row in found.items()} == {
        "one": [],
        "two": [],
        "three": [gone],
        "index": [gone],
        "windows": [],
    }
    asked = sorted(name for method, _repository, name in registry.calls if method == "range")
    assert asked == sorted([*registry.blobs, gone])
    assert found["a", "two"]["created"] == "2024-01-01T00:00:00Z"


def test_a_blob_that_nobody_can_tell_of_is_a_problem_and_not_missing():
    registry = PlayedRegistry()
    registry.image("a", "v1", size=100)

    def fail():
        raise ResponseInvalid("the proxy cannot reach it")

    registry.faults["range", "a", digest_of(b"100")] = fail
    looked = look(registry, None, Needs(blobs=True), now=NOW)
    assert "cannot reach it" in repository_rows(looked, [])[0]["problem"]
    assert tag_rows(looked, BLOBS, lambda _name: True, True)[0]["missing_blobs"] == []


def test_tags_that_were_not_selected_are_still_named_as_sharing():
    registry = PlayedRegistry()
    registry.image("a", "v1", "latest", "stable")
    registry.image("a", "v2", created="2024-01-01T00:00:00Z")
    registry.image("b", "v1")
    found = rows(registry, wanted=lambda name: name == "v1")
    assert list(found) == [("a", "v1"), ("b", "v1")]
    assert found["a", "v1"]["shared_with"] == ["latest", "stable"]
    assert found["b", "v1"]["shared_with"] == []
    assert registry.count("head") == 3
    alone = rows(registry, wanted=lambda name: name == "v1", shared=False)
    assert "shared_with" not in alone["a", "v1"]


def test_what_cannot_be_read_is_a_row_with_its_reason():
    registry = PlayedRegistry()
    registry.image("a", "good")
    registry.put("a", {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}, "odd")
    registry.repositories["a"]["dangling"] = GONE
    looked = look(registry, None, Needs(), now=NOW)
    listed = tag_rows(looked, MANIFESTS, lambda _name: True, True)
    by_name = {row["name"]: row for row in listed}
    assert "error" not in by_name["good"]
    assert "cannot be understood" in by_name["odd"]["error"]
    assert "no manifest" in by_name["dangling"]["error"]
    repositories = repository_rows(looked, ["nowhere"])
    assert [row["name"] for row in repositories] == ["a", "nowhere"]
    assert repositories[0]["problem"]
    assert summary(listed, repositories) == {"repositories": 2, "tags": 3, "images": 2, "errors": 2, "problems": 2}


def test_abilities_in_words():
    assert needed_actions(api.Abilities(api.ENABLED, api.TOMBSTONE, api.ALLOWED)) == ["pull", "push", "delete"]
    assert needed_actions(api.Abilities(api.ENABLED, api.NATIVE, api.DENIED)) == ["pull", "delete"]
    assert advice(api.Abilities(api.ENABLED, api.NATIVE, api.DENIED)) == []
    assert "storage.delete.enabled" in advice(api.Abilities(api.DISABLED, api.NONE, api.ALLOWED))[0]
    assert "cannot be removed on its own" in advice(api.Abilities(api.ENABLED, api.NONE, api.DENIED))[0]
    for ability in (api.READ_ONLY, api.PROXY, api.UNKNOWN):
        assert len(advice(api.Abilities(ability, api.NONE, api.UNKNOWN))) == 1
