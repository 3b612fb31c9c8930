# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the examples of docs/policies.md, and builds the registries that they describe."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from pathlib import Path

import yaml
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import parse_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    ARTIFACT,
    IMAGE,
    Descriptor,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Revision,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.durations import parse_duration
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.reasons import short
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import NOW, digest, image, index

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policies.md"
_FENCE = re.compile(r"^(`{3,}|~{3,})(.*)$")
_NAME = re.compile(r"<([^<>]+)>")
_IMAGE_KEYS = {
    "created",
    "pushed",
    "labels",
    "annotations",
    "same_as",
    "index",
    "subject",
    "artifact",
    "config",
    "hold",
    "dangling",
    "unread",
    "untagged_for",
}


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: the LINE of its opening fence, its LANGUAGE and its TEXT."""

    line: int
    language: str
    text: str

    @property
    def example(self) -> t.Dict[str, t.Any]:
        """The example that it holds."""
        return yaml.safe_load(self.text)


def read_blocks(page: str) -> t.List[Block]:
    """Every fenced block of PAGE, of whatever language."""
    blocks = []
    fence, start, language, lines = "", 0, "", []
    for number, line in enumerate(page.splitlines(), 1):
        match = _FENCE.match(line.strip())
        if fence and line.strip() == fence:
            blocks.append(Block(start, language, "\n".join(lines)))
            fence = ""
        elif fence:
            lines.append(line)
        elif match:
            fence, start, language, lines = match.group(1), number, match.group(2).strip(), []
    if fence:
        raise ValueError(f"the block in line {start} is never closed")
    return blocks


def with_digests(text: str) -> str:
    """TEXT with <name> as a whole digest, as protected entries have it."""
    return _NAME.sub(lambda match: digest(match.group(1)), text)


def with_short_digests(text: str) -> str:
    """TEXT with <name> as reasons quote digests, and sha256-<name> as the names of companions have them."""
    return _NAME.sub(lambda match: short(digest(match.group(1))), tag_name(text))


def tag_name(text: str) -> str:
    """TEXT with sha256-<name> as the name of a companion tag."""
    return re.sub(r"sha256-<([^<>]+)>", lambda match: digest(match.group(1)).replace(":", "-"), text)


def now_of(example: t.Mapping[str, t.Any]) -> float:
    """The time of EXAMPLE, in seconds since the epoch."""
    return NOW if "now" not in example else _instant(example["now"], 0.0)


def build_repository(name: str, raw: t.Mapping[str, t.Any], now: float) -> Repository:
    """The repository that an example describes."""
    odd = set(raw) - {"tags", "children", "untagged", "missing", "problem"}
    if odd:
        raise ValueError(f"{name}: unknown keys {odd}")
    manifests: t.Dict[str, Manifest] = {}
    bare = {**raw.get("children", {}), **raw.get("untagged", {})}
    for entry, spec in {**raw["tags"], **bare}.items():
        if set(spec) - _IMAGE_KEYS:
            raise ValueError(f"{name}:{entry}: unknown keys {set(spec) - _IMAGE_KEYS}")
        if "dangling" not in spec and "same_as" not in spec:
            manifests[digest(entry)] = _manifest(entry, spec, now)
    revisions = None
    if "untagged" in raw:
        revisions = {entry: Revision(entry) for entry in manifests}
        for entry, spec in raw["untagged"].items():
            since = _instant(spec["untagged_for"], now) if "untagged_for" in spec else None
            revisions[digest(entry)] = Revision(digest(entry), untagged_since=since)
    missing = frozenset(digest(entry) for entry in raw.get("missing", ()))
    tags = tuple(_tag(entry, spec, now) for entry, spec in raw["tags"].items())
    return Repository(name, tags, manifests, missing, revisions, raw.get("problem", ""))


def _tag(name: str, spec: t.Mapping[str, t.Any], now: float) -> Tag:
    target = None if "dangling" in spec else digest(spec.get("same_as", name))
    pushed = _instant(spec["pushed"], now) if "pushed" in spec else None
    return Tag(tag_name(name), target, pushed, spec.get("hold", ""))


def _manifest(name: str, spec: t.Mapping[str, t.Any], now: float) -> Manifest:
    if "index" in spec:
        return index(name, spec["index"])
    created = _instant(spec["created"], now) if "created" in spec else None
    manifest = image(
        name,
        labels=spec.get("labels"),
        annotations=spec.get("annotations"),
        subject=spec.get("subject"),
        kind=ARTIFACT if "artifact" in spec else IMAGE,
        read_config="unread" not in spec,
    )
    if manifest.config is not None:
        manifest = dataclasses.replace(manifest, config=dataclasses.replace(manifest.config, created=created))
    if "config" in spec and manifest.config_descriptor is not None:
        config = Descriptor(digest(spec["config"]), manifest.config_descriptor.media_type, 50)
        manifest = dataclasses.replace(manifest, config_descriptor=config)
    return manifest


def _instant(text: str, now: float) -> float:
    """A time as an example writes it: so long ago, or a date."""
    ago = parse_duration(text)
    instant = parse_instant(text) if ago is None else now - ago
    if instant is None:
        raise ValueError(f"{text!r} is neither a duration nor a time")
    return instant
