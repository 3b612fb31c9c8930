# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations, versions, natural order, places, dates."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.dates import (
    EARLIEST,
    created_times,
    plausible,
    pushes_reliable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.durations import (
    in_words,
    parse_duration,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import build_graph
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.ordering import (
    natural_key,
    ordinal,
    rank,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.versions import parse_version
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import (
    DAY,
    NOW,
    digest,
    image,
    index,
    repository,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("30m", 1800),
        ("12h", 43200),
        ("90d", 90 * DAY),
        ("2w", 14 * DAY),
        ("1y", 365 * DAY),
        ("007d", 7 * DAY),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0d", "d", "1", "1.5d", " 1d", "1d ", "1d\n", "-1d", "1D", "1d1h", "1234567d", "١d", None, 5, b"1d", ["1d"]],
)
def test_no_durations(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (-5, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (2 * DAY, "2 days"),
        (900 * DAY, "900 days"),
    ],
)
def test_words(seconds, words):
    assert in_words(seconds) == words


ASCENDING = [
    [
        "1.2.3-alpha",
        "1.2.3-alpha.1",
        "1.2.3-alpha.beta",
        "1.2.3-beta",
        "1.2.3-beta.2",
        "1.2.3-beta.11",
        "1.2.3-rc.1",
        "1.2.3",
        "1.2.4",
    ],
    ["v1.9", "v1.10", "v1.10.1", "v2", "v10"],
    ["1.0-rc9", "1.0-rc10", "1.0"],
    ["1.2rc1", "1.2rc2", "1.2", "1.2.1"],
    ["3.0.0b2", "3.0.0rc1", "3.0.0"],
    ["2024-11-03", "2024.11.4", "2024-12-01", "2025.1"],
    ["2024-11-02", "2024-11-03-rc1", "2024-11-03", "2024-11-03-2", "2024-11-03.10", "2024-11-04"],
    ["2024-01-01", "2024-9-5", "v2024-10-15", "2024-11-3", "2024-12-01", "2024-12-01-14-30", "2024-12-31_hotfix"],
    ["9", "10", "950", "1000"],
    ["0.9", "1.0-0", "1.0"],
]


@pytest.mark.parametrize("versions", ASCENDING, ids=lambda versions: versions[0])
def test_versions_in_order(versions):
    keys = [parse_version(version) for version in versions]
    assert None not in keys
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "same",
    [
        ["1.2", "v1.2", "V1.2.0", "1.2.0.0", "1.2_build", "1.2+build"],
        ["v1.2.3-rc.1_build", "1.2.3-RC.1"],
        ["2024-11-03", "2024.11.3", "v2024-11-3", "2024-11-03_hotfix", "2024-11-03+5"],
        ["2024-11-03-2", "V2024-11-3.2_build"],
    ],
    ids=str,
)
def test_versions_that_are_equal(same):
    assert len({parse_version(version) for version in same}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "",
        "v",
        "main-1",
        "1.",
        ".1",
        "1..2",
        "v1.x",
        "a1b2c3d",
        "1a2b3c4",
        "1b",
        "1.2.3-",
        "sha-1",
        "2024-12-01T0900",
        "v2024-12-1-",
        "2024-12-01rc1",
        "1.2 3",
        "1.2\n",
        "１.2",
    ],
)
def test_no_versions(text):
    assert parse_version(text) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.from_regex(r"\A[vV]?[0-9a-z._+-]{0,12}\Z"), max_size=8))
def test_versions_can_always_be_compared(texts):
    keys = [key for key in map(parse_version, texts) if key is not None]
    assert sorted(sorted(keys, reverse=True)) == sorted(keys)


def test_natural_order():
    names = ["build-2", "build-10", "Build-1", "a1b2", "a1b10", "a", "10", "9", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "Build-1", "a", "a1b2", "a1b10", "build-2", "build-10"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=10), max_size=8))
def test_natural_keys_can_always_be_compared(names):
    assert sorted(names, key=natural_key) == sorted(sorted(names), key=natural_key)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (111, "111th"),
        (122, "122nd"),
    ],
)
def test_ordinals(number, text):
    assert ordinal(number) == text


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 4), max_size=8), st.integers(1, 9))
def test_places(images, count):
    places = rank(images, count)
    assert sorted(place.position for place in places.values()) == list(range(1, len(images) + 1))
    kept = {name for name, place in places.items() if place.kept}
    assert len(kept) >= min(count, len(images))
    for name in images:
        better = sum(1 for other in images if images[other] > images[name])
        assert (name in kept) == (better < count)
        assert places[name].tied == (name in kept and places[name].position > count)


@pytest.mark.parametrize(
    ("instant", "believed"),
    [
        (None, False),
        (EARLIEST - 1, False),
        (EARLIEST, True),
        (NOW, True),
        (NOW + DAY, True),
        (NOW + DAY + 1, False),
        (0, False),
        (-6e10, False),
        (2.5e11, False),
    ],
)
def test_plausible(instant, believed):
    assert (plausible(instant, NOW) is not None) == believed


def times(manifests):
    return created_times(build_graph(repository(manifests, {})), NOW)


def test_an_index_has_the_date_of_its_newest_child_nested_too():
    found = times(
        [
            image("a", 9),
            image("b", 3),
            image("c"),
            index("inner", ["a", "b", "c"]),
            index("outer", ["inner"]),
            index("none", ["c"]),
        ]
    )
    assert found[digest("outer")] == found[digest("inner")] == NOW - 3 * DAY
    assert digest("none") not in found


def test_an_index_with_a_date_of_its_own_has_that():
    annotated = index("i", ["a"], annotations={"org.opencontainers.image.created": "2020-01-01T00:00:00Z"})
    assert times([image("a", 1), annotated])[digest("i")] == 1577836800


def test_an_index_has_no_date_while_one_of_its_images_was_not_read():
    attested = index("attested", ["a", "unread@unknown/unknown"])
    dated = {"org.opencontainers.image.created": "2020-01-01T00:00:00Z"}
    found = times(
        [
            image("a", 400),
            image("unread", read_config=False),
            image("annotated", read_config=False, annotations=dated),
            index("inner", ["a", "unread"]),
            index("outer", ["inner", "a"]),
            index("own", ["inner"], annotations=dated),
            index("above", ["own", "annotated"]),
            attested,
        ]
    )
    assert digest("inner") not in found
    assert digest("outer") not in found
    assert found[digest("above")] == found[digest("own")] == 1577836800
    assert found[attested.digest] == NOW - 400 * DAY


def test_circles_of_indexes_have_an_end_and_a_date():
    found = times([image("a", 1), index("x", ["y", "a"]), index("y", ["x"])])
    assert found[digest("x")] == found[digest("y")] == NOW - DAY


@pytest.mark.parametrize(
    ("pushed", "reliable"),
    [
        ([], True),
        ([5], True),
        ([5, 5], False),
        ([5, 900], True),
        ([5, 6, 7, 900], False),
        ([5, 6, 900, 1800], True),
        ([5, 6, 7, 900, 1800, 2700], True),
        ([5 + number / 50 for number in range(5000)], False),
        ([number * 60.0 for number in range(5000)], True),
    ],
    ids=lambda value: str(value)[:20],
)
def test_pushes(pushed, reliable):
    assert pushes_reliable(pushed) == reliable
    assert pushes_reliable(reversed(pushed)) == reliable
