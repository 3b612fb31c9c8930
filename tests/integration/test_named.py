# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_manifest_delete and registry_tag_delete on real registries."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store


def test_a_manifest_goes_with_its_tag_and_a_second_run_changes_nothing(registry, pusher, run_module):
    pusher.image("team/app", "1.0", created=1)
    pusher.image("team/app", "2.0", created=2)
    planned = run_module("registry_manifest_delete", {"references": ["team/app:1.0"]}, check=True)
    assert planned["changed"] is True
    assert store.listed(registry.url, "team/app") == ["1.0", "2.0"]
    done = run_module("registry_manifest_delete", {"references": ["team/app:1.0"]})
    assert (done["deleted"], done["absent"]) == (planned["deleted"], [])
    assert store.listed(registry.url, "team/app") == ["2.0"]
    again = run_module("registry_manifest_delete", {"references": ["team/app:1.0", "nobody/nothing:x"]})
    assert again["changed"] is False
    assert again["absent"] == ["nobody/nothing:x", "team/app:1.0"]


def test_tags_that_are_not_named_make_it_refuse_everything(registry, pusher, run_module):
    pusher.image("team/app", ["1.0", "prod"], created=1)
    pusher.image("team/app", "2.0", created=2)
    refused = run_module("registry_manifest_delete", {"references": ["team/app:2.0", "team/app:1.0"]})
    assert refused.failed and "prod" in refused.msg
    assert store.listed(registry.url, "team/app") == ["1.0", "2.0", "prod"]
    both = run_module("registry_manifest_delete", {"references": ["team/app:1.0", "team/app:prod"]})
    assert not both.failed, both.msg
    assert store.listed(registry.url, "team/app") == ["2.0"]


def test_shared_tags_delete_takes_them_along(registry, pusher, run_module):
    image = pusher.image("team/app", ["1.0", "prod"], created=1)
    pusher.image("team/app", "2.0", created=2)
    reference = f"team/app@{image.digest}"
    assert run_module("registry_manifest_delete", {"references": [reference]}).failed
    done = run_module("registry_manifest_delete", {"references": [reference], "shared_tags": "delete"})
    assert done["deleted"] == [{"repository": "team/app", "tags": ["1.0", "prod"], "manifests": [image.digest]}]
    assert store.listed(registry.url, "team/app") == ["2.0"]


@pytest.mark.parametrize("media", ["oci", "docker"])
def test_the_child_of_an_index_that_stays_is_refused(registry, pusher, run_module, media):
    index, children = pusher.multi("team/multi", "m", media=media)
    reference = f"team/multi@{children[0].digest}"
    refused = run_module("registry_manifest_delete", {"references": [reference]})
    assert refused.failed and index.digest in refused.msg
    assert store.pull(registry.url, "team/multi", "m")
    done = run_module("registry_manifest_delete", {"references": [reference], "index_child": "delete"})
    assert not done.failed, done.msg
    assert store.revisions(registry.store_root, "team/multi") == {index.digest, children[1].digest}


def test_an_index_takes_along_only_the_children_that_nothing_else_needs(registry, pusher, run_module):
    index, children = pusher.multi("team/multi", "m")
    pusher.tag(children[0], "amd64-alone")
    other = pusher.index("team/multi", "other", [children[0]])
    done = run_module("registry_manifest_delete", {"references": ["team/multi:m"]})
    assert done["deleted"][0]["manifests"] == [index.digest, children[1].digest]
    assert store.revisions(registry.store_root, "team/multi") == {children[0].digest, other.digest}
    assert store.pull_all(registry.url, "team/multi")


def test_a_list_is_deleted_by_its_own_digest_and_not_by_its_childs(registry, pusher, run_module):
    """With a narrow Accept header, Distribution answers with the amd64 child's digest for a Docker list."""
    index, children = pusher.multi("team/multi", "m", media="docker")
    pusher.image("team/multi", "other")
    done = run_module("registry_manifest_delete", {"references": ["team/multi:m"]})
    assert done["deleted"][0]["manifests"][0] == index.digest
    assert store.digest(registry.url, "team/multi", "m") is None


@pytest.mark.parametrize("strategy", ["auto", "tombstone"])
def test_a_tag_is_taken_off_and_everything_else_stays(registry, pusher, run_module, strategy):
    image = pusher.image("team/app", ["1.0", "prod"], created=1)
    arguments = {"references": ["team/app:1.0"], "strategy": strategy}
    planned = run_module("registry_tag_delete", arguments, check=True)
    assert store.listed(registry.url, "team/app") == ["1.0", "prod"]
    done = run_module("registry_tag_delete", arguments)
    assert not done.failed, done.msg
    assert done["untagged"] == planned["untagged"] == [{"repository": "team/app", "tags": ["1.0"]}]
    native = registry.family == "3.x" and strategy == "auto"
    assert done["strategies"] == [{"repository": "team/app", "strategy": "tag" if native else "tombstone"}]
    assert store.listed(registry.url, "team/app") == ["prod"]
    assert store.revisions(registry.store_root, "team/app") == {image.digest}
    assert store.pull(registry.url, "team/app", "prod")
    assert run_module("registry_tag_delete", arguments)["changed"] is False


def test_the_last_tag_can_go_and_the_manifest_stays(registry, pusher, run_module):
    image = pusher.image("team/app", "1.0")
    assert run_module("registry_tag_delete", {"references": ["team/app:1.0"]})["changed"] is True
    assert store.listed(registry.url, "team/app") == []
    assert store.pull(registry.url, "team/app", image.digest)


def test_no_tombstone_is_laid_where_deletes_are_off(registry, pusher, run_module):
    image = pusher.image("team/app", ["1.0", "prod"])
    registry.restart(delete=False)
    refused = run_module("registry_tag_delete", {"references": ["team/app:1.0"]})
    assert refused.failed and "storage.delete.enabled" in refused.msg
    assert store.digest(registry.url, "team/app", "1.0") == image.digest


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ("team/app", "names no tag and no digest"),
        ("Team/App:1", "is not a repository name"),
        ("team/app:-x", "is not a tag"),
        ("team/app@sha256:abc", "is not a digest"),
        ("team/********:1.0", "masked a secret"),
    ],
)
def test_names_that_the_protocol_forbids_are_refused(run_module, reference, part):
    refused = run_module("registry_manifest_delete", {"references": [reference]})
    assert refused.failed and part in refused.msg


@pytest.mark.parametrize(
    ("settings", "said", "blocked"),
    [
        ({"delete": False}, "storage.delete.enabled", "delete_disabled"),
        ({"delete": True, "readonly": True}, "storage.maintenance.readonly", "delete_read_only"),
    ],
)
def test_a_registry_that_lets_nobody_delete_says_which_setting_it_is(registry, pusher, settings, said, blocked):
    image = pusher.image("team/app", "1.0", created=1)
    pusher.image("team/app", "2.0", created=2)
    registry.restart(**settings)
    for module in ("registry_manifest_delete", "registry_tag_delete"):
        refused = modules.run_module(module, {"url": registry.url, "references": ["team/app:1.0"]})
        assert refused.failed
        assert said in refused.msg
        assert [guard["name"] for guard in refused["blocked_by"]] == [blocked]
    assert store.digest(registry.url, "team/app", "1.0") == image.digest


def test_what_refers_to_a_deleted_manifest_stays_until_orphans_are_removed(registry, pusher, run_module, tmp_path):
    image = pusher.image("team/app", "1.0", created=1)
    pusher.image("team/app", "2.0", created=2)
    signature = pusher.cosign("team/app", image)
    report = pusher.artifact("team/app", "sbom", subject=image)
    done = run_module("registry_manifest_delete", {"references": ["team/app:1.0"]})
    assert done["deleted"] == [{"repository": "team/app", "tags": ["1.0"], "manifests": [image.digest]}]
    assert {signature.digest, report.digest} <= store.revisions(registry.store_root, "team/app")
    arguments = {
        "policies": [{"name": "all", "keep_newest": 9}],
        "backup_dir": str(tmp_path),
        "remove_orphans": True,
        "max_delete_percent": 100,
    }
    pruned = run_module("registry_prune", arguments)
    assert not pruned.failed, pruned.msg
    assert store.listed(registry.url, "team/app") == ["2.0"]
    assert not {signature.digest, report.digest} & store.revisions(registry.store_root, "team/app")
