# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers to DELETE that leave room for doubt, as reference and source of Distribution tell them: what is done after each."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import DeleteAnswer, ManifestHead
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    ConnectionFailed,
    Forbidden,
    NotFound,
    RegistryError,
    ServerFailed,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletion import (
    DeletionFailed,
    delete_digest,
    delete_left_tags,
    delete_tag,
)

DIGEST = "sha256:" + "a" * 64
CONTENT = ("application/vnd.oci.image.manifest.v1+json", b"{}")
ERRORS = DeleteAnswer(202, (("UNKNOWN", "unknown error"),))
GONE = NotFound("no such manifest", status=404, code="MANIFEST_UNKNOWN")
FAILED = ServerFailed("HTTP 500", status=500)
LOST = ConnectionFailed("the connection broke")
UNREADABLE = RegistryError("HTTP 400", status=400, code="DIGEST_INVALID")


def answered(answer):
    """What a client makes of an answer: a failure is raised."""
    if isinstance(answer, RegistryError):
        raise answer
    return answer


class Played:
    """A registry with one manifest and its tags. SCRIPT: per DELETE, what goes (manifest, tags), and the answer or error."""

    def __init__(self, tags, *script, present=True):
        self.tags_on = set(tags)
        self.present = present
        self.script = list(script)
        self.puts = []
        self.refuses: Exception | None = None

    def delete_manifest(self, _repository, reference):
        manifest, tags, answer = self.script.pop(0) if self.script else (True, True, DeleteAnswer(202))
        if manifest and ":" in reference:
            self.present = False
        if tags:
            self.tags_on = set() if ":" in reference else self.tags_on - {reference}
        return answered(answer)

    def put_manifest(self, _repository, reference, _body, _media_type):
        if isinstance(self.refuses, Exception):
            raise self.refuses
        self.puts.append(reference)
        self.present = True

    def head_manifest(self, _repository, reference):
        if not self.present or not (":" in reference or reference in self.tags_on):
            raise GONE
        return ManifestHead(DIGEST, CONTENT[0], 2)

    def tags(self, _repository):
        return sorted(self.tags_on)


def delete(played, tags=("v1",), content=CONTENT):
    return delete_digest(played, "team/app", DIGEST, tags, lambda: content)


@pytest.mark.parametrize("answer", [ERRORS, FAILED, LOST, GONE])
def test_where_the_manifest_went_and_its_tags_stayed_it_is_put_back_and_deleted_again(answer):
    played = Played(["v1", "other"], (True, False, answer))
    assert delete(played) is True
    assert played.puts == [DIGEST]
    assert not played.present
    assert "v1" not in played.tags_on


@pytest.mark.parametrize("answer", [ERRORS, FAILED, LOST])
def test_where_all_of_it_went_the_doubtful_answer_is_a_success(answer):
    played = Played(["v1"], (True, True, answer))
    assert delete(played) is True
    assert played.puts == []


def test_a_missing_revision_without_tags_had_been_gone_before():
    assert delete(Played([], (False, False, GONE), present=False)) is False


@pytest.mark.parametrize("answer", [ERRORS, FAILED, LOST, UNREADABLE])
def test_what_is_still_there_is_an_error(answer):
    with pytest.raises(DeletionFailed, match="still there"):
        delete(Played(["v1"], (False, False, answer)))


def test_a_refusal_is_told_as_it_came():
    with pytest.raises(Forbidden):
        delete(Played(["v1"], (False, False, Forbidden("no", status=403))))


def test_without_its_bytes_the_tags_that_are_left_are_named():
    with pytest.raises(DeletionFailed, match="v1.*remove_dangling_tags"):
        delete(Played(["v1"], (True, False, FAILED)), content=None)


def test_a_registry_that_never_gets_to_the_tags_has_its_image_back():
    played = Played(["v1"], (True, False, FAILED), (True, False, FAILED))
    with pytest.raises(DeletionFailed, match="put back as it was"):
        delete(played)
    assert played.present
    assert played.tags_on == {"v1"}


def test_tags_of_an_interrupted_deletion_go_with_their_manifest():
    played = Played(["v1", "v2"], present=False)
    assert delete_left_tags(played, "team/app", DIGEST, ["v1", "v2"], CONTENT) == {"v1", "v2"}
    assert played.puts == [DIGEST]
    assert not played.present


@pytest.mark.parametrize(
    "refusal", [Forbidden("no", status=403), RegistryError("MANIFEST_BLOB_UNKNOWN", status=400), GONE]
)
def test_where_the_manifest_is_not_taken_back_its_tags_stay(refusal):
    played = Played(["v1"], present=False)
    played.refuses = refusal
    assert delete_left_tags(played, "team/app", DIGEST, ["v1"], CONTENT) == set()
    assert played.tags_on == {"v1"}


def test_a_tag_alone():
    assert delete_tag(Played(["v1"], (True, True, DeleteAnswer(202))), "team/app", "v1") is True
    assert delete_tag(Played(["v1"], (True, True, ERRORS)), "team/app", "v1") is True
    assert delete_tag(Played([], (False, False, GONE)), "team/app", "v1") is False
    for answer in (ERRORS, FAILED, LOST):
        with pytest.raises(DeletionFailed, match="v1 could not be deleted and is still there"):
            delete_tag(Played(["v1"], (False, False, answer)), "team/app", "v1")
