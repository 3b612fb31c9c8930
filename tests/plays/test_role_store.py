# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role where the store itself is pruned and cleared: in the window, with deletes off before and after, on both versions at once."""

from __future__ import annotations

import json
import urllib.request

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site, answers

POLICIES = [
    {"name": "releases", "repositories": ["shop/*"], "keep_newest": 2},
    {"name": "pushed over", "untagged": True, "delete": "all"},
]
SETTINGS = {
    "registry_policies": POLICIES,
    "registry_max_delete_percent": 90,
    "registry_prune_method": "storage",
    "registry_remove_empty_repositories": True,
    "registry_purge_uploads": True,
    "registry_purge_uploads_after": "0s",
}


class Shop:
    """A registry with tags to spare, a repository that has lost its last image, one below that, and an upload that nobody ends."""

    def __init__(self, home, version: str) -> None:
        self.registry = Operated(home / version, obtain(lambda: registry_binary(version)))
        config = self.registry.config
        plain = config.read_bytes()
        config.write_bytes(plain.replace(b"http:\n", b"    delete: {enabled: true}\nhttp:\n"))
        self.restart()
        for day in range(6):
            self.registry.push("shop/api", f"v1.{day}", day)
            self.registry.push("shop/web", "latest", day)
        gone = self.registry.push("old", "x", 1)
        self.registry.push("old/nested", "y", 1)
        with self.registry.client() as client:
            client.delete_manifest("old", gone)
        config.write_bytes(plain)
        self.restart()
        request = urllib.request.Request(f"{self.registry.url}/v2/shop/web/blobs/uploads/", method="POST")
        urllib.request.urlopen(request).close()
        self.config = plain
        self.tags = {name: self.registry.tags(name) for name in ("shop/api", "shop/web", "old/nested")}
        self.bytes = self.registry.bytes_on_disk()

    def restart(self) -> None:
        self.registry.stop()
        self.registry.start()

    @property
    def catalog(self) -> list[str]:
        with urllib.request.urlopen(f"{self.registry.url}/v2/_catalog") as answer:
            return json.load(answer)["repositories"]

    @property
    def uploads(self) -> list[str]:
        return [str(path) for path in (self.registry.home / "data").rglob("_uploads/*")]

    @property
    def restarts(self) -> int:
        return (self.registry.home / "restarts").read_text(encoding="utf-8").count("restart")


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    home = tmp_path_factory.mktemp("shops")
    made = {}
    try:
        for version in VERSIONS:
            made[version] = Shop(home, version)
        yield made
    finally:
        for shop in made.values():
            shop.registry.stop()


@pytest.fixture(scope="module")
def plays(shops, tmp_path_factory):
    """Everything once, and again."""
    site = Site(
        tmp_path_factory.mktemp("site"), {f"r{name}": shop.registry.inventory() for name, shop in shops.items()}
    )
    done = []
    for _again in range(2):
        play = site.role("main", **SETTINGS)
        assert play.status == 0, play.output[-6000:]
        results = {
            host: {name: play.result(host, name) for name in ("prune", "storage_prune", "garbage_collect")}
            for host in site.hosts
        }
        done.append((play, results, {name: shop.restarts for name, shop in shops.items()}))
    return site, done


@pytest.mark.parametrize("version", VERSIONS)
def test_the_store_is_pruned_and_cleared_in_one_window(shops, plays, version):
    shop, registry = shops[version], shops[version].registry
    play, results, restarts = plays[1][0]
    mine = results[f"r{version}"]
    assert registry.tags("shop/api") == {name: shop.tags["shop/api"][name] for name in ("v1.4", "v1.5")}
    assert registry.tags("shop/web") == shop.tags["shop/web"]
    assert registry.tags("old/nested") == shop.tags["old/nested"]
    assert mine["prune"]["method"] == "storage"
    assert mine["prune"]["deleted"] == {"tags": 4, "untagged": 0, "manifests": 9, "restored": 0}
    assert mine["storage_prune"]["removed_repositories"] == ["old"]
    assert shop.catalog == ["old/nested", "shop/api", "shop/web"]
    assert mine["storage_prune"]["purged_uploads_count"] == 1
    assert shop.uploads == []
    freed = shop.bytes - registry.bytes_on_disk()
    assert mine["garbage_collect"]["bytes_freed"] == freed > shop.bytes / 2
    assert restarts[version] == 2, "into the window and out of it"
    assert registry.config.read_bytes() == shop.config
    assert answers(registry.url) == "disabled"
    assert {path.name for path in registry.state.iterdir()} == {"backups"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_run_opens_no_window(shops, plays, version):
    play, results, restarts = plays[1][1]
    assert play.recap(f"r{version}")["changed"] == 0
    assert results[f"r{version}"]["prune"]["changed"] is False
    assert restarts[version] == 2


def test_auto_takes_the_store_where_the_api_would_refuse(shops, plays):
    """Here it would refuse on 2.8, where deletes are still off."""
    site = plays[0]
    old, new = shops["2.8"], shops["3.1"]
    new.registry.config.write_bytes(new.config.replace(b"http:\n", b"    delete: {enabled: true}\nhttp:\n"))
    new.restart()
    policies = [{"name": "releases", "repositories": ["shop/*"], "keep_newest": 1}]
    settings = dict(SETTINGS, registry_policies=policies, registry_prune_method="auto")
    checked = site.role("prune", "--check", **settings)
    assert checked.status == 0, checked.output[-6000:]
    assert checked.result("r2.8", "prune")["method"] == "storage"
    pruned = site.role("prune", **settings)
    assert pruned.status == 0, pruned.output[-6000:]
    assert pruned.result("r2.8", "prune")["method"] == "storage"
    assert pruned.result("r3.1", "prune").get("method", "api") == "api"
    for shop in (old, new):
        assert list(shop.registry.tags("shop/api")) == ["v1.5"]
    assert (old.restarts, new.restarts) == (4, 2)
    restored = site.role("restore")
    assert restored.status == 0, restored.output[-6000:]
    for shop in (old, new):
        assert sorted(shop.registry.tags("shop/api")) == ["v1.4", "v1.5"]


def test_what_needs_the_disk_says_so(shops, tmp_path):
    registry = shops["2.8"].registry
    site = Site(tmp_path / "site", {"one": dict(registry.inventory(), registry_storage_root="")})
    refused = site.role("main", **SETTINGS)
    assert refused.status != 0
    assert "registry_prune_method is storage: this needs the registry's store on a disk" in refused.failure


def test_a_refused_collection_leaves_no_plan_behind(tmp_path):
    shop = Shop(tmp_path, "3.1")
    try:
        site = Site(tmp_path / "site", {"one": shop.registry.inventory()})
        play = site.role("main", registry_garbage_collect_max_blobs=1, **SETTINGS)
        assert play.status != 0
        assert "registry_garbage_collect_max_blobs" in play.failure
        assert {path.name for path in shop.registry.state.iterdir()} <= {"backups"}
        told = play.result("one", "prune")
        assert told["changed"] is False
        assert told["method"] is None
        assert shop.registry.tags("shop/api") == shop.tags["shop/api"]
    finally:
        shop.registry.stop()


def test_a_saved_plan_stays_where_the_defaults_suggest_it(tmp_path):
    shop = Shop(tmp_path, "2.8")
    try:
        saved = shop.registry.state / "plan.jsonl.gz"
        site = Site(tmp_path / "site", {"one": dict(shop.registry.inventory(), registry_plan_file=str(saved))})
        planned = site.role("plan", **SETTINGS)
        assert planned.status == 0, planned.output[-6000:]
        approved = saved.read_bytes()
        plan_id = planned.result("one", "prune")["plan_id"]
        pruned = site.role("prune", registry_apply_plan=True, registry_plan_id=plan_id, **SETTINGS)
        assert pruned.status == 0, pruned.output[-6000:]
        assert pruned.result("one", "prune")["method"] == "storage"
        assert sorted(shop.registry.tags("shop/api")) == ["v1.4", "v1.5"]
        assert saved.read_bytes() == approved
        assert {path.name for path in shop.registry.state.iterdir()} == {"backups", saved.name}
    finally:
        shop.registry.stop()


def test_auto_takes_the_store_from_a_size_on(tmp_path):
    """Six tags of which five go are thirty reads of links; the role's own bound is far above what a test can push."""
    shops = {}
    try:
        for version in VERSIONS:
            made = shops[version] = Shop(tmp_path / "shops", version)
            made.config = made.config.replace(b"http:\n", b"    delete: {enabled: true}\nhttp:\n")
            made.registry.config.write_bytes(made.config)
            made.restart()
        site = Site(tmp_path / "site", {f"r{name}": shop.registry.inventory() for name, shop in shops.items()})
        settings = {
            "registry_policies": [{"name": "releases", "repositories": ["shop/api"], "keep_newest": 1}],
            "registry_max_delete_percent": 90,
            "registry_prune_method": "auto",
        }
        # Too few tags to look; then looked at, and one too few links; then just enough.
        for large, links, method in ((7, 1, "api"), (6, 31, "api"), (6, 30, "storage")):
            checked = site.role("prune", "--check", __registry_large=large, __registry_many_links=links, **settings)
            assert checked.status == 0, checked.output[-6000:]
            assert checked.result("r2.8", "prune").get("method", "api") == method, (large, links)
            assert checked.result("r3.1", "prune").get("method", "api") == "api"
        pruned = site.role("prune", __registry_large=6, __registry_many_links=30, **settings)
        assert pruned.status == 0, pruned.output[-6000:]
        assert pruned.result("r2.8", "prune")["method"] == "storage"
        assert shops["2.8"].restarts == 2
        assert not (shops["3.1"].registry.home / "restarts").exists()
        for shop in shops.values():
            assert store.pull_all(shop.registry.url, "shop/api") == {"v1.5": shop.tags["shop/api"]["v1.5"]}
            assert store.pull_all(shop.registry.url, "shop/web") == shop.tags["shop/web"]
            assert answers(shop.registry.url) == "enabled"
    finally:
        for shop in shops.values():
            shop.registry.stop()
