# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated registries and policies: shared digests, nested and overlapping indexes, referrers, cyclic nonsense."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    ARTIFACT,
    IMAGE,
    INDEX,
    TOMBSTONE,
    Descriptor,
    ImageConfig,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository, Revision, Snapshot, Tag
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import DAY, NOW, digest

MOST = 9
TAG_NAMES = (
    "latest",
    "stable",
    "v1.0.0",
    "v1.1.0",
    "v1.1.0-rc.1",
    "v2.0",
    "v2.1",
    "v2.10",
    "main-1",
    "main-2",
    "main-3",
    "dev-1",
    "dev-2",
    "950",
    "951",
)
_AGES = (0.5, 3, 20, 20, 100, 100, 400, 800, 1200, None, 9000, -5)
_LABELS: t.Tuple[t.Dict[str, str], ...] = ({}, {}, {"env": "ci"}, {"env": "prod", "expires": "2w"}, {"expires": "soon"})

_index = st.integers(0, MOST - 1)
_manifests = st.lists(
    st.tuples(
        st.sampled_from((IMAGE, IMAGE, IMAGE, INDEX, INDEX, ARTIFACT)),
        st.lists(_index, max_size=3),
        st.one_of(st.none(), st.none(), st.none(), st.none(), _index),
        st.integers(0, len(_AGES) - 1),
        st.integers(0, len(_LABELS) - 1),
        st.integers(0, 19),
    ),
    min_size=2,
    max_size=MOST,
)
_companions = st.tuples(_index, st.sampled_from(("", ".sig", ".att", ".sbom")), _index)
_age = st.sampled_from(_AGES)


def name_of(repository: str, number: int) -> str:
    """The name of manifest NUMBER; odd repositories share the manifests of even numbers."""
    return "shared %d" % number if number % 3 == 0 else "%s %d" % (repository, number)


def _manifest(repository: str, number: int, count: int, drawn: t.Tuple[t.Any, ...]) -> Manifest:
    kind, children, subject, age, labels, odd = drawn
    created = _AGES[age]
    common = {
        "digest": digest(name_of(repository, number)),
        "size": 100 + number,
        "subject": None if subject is None else digest(name_of(repository, subject)),
    }
    if kind == INDEX:
        entries = tuple(
            Descriptor(digest(name_of(repository, child)), media_types.OCI_MANIFEST, 1)
            for child in children
            if child < count or odd == 0
        )
        return Manifest(media_type=media_types.OCI_INDEX, kind=INDEX, children=entries, **common)
    layers = tuple(Descriptor(digest("layer %d" % layer), "", 1000 + layer) for layer in children)
    config = Descriptor(
        digest("config %d" % (number % 4)),
        media_types.OCI_CONFIG if kind == IMAGE else media_types.OCI_EMPTY,
        70 + number % 4,
    )
    known = ImageConfig(None if created is None else NOW - created * DAY, _LABELS[labels])
    return Manifest(
        media_type=media_types.OCI_MANIFEST,
        kind=kind,
        config_descriptor=config,
        layers=layers,
        config=known if kind == IMAGE and odd else None,
        **common,
    )


@st.composite
def repositories(draw: st.DrawFn, name: str = "team/app", gone: bool = True) -> Repository:
    """A repository of which everything was read. With GONE, some children and subjects may be known to be missing."""
    drawn = draw(_manifests)
    count = len(drawn)
    manifests = {}
    for number, entry in enumerate(drawn):
        manifest = _manifest(name, number, count, entry)
        manifests[manifest.digest] = manifest
    digests = sorted(manifests)
    named = {child.digest for manifest in manifests.values() for child in manifest.children}
    named |= {manifest.subject for manifest in manifests.values() if manifest.subject}
    missing = set(named - set(manifests))
    if not gone:
        missing &= {child.digest for manifest in manifests.values() for child in manifest.children}
    tags = []
    for tag, target, pushed, odd in draw(
        st.lists(
            st.tuples(st.sampled_from(TAG_NAMES), _index, _age, st.integers(0, 30)),
            min_size=2,
            max_size=10,
            unique_by=lambda entry: entry[0],
        )
    ):
        when = None if pushed is None else NOW - pushed * DAY
        if odd == 0:
            tags.append(Tag(tag, None))
        else:
            hold = "held after a restore" if odd == 1 else ""
            tags.append(Tag(tag, digests[target % count], when, hold))
    companions = {}
    for subject, suffix, target in draw(st.lists(_companions, max_size=2)):
        companion = "sha256-%s%s" % (digest(name_of(name, subject)).partition(":")[2], suffix)
        companions[companion] = Tag(companion, digests[target % count])
        if gone and digest(name_of(name, subject)) not in manifests and suffix:
            missing.add(digest(name_of(name, subject)))
    tags.extend(companions.values())
    if draw(st.integers(0, 9)) == 0:
        stone = Manifest(digest("tombstone"), media_types.OCI_INDEX, 99, TOMBSTONE)
        manifests[stone.digest] = stone
        tags.append(Tag("doomed", stone.digest))
    revisions = None
    if draw(st.booleans()):
        ages = draw(st.lists(_age, min_size=len(manifests), max_size=len(manifests)))
        revisions = {
            entry: Revision(entry, None, None if age is None else NOW - age * DAY)
            for entry, age in zip(sorted(manifests), ages, strict=True)
        }
    unfinished = {}
    if draw(st.integers(0, 5)) == 0:
        unfinished = {digests[0]: "it was planned"}
    return Repository(
        name, tuple(tags), manifests, frozenset(missing), revisions, unfinished=unfinished
    )


_PATTERNS = (["*"], ["*"], ["v*"], ["~^v"], ["*", "!v*"], ["main-*"], ["latest", "stable"], ["~^\\d+$"], ["sha256-*"])
_KEEPS: t.Dict[str, st.SearchStrategy[t.Any]] = {
    "keep_newest": st.integers(1, 3),
    "keep_younger_than": st.sampled_from(("1d", "14d", "90d", "1y")),
    "keep_tags": st.sampled_from(_PATTERNS[2:]),
    "keep_at_least_version": st.sampled_from(("1.1", "v2.0", "951")),
    "keep_unexpired": st.just("expires"),
}
_UNTAGGED_KEEPS = {"keep_younger_than": st.sampled_from(("1d", "7d", "1y")), "keep_unexpired": st.just("expires")}


@st.composite
def keep_clauses(draw: st.DrawFn, untagged: bool = False) -> t.Dict[str, t.Any]:
    """One keep clause, with what belongs to it."""
    choices = _UNTAGGED_KEEPS if untagged else _KEEPS
    key = draw(st.sampled_from(sorted(choices)))
    clause = {key: draw(choices[key])}
    if key == "keep_newest":
        clause["order_by"] = draw(st.sampled_from(("created", "pushed", "version", "name")))
        if draw(st.booleans()):
            clause["group_by"] = draw(st.sampled_from((r"^v?(\d+)\.", r"^(.+)-[^-]+$")))
    return clause


@st.composite
def policies(draw: st.DrawFn) -> t.List[t.Dict[str, t.Any]]:
    """A valid list of policies, as a user would write it."""
    raw = []
    for number in range(draw(st.integers(1, 3))):
        policy: t.Dict[str, t.Any] = {"name": "policy %d" % number}
        if draw(st.integers(0, 7)) == 0:
            policy["labels"] = {"env": draw(st.sampled_from(("ci", "*", "~prod")))}
        untagged = draw(st.integers(0, 3)) == 0
        if untagged:
            policy["untagged"] = True
        else:
            policy["tags"] = draw(st.sampled_from(_PATTERNS))
        if draw(st.integers(0, 3)) == 0 or (untagged and "labels" not in policy):
            policy["repositories"] = draw(st.sampled_from((["team/*"], ["*"], ["*"], ["other"])))
        whole = draw(st.integers(0, 8))
        if whole == 0:
            policy["keep"] = "all"
        elif whole <= 3:
            policy["delete"] = "all"
        else:
            for _turn in range(draw(st.sampled_from((1, 1, 2)))):
                policy.update(draw(keep_clauses(untagged)))
        raw.append(policy)
    return raw


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """One or two repositories, which share some digests."""
    names = ("team/app", "other")[: draw(st.integers(1, 2))]
    return Snapshot(NOW, tuple(draw(repositories(name)) for name in names))


@st.composite
def protections(draw: st.DrawFn) -> t.List[str]:
    """Protected digests of manifests and configs, and tags."""
    choices = [digest("config 1"), "team/app:v1.0.0", "team/app@" + digest(name_of("team/app", 1))]
    choices += [digest(name_of("team/app", number)) for number in range(MOST)]
    return draw(st.one_of(st.just([]), st.lists(st.sampled_from(choices), max_size=2)))
