# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests and configs from whoever can push: understood exactly, or refused."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    ARTIFACT,
    IMAGE,
    INDEX,
    MAX_MANIFEST_BYTES,
    TOMBSTONE,
    TOMBSTONE_ANNOTATION,
    ImageConfig,
    Manifest,
    ManifestInvalid,
    parse_image_config,
    parse_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of
from hypothesis import given, settings
from hypothesis import strategies as st

D = ["sha256:" + str(number) * 64 for number in range(10)]


def descriptor(number, size=7, media_type="application/octet-stream", **more):
    return {"digest": D[number], "size": size, "mediaType": media_type, **more}


def an_image(**changes):
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(1, 5, media_types.OCI_CONFIG),
        "layers": [descriptor(2), descriptor(3)],
    }
    document.update(changes)
    return {key: value for key, value in document.items() if value is not ...}


def an_index(**changes):
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [
            descriptor(
                4, 9, media_types.OCI_MANIFEST, platform={"os": "linux", "architecture": "arm", "variant": "v7"}
            ),
            descriptor(5, 9, media_types.OCI_MANIFEST),
        ],
    }
    document.update(changes)
    return {key: value for key, value in document.items() if value is not ...}


def parse(document, media_type=None):
    body = json.dumps(document).encode()
    return parse_manifest(body, media_type or document.get("mediaType") or "", digest_of(body))


def test_an_image():
    manifest = parse(an_image(annotations={"a": "b", "c": 3}, subject=descriptor(6), artifactType="x"))
    assert manifest.kind == IMAGE
    assert manifest.has_image_config
    assert [blob.digest for blob in manifest.blobs] == [D[1], D[2], D[3]]
    assert [blob.size for blob in manifest.blobs] == [5, 7, 7]
    assert manifest.annotations == {"a": "b"}
    assert manifest.subject == D[6]
    assert manifest.artifact_type == "x"
    assert manifest.config is None


def test_an_index():
    body = json.dumps(an_index()).encode()
    manifest = parse_manifest(body, media_types.OCI_INDEX, digest_of(body))
    assert manifest.kind == INDEX
    assert [(child.digest, child.platform) for child in manifest.children] == [(D[4], "linux/arm/v7"), (D[5], "")]
    assert manifest.blobs == ()
    assert manifest.size == len(body)


@pytest.mark.parametrize("media_type", media_types.MANIFEST_TYPES)
def test_every_media_type(media_type):
    document = (an_index if media_type in media_types.INDEX_TYPES else an_image)(mediaType=media_type)
    assert parse(document).media_type == media_type
    assert parse(document, media_type + "; charset=utf-8").media_type == media_type
    del document["mediaType"]
    assert parse(document, media_type).media_type == media_type


def test_what_has_no_image_config_is_an_artifact():
    assert parse(an_image(config=descriptor(1, 2, media_types.OCI_EMPTY))).kind == ARTIFACT
    assert parse(an_image(config=descriptor(1, 2, media_types.DOCKER_CONFIG))).kind == IMAGE
    assert parse(an_image(layers=[])).layers == ()
    assert parse(an_image(layers=None)).layers == ()


def test_a_tombstone_is_an_annotated_index_without_children_and_nothing_else():
    annotations = {TOMBSTONE_ANNOTATION: "run"}
    assert parse(an_index(manifests=[], annotations=annotations)).kind == TOMBSTONE
    assert parse(an_index(annotations=annotations)).kind == INDEX
    assert parse(an_index(manifests=[])).kind == INDEX
    assert parse(an_image(annotations=annotations)).kind == IMAGE


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ([], media_types.OCI_MANIFEST),
        ("text", media_types.OCI_MANIFEST),
        (None, media_types.OCI_MANIFEST),
        (an_image(schemaVersion=1), None),
        (an_image(schemaVersion="2"), None),
        (an_image(schemaVersion=...), None),
        (an_image(), media_types.DOCKER_MANIFEST),
        (an_image(mediaType=...), media_types.OCI_INDEX),
        (an_index(mediaType=...), media_types.OCI_MANIFEST),
        (an_image(mediaType=...), media_types.DOCKER_SCHEMA1),
        (an_image(mediaType=...), "text/html"),
        (an_image(mediaType=["x"]), media_types.OCI_MANIFEST),
        (an_image(manifests=[]), None),
        (an_index(layers=[]), None),
        (an_index(config={}), None),
        (an_index(manifests={}), None),
        (an_index(manifests=[None]), None),
        (an_index(manifests=[D[1]]), None),
        (an_image(config=...), None),
        (an_image(config=None), None),
        (an_image(config=[]), None),
        (an_image(layers="x"), None),
        (an_image(layers=[descriptor(1, -1)]), None),
        (an_image(layers=[descriptor(1, 1.5)]), None),
        (an_image(layers=[descriptor(1, True)]), None),
        (an_image(layers=[descriptor(1, "7")]), None),
        (an_image(layers=[descriptor(1, None)]), None),
        (an_image(layers=[{"size": 1}]), None),
        (an_image(layers=[{"size": 1, "digest": "sha256:abc"}]), None),
        (an_image(layers=[{"size": 1, "digest": "md5:" + "0" * 32}]), None),
        (an_image(layers=[{"size": 1, "digest": D[1] + "\n"}]), None),
        (an_image(layers=[{"size": 1, "digest": 7}]), None),
        (an_image(subject="x"), None),
        (an_image(subject={"digest": "../../etc"}), None),
    ],
    ids=lambda value: None,
)
def test_what_cannot_be_understood_is_refused(document, media_type):
    body = json.dumps(document).encode()
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(body, media_type or document["mediaType"], digest_of(body))
    assert 0 < len(str(caught.value)) < 500


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 100000, b'{"a":' * 50000, b"NaN", b'"' + b"x" * 1000])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(ManifestInvalid):
        parse_manifest(body, media_types.OCI_MANIFEST, digest_of(body))
    with pytest.raises(ManifestInvalid):
        parse_image_config(body)


def test_an_enormous_manifest_is_refused_unread():
    with pytest.raises(ManifestInvalid, match="at most"):
        parse_manifest(b" " * (MAX_MANIFEST_BYTES + 1), media_types.OCI_MANIFEST, D[0])


def test_ten_thousand_layers_are_read():
    assert len(parse(an_image(layers=[descriptor(2)] * 10000)).layers) == 10000


def test_error_texts_are_bounded_whatever_was_pushed():
    for document in (
        an_image(mediaType="x" * 100000),
        an_image(layers=[{"digest": "y" * 100000, "size": 1}]),
        an_image(layers=[descriptor(1, "9" * 100000)]),
        an_image(schemaVersion=["z" * 100000]),
    ):
        for media_type in (media_types.OCI_MANIFEST, "w" * 100000):
            with pytest.raises(ManifestInvalid) as caught:
                parse(document, media_type)
            assert len(str(caught.value)) < 700


@pytest.mark.parametrize("one", [b"{},", b"[],", b"0,"])
def test_json_that_would_be_far_larger_in_memory_is_refused_unread(one):
    body = b'{"schemaVersion": 2, "layers": [' + one * 500000 + b"{}]}"
    with pytest.raises(ManifestInvalid, match="more than 500000 values"):
        parse_manifest(body, media_types.OCI_MANIFEST, D[0])


def test_error_texts_are_printable_whatever_was_pushed():
    document = an_image(mediaType="\x1b[2J\u202e" + "x" * 1000)
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(json.dumps(document).encode(), "\x1b[2J", D[0])
    assert "\\x1b" not in str(caught.value) and str(caught.value).isprintable()
    document = an_image(config={"digest": "\x1b[2J", "size": 1})
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(json.dumps(document).encode(), media_types.OCI_MANIFEST, D[0])
    assert str(caught.value).isprintable()


def test_a_number_of_a_million_digits_is_no_manifest_and_no_trace():
    for body in (b'{"schemaVersion": ' + b"9" * 1000000 + b"}", b'{"a": 1e999999, "schemaVersion": 3}'):
        with pytest.raises(ManifestInvalid):
            parse_manifest(body, media_types.OCI_MANIFEST, digest_of(body))


def test_a_config():
    body = json.dumps(
        {
            "created": "2024-02-29T12:00:00Z",
            "os": "linux",
            "architecture": "amd64",
            "config": {"Labels": {"a": "b", "n": 1}},
        }
    )
    assert parse_image_config(body.encode()) == ImageConfig(1709208000.0, {"a": "b"}, "linux/amd64")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"created": 5},
        {"created": "0001-01-01"},
        {"config": None},
        {"config": []},
        {"config": {"Labels": ["a"]}},
        {"os": 3, "architecture": None},
    ],
    ids=str,
)
def test_odd_fields_of_a_config_count_as_absent(document):
    assert parse_image_config(json.dumps(document).encode()) == ImageConfig()


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([*D[:3], *media_types.MANIFEST_TYPES, media_types.OCI_CONFIG, 2]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["digest", "size", "mediaType", "platform", "os", "config", "Labels", "annotations", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_KEYS = (
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "artifactType",
    "created",
    "os",
    "x",
)


@settings(max_examples=1200, deadline=None)
@given(
    st.sampled_from((an_image, an_index, dict)),
    st.dictionaries(st.sampled_from(_KEYS), _json | st.just(...), max_size=3),
    st.sampled_from(media_types.MANIFEST_TYPES),
)
def test_nothing_but_a_manifest_or_a_refusal(base, changes, media_type):
    document = base()
    for key, value in changes.items():
        if value is ...:
            document.pop(key, None)
        else:
            document[key] = value
    body = json.dumps(document).encode()
    try:
        manifest = parse_manifest(body, media_type, digest_of(body))
    except ManifestInvalid as error:
        assert len(str(error)) < 700
    else:
        assert isinstance(manifest, Manifest)
        assert all(blob.size >= 0 for blob in manifest.blobs + manifest.children)
        assert (manifest.kind in (INDEX, TOMBSTONE)) == (media_type in media_types.INDEX_TYPES)
        assert all(isinstance(text, str) for pair in manifest.annotations.items() for text in pair)
    config = parse_image_config(body)
    assert all(isinstance(text, str) for text in config.labels.values())


@settings(max_examples=600, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.sampled_from(media_types.MANIFEST_TYPES))
def test_bytes_are_refused_or_understood(body, media_type):
    for parse_it in (lambda: parse_manifest(body, media_type, digest_of(body)), lambda: parse_image_config(body)):
        try:
            parse_it()
        except ManifestInvalid as error:
            assert str(error)
