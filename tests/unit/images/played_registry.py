# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry in memory behind the client's methods: fast, and able to change or fail between two requests."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from types import SimpleNamespace

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import (
    ManifestContent,
    ManifestHead,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import NotFound, ResponseInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


class PlayedRegistry:
    """Repositories of tags, manifests and blobs. FAULTS: (method, repository, name) to what happens instead."""

    def __init__(self, workers: int = 4) -> None:
        self.connection = SimpleNamespace(workers=workers, url="https://r.example", retries=3)
        self.repositories: dict[str, dict[str, str]] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.faults: dict[tuple[str, str, str], Callable[[], object]] = {}
        self.calls: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()

    # What a test fills it with

    def image(self, repository, *tags, created=None, size=100, labels=None, platform="linux/amd64", **more):
        """An image; returns its digest."""
        system, _slash, architecture = platform.partition("/")
        config = json.dumps(
            {"created": created, "os": system, "architecture": architecture, "config": {"Labels": labels or {}}}
        ).encode()
        self.blobs[digest_of(config)] = config
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(b"%d" % size), "size": size}
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": media_types.OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [layer],
            **more,
        }
        return self.put(repository, document, *tags)

    def index(self, repository, children, *tags, **more):
        """An index over digests, or over (digest, platform); returns its digest."""
        entries = []
        for child in children:
            digest, platform = child if isinstance(child, tuple) else (child, "")
            entry = {"mediaType": media_types.OCI_MANIFEST, "digest": digest, "size": 1}
            if platform:
                system, architecture = platform.split("/")
                entry["platform"] = {"os": system, "architecture": architecture}
            entries.append(entry)
        document = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries, **more}
        return self.put(repository, document, *tags)

    def put(self, repository, document, *tags):
        """A manifest of any kind; returns its digest."""
        body = json.dumps(document).encode()
        digest = digest_of(body)
        self.manifests[repository, digest] = (document["mediaType"], body)
        self.repositories.setdefault(repository, {}).update(dict.fromkeys(tags, digest))
        return digest

    # What the client does

    def _call(self, method, repository, name=""):
        with self._lock:
            self.calls.append((method, repository, name))
            fault = self.faults.get((method, repository, name))
        return fault() if fault is not None else None

    def catalog(self):
        self._call("catalog", "")
        yield from sorted(self.repositories)

    def tags(self, repository):
        changed = self._call("tags", repository)
        if changed is not None:
            return changed
        if repository not in self.repositories:
            raise NotFound("no repository %s" % repository, code="NAME_UNKNOWN")
        return sorted(self.repositories[repository])

    def get_manifest(self, repository, reference):
        self._call("get", repository, reference)
        digest = self.repositories.get(repository, {}).get(reference, reference)
        if (repository, digest) not in self.manifests:
            raise NotFound("no manifest %s" % reference, code="MANIFEST_UNKNOWN")
        media_type, body = self.manifests[repository, digest]
        return ManifestContent(digest, media_type, body)

    def head_manifest(self, repository, reference):
        self._call("head", repository, reference)
        content = PlayedRegistry.get_manifest(self, repository, reference)
        self.calls.pop()
        return ManifestHead(content.digest, content.media_type, len(content.body))

    def get_blob(self, repository, digest, limit):
        self._call("blob", repository, digest)
        if digest not in self.blobs:
            raise NotFound("no blob %s" % digest, code="BLOB_UNKNOWN")
        if len(self.blobs[digest]) > limit:
            raise ResponseInvalid("too large")
        return self.blobs[digest]

    def blob_range(self, repository, digest):
        self._call("range", repository, digest)
        return digest in self.blobs

    def count(self, method):
        """How many calls of METHOD there were."""
        return sum(1 for call in self.calls if call[0] == method)


def raising(error):
    """A fault that raises ERROR."""

    def fault():
        raise error

    return fault
