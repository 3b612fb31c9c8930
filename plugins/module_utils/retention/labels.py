# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labels of images: annotations of the manifest, labels of its config."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    IMAGE,
    INDEX,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import (
    NO_PLATFORM,
    Graph,
)

# An index of more images than this is no multi-platform image; what its labels are stays open.
_MOST_IMAGES = 1000


class LabelUnknown(Exception):
    """The label's value cannot be told, because a config was not read."""


def labels_of(graph: Graph, digest: str, label: str) -> t.Set[t.Optional[str]]:
    """The values of LABEL: the manifest's annotation, else its config's label; None among them where there is neither.

    An index without the annotation has those of all its images (nested ones too, attestations aside), which may differ.
    Raises LabelUnknown where one was not read.
    """
    manifest = graph.manifests[digest]
    if label in manifest.annotations or manifest.kind != INDEX:
        return {_own(manifest, label)}
    return {_own(image, label) for image in _images(graph, digest)} or {None}


def _own(manifest: Manifest, label: str) -> t.Optional[str]:
    if label in manifest.annotations:
        return manifest.annotations[label]
    if manifest.config is not None:
        return manifest.config.labels.get(label)
    if manifest.has_image_config:
        raise LabelUnknown(manifest.digest)
    return None


def _images(graph: Graph, digest: str) -> t.Iterator[Manifest]:
    seen = {digest}
    waiting = [digest]
    while waiting:
        for child in graph.manifests[waiting.pop()].children:
            manifest = graph.manifests.get(child.digest)
            if manifest is None or child.digest in seen or child.platform == NO_PLATFORM:
                continue
            seen.add(child.digest)
            if len(seen) > _MOST_IMAGES:
                raise LabelUnknown(digest)
            if manifest.kind == INDEX:
                waiting.append(child.digest)
            elif manifest.kind == IMAGE:
                yield manifest
