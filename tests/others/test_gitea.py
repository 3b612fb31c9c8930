# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Gitea. It takes minutes to build, so this is no part of `make test`: `make others`."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import gitea
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.gitea import PASSWORD, USER, serving_gitea
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

APP, MULTI = f"{USER}/team/app", f"{USER}/multi"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    obtain(gitea)
    with serving_gitea(tmp_path_factory.mktemp("gitea")) as address:
        yield address


@pytest.fixture
def ask(url):
    """Runs a module as the user, whose password is in no result."""

    def run(module, *, login=True, **arguments):
        who = {"username": USER, "password": PASSWORD} if login else {}
        result = modules.run_module(module, {"url": url, "retries": 0, **who, **arguments})
        assert PASSWORD not in result.output
        return result

    return run


def listed(ask, repository):
    found = ask("registry_tags_info", repositories=[repository], depth="blobs")
    assert not found.failed, found.msg
    assert [tag["missing_blobs"] for tag in found["tags"]] == [[]] * len(found["tags"])
    return {tag["name"]: tag["digest"] for tag in found["tags"]}


def test_it_is_recognised_and_what_can_be_done_is_found_out(ask, url):
    Pusher(url, auth=(USER, PASSWORD)).image(f"{USER}/known", "v1", created=1)
    info = ask("registry_info", repository=f"{USER}/known")
    assert not info.failed, info.msg
    assert (info["product"], info["auth"], info["delete"]) == ("gitea", "bearer", "enabled")
    assert listed(ask, f"{USER}/known").keys() == {"v1"}
    wrong = ask("registry_catalog_info", username=USER, password="another")
    assert wrong.failed
    assert "are refused" in wrong.msg
    # What everybody may read, nobody may delete without a name.
    anonymous = ask("registry_tags_info", login=False, repositories=[f"{USER}/known"])
    assert [tag["name"] for tag in anonymous["tags"]] == ["v1"]
    refused = ask("registry_manifest_delete", login=False, references=[f"{USER}/known:v1"])
    assert refused.failed
    assert listed(ask, f"{USER}/known").keys() == {"v1"}


def test_tags_manifests_policies_and_backups(ask, url, tmp_path):
    pusher = Pusher(url, auth=(USER, PASSWORD))
    for number in range(5):
        pusher.image(APP, f"v{number}", created=number)
    shared = pusher.image(APP, ["stable", "latest"], created=9)
    _index, children = pusher.multi(MULTI, "old", created=0)
    pusher.multi(MULTI, "new", created=1)
    catalog = ask("registry_catalog_info")
    assert not catalog.failed, catalog.msg
    assert {APP, MULTI} <= set(catalog["repositories"])

    untagged = ask("registry_tag_delete", references=[f"{APP}:stable"])
    assert not untagged.failed, untagged.msg
    assert untagged["changed"]
    assert listed(ask, APP)["latest"] == shared.digest
    deleted = ask("registry_manifest_delete", references=[f"{MULTI}:old", f"{APP}:v0"])
    assert not deleted.failed, deleted.msg
    assert listed(ask, MULTI).keys() == {"new"}
    with RegistryClient(Connection(url, username=USER, password=PASSWORD)) as client:
        for child in children:
            with pytest.raises(NotFound):
                client.head_manifest(MULTI, child.digest)
    again = ask("registry_manifest_delete", references=[f"{MULTI}:old", f"{APP}:v0"])
    assert not again.failed and not again["changed"]

    options = {
        "policies": [{"name": "all", "keep_newest": 2}],
        "repositories": [APP, MULTI],
        "backup_dir": str(tmp_path),
        "max_delete_percent": 90,
    }
    login = {"url": url, "username": USER, "password": PASSWORD}
    foreseen = modules.run_module("registry_prune", {**login, **options}, check=True)
    pruned = ask("registry_prune", **options)
    assert not pruned.failed, pruned.msg
    assert pruned["plan_id"] == foreseen["plan_id"]
    assert (pruned["changed"], pruned["deleted"]["tags"], pruned["errors"]) == (True, 3, [])
    assert listed(ask, APP).keys() == {"latest", "v4"}
    assert not ask("registry_prune", **options)["changed"]
    # It drops the layers with the image, so nothing can come back, which is said, and nothing half is put there.
    restored = ask("registry_manifest_restore", backup_file=pruned["backup_file"])
    assert restored.failed
    assert "was taken by garbage collection" in restored.msg
    assert listed(ask, APP).keys() == {"latest", "v4"}
