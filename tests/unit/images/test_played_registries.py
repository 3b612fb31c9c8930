# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other products as they are documented to answer, played by a test server: reading works, deleting works or is refused."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import errors
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.products import PRODUCTS as KNOWN
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.naming import (
    delete_named,
    untag_named,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.pruning import prune
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.request import prune_request
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import StrategyUnavailable
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.abilities import (
    advice,
    needed_actions,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import Reference
from ansible_collections.fleetops.container_registry.tests.rig.played_registry import (
    PASSWORD,
    PRODUCTS,
    USER,
    PlayedRegistry,
)
from ansible_collections.fleetops.container_registry.tests.unit.changes.options import DEFAULTS

NOW = 1760000000.0
REFUSING = {"github", "docker_hub", "ecr", "google"}
OPTIONS = dict(
    DEFAULTS,
    policies=[{"name": "all", "keep_newest": 2}],
    max_delete_percent=90.0,
    repositories=["team/app", "team/multi"],
)


@pytest.fixture(params=sorted(PRODUCTS))
def played(request, monkeypatch):
    """Each product in turn, with the same content."""
    with PlayedRegistry(PRODUCTS[request.param]) as registry:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in registry.environment.items():
            monkeypatch.setenv(name, value)
        for number in range(4):
            registry.image("team/app", f"v{number}", created=number)
        registry.image("team/app", "stable", "latest", created=9)
        registry.index(
            "team/multi",
            "old",
            children=(registry.image("team/multi", created=0.1), registry.image("team/multi", created=0.2)),
        )
        registry.image("team/multi", "new", created=5)
        yield request.param, registry


def client_of(registry):
    login = {"username": USER, "password": PASSWORD} if registry.product.challenge else {}
    return api.RegistryClient(Connection(registry.url, retries=0, timeout=20, **login), {})


def test_what_it_is_and_what_may_be_done_is_found_out_without_harm(played):
    name, registry = played
    with client_of(registry) as client:
        found = client.probe()
    assert (found.product.key if found.product else "unknown") == ("unknown" if name == "zot" else name)
    expected = {"unsupported"} if name in REFUSING else {"enabled"}
    assert found.delete in expected
    assert found.untag == ("native" if name in ("zot", "nexus", "quay", "gitlab", "gitea") else "none")
    if name in REFUSING:
        assert [method for method, _path in registry.seen if method != "GET"] == []
    assert registry.writes == []
    assert set(registry.repositories) == {"team/app", "team/multi"}
    told = advice(found)
    assert bool(told) == (found.untag == "none")
    if told:
        assert KNOWN[name].page in told[-1]
        assert "storage.delete.enabled" not in " ".join(told)
    if name == "quay":
        assert needed_actions(found) == ["pull", "push"]


def test_reading_works_everywhere(played):
    name, registry = played
    with client_of(registry) as client:
        assert client.tags("team/app") == ["latest", "stable", "v0", "v1", "v2", "v3"]
        head = client.head_manifest("team/app", "v1")
        assert client.get_manifest("team/app", head.digest).digest == head.digest
        catalog = registry.product.catalog
        if catalog == "list":
            assert list(client.catalog()) == ["team/app", "team/multi"]
        elif catalog == "basic":
            assert client.auth_scheme == "bearer"
            assert list(client.catalog()) == ["team/app", "team/multi"]
            assert client.tags("team/multi") == ["new", "old"]
        else:
            assert catalog_or_error(client) == "repositories"


def catalog_or_error(client):
    """The catalog, or which option the error names instead of it."""
    try:
        return list(client.catalog())
    except errors.RegistryError as error:
        assert "option repositories" in error.message, error.message
        return "repositories"


def test_pruning_works_or_is_refused_before_anything_is_deleted(played, tmp_path):
    name, registry = played
    before = {repository: registry.tags(repository) for repository in registry.repositories}
    request = prune_request({**OPTIONS, "backup_dir": str(tmp_path)}, check=False)
    with client_of(registry) as client:
        result = prune(client, request, NOW)
        if name in REFUSING:
            assert [guard.name for guard in result.blocked_by] == ["delete_unsupported"]
            assert KNOWN[name].page in result.blocked_by[0].message
            assert registry.writes == []
            assert {repository: registry.tags(repository) for repository in registry.repositories} == before
            assert not list(tmp_path.iterdir())
            return
        assert not result.blocked_by
        assert [entry.errors for entry in result.outcome.repositories if entry.errors] == []
        assert not result.outcome.interrupted
        assert registry.tags("team/app") == {"v3", "stable", "latest"}
        assert registry.tags("team/multi") == {"new", "old"}
        assert client.tags("team/app") == ["latest", "stable", "v3"]
        again = prune(client, request, NOW)
        assert (again.plan.is_noop, again.outcome.changed) == (True, False)
    assert [path for method, path in registry.writes if method == "PUT"] == []


def test_a_named_index_goes_with_its_children_or_is_refused(played):
    name, registry = played
    with client_of(registry) as client:
        result = delete_named(client, [Reference.parse("team/multi:old")], False, False, "", False, NOW)
    if name in REFUSING:
        assert KNOWN[name].page in result.guard.message
        assert registry.tags("team/multi") == {"old", "new"}
        assert registry.writes == []
        return
    assert result.guard is None
    assert [entry.errors for entry in result.outcome.repositories if entry.errors] == []
    assert registry.tags("team/multi") == {"new"}
    left = 1 if name != "quay" else 3  # Quay removes the children itself, once nothing has them
    assert len(registry.repositories["team/multi"]["manifests"]) == left


def test_a_shared_tag_goes_alone_or_stays(played):
    name, registry = played
    with client_of(registry) as client:
        native = name in ("zot", "nexus", "quay", "gitlab", "gitea")
        if native or name in REFUSING:
            result = untag_named(client, [Reference.parse("team/app:stable")], "auto", False, NOW)
        else:
            with pytest.raises(StrategyUnavailable, match=re.escape(KNOWN[name].page)):
                untag_named(client, [Reference.parse("team/app:stable")], "auto", False, NOW)
    assert ("stable" not in registry.tags("team/app")) == native
    assert "latest" in registry.tags("team/app")
    assert [path for method, path in registry.writes if method == "PUT"] == []
    if name in REFUSING:
        assert KNOWN[name].page in result.guard.message


def test_quay_is_never_asked_for_an_action_that_it_does_not_know():
    with PlayedRegistry(PRODUCTS["quay"]) as registry:
        registry.image("team/app", "v1")
        with client_of(registry) as client:
            client.delete_manifest("team/app", "v1")
        assert registry.tags("team/app") == set()
        assert all("delete" not in scope for scope in registry.scopes)
