# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_info, registry_catalog_info and registry_tags_info on real registries."""

from __future__ import annotations

import pytest
import requests
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher


@pytest.mark.parametrize(
    ("settings", "ability"),
    [
        ({"delete": True}, "enabled"),
        ({"delete": False}, "disabled"),
        ({"delete": None}, "disabled"),
        ({"delete": True, "readonly": True}, "read_only"),
    ],
)
def test_what_may_be_done_is_found_out_without_harm(registry_factory, settings, ability):
    registry = registry_factory()
    image = Pusher(registry.url).image("team/app", "v1")
    registry.restart(**settings)
    result = modules.run_module("registry_info", {"url": registry.url, "repository": "team/app"})
    assert not result.failed, result.msg
    assert (result["reachable"], result["family"], result["delete"]) == (True, registry.family, ability)
    if ability == "enabled":
        assert result["can_untag"] == ("native" if registry.family == "3.x" else "tombstone")
    assert store.revisions(registry.store_root, "team/app") == {image.digest}
    assert store.pull(registry.url, "team/app", "v1")


def test_a_pull_through_cache_is_told_from_a_registry(registry_factory):
    upstream = registry_factory()
    Pusher(upstream.url).image("team/app", "v1")
    cache = registry_factory(extra={"proxy": {"remoteurl": upstream.url}})
    assert store.pull(cache.url, "team/app", "v1")
    assert modules.run_module("registry_info", {"url": cache.url})["delete"] == "proxy"
    refused = modules.run_module("registry_manifest_delete", {"url": cache.url, "references": ["team/app:v1"]})
    assert refused.failed
    assert "pull-through cache" in refused.msg
    assert "proxy.ttl" in refused.msg
    assert store.pull(cache.url, "team/app", "v1")


def test_repositories_by_pattern_over_several_pages(registry_factory):
    registry = registry_factory(extra={"catalog": {"maxentries": 1000}})
    pusher = Pusher(registry.url)
    names = [f"team{n % 3}/app{n}" for n in range(30)]
    for name in names:
        pusher.image(name, "v1", words="the same everywhere")
    found = modules.run_module("registry_catalog_info", {"url": registry.url})
    assert found["repositories"] == sorted(names)
    some = modules.run_module("registry_catalog_info", {"url": registry.url, "patterns": ["team1/*", "!*/app1"]})
    assert some["repositories"] == sorted(name for name in names if name.startswith("team1/") and name != "team1/app1")


def test_tags_at_every_depth(registry, pusher, run_module):
    image = pusher.image("team/app", ["v1", "latest"], created=3, labels={"env": "ci"}, media="docker")
    index, children = pusher.multi("team/multi", "m", created=5)
    by_depth = {
        depth: run_module("registry_tags_info", {"depth": depth}) for depth in ("digests", "manifests", "configs")
    }
    for depth, result in by_depth.items():
        assert not result.failed, result.msg
        tags = {(tag["repository"], tag["name"]): tag for tag in result["tags"]}
        assert tags["team/app", "v1"]["digest"] == image.digest
        assert tags["team/multi", "m"]["digest"] == index.digest
        assert tags["team/app", "v1"]["shared_with"] == ["latest"]
        assert ("kind" in tags["team/app", "v1"]) is (depth != "digests")
    tags = {tag["name"]: tag for tag in by_depth["configs"]["tags"]}
    assert (tags["v1"]["kind"], tags["m"]["kind"]) == ("image", "index")
    assert tags["v1"]["created"] == "2025-01-04T00:00:00Z"
    assert tags["v1"]["labels"] == {"env": "ci"}
    assert tags["m"]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert tags["m"]["size"] == sum(store.pull(registry.url, "team/multi", "m").values())
    assert tags["m"]["created"] == "2025-01-06T00:00:00Z"
    assert {child.digest for child in children} == set(tags["m"]["children"])


def test_what_can_no_longer_be_pulled_is_named_blob_by_blob(registry, pusher, run_module):
    whole = pusher.image("team/app", "whole", created=1)
    bald = pusher.image("team/app", ["bald", "also"], created=2, layers=2)
    headless = pusher.image("team/app", "headless", created=3)
    _index, children = pusher.multi("team/multi", "m", created=4)
    # What is pulled is in the registry's cache, which tells a HEAD that it is there for ever.
    for repository, name in (("team/app", "bald"), ("team/app", "headless"), ("team/multi", "m")):
        store.pull(registry.url, repository, name)
    gone = {"bald": bald.blobs[-1], "headless": headless.blobs[0], "m": children[1].blobs[-1]}
    for digest in gone.values():
        name = digest.partition(":")[2]
        (registry.store_root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data").unlink()
    result = run_module("registry_tags_info", {"depth": "blobs"})
    assert not result.failed, result.msg
    assert [row["problem"] for row in result["repositories"]] == [None, None]
    found = {tag["name"]: tag["missing_blobs"] for tag in result["tags"]}
    assert found == {"whole": [], "also": [gone["bald"]], **{name: [digest] for name, digest in gone.items()}}
    tags = {tag["name"]: tag for tag in result["tags"]}
    assert (tags["whole"]["created"], tags["whole"]["digest"]) == ("2025-01-02T00:00:00Z", whole.digest)
    for repository, name in (("team/app", "bald"), ("team/multi", "m")):
        with pytest.raises((AssertionError, requests.RequestException)):
            store.pull(registry.url, repository, name)


def test_requests_are_counted_exactly(registry, pusher, run_module):
    """One catalog, one list a repository, one HEAD a tag; deeper, one GET a tag and one for each different config."""
    for number in range(6):
        pusher.image("team/app", [f"v{number}", f"w{number}"], created=number)
    assert run_module("registry_tags_info", {"depth": "digests"})["requests_sent"] == 1 + 1 + 12
    assert run_module("registry_tags_info", {"depth": "manifests"})["requests_sent"] == 1 + 1 + 12
    assert run_module("registry_tags_info", {"depth": "configs"})["requests_sent"] == 1 + 1 + 12 + 6


def test_a_broken_tag_is_shown_with_its_error_and_the_others_all_the_same(registry, pusher, run_module):
    pusher.image("team/app", "good", created=1)
    pusher.image("team/app", "broken", created=2)
    link = registry.store_root / "docker/registry/v2/repositories/team/app/_manifests/tags/broken/current/link"
    link.write_text("sha256:" + "0" * 64)
    result = run_module("registry_tags_info", {"depth": "manifests"})
    assert not result.failed, result.msg
    tags = {tag["name"]: tag for tag in result["tags"]}
    assert tags["good"]["digest"] and "error" not in tags["good"]
    assert tags["broken"]["error"]
