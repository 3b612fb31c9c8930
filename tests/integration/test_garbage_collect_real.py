# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections by the real programs of both families."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import DOCKER_MANIFEST
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collection import (
    Wish,
    collect,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    CollectorFailed,
    GuardHeld,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import read_scan
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.unit.storage.made_store import MadeStore


@pytest.fixture
def version(registry_version):
    return registry_version


@pytest.fixture
def wish(tmp_path, version):
    """Makes wishes for a collection of the store under tmp_path by the program of that version."""
    program = str(registry_binary(version))
    root = tmp_path / "root"
    root.mkdir()
    config = tmp_path / "config.yml"
    config.write_text("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: :0\n" % root)

    def make(**more):
        return Wish(**dict({"argv": [program], "config_path": str(config), "storage_root": str(root)}, **more))

    return make


@pytest.fixture
def store(tmp_path):
    return MadeStore(tmp_path / "root")


def fill(store):
    """Two images kept, one deleted that shared a layer with them, and a multi-architecture one."""
    shared = store.layer("team/app", b"s" * 5000)
    store.image("team/app", "1.0", layers=[shared])
    store.delete("team/app", store.image("team/app", "0.9", layers=[shared, b"only in 0.9" * 100]))
    store.index("team/app/sub", [store.image("team/app/sub", None)], "multi")


def test_predicted_collected_and_then_unchanged(wish, store, version):
    fill(store)
    before = store.blobs()
    shown = collect(wish(), True, time.time())
    assert store.blobs() == before
    assert shown["changed"] is True
    assert shown["family"] == {"2.8": "2.x", "3.1": "3.x"}[version]
    assert (shown["repositories_count"], shown["manifests_count"]) == (2, 3)
    assert shown["layer_links_eligible"] == (2 if version == "3.1" else 0)
    done = collect(wish(), False, time.time())
    assert done["changed"] is True
    assert done["blobs_removed"] == shown["blobs_eligible"] == len(before - store.blobs()) == 3
    assert done["bytes_freed"] == shown["bytes_eligible"] > 1100
    assert done["layer_links_removed"] == shown["layer_links_eligible"]
    again = collect(wish(), False, time.time())
    assert (again["changed"], again["blobs_removed"], again["bytes_freed"]) == (False, 0, 0)


def test_the_dry_run_names_every_manifest(wish, store, tmp_path):
    fill(store)
    lost = store.image("team/app", None)
    store.layer("uploads/only", b"x")
    path = str(tmp_path / "manifests.gz")
    collect(wish(manifests_output=path), True, time.time())
    found = read_scan(path)
    assert lost in found.repositories["team/app"].manifests
    for name in ("team/app", "team/app/sub"):
        folder = os.path.join(store.repository(name), "_manifests", "revisions", "sha256")
        stored = {
            "sha256:" + entry for entry in os.listdir(folder) if os.path.exists(os.path.join(folder, entry, "link"))
        }
        assert set(found.repositories[name].manifests) == stored


def test_an_empty_store_is_unchanged_and_explained(wish):
    result = collect(wish(), False, time.time())
    assert result["changed"] is False
    assert "nothing has ever been pushed" in result["message"]


def test_when_everything_was_deleted_it_asks_first(wish, store):
    store.delete("app", store.image("app", "x"))
    with pytest.raises(GuardHeld, match="allow_empty=true"):
        collect(wish(), False, time.time())
    assert len(store.blobs()) == 3
    assert collect(wish(allow_empty=True), False, time.time())["blobs_removed"] == 3


def test_foreign_layers_do_not_stretch_max_percent(wish, store):
    """Real collectors mark what an image names, although no store holds it: half of the blobs would go, and not a tenth."""
    foreign = ["sha256:%064x" % number for number in range(50)]
    store.image("windows", "1.0", layers=1, media_type=DOCKER_MANIFEST, foreign=foreign)
    store.delete("app", store.image("app", "x", layers=1))
    shown = collect(wish(max_percent=40), True, time.time())
    assert (shown["blobs_eligible"], shown["blobs_marked"]) == (3, 53)
    assert [(one["name"], one["passes_with"]) for one in shown["blocked_by"]] == [("max_percent", "50.0")]
    with pytest.raises(GuardHeld, match="3 of 6 blobs"):
        collect(wish(max_percent=40), False, time.time())
    assert collect(wish(max_percent=50), False, time.time())["blobs_removed"] == 3


def test_a_missing_config_is_named(wish, store):
    store.image("app", "x")
    with pytest.raises(CollectorFailed, match="config_path is not there.*/etc/distribution/config.yml"):
        collect(wish(config_path="/nowhere/config.yml"), True, time.time())


def test_a_program_that_is_no_registry(wish, store):
    store.image("app", "x")
    with pytest.raises(CollectorFailed, match="without its summary"):
        collect(wish(argv=["/bin/true"]), True, time.time())


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (
            lambda store, digest: open(store.revision_link("app", digest), "wb").close(),
            "link file is empty or damaged",
        ),
        (
            lambda store, digest: open(store.blob_path(digest), "wb").close(),
            "manifest in the store is damaged",
        ),
    ],
)
def test_an_abort_says_what_to_do_and_removes_nothing(wish, store, spoil, reason):
    digest = store.image("app", "x")
    store.blob(b"garbage")
    spoil(store, digest)
    before = store.blobs()
    with pytest.raises(CollectorFailed, match=reason) as caught:
        collect(wish(), False, time.time())
    assert "in or after repository app" in caught.value.message
    assert store.blobs() == before


def test_what_only_3_aborts_at(wish, store, version):
    store.image("app", "x")
    store.index("just/index", [], "x")
    if version == "2.8":
        collect(wish(), True, time.time())
        return
    with pytest.raises(CollectorFailed, match="_manifests and no _layers"):
        collect(wish(), True, time.time())
