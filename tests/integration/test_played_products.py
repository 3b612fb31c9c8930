# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules against products that are played: what they do there, or to which retention of the product's own they point."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.products import PRODUCTS as KNOWN
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.played_registry import (
    PASSWORD,
    PRODUCTS,
    USER,
    PlayedRegistry,
)

# What each is expected to let us do: nothing at all, whole images, or a tag alone, too.
NOTHING = ("docker_hub", "ecr", "github", "google")
IMAGES = ("acr", "harbor")
TAGS = ("gitea", "gitlab", "nexus", "quay", "zot")


def test_each_product_that_is_played_is_tried():
    assert sorted(NOTHING + IMAGES + TAGS) == sorted(PRODUCTS)


@pytest.fixture
def played(request):
    with PlayedRegistry(PRODUCTS[request.param]) as registry:
        for number in range(4):
            registry.image("team/app", f"v{number}", created=number)
        registry.image("team/app", "stable", "latest", created=9)
        login = {"username": USER, "password": PASSWORD} if registry.product.challenge else {}

        def ask(module, check=False, **arguments):
            options = {"url": registry.url, "retries": 0, "timeout": 20, **login, **arguments}
            environment = {**registry.environment, "NO_PROXY": "", "no_proxy": ""}
            return modules.run_module(module, options, check=check, env=environment)

        yield request.param, registry, ask


def everything(tmp_path):
    """What would delete something, each as (module, arguments)."""
    backup = str(tmp_path / "backup")
    policies = [{"name": "all", "keep_newest": 2}]
    prune = {"policies": policies, "repositories": ["team/app"], "max_delete_percent": 90, "backup_dir": backup}
    return [
        ("registry_prune", prune),
        ("registry_manifest_delete", {"references": ["team/app:v0"], "backup_dir": backup}),
        ("registry_tag_delete", {"references": ["team/app:stable"]}),
    ]


@pytest.mark.parametrize("played", sorted(PRODUCTS), indirect=True)
def test_it_is_recognised_and_read(played):
    name, registry, ask = played
    info = ask("registry_info", repository="team/app")
    assert not info.failed, info.msg
    assert info["product"] == ("unknown" if name == "zot" else name)
    assert info["delete"] == ("unsupported" if name in NOTHING else "enabled")
    assert (info["can_untag"] == "native") is (name in TAGS)
    told = " ".join(info["advice"])
    assert (KNOWN[name].page in told) if name not in TAGS else not told
    tags = ask("registry_tags_info", repositories=["team/app"], depth="configs")
    assert not tags.failed, tags.msg
    assert [tag["name"] for tag in tags["tags"]] == ["latest", "stable", "v0", "v1", "v2", "v3"]
    assert registry.writes == []


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("played", NOTHING, indirect=True)
def test_where_nothing_can_be_deleted_the_products_own_retention_is_named(played, tmp_path, check):
    name, registry, ask = played
    before = registry.tags("team/app")
    for module, arguments in everything(tmp_path):
        refused = ask(module, check, **arguments)
        # A plan is shown with what holds it, and does not fail.
        assert refused.failed is not check, module
        told = str(refused["warnings"]) if check else refused.msg
        assert KNOWN[name].retention in told and KNOWN[name].page in told, told
        assert "storage.delete.enabled" not in told
        assert refused["changed"] is False
    assert registry.writes == []
    assert registry.tags("team/app") == before


@pytest.mark.parametrize("played", IMAGES, indirect=True)
def test_where_no_tag_goes_alone_images_do_and_the_rest_is_refused(played, tmp_path):
    name, registry, ask = played
    prune, delete, untag = everything(tmp_path)
    planned = ask(prune[0], True, **prune[1])
    assert not planned.failed, planned.msg
    assert registry.writes == []
    done = ask(prune[0], **prune[1])
    assert not done.failed, done.msg
    assert (planned["changed"], done["deleted"]["tags"]) == (True, 3)
    assert registry.tags("team/app") == {"latest", "stable", "v3"}
    writes = list(registry.writes)
    refused = ask(untag[0], **untag[1])
    assert refused.failed
    assert KNOWN[name].page in refused.msg, refused.msg
    assert registry.writes == writes
    assert registry.tags("team/app") == {"latest", "stable", "v3"}
    assert not ask(delete[0], **delete[1]).failed


@pytest.mark.parametrize("played", TAGS, indirect=True)
def test_where_tags_go_alone_everything_works(played, tmp_path):
    _name, registry, ask = played
    for module, arguments in everything(tmp_path):
        planned = ask(module, True, **arguments)
        before = registry.tags("team/app")
        done = ask(module, **arguments)
        assert not done.failed, done.msg
        assert planned["changed"] == done["changed"] == (registry.tags("team/app") != before)
    assert registry.tags("team/app") == {"latest", "v3"}
