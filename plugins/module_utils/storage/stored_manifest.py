# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collector reads out of a manifest: the digests that it keeps alive.

Go's decoder decides there (registry/storage/manifeststore.go and manifest/*/ of Distribution 2.8 and 3.1). What it would read in
another way than Python, or perhaps refuse, is refused here: then nobody claims to know what the collector does.
"""

from __future__ import annotations

import base64
import binascii
import json
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types

_TOP = ("schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "fsLayers")
_DESCRIPTOR = ("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")
_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant", "features")
_LOWER: t.Dict[t.Tuple[str, ...], t.FrozenSet[str]] = {
    known: frozenset(key.lower() for key in known) for known in (_TOP, _DESCRIPTOR, _PLATFORM)
}


class Unreadable(ValueError):
    """A manifest over which a collector stumbles, or may stumble; the text says why."""


class StoredContent(t.NamedTuple):
    """What a manifest names. REFERENCES: what the collector keeps for it; CHILDREN: those of them that are manifests.

    FOREIGN: references that need no blob in the store. SUBJECT is not followed by any collector.
    """

    schema_version: int
    references: t.Tuple[str, ...]
    children: t.Tuple[str, ...]
    foreign: t.FrozenSet[str]
    subject: t.Optional[str]


def read_stored_manifest(content: bytes) -> StoredContent:
    """Read the manifest CONTENT. Raises Unreadable."""
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            "it is no JSON" if content.strip(b"\0") else "it is empty, or holds only zero bytes"
        ) from error
    _expect(document, dict, "it is no JSON object")
    _no_other_case(document, _TOP)
    version = document.get("schemaVersion")
    if version == 1 and isinstance(version, int):
        return _schema1(document)
    if version != 2 or not isinstance(version, int):
        raise Unreadable("it is of schema version %.50r" % (version,))
    _optional_text(document, "mediaType")
    media_type = document.get("mediaType") or ""
    if media_type and media_type not in media_types.MANIFEST_TYPES:
        raise Unreadable("it is of the unknown media type %.100r" % media_type)
    _strings(document.get("annotations"), dict)
    subject = document.get("subject")
    subject_digest = subject.get("digest") if isinstance(subject, dict) else None
    is_index = media_type in media_types.INDEX_TYPES or (not media_type and document.get("manifests") is not None)
    if is_index:
        children = tuple(_descriptor(entry)[0] for entry in _list(document.get("manifests")))
        return StoredContent(2, children, children, frozenset(), _text_or_none(subject_digest))
    found = [_descriptor(document.get("config"))]
    found.extend(_descriptor(entry) for entry in _list(document.get("layers")))
    return StoredContent(
        2,
        tuple(digest for digest, _unused in found),
        (),
        frozenset(digest for digest, is_foreign in found if is_foreign),
        _text_or_none(subject_digest),
    )


def _schema1(document: t.Dict[str, t.Any]) -> StoredContent:
    layers = []
    for entry in _list(document.get("fsLayers")):
        _expect(entry, dict, "fsLayers holds no object")
        layers.append(_text_or_none(entry.get("blobSum")) or "")
    return StoredContent(1, tuple(layers), (), frozenset(), None)


def _descriptor(entry: t.Any) -> t.Tuple[str, bool]:
    """The digest of a descriptor, and whether what it describes may be fetched from elsewhere."""
    if entry is None:
        return "", False
    _expect(entry, dict, "a descriptor is no object")
    size = entry.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not -(2**63) <= size < 2**63):
        raise Unreadable("a descriptor has the size %.50r" % (size,))
    digest = entry.get("digest")
    if len(entry) == 3 and size is not None and type(digest) is type(entry.get("mediaType")) is str:
        return digest, False  # nearly all are of this kind: the three known keys, and no odd one
    _no_other_case(entry, _DESCRIPTOR)
    for key in ("mediaType", "digest", "artifactType", "data"):
        _optional_text(entry, key)
    _strings(entry.get("urls"), list)
    _strings(entry.get("annotations"), dict)
    platform = entry.get("platform")
    if platform is not None:
        _expect(platform, dict, "a platform is no object")
        _no_other_case(platform, _PLATFORM)
        for key in ("architecture", "os", "os.version", "variant"):
            _optional_text(platform, key)
        _strings(platform.get("os.features"), list)
        _strings(platform.get("features"), list)
    if entry.get("data"):
        try:
            base64.b64decode(entry["data"], validate=True)
        except (ValueError, binascii.Error) as error:
            raise Unreadable("a descriptor's data is no base64") from error
    return entry.get("digest") or "", bool(entry.get("urls"))


def _list(value: t.Any) -> t.List[t.Any]:
    if value is None:
        return []
    _expect(value, list, "a list of descriptors is no list")
    found: t.List[t.Any] = value
    return found


def _strings(value: t.Any, kind: type) -> None:
    if value is None:
        return
    _expect(value, kind, "there is something else where texts belong")
    for text in value.values() if isinstance(value, dict) else value:
        if not isinstance(text, str) and text is not None:
            raise Unreadable("there is something else where texts belong")


def _expect(value: t.Any, kind: type, reason: str) -> None:
    if not isinstance(value, kind):
        raise Unreadable(reason)


def _optional_text(document: t.Dict[str, t.Any], key: str) -> None:
    if document.get(key) is not None:
        _expect(document[key], str, "its %s is no text" % key)


def _no_other_case(document: t.Dict[str, t.Any], known: t.Tuple[str, ...]) -> None:
    """Go takes a key in any mixture of capitals for the one it knows; nobody writes that on purpose."""
    for key in document:
        if key not in known and key.lower() in _LOWER[known]:
            raise Unreadable("it has the odd key %.50r" % key)


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(name)


def _text_or_none(value: t.Any) -> t.Optional[str]:
    return value if isinstance(value, str) else None
