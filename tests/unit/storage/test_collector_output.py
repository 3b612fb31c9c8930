# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collector's output, in the forms that 2.6 to 3.1 print."""

from __future__ import annotations

import tracemalloc

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_output import (
    CollectorOutput,
)


def digest(number):
    return "sha256:%064x" % number


def read(text, **options):
    blobs, links = [], []
    output = CollectorOutput(blobs.append, lambda name, link: links.append((name, link)), **options)
    repositories = [done for done in map(output.take, text.encode().split(b"\n")) if done]
    rest = output.finish()
    return output, repositories + ([rest] if rest else []), blobs, links


V26 = """team/app
team/app: marking manifest {1}\x20
team/app: marking blob {2}
team/app: marking blob {3}

5 blobs marked, 1 blobs eligible for deletion
blob eligible for deletion: {4}
time="2026-01-01T00:00:00Z" level=info msg="Deleting blob: /docker/registry/v2/blobs/sha256/00/x" go.version=go1.8
"""
V28 = """team/app
team/app: marking manifest {1}\x20
team/app: marking blob {2}
team/app: marking manifest {5}\x20
team/app: marking blob {2}
team/app/sub
zeta
zeta: marking manifest {1}\x20
manifest eligible for deletion: {6}

7 blobs marked, 2 blobs and 1 manifests eligible for deletion
blob eligible for deletion: {4}
blob eligible for deletion: {6}
"""
V31 = """emptied
team/app
team/app: marking manifest {1}\x20
team/app: marking blob {2}
manifest eligible for deletion: {{team/app {6} [1.0 2.0 latest]}}
manifest tags path of repository other does not exist

3 blobs marked, 1 blobs and 1 manifests eligible for deletion
blob eligible for deletion: {4}
team/app: layer link eligible for deletion: {4}
team/app: layer link eligible for deletion: {6}
"""


def text(form):
    return form.format(*[digest(number) for number in range(10)])


def test_2_6():
    output, repositories, blobs, links = read(text(V26), keep_manifests=True)
    assert output.complete
    assert (output.blobs_marked, output.blobs_eligible, output.manifests_eligible) == (5, 1, 0)
    assert blobs == [digest(4)]
    assert links == []
    assert [(one.name, sorted(one.manifests)) for one in repositories] == [("team/app", [digest(1)])]


def test_2_8():
    output, repositories, blobs, links = read(text(V28), keep_manifests=True)
    assert output.complete
    assert (output.blobs_marked, output.blobs_eligible, output.manifests_eligible) == (7, 2, 1)
    assert (output.repositories, output.manifests, output.blobs_named) == (3, 3, 2)
    assert blobs == [digest(4), digest(6)]
    assert [(one.name, sorted(one.manifests)) for one in repositories] == [
        ("team/app", [digest(1), digest(5)]),
        ("team/app/sub", []),
        ("zeta", [digest(1)]),
    ]


def test_3_1():
    output, repositories, blobs, links = read(text(V31), keep_manifests=True)
    assert output.complete
    assert (output.blobs_marked, output.blobs_eligible, output.manifests_eligible) == (3, 1, 1)
    assert output.layer_links_eligible == 2
    assert links == [("team/app", digest(4)), ("team/app", digest(6))]
    assert [one.name for one in repositories] == ["emptied", "team/app"]


def test_a_terminal_ends_lines_with_carriage_returns():
    output, repositories, blobs, _links = read(text(V28).replace("\n", "\r\n"), keep_manifests=True)
    assert output.complete
    assert len(repositories) == 3
    assert blobs == [digest(4), digest(6)]


@pytest.mark.parametrize("form", [V26, V28, V31])
def test_without_the_summary_it_is_not_complete(form):
    lines = [line for line in text(form).split("\n") if "blobs marked" not in line]
    assert not read("\n".join(lines))[0].complete


@pytest.mark.parametrize(
    "line",
    [
        "Error: unknown flag: --quiet",
        "9 blobs marked, 1 blobs and 1 manifests eligible for deletion, said somebody",
        "he said: 9 blobs marked, 1 blobs eligible for deletion",
        "blob eligible for deletion: sha256:../../../etc/passwd",
        "blob eligible for deletion: ",
        "../etc: marking manifest " + digest(1),
        "app: layer link eligible for deletion: sha256:zz",
        "Usage:",
        "UPPER",
        "",
    ],
)
def test_what_is_not_of_the_grammar_is_passed_over(line):
    output, repositories, blobs, links = read(line, keep_manifests=True)
    assert not output.complete
    assert (repositories, blobs, links) == ([], [], [])


def test_the_last_repository_tells_where_an_abort_was():
    output = CollectorOutput()
    output.take(b"team/app")
    output.take(b"team/broken")
    assert output.last_repository == "team/broken"


def test_memory_does_not_grow_with_the_output():
    output = CollectorOutput(keep_manifests=True)
    tracemalloc.start()
    try:
        for number in range(2000):
            name = b"team/app-%d" % number
            output.take(name)
            for _unused in range(3):
                output.take(name + b": marking manifest sha256:%064x " % number)
                output.take(name + b": marking blob sha256:%064x" % number)
        for number in range(20000):
            output.take(b"blob eligible for deletion: sha256:%064x" % number)
        assert tracemalloc.get_traced_memory()[1] < 200 * 1024
    finally:
        tracemalloc.stop()
    assert (output.manifests, output.blobs_named) == (6000, 20000)
