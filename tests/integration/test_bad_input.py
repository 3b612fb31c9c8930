# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input gets a clear message that says what to do, from every module that meets it, and nothing is deleted."""

from __future__ import annotations

import gzip
import json

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import (
    FaultyServer,
    Reply,
    as_json,
    manifest_body,
    manifest_reply,
    registry_error,
)

POLICIES = [{"name": "all", "keep_newest": 1}]


def every_module(url, backup_dir):
    """The API modules with arguments that would delete something, each with its result."""
    common = {"url": url, "retries": 0, "timeout": 5}
    return [
        modules.run_module("registry_info", common),
        modules.run_module("registry_catalog_info", common),
        modules.run_module("registry_tags_info", common),
        modules.run_module("registry_prune", dict(common, policies=POLICIES, backup_dir=backup_dir)),
    ]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:{port}", "127.0.0.1"),
        ("http://no-such-host.invalid:5000", "no-such-host.invalid"),
        ("127.0.0.1:5000", "http://"),
        ("ftp://127.0.0.1:5000", "http"),
        ("http://me:secret@127.0.0.1:5000", "username and password"),
        ("http://me:the/secret@127.0.0.1:5000", "username and password"),
        ("me:secret@127.0.0.1:5000", "http://"),
        ("http://secret@127.0.0.1:5000", "username and password"),
    ],
)
def test_an_address_that_cannot_be_reached_or_meant(tmp_path, url, says):
    for result in every_module(url.format(port=free_port()), str(tmp_path / "backup")):
        assert result.failed
        assert says in result.msg
        assert "Traceback" not in result.msg
        # What the module was called with is shown with -vvv.
        assert result["invocation"]["module_args"]["url"]
        assert "secret" not in result.output


def test_tls_where_the_registry_speaks_none(registry, tmp_path):
    for result in every_module(registry.url.replace("http:", "https:"), str(tmp_path / "backup")):
        assert result.failed
        assert "TLS" in result.msg or "SSL" in result.msg


class Faulty:
    """A server with two images in one repository, of which PART behaves as REPLY says; it notes what would delete."""

    def __init__(self, part, reply):
        self.part, self.reply = part, reply

    def __call__(self, request):
        if self.part in request.path and request.method in ("GET", "HEAD"):
            return self.reply
        if request.method == "DELETE":
            return registry_error(404, "MANIFEST_UNKNOWN")
        if request.path == "/v2/":
            return as_json({}, docker_distribution_api_version="registry/2.0")
        if request.path.startswith("/v2/_catalog"):
            return as_json({"repositories": ["team/app"]})
        if request.path.endswith("/tags/list"):
            return as_json({"name": "team/app", "tags": ["a", "b"]})
        if "/manifests/" in request.path:
            return manifest_reply(manifest_body(request.path[-1]))
        return registry_error(404, "BLOB_UNKNOWN")


FAULTS = {
    "a web page": ("/v2/", Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"}), "JSON"),
    "a v1-only server": ("/v2/", Reply(404, b"not found", {"Content-Type": "text/html"}), "/v2/"),
    "a forbidden catalog": ("/v2/_catalog", registry_error(403, "DENIED", "no catalog for you"), "no catalog for you"),
    "a catalog that needs a login": ("/v2/_catalog", registry_error(401, "UNAUTHORIZED"), "how to log in"),
    "a catalog in circles": (
        "/v2/_catalog",
        as_json({"repositories": ["team/app"]}, link='</v2/_catalog?n=1000>; rel="next"'),
        "page",
    ),
    "a catalog on another host": (
        "/v2/_catalog",
        as_json({"repositories": ["team/app"]}, link='<http://192.0.2.1/v2/_catalog>; rel="next"'),
        "another",
    ),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_server_that_is_no_registry_or_does_not_let_us_look(tmp_path, fault):
    part, reply, says = FAULTS[fault]
    with FaultyServer(Faulty(part, reply)) as server:
        arguments = {"url": server.url, "policies": POLICIES, "backup_dir": str(tmp_path), "retries": 0}
        result = modules.run_module("registry_prune", arguments)
        assert result.failed
        assert says in result.msg, result.msg
        assert server.count("DELETE") == 0


BOMB = gzip.compress(b" " * 50_000_000)
LIES = {
    "a truncated body": (
        Reply(200, manifest_body("a")[:50], {"Content-Type": "application/json"}, length=500),
        "manifest",
    ),
    "a digest that does not match": (
        manifest_reply(manifest_body("a"), docker_content_digest="sha256:" + "1" * 64),
        "digest",
    ),
    "a web page": (Reply(200, b"<html></html>", {"Content-Type": "text/html"}), "web page"),
    "a bomb": (Reply(200, BOMB, {"Content-Type": "application/json", "Content-Encoding": "gzip"}), "gzip"),
    "no JSON": (manifest_reply(b"not json"), "JSON"),
    "a server error": (registry_error(500, "UNKNOWN", "disk on fire"), "disk on fire"),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_manifest_that_cannot_be_believed_holds_its_repository(tmp_path, lie):
    reply, says = LIES[lie]
    with FaultyServer(Faulty("/manifests/a", reply)) as server:
        arguments = {
            "url": server.url,
            "policies": [{"name": "all", "delete": "all"}],
            "backup_dir": str(tmp_path),
            "max_delete_percent": 100,
            "allow_empty_repository": True,
            "retries": 0,
        }
        result = modules.run_module("registry_prune", arguments)
        (repository,) = result["repositories"]
        assert says in repository["problem"], repository["problem"]
        assert result["changed"] is False
        assert server.count("DELETE") == 0


def test_a_tag_that_vanishes_between_listing_and_reading_is_no_problem(tmp_path):
    lists = [
        json.dumps({"name": "team/app", "tags": ["a", "b", "gone"]}),
        json.dumps({"name": "team/app", "tags": ["a", "b"]}),
    ]

    def script(request):
        if request.path.endswith("/tags/list"):
            body = lists.pop(0) if len(lists) > 1 else lists[0]
            return Reply(200, body.encode(), {"Content-Type": "application/json"})
        if request.path.endswith("/manifests/gone"):
            return registry_error(404, "MANIFEST_UNKNOWN")
        return Faulty("never", Reply())(request)

    with FaultyServer(script) as server:
        result = modules.run_module("registry_tags_info", {"url": server.url, "depth": "manifests"})
        assert not result.failed, result.msg
        assert [tag["name"] for tag in result["tags"]] == ["a", "b"]
        assert result["summary"]["errors"] == 0


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"tags": ["~("], "keep_newest": 1}, "tags"),
        ({"keep_newest": 0}, "keep_newest"),
        ({"keep_newest": None}, "keep_newest"),
        ({"keep_tags": [1.1], "keep_newest": 1}, "quote"),
        ({"keep_younger_than": "0d"}, "keep_younger_than"),
        ({"keep_newst": 3}, "keep_newst"),
        ({}, "broken"),
    ],
)
def test_policies_that_are_not_sound(registry, pusher, run_module, tmp_path, policy, says):
    pusher.image("team/app", ["a", "b"])
    arguments = {"policies": [dict(policy, name="broken")], "backup_dir": str(tmp_path)}
    result = run_module("registry_prune", arguments)
    assert result.failed
    assert "broken" in result.msg and says in result.msg
    assert store.listed(registry.url, "team/app") == ["a", "b"]


def test_files_that_are_not_there_are_named_with_what_makes_them(registry, tmp_path):
    common = {"policies": POLICIES, "backup_dir": str(tmp_path / "backup"), "url": registry.url}
    missing = str(tmp_path / "nowhere" / "file.gz")
    stored = {"storage_root": str(registry.store_root), "registry_stopped_or_read_only": True, "plan_file": missing}
    for module, arguments, says in (
        ("registry_prune", {**common, "store_scan": missing}, "Make the scan first"),
        ("registry_prune", {**common, "plan_file": missing, "apply_plan": True}, "Make the plan first"),
        ("registry_storage_prune", {**stored, "backup_dir": str(tmp_path / "backup")}, "Make the plan first"),
    ):
        result = modules.run_module(module, arguments)
        assert result.failed
        assert missing in result.msg and says in result.msg
        assert "unexpected" not in result.msg
