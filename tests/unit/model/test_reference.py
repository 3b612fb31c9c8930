# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names by the grammar of the distribution specification."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    Reference,
    ReferenceInvalid,
    digest_of,
    has_digest,
    is_digest,
    is_repository,
    is_tag,
    require_digest,
    require_repository,
    require_tag,
)
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize("text", ["a", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a---b", "0", "a" * 255])
def test_repositories(text):
    assert is_repository(text)
    assert require_repository(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "a/",
        "/a",
        "a//b",
        "a..b",
        "a___b",
        "a._b",
        "-a",
        "a-",
        "a b",
        "a\n",
        "../a",
        "a:b",
        "a@b",
        "ä",
        "a" * 256,
    ],
)
def test_no_repositories(text):
    assert not is_repository(text)
    with pytest.raises(ReferenceInvalid, match="is not a repository name"):
        require_repository(text)


@pytest.mark.parametrize("text", ["a", "A", "_", "1.0", "a-b_c.d", "a" * 128])
def test_tags(text):
    assert is_tag(text)
    assert require_tag(text) == text


@pytest.mark.parametrize("text", ["", ".a", "-a", "a/b", "a:b", "a b", "a\n", "a+b", "ä", "a" * 129])
def test_no_tags(text):
    assert not is_tag(text)
    with pytest.raises(ReferenceInvalid, match="is not a tag"):
        require_tag(text)


@pytest.mark.parametrize("text", [DIGEST, "sha512:" + "0" * 128])
def test_digests(text):
    assert is_digest(text)
    assert require_digest(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:abc",
        DIGEST.upper(),
        DIGEST + "a",
        DIGEST + "\n",
        "md5:" + "a" * 32,
        "sha512:" + "a" * 64,
        "a" * 64,
    ],
)
def test_no_digests(text):
    assert not is_digest(text)
    with pytest.raises(ReferenceInvalid, match="is not a digest"):
        require_digest(text)


def test_content():
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert has_digest(b"x", digest_of(b"x"))
    assert has_digest(b"x", digest_of(b"x", "sha512"))
    assert not has_digest(b"y", digest_of(b"x"))


def test_references():
    assert Reference.parse("a/b:1.0") == Reference("a/b", "1.0")
    assert Reference.parse("a@" + DIGEST) == Reference("a", digest=DIGEST)
    assert Reference.parse("a:1").name == "1"
    assert Reference.parse("a@" + DIGEST).name == DIGEST


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", ":a", "a@", "@" + DIGEST, "a:b@" + DIGEST, "a@sha256:b", "host:5000/a:1", "A:1", "a:b:c", "a:1 "],
)
def test_no_references(text):
    with pytest.raises(ReferenceInvalid):
        Reference.parse(text)


@settings(max_examples=400, deadline=None)
@given(st.text("aA1:@/._- \n", max_size=12) | st.sampled_from(["a", "a/b"]).map(lambda name: name + "@" + DIGEST))
def test_what_is_read_is_written_alike(text):
    try:
        reference = Reference.parse(text)
    except ReferenceInvalid:
        return
    assert str(reference) == text
    assert is_repository(reference.repository)
