# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated registries and policies: shared digests, nested and overlapping indexes, referrers, cyclic nonsense."""

from __future__ import annotations

import typing as t

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
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Revision,
    Snapshot,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Pulls
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import DAY, NOW, digest
from hypothesis import strategies as st

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

_KINDS = (IMAGE, IMAGE, IMAGE, INDEX, INDEX, ARTIFACT)
_SUFFIXES = ("", ".sig", ".att", ".sbom")


def _choose(choices: t.Sequence[t.Any], byte: int) -> t.Any:
    return choices[byte % len(choices)]


def _chunks(draw: st.DrawFn, size: int, least: int, most: int) -> t.List[bytes]:
    """Some chunks of SIZE bytes: one draw for all of them is several times faster than one for each choice."""
    count = draw(st.integers(least, most))
    drawn = draw(st.binary(min_size=size * count, max_size=size * count))
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


def name_of(repository: str, number: int) -> str:
    """The name of manifest NUMBER; odd repositories share the manifests of even numbers."""
    return "shared %d" % number if number % 3 == 0 else "%s %d" % (repository, number)


def _manifest(repository: str, number: int, count: int, drawn: bytes) -> Manifest:
    kind = _choose(_KINDS, drawn[0])
    below = [entry % MOST for entry in drawn[1 : 1 + drawn[4] % 4]]
    subject = drawn[5] % MOST if drawn[5] % 5 == 0 else None
    labels, odd = _choose(_LABELS, drawn[6] // 16), drawn[6] % 16
    created = _choose(_AGES, drawn[7])
    common: t.Dict[str, t.Any] = {
        "digest": digest(name_of(repository, number)),
        "size": 100 + number,
        "subject": None if subject is None else digest(name_of(repository, subject)),
    }
    if kind == INDEX:
        entries = tuple(
            Descriptor(digest(name_of(repository, child)), media_types.OCI_MANIFEST, 1)
            for child in below
            if child < count or odd == 0
        )
        return Manifest(media_type=media_types.OCI_INDEX, kind=INDEX, children=entries, **common)
    layers = tuple(Descriptor(digest("layer %d" % layer), "", 1000 + layer) for layer in below)
    config = Descriptor(
        digest("config %d" % (number % 4)),
        media_types.OCI_CONFIG if kind == IMAGE else media_types.OCI_EMPTY,
        70 + number % 4,
    )
    known = ImageConfig(None if created is None else NOW - created * DAY, labels)
    return Manifest(
        media_type=media_types.OCI_MANIFEST,
        kind=kind,
        config_descriptor=config,
        layers=layers,
        config=known if kind == IMAGE and odd else None,
        **common,
    )


def _revision(entry: str, byte: int) -> Revision:
    age = _choose(_AGES, byte)
    return Revision(entry, None, None if age is None else NOW - age * DAY)


def _tags(drawn: t.Sequence[bytes], digests: t.Sequence[str]) -> t.Iterator[Tag]:
    names = list(TAG_NAMES)
    for chunk in drawn:
        name = names.pop(chunk[0] % len(names))
        age, odd = _choose(_AGES, chunk[2]), chunk[3] % 31
        when = None if age is None else NOW - age * DAY
        hold = "held after a restore" if odd == 1 else ""
        yield Tag(name, _choose(digests, chunk[1]), when, hold) if odd else Tag(name, None)


@st.composite
def repositories(draw: st.DrawFn, name: str = "team/app") -> Repository:
    """A repository of which everything was read. Some children and subjects may be known to be missing."""
    drawn = _chunks(draw, 8, 2, MOST)
    manifests = {}
    for number, chunk in enumerate(drawn):
        manifest = _manifest(name, number, len(drawn), chunk)
        manifests[manifest.digest] = manifest
    digests = sorted(manifests)
    named = {child.digest for manifest in manifests.values() for child in manifest.children}
    named |= {manifest.subject for manifest in manifests.values() if manifest.subject}
    missing = named - set(manifests)
    tags = {tag.name: tag for tag in _tags(_chunks(draw, 4, 2, 10), digests)}
    for chunk in _chunks(draw, 3, 0, 2):
        subject, suffix = digest(name_of(name, chunk[0] % MOST)), _choose(_SUFFIXES, chunk[1])
        companion = "sha256-%s%s" % (subject.partition(":")[2], suffix)
        tags[companion] = Tag(companion, _choose(digests, chunk[2]))
        if subject not in manifests and suffix:
            missing.add(subject)
    more = draw(st.binary(min_size=3 + len(manifests), max_size=3 + len(manifests)))
    revisions = None
    if more[0] % 2:
        revisions = {entry: _revision(entry, byte) for entry, byte in zip(digests, more[3:], strict=True)}
    unfinished = {digests[0]: "it was planned"} if more[1] % 6 == 0 else {}
    if more[2] % 10 == 0:
        stone = Manifest(digest("tombstone"), media_types.OCI_INDEX, 99, TOMBSTONE)
        manifests[stone.digest] = stone
        tags["doomed"] = Tag("doomed", stone.digest)
        if revisions is not None:
            revisions[stone.digest] = Revision(stone.digest)
    return Repository(name, tuple(tags.values()), manifests, frozenset(missing), revisions, unfinished=unfinished)


_PATTERNS = (["*"], ["*"], ["v*"], ["~^v"], ["*", "!v*"], ["main-*"], ["latest", "stable"], ["~^\\d+$"], ["sha256-*"])
_KEEPS: t.Dict[str, st.SearchStrategy[t.Any]] = {
    "keep_newest": st.integers(1, 3),
    "keep_younger_than": st.sampled_from(("1d", "14d", "90d", "1y")),
    "keep_tags": st.sampled_from(_PATTERNS[2:]),
    "keep_at_least_version": st.sampled_from(("1.1", "v2.0", "951")),
    "keep_unexpired": st.just("expires"),
}
_UNTAGGED_KEEPS = {"keep_younger_than": st.sampled_from(("1d", "7d", "1y")), "keep_unexpired": st.just("expires")}
_PULLED: t.Dict[str, st.SearchStrategy[t.Any]] = {"keep_pulled_within": st.sampled_from(("1d", "30d", "399d"))}
# Every keep clause there is, as (clause, of untagged manifests?).
KEEP_CLAUSES = [(key, False) for key in sorted({**_KEEPS, **_PULLED})] + [
    (key, True) for key in sorted(_UNTAGGED_KEEPS)
]


@st.composite
def keep_clauses(draw: st.DrawFn, untagged: bool = False) -> t.Dict[str, t.Any]:
    """One keep clause, with what belongs to it."""
    return draw(_clause(draw(st.sampled_from(sorted(_UNTAGGED_KEEPS if untagged else _KEEPS))), untagged))


@st.composite
def _clause(draw: st.DrawFn, key: str, untagged: bool) -> t.Dict[str, t.Any]:
    clause = {key: draw((_UNTAGGED_KEEPS if untagged else {**_KEEPS, **_PULLED})[key])}
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
def one_more_clause(draw: st.DrawFn, key: str, untagged: bool) -> t.Tuple[t.List[t.Any], t.List[t.Any]]:
    """Policies without the keep clause KEY in some of them, and the same with it there. UNTAGGED: in those of untagged manifests."""
    fewer: t.List[t.Dict[str, t.Any]] = []
    more: t.List[t.Dict[str, t.Any]] = []
    raw = draw(policies())
    if not any(entry.get("untagged", False) == untagged for entry in raw):
        last = {"name": "the rest", **({"untagged": True} if untagged else {"tags": ["*"]})}
        raw.append({**last, **draw(keep_clauses(untagged))})
    for policy in raw:
        entry = policy
        if policy.get("untagged", False) == untagged and (not more or draw(st.booleans())):
            belongs = (key, "keep", "delete", *(("order_by", "group_by") if key == "keep_newest" else ()))
            entry = {name: value for name, value in policy.items() if name not in belongs}
            if untagged:
                entry["keep_younger_than"] = "1d"  # it has one, whether it says so or not: what it says may be more
            elif not any(name.startswith("keep") for name in entry):
                other = draw(st.sampled_from(sorted(set(_KEEPS) - {key, "keep_newest"})))
                entry.update(draw(_clause(other, untagged)))
            policy = {**entry, **draw(_clause(key, untagged))}
        fewer.append(entry)
        more.append(policy)
    return fewer, more


@st.composite
def pulls(draw: st.DrawFn) -> Pulls:
    """Pull times of manifests, recorded since more than a year ago or since yesterday."""
    drawn = draw(st.binary(min_size=MOST + 1, max_size=MOST + 1))
    last = {
        repository: {
            digest(name_of(repository, number)): NOW - _choose((0.5, 20, 300, 399.5), byte) * DAY
            for number, byte in enumerate(drawn[1:])
            if byte % 5
        }
        for repository in ("team/app", "other")
    }
    return Pulls(NOW - (1.5 if drawn[0] % 8 == 0 else 400) * DAY, last)


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
