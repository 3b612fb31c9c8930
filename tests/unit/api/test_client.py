# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The protocol's traps, played by a server that falls into each of them."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import answer as answer_module
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import client as api
from ansible_collections.fleetops.container_registry.plugins.module_utils.api import errors, paging
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import MAX_MANIFEST_BYTES
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import ReferenceInvalid
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import (
    Reply,
    as_json,
    digest_of,
    in_turn,
    manifest_body,
    manifest_reply,
    registry_error,
    serving,
)

pytestmark = pytest.mark.usefixtures("no_waiting")

BODY = manifest_body()
DIGEST = digest_of(BODY)
OTHER = "sha256:" + "1" * 64


@pytest.fixture
def talk():
    """A client of a server with a script; closes both."""
    opened = []

    def start(script, path="", **options):
        server = serving(script if callable(script) else in_turn(script))
        running = server.__enter__()
        client = RegistryClient(Connection(running.url + path, **{"retries": 0, **options}), {})
        opened.append((server, client))
        return client, running

    yield start
    for server, client in opened:
        client.close()
        server.__exit__(None, None, None)


def test_manifests_are_asked_for_with_all_their_media_types(talk):
    client, server = talk(manifest_reply(BODY))
    client.get_manifest("team/app", "v1")
    client.head_manifest("team/app", "v1")
    for request in server.requests:
        accepted = {part.strip() for part in request.headers["accept"].split(",")}
        assert accepted == {
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        }


def test_a_manifest_is_its_digest_type_and_bytes(talk):
    client, _server = talk(manifest_reply(BODY))
    content = client.get_manifest("team/app", "v1")
    assert (content.digest, content.body) == (DIGEST, BODY)
    head = client.head_manifest("team/app", DIGEST)
    assert (head.digest, head.size) == (DIGEST, len(BODY))


def test_a_registry_that_names_no_digest_is_believed_by_the_bytes(talk):
    reply = manifest_reply(BODY)
    del reply.headers["Docker-Content-Digest"]
    client, server = talk(reply)
    assert client.get_manifest("team/app", "v1").digest == DIGEST
    assert client.head_manifest("team/app", "v1").digest == DIGEST
    assert [one.method for one in server.requests] == ["GET", "HEAD", "GET"]


@pytest.mark.parametrize(
    ("reply", "reference", "says"),
    [
        (manifest_reply(BODY, docker_content_digest=OTHER), "v1", "does not have the digest"),
        (manifest_reply(BODY), OTHER, "answers with the manifest"),
        (manifest_reply(BODY, docker_content_digest=OTHER), OTHER, "does not have the digest"),
        (manifest_reply(BODY, docker_content_digest="sha256:short"), "v1", "'sha256:short'"),
        (manifest_reply(BODY, content_type="application/json"), "v1", "application/json"),
        (
            manifest_reply(BODY, content_type="application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "v1",
            "schema 1",
        ),
        (manifest_reply(b"x" * (MAX_MANIFEST_BYTES + 1)), "v1", "more than"),
    ],
)
def test_a_manifest_that_is_not_what_it_is_said_to_be(talk, reply, reference, says):
    client, _server = talk(reply)
    with pytest.raises(errors.ResponseInvalid) as refused:
        client.get_manifest("team/app", reference)
    assert says in refused.value.message
    assert "team/app" in refused.value.message or says == "more than"


@pytest.mark.parametrize(
    ("reply", "reference"),
    [
        (manifest_reply(BODY, docker_content_digest="sha256:short"), "v1"),
        (manifest_reply(BODY), OTHER),
        (manifest_reply(BODY, content_type="application/json"), "v1"),
    ],
)
def test_head_is_held_to_the_same(talk, reply, reference):
    client, _server = talk(reply)
    with pytest.raises(errors.ResponseInvalid):
        client.head_manifest("team/app", reference)


def test_absence_needs_the_registrys_own_word(talk):
    client, server = talk(registry_error(404, "MANIFEST_UNKNOWN"))
    with pytest.raises(errors.NotFound):
        client.head_manifest("team/app", "v1")
    assert [one.method for one in server.requests] == ["HEAD", "GET"]
    client, _server = talk(Reply(404, b"<html>nothing here</html>", {"Content-Type": "text/html"}))
    for read in (client.head_manifest, client.get_manifest, client.delete_manifest):
        with pytest.raises(errors.NotARegistry):
            read("team/app", "v1")
    with pytest.raises(errors.NotARegistry):
        client.tags("team/app")


@pytest.mark.parametrize(
    ("repository", "reference"),
    [("Team/App", "v1"), ("team//app", "v1"), ("../x", "v1"), ("", "v1"), ("team/app", "-x"), ("team/app", ""),
     ("team/app", "sha256:12"), ("team/app", "a/b"), ("********", "v1")],
)  # fmt: skip
def test_names_that_the_protocol_forbids_never_reach_the_server(talk, repository, reference):
    client, server = talk(Reply(202))
    for call in (client.get_manifest, client.head_manifest, client.delete_manifest):
        with pytest.raises(ReferenceInvalid):
            call(repository, reference)
    assert server.requests == []


class TestLists:
    """Catalog and tags."""

    def test_the_catalog_is_read_in_pages_of_at_most_a_thousand(self, talk):
        def script(request):
            if "last=b" in request.path:
                return as_json({"repositories": ["c"]})
            return as_json({"repositories": ["a", "b"]}, link='</v2/_catalog?last=b&n=1000>; rel="next"')

        client, server = talk(script)
        assert list(client.catalog()) == ["a", "b", "c"]
        assert [one.path for one in server.requests] == ["/v2/_catalog?n=1000", "/v2/_catalog?last=b&n=1000"]

    def test_a_lower_limit_of_the_registry_is_respected(self, talk):
        def script(request):
            if request.path.endswith("n=1000"):
                return registry_error(400, "PAGINATION_NUMBER_INVALID")
            return as_json({"repositories": ["a"]})

        client, _server = talk(script)
        assert list(client.catalog()) == ["a"]

    def test_tags_are_never_asked_for_in_pages_but_links_are_followed(self, talk):
        def script(request):
            if "last=v2" in request.path:
                return as_json({"name": "x", "tags": ["v1-rc"]})
            return as_json({"name": "x", "tags": ["v2", "v10"]}, link='<tags/list?last=v2>; rel="next"')

        client, server = talk(script)
        assert client.tags("x") == ["v1-rc", "v10", "v2"]
        assert server.requests[0].path == "/v2/x/tags/list"

    @pytest.mark.parametrize("tags", [None, []])
    def test_a_repository_without_tags(self, talk, tags):
        client, _server = talk(as_json({"name": "x", "tags": tags}))
        assert client.tags("x") == []

    def test_behind_a_proxy_the_links_scheme_port_and_prefix_may_be_wrong(self, talk):
        def script(request):
            assert request.path.startswith("/hub/v2/")
            if "last=a" in request.path:
                return as_json({"repositories": ["b"]})
            return as_json({"repositories": ["a"]}, link='<https://127.0.0.1/v2/_catalog?last=a>; rel="next"')

        client, _server = talk(script, path="/hub")
        assert list(client.catalog()) == ["a", "b"]

    @pytest.mark.parametrize(
        ("link", "says"),
        [
            ('<https://evil.example/v2/_catalog?last=a>; rel="next"', "another host"),
            ('</v2/_catalog?last=a>; rel="next"', "circle"),
            ('<http://[::1>; rel="next"', "cannot be read"),
        ],
    )
    def test_pages_that_lead_astray(self, talk, link, says):
        client, server = talk(as_json({"repositories": ["a"]}, link=link))
        with pytest.raises(errors.ResponseInvalid, match=says):
            list(client.catalog())
        assert len(server.requests) < 5

    def test_pages_with_a_name_each_end(self, talk, monkeypatch):
        monkeypatch.setattr(paging, "_MOST_PAGES", 50)
        pages = iter(range(10**6))

        def script(_request):
            number = next(pages)
            return as_json({"repositories": ["a%d" % number]}, link='</v2/_catalog?last=a%d>; rel="next"' % number)

        client, server = talk(script)
        with pytest.raises(errors.ResponseInvalid, match="more than 50 pages"):
            list(client.catalog())
        assert len(server.requests) == 51

    def test_pages_without_end_and_names_end(self, talk):
        pages = iter(range(10**6))

        def script(_request):
            return as_json({"repositories": ["a"]}, link='</v2/_catalog?last=%d>; rel="next"' % next(pages))

        client, server = talk(script)
        with pytest.raises(errors.ResponseInvalid, match="circle"):
            list(client.catalog())
        assert len(server.requests) < 30

    @pytest.mark.parametrize(("name", "says"), [("MOST_NAMES", "more than 50 names"), ("MOST_NAME_BYTES", "0 MiB")])
    @pytest.mark.parametrize("key", ["tags", "repositories"])
    def test_a_list_that_never_ends_is_not_kept(self, talk, monkeypatch, name, says, key):
        monkeypatch.setattr(paging, name, 50)
        pages = iter(range(10**6))

        def script(_request):
            number = next(pages)
            return as_json({key: ["a%d" % number]}, link='<?last=a%d>; rel="next"' % number)

        client, server = talk(script)
        with pytest.raises(errors.ResponseInvalid, match=says):
            list(client.tags("x") if key == "tags" else client.catalog())
        assert len(server.requests) <= 51

    def test_what_is_no_tag_is_found_before_the_next_page(self, talk):
        client, server = talk(as_json({"tags": ["v1", "x" * 129]}, link='<list?last=x>; rel="next"'))
        with pytest.raises(errors.ResponseInvalid, match="does not allow as a tag"):
            client.tags("x")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("one", [b"{},", b"[],", b"0,", b'"a":0,'])
    def test_json_that_would_be_far_larger_in_memory_is_not_read(self, talk, monkeypatch, one):
        monkeypatch.setattr(answer_module, "_MOST_PARTS", 100)
        client, _server = talk(Reply(200, b'{"tags": [' + one * 101 + b"]}", {"Content-Type": "application/json"}))
        with pytest.raises(errors.ResponseInvalid, match="more than 100 values"):
            client.tags("x")

    @pytest.mark.parametrize("link", [" " * 60000, "<" * 60000, "<a>;" + " " * 60000, ("<a>" + " ;" * 40) * 600])
    def test_a_strange_link_takes_no_time(self, link):
        before = time.monotonic()
        assert paging._next_link(link) is None
        assert time.monotonic() - before < 0.5

    @pytest.mark.parametrize(
        "document", [{"tags": "v1"}, {"tags": [1]}, {"name": "x"}, ["v1"], "v1", None, {"tags": {"v1": 1}}]
    )
    def test_a_list_of_another_shape(self, talk, document):
        client, _server = talk(as_json(document))
        with pytest.raises(errors.ResponseInvalid):
            client.tags("x")

    def test_names_that_no_registry_may_list(self, talk):
        client, _server = talk(as_json({"tags": ["v1", ".DS_Store"]}))
        with pytest.raises(errors.ResponseInvalid, match=r"\.DS_Store"):
            client.tags("x")
        client, _server = talk(as_json({"repositories": ["ok", "../../etc"]}))
        with pytest.raises(errors.ResponseInvalid, match="etc"):
            list(client.catalog())

    @pytest.mark.parametrize("reply", [registry_error(403, "DENIED"), registry_error(405, "UNSUPPORTED"), Reply(404)])
    def test_a_catalog_that_is_not_for_us_says_what_to_do(self, talk, reply):
        client, _server = talk(reply)
        with pytest.raises(errors.RegistryError, match="option repositories"):
            list(client.catalog())


class TestPing:
    """Is there a registry?"""

    @pytest.mark.parametrize(
        ("content_type", "body", "family"),
        [
            ("application/json; charset=utf-8", b"{}", api.FAMILY_2),
            ("application/json", b"{}", api.FAMILY_3),
            ("application/json", b"", api.OTHER),
            ("application/json", b'{"hello": 1}', api.OTHER),
            ("text/plain", b"{}", api.OTHER),
        ],
    )
    def test_the_family_is_a_hint(self, talk, content_type, body, family):
        headers = {"Content-Type": content_type, "Docker-Distribution-Api-Version": "registry/2.0"}
        client, _server = talk(Reply(200, body, headers))
        assert client.ping().family == family

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(200, b"<html>It works!</html>", {"Content-Type": "text/html"}),
            Reply(200, b"", {"Content-Type": "text/html"}),
            Reply(404, b"<html></html>"),
            Reply(400, b"Client sent an HTTP request to an HTTPS server.\n"),
        ],
    )
    def test_something_else(self, talk, reply):
        client, _server = talk(reply)
        with pytest.raises(errors.NotARegistry, match="url|https"):
            client.ping()

    def test_a_server_of_version_one(self, talk):
        client, _server = talk(lambda request: Reply(200, b"true") if "/v1/_ping" in request.path else Reply(404))
        with pytest.raises(errors.NotARegistry, match="version 1"):
            client.ping()


class TestBlobs:
    """Content beside manifests."""

    def test_a_blob_is_held_to_its_digest_and_limit(self, talk):
        client, _server = talk(Reply(200, b"config"))
        assert client.get_blob("x", digest_of(b"config"), 6) == b"config"
        with pytest.raises(errors.ResponseInvalid, match="digest"):
            client.get_blob("x", OTHER, 100)
        with pytest.raises(errors.ResponseInvalid, match="more than the 5 bytes"):
            client.get_blob("x", digest_of(b"config"), 5)

    @pytest.mark.parametrize(
        ("reply", "there"),
        [
            (Reply(206, b"c", {"Content-Range": "bytes 0-0/6"}), True),
            (Reply(200, b"config" * 1000), True),
            (registry_error(404, "BLOB_UNKNOWN"), False),
            (Reply(206, b"", length=1), False),
            (Reply(200, b"", length=6), False),
            (Reply(200, b""), False),
        ],
    )
    def test_a_blob_is_proved_by_its_first_byte(self, talk, reply, there):
        client, server = talk(reply)
        assert client.blob_range("x", digest_of(b"config")) is there
        assert (server.requests[0].method, server.requests[0].headers["range"]) == ("GET", "bytes=0-0")

    def test_whether_it_is_there_is_not_guessed(self, talk):
        client, _server = talk(Reply(500))
        with pytest.raises(errors.ServerFailed):
            client.blob_range("x", OTHER)

    def test_an_upload_does_not_leave_the_registry(self, talk):
        client, server = talk(Reply(202, headers={"Location": "https://evil.example/v2/x/blobs/uploads/1"}))
        with pytest.raises(errors.ResponseInvalid, match="not followed"):
            client.upload_blob("x", b"config", digest_of(b"config"))
        assert len(server.requests) == 1

    def test_an_upload_to_what_is_no_address_is_refused(self, talk):
        client, server = talk(Reply(202, b"", {"Location": "http://["}))
        with pytest.raises(errors.ResponseInvalid, match="another place"):
            client.upload_blob("x", b"content", digest_of(b"content"))
        assert len(server.requests) == 1

    def test_an_upload_keeps_the_state_that_the_registry_gave(self, talk):
        def script(request):
            if request.method == "POST":
                return Reply(202, headers={"Location": "http://127.0.0.1:1/v2/x/blobs/uploads/1?_state=a%2Bb"})
            return Reply(201)

        client, server = talk(script)
        client.upload_blob("x", b"config", digest_of(b"config"))
        assert server.requests[1].path.startswith("/v2/x/blobs/uploads/1?_state=a%2Bb&digest=sha256")
        assert server.requests[1].body == b"config"

    def test_a_mount_that_became_an_upload_is_ended(self, talk):
        def script(request):
            return Reply(202, headers={"Location": "/v2/x/blobs/uploads/1"}) if request.method == "POST" else Reply(204)

        client, server = talk(script)
        assert client.mount_blob("x", OTHER, "y") is False
        assert [one.method for one in server.requests] == ["POST", "DELETE"]


class TestDelete:
    """The dangerous one."""

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (registry_error(404, "MANIFEST_UNKNOWN"), errors.NotFound),
            (registry_error(405, "UNSUPPORTED"), errors.DeleteDisabled),
            (Reply(405, b"Method not allowed\n", {"Allow": "GET, HEAD"}), errors.ReadOnly),
            (registry_error(400, "UNSUPPORTED"), errors.Unsupported),
            (registry_error(403, "DENIED"), errors.Forbidden),
            (registry_error(500, "UNKNOWN"), errors.ServerFailed),
            (Reply(302, headers={"Location": "/elsewhere"}), errors.RegistryError),
        ],
    )
    def test_every_refusal_is_told_apart_and_nothing_is_sent_twice(self, talk, reply, kind):
        client, server = talk(reply, retries=3)
        with pytest.raises(kind):
            client.delete_manifest("x", DIGEST)
        assert len(server.requests) == 1

    def test_an_accepted_deletion_may_still_carry_errors(self, talk):
        client, _server = talk(registry_error(202, "UNKNOWN", "untag failed"))
        answer = client.delete_manifest("x", DIGEST)
        assert (answer.status, answer.errors) == (202, (("UNKNOWN", "untag failed"),))

    def test_a_registry_that_cannot_delete_a_tag(self, talk):
        client, _server = talk(registry_error(400, "DIGEST_INVALID"))
        with pytest.raises(errors.Unsupported, match="cannot delete a tag"):
            client.delete_manifest("x", "v1")
        with pytest.raises(errors.RegistryError) as refused:
            client.delete_manifest("x", DIGEST)
        assert not isinstance(refused.value, errors.Unsupported)


class TestPut:
    """Writing a manifest."""

    def test_what_is_stored_is_what_was_sent(self, talk):
        client, server = talk(Reply(201, headers={"Docker-Content-Digest": DIGEST}))
        assert client.put_manifest("x", "v1", BODY, "application/x") == DIGEST
        assert (server.requests[0].body, server.requests[0].headers["content-type"]) == (BODY, "application/x")

    def test_a_registry_that_changes_it_is_found_out(self, talk):
        client, _server = talk(Reply(201, headers={"Docker-Content-Digest": OTHER}))
        with pytest.raises(errors.ResponseInvalid, match="stored"):
            client.put_manifest("x", "v1", BODY, "application/x")

    def test_what_a_registry_says_that_it_has_stored_is_shown_as_text(self, talk):
        client, _server = talk(Reply(201, b"", {"Docker-Content-Digest": "\x1b[2Jsha256:0" + "0" * 1000}))
        with pytest.raises(errors.ResponseInvalid) as caught:
            client.put_manifest("x", "v1", BODY, media_types.OCI_MANIFEST)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500

    def test_a_digest_that_is_not_the_contents_is_never_sent(self, talk):
        client, server = talk(Reply(201))
        with pytest.raises(errors.ResponseInvalid):
            client.put_manifest("x", OTHER, BODY, "application/x")
        assert server.requests == []


class TestProbe:
    """What may be done, by requests that cannot do anything."""

    def script(self, delete, tag_delete=None, put=None):
        def answer(request):
            if request.method == "GET":
                return Reply(200, b"{}")
            if request.method == "PUT":
                return put or registry_error(400, "DIGEST_INVALID")
            return delete if "sha256:" in request.path else (tag_delete or delete)

        return answer

    @pytest.mark.parametrize(
        ("replies", "expected"),
        [
            ((registry_error(404, "MANIFEST_UNKNOWN"),), ("enabled", "native", "allowed")),
            (
                (registry_error(404, "MANIFEST_UNKNOWN"), registry_error(400, "DIGEST_INVALID")),
                ("enabled", "tombstone", "allowed"),
            ),
            (
                (
                    registry_error(404, "MANIFEST_UNKNOWN"),
                    registry_error(400, "DIGEST_INVALID"),
                    registry_error(403, "DENIED"),
                ),
                ("enabled", "none", "denied"),
            ),
            ((registry_error(405, "UNSUPPORTED"),), ("disabled", "none", "allowed")),
            (
                (registry_error(405, "UNSUPPORTED"), None, registry_error(405, "UNSUPPORTED")),
                ("proxy", "none", "proxy"),
            ),
            (
                (
                    Reply(405, b"no", {"Allow": "GET, HEAD"}),
                    None,
                    Reply(405, b"no", {"Allow": "GET, HEAD"}),
                ),
                ("read_only", "none", "read_only"),
            ),
            ((registry_error(403, "DENIED"),), ("unknown", "unknown", "allowed")),
            ((registry_error(500, "UNKNOWN"),), ("unknown", "unknown", "allowed")),
            ((Reply(202),), ("unknown", "unknown", "allowed")),
            ((registry_error(400, "UNSUPPORTED"),), ("unknown", "unknown", "allowed")),
            ((registry_error(400, "NAME_UNKNOWN"),), ("enabled", "native", "allowed")),
        ],
    )
    def test_abilities(self, talk, replies, expected):
        client, server = talk(self.script(*replies))
        found = client.probe()
        assert (found.delete, found.untag, found.push) == expected
        for request in server.requests:
            if request.method == "DELETE":
                assert request.path.endswith("0" * 64) or "/manifests/probe-" in request.path
            elif request.method == "PUT":
                assert_cannot_be_taken(request, delete_disabled=expected[0] in ("disabled", "proxy"))


def assert_cannot_be_taken(request, delete_disabled):
    """What is pushed has two faults, each of which is enough; only where deletes are disabled it may have just one."""
    document = json.loads(request.body)
    if "manifests" in document:
        assert document["manifests"][0]["digest"] != api.PROBE_DIGEST
        assert request.path.endswith("/manifests/" + api.PROBE_DIGEST)
    else:
        assert delete_disabled
        assert document["config"]["digest"] == api.PROBE_DIGEST


def test_unsafe_ways_are_warned_of():
    with RegistryClient(Connection("https://192.0.2.1", validate_certs=False), {}) as client:
        assert "validate_certs" in client.warnings[0]
    # A registry without TLS may name a token server with it.
    with RegistryClient(Connection("http://192.0.2.1", validate_certs=False), {}) as client:
        assert "token server" in client.warnings[0]
    with RegistryClient(Connection("http://192.0.2.1", username="me", password="secret"), {}) as client:
        assert "without TLS" in client.warnings[0]
        assert "secret" not in client.warnings[0]
    with RegistryClient(Connection("http://127.0.0.1", username="me", password="secret"), {}) as client:
        assert client.warnings == []
