# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a manifest and an image config say, read from bytes that anybody who can push may have written."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import parse_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_digest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import json_parts, printable

# Distribution refuses a larger manifest (maxManifestBodySize in registry/handlers/manifests.go).
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_CONFIG_BYTES = 4 * 1024 * 1024
# Larger configs are somebody's joke; the image is backed up without it, and restore says so where it is needed.
MAX_SAVED_CONFIG_BYTES = 1024 * 1024
# The largest indexes have tens of thousands; texts in annotations and labels, with signs of JSON in them, have some more.
_MOST_PARTS = 500000
CREATED_ANNOTATION = "org.opencontainers.image.created"
TOMBSTONE_ANNOTATION = "io.fleetops.container-registry.tombstone"

IMAGE = "image"
INDEX = "index"
ARTIFACT = "artifact"
TOMBSTONE = "tombstone"


class ManifestInvalid(ValueError):
    """Bytes that are no manifest or image config this collection understands; the text says what is wrong."""


@dataclass(frozen=True)
class Descriptor:
    """One entry of a manifest: what it points to. SIZE in bytes as the manifest claims it (never negative)."""

    digest: str
    media_type: str = ""
    size: int = 0
    platform: str = ""

    @property
    def is_foreign(self) -> bool:
        """Whether it is a layer that lives elsewhere, and that registries need not hold (Windows base images had such)."""
        return "nondistributable" in self.media_type or ".foreign." in self.media_type


@dataclass(frozen=True)
class ImageConfig:
    """What of an image's config retention looks at."""

    created: t.Optional[float] = None
    labels: t.Mapping[str, str] = field(default_factory=dict)
    platform: str = ""


@dataclass(frozen=True)
class Manifest:
    """A manifest by digest. SIZE is that of its own bytes; CONFIG is there once it has been read."""

    digest: str
    media_type: str
    size: int
    kind: str
    config_descriptor: t.Optional[Descriptor] = None
    layers: t.Tuple[Descriptor, ...] = ()
    children: t.Tuple[Descriptor, ...] = ()
    subject: t.Optional[str] = None
    artifact_type: str = ""
    annotations: t.Mapping[str, str] = field(default_factory=dict)
    config: t.Optional[ImageConfig] = None

    @property
    def blobs(self) -> t.Tuple[Descriptor, ...]:
        """Config and layers: the blobs that this manifest itself needs (not those of its children)."""
        return ((self.config_descriptor,) if self.config_descriptor else ()) + self.layers

    @property
    def has_image_config(self) -> bool:
        """Whether its config is an image's config, which may tell creation time, platform and labels."""
        return (
            self.config_descriptor is not None and self.config_descriptor.media_type in media_types.IMAGE_CONFIG_TYPES
        )


def parse_manifest(body: bytes, media_type: str, digest: str) -> Manifest:
    """Read BODY, which the caller has checked to hash to DIGEST, as a manifest of MEDIA_TYPE.

    Raises ManifestInvalid for anything but a well-formed image manifest or index (schema 1 included), so that what cannot
    be understood is never planned with. Costs time and memory linear in the size of BODY.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise ManifestInvalid("it has %d bytes, a manifest has at most %d" % (len(body), MAX_MANIFEST_BYTES))
    document = _json_object(body)
    declared = document.get("mediaType")
    media_type = media_type.split(";", 1)[0].strip()
    if declared is not None and declared != media_type:
        raise ManifestInvalid("it says to be %r, the registry says %r" % (_short(declared), _short(media_type)))
    if document.get("schemaVersion") != 2 or media_type not in media_types.MANIFEST_TYPES:
        raise ManifestInvalid(
            "it is of media type %r, schema version %s" % (_short(media_type), _short(document.get("schemaVersion")))
        )
    annotations = _string_map(document.get("annotations"))
    common: t.Dict[str, t.Any] = {
        "digest": digest,
        "media_type": media_type,
        "size": len(body),
        "subject": _subject(document.get("subject")),
        "artifact_type": _text(document.get("artifactType")),
        "annotations": annotations,
    }
    if media_type in media_types.INDEX_TYPES:
        if "layers" in document or "config" in document:
            raise ManifestInvalid("it is an index, yet it has a config or layers")
        children = tuple(_descriptor(entry, "manifests") for entry in _list(document.get("manifests"), "manifests"))
        kind = TOMBSTONE if TOMBSTONE_ANNOTATION in annotations and not children else INDEX
        return Manifest(kind=kind, children=children, **common)
    if "manifests" in document:
        raise ManifestInvalid("it is an image manifest, yet it has manifests")
    config = _descriptor(document.get("config"), "config")
    layers = tuple(_descriptor(entry, "layers") for entry in _list(document.get("layers"), "layers"))
    is_image = config.media_type in media_types.IMAGE_CONFIG_TYPES
    return Manifest(kind=IMAGE if is_image else ARTIFACT, config_descriptor=config, layers=layers, **common)


def parse_image_config(body: bytes) -> ImageConfig:
    """Read an image's config. Raises ManifestInvalid if it is no JSON object; single odd fields count as absent."""
    document = _json_object(body)
    inner = document.get("config")
    labels = _string_map(inner.get("Labels")) if isinstance(inner, dict) else {}
    parts = [_text(document.get(key)) for key in ("os", "architecture", "variant")]
    return ImageConfig(
        created=parse_instant(document.get("created")), labels=labels, platform="/".join(part for part in parts if part)
    )


def _json_object(body: bytes) -> t.Dict[str, t.Any]:
    if json_parts(body) > _MOST_PARTS:
        raise ManifestInvalid("it holds more than %d values" % _MOST_PARTS)
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid("it is no JSON: %s" % type(error).__name__) from error
    if not isinstance(document, dict):
        raise ManifestInvalid("it is no JSON object")
    return document


def _descriptor(entry: t.Any, where: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise ManifestInvalid("%s holds something that is no descriptor" % where)
    digest = entry.get("digest")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ManifestInvalid("%s holds the digest %s" % (where, _short(digest)))
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestInvalid("%s gives %s the size %s" % (where, digest, _short(size)))
    return Descriptor(digest, _text(entry.get("mediaType")), size, _platform(entry.get("platform")))


def _subject(entry: t.Any) -> t.Optional[str]:
    return None if entry is None else _descriptor(entry, "subject").digest


def _platform(entry: t.Any) -> str:
    if not isinstance(entry, dict):
        return ""
    return "/".join(part for part in (_text(entry.get(key)) for key in ("os", "architecture", "variant")) if part)


def _list(value: t.Any, where: str) -> t.List[t.Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ManifestInvalid("%s is no list" % where)
    return value


def _string_map(value: t.Any) -> t.Dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else ""


def _short(value: t.Any) -> str:
    return printable(value if isinstance(value, str) else repr(value), 100)
