# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tombstones: what is written is read, and what others write cannot harm."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    TOMBSTONE,
    TOMBSTONE_ANNOTATION,
    parse_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.tombstone import (
    MAX_BATCH,
    TAGS_ANNOTATION,
    Parked,
    make_tombstone,
    read_tombstone,
)
from hypothesis import given, settings
from hypothesis import strategies as st

DIGEST = "sha256:" + "a" * 64


def read(stone):
    return parse_manifest(stone.body, stone.media_type, stone.digest)


_parked = st.builds(
    Parked,
    st.integers(0, 99).map(lambda number: digest_of(b"%d" % number)),
    st.none() | st.floats(0, 4e9),
)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=20),
    st.dictionaries(st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z"), _parked, max_size=MAX_BATCH),
)
def test_what_is_written_is_read(run, tags):
    stone = make_tombstone(run, tags)
    manifest = read(stone)
    assert stone.digest == digest_of(stone.body)
    assert manifest.kind == TOMBSTONE
    assert manifest.annotations[TOMBSTONE_ANNOTATION] == run
    assert read_tombstone(manifest) == tags
    assert make_tombstone(run, dict(reversed(list(tags.items())))) == stone


def test_two_runs_have_two_tombstones():
    tags = {"a": Parked(DIGEST)}
    assert make_tombstone("1", tags).digest != make_tombstone("2", tags).digest


def hostile(annotation, **more):
    annotations = {TOMBSTONE_ANNOTATION: "run", TAGS_ANNOTATION: annotation}
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [],
        "annotations": annotations,
        **more,
    }
    body = json.dumps(document).encode()
    return parse_manifest(body, media_types.OCI_INDEX, digest_of(body))


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        "[" * 100000,
        '{"a": null}',
        '{"a": []}',
        json.dumps({"a": [DIGEST]}),
        json.dumps({"a": [DIGEST, None, 1]}),
        json.dumps({"a": ["sha256:abc", None]}),
        json.dumps({"a": [None, None]}),
        json.dumps({"../../a": [DIGEST, None]}),
        json.dumps({"good": [DIGEST, None], "b/c": [DIGEST, None]}),
        json.dumps({"t%d" % number: [DIGEST, None] for number in range(MAX_BATCH + 1)}),
    ],
    ids=lambda text: text[:20],
)
def test_annotations_that_do_not_hold_together_say_nothing(annotation):
    assert read_tombstone(hostile(annotation)) == {}


@pytest.mark.parametrize("pushed", [True, "now", [], {}])
def test_a_push_time_that_is_none_is_unknown(pushed):
    assert read_tombstone(hostile(json.dumps({"a": [DIGEST, pushed]}))) == {"a": Parked(DIGEST, None)}


@pytest.mark.parametrize("pushed", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "9" * 5000])
def test_a_push_time_out_of_this_world_is_unknown(pushed):
    found = read_tombstone(hostile('{"a": ["%s", %s]}' % (DIGEST, pushed)))
    assert found in ({}, {"a": Parked(DIGEST, None)})


def test_what_has_children_is_no_tombstone_whatever_it_says():
    child = {"digest": DIGEST, "size": 1, "mediaType": media_types.OCI_MANIFEST}
    assert read_tombstone(hostile(json.dumps({"a": [DIGEST, None]}), manifests=[child])) == {}
