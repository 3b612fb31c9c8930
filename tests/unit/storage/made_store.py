# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes a store of the filesystem driver straight to the disk, as pushes would, in milliseconds.

test_storage_info_real.py holds what this writes against what the real registries write and read.
"""

from __future__ import annotations

import json
import os

from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of

SCHEMA1_TYPE = media_types.DOCKER_SCHEMA1


class MadeStore:
    """A store under ROOT, the rootdirectory. Times are seconds since the epoch; without one, files keep the present."""

    def __init__(self, root):
        self.root = str(root)
        self.tree = os.path.join(self.root, "docker", "registry", "v2")
        self._count = 0

    def repository(self, name):
        return os.path.join(self.tree, "repositories", name)

    def blob(self, content, at=None):
        """Store CONTENT as a blob that nothing links yet; return its digest."""
        digest = digest_of(content)
        path = self.blob_path(digest)
        if not os.path.exists(path):
            self._write(path, content, at)
        return digest

    def blob_path(self, digest):
        algorithm, encoded = digest.split(":")
        return os.path.join(self.tree, "blobs", algorithm, encoded[:2], encoded, "data")

    def unique(self, size=40):
        """Content that no other blob has."""
        self._count += 1
        return (b"blob %d of " % self._count + self.root.encode() + b"." * size)[: max(size, 60)]

    def layer(self, name, content=None, at=None):
        """Upload a layer to the repository NAME; return its digest."""
        digest = self.blob(self.unique() if content is None else content, at)
        self.link(os.path.join(self.repository(name), "_layers"), digest, at)
        return digest

    def image(self, name, tag=None, layers=1, at=None, subject=None, media_type=media_types.OCI_MANIFEST, foreign=()):
        """Push an image: LAYERS is a number of new layers, or their contents or digests. Returns the manifest's digest."""
        contents = [self.unique() for _unused in range(layers)] if isinstance(layers, int) else layers
        digests = [
            self._mount(name, content, at) if isinstance(content, str) else self.layer(name, content, at)
            for content in contents
        ]
        config = self.layer(name, json.dumps({"created": "2020-01-01T00:00:00Z", "n": self._next()}).encode(), at)
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self._descriptor(config, media_types.OCI_CONFIG),
            "layers": [self._descriptor(digest, "application/vnd.oci.image.layer.v1.tar+gzip") for digest in digests]
            + [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                    "digest": digest,
                    "size": 10,
                    "urls": ["https://example.invalid/layer"],
                }
                for digest in foreign
            ],
        }
        if media_type == media_types.DOCKER_MANIFEST:
            manifest["config"]["mediaType"] = media_types.DOCKER_CONFIG
            for layer in manifest["layers"]:
                layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        if subject:
            manifest["subject"] = self._descriptor(subject, media_types.OCI_MANIFEST)
        return self.manifest(name, manifest, tag, at)

    def config_of(self, digest):
        """The digest of an image's config."""
        with open(self.blob_path(digest), "rb") as stream:
            return json.load(stream)["config"]["digest"]

    def index(self, name, children, tag=None, at=None, media_type=media_types.OCI_INDEX, **more):
        """Push an index of CHILDREN (digests); returns its digest."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [
                dict(
                    self._descriptor(child, media_types.OCI_MANIFEST),
                    platform={"os": "linux", "architecture": "amd64"},
                )
                for child in children
            ],
        }
        if media_type == media_types.DOCKER_LIST:
            for entry in manifest["manifests"]:
                entry["mediaType"] = media_types.DOCKER_MANIFEST
        manifest.update(more)
        # Distribution makes _layers with the first upload only; an index alone has none.
        return self.manifest(name, manifest, tag, at)

    def schema1(self, name, tag=None, at=None):
        """Push a schema 1 manifest, signed by nobody."""
        layer = self.layer(name, at=at)
        body = {
            "schemaVersion": 1,
            "name": name,
            "tag": tag or "x",
            "architecture": "amd64",
            "fsLayers": [{"blobSum": layer}],
            "history": [{"v1Compatibility": json.dumps({"id": "%064d" % self._next()})}],
        }
        return self.manifest(name, body, tag, at)

    def manifest(self, name, document, tag=None, at=None):
        """Put DOCUMENT (an object or bytes) as a manifest of NAME; returns its digest."""
        content = document if isinstance(document, bytes) else json.dumps(document, indent=1).encode()
        digest = self.blob(content, at)
        self.revision(name, digest, at)
        if tag:
            self.tag(name, tag, digest, at)
        return digest

    def revision(self, name, digest, at=None):
        self.link(os.path.join(self.repository(name), "_manifests", "revisions"), digest, at)
        os.makedirs(os.path.join(self.repository(name), "_manifests", "tags"), exist_ok=True)

    def tag(self, name, tag, digest, at=None):
        """Point TAG at DIGEST, as a push of it AT that time does."""
        folder = os.path.join(self.repository(name), "_manifests", "tags", tag)
        self._write(os.path.join(folder, "current", "link"), digest.encode(), at)
        self.link(os.path.join(folder, "index"), digest, at)

    def link(self, folder, digest, at=None):
        algorithm, encoded = digest.split(":")
        self._write(os.path.join(folder, algorithm, encoded, "link"), digest.encode(), at)

    def revision_link(self, name, digest):
        return os.path.join(self.repository(name), "_manifests", "revisions", *digest.split(":"), "link")

    def delete(self, name, digest):
        """DELETE by digest, as the API does it: the revision's link, then every tag on it."""
        os.unlink(self.revision_link(name, digest))
        tags = os.path.join(self.repository(name), "_manifests", "tags")
        for tag in os.listdir(tags):
            with open(os.path.join(tags, tag, "current", "link"), encoding="ascii") as stream:
                if stream.read() == digest:
                    self.remove(os.path.join(tags, tag))

    def upload(self, name, started="2020-01-01T00:00:00Z", uuid="0f5bd2d1-8f9e-4e6c-9c1f-6f7a0f6c6c01", data=b"part"):
        """Begin an upload and leave it."""
        folder = os.path.join(self.repository(name), "_uploads", uuid)
        self._write(os.path.join(folder, "data"), data)
        if started is not None:
            self._write(os.path.join(folder, "startedat"), started.encode())
        return folder

    def blobs(self):
        """The digests of all blobs that are there."""
        found = set()
        root = os.path.join(self.tree, "blobs")
        for folder, _folders, files in os.walk(root):
            parts = os.path.relpath(folder, root).split(os.sep)
            if "data" in files and len(parts) == 3 and len(parts[2]) == 64 and parts[2].startswith(parts[1]):
                found.add("%s:%s" % (parts[0], parts[2]))
        return found

    @staticmethod
    def remove(path):
        for folder, folders, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                os.rmdir(os.path.join(folder, name))
        os.rmdir(path)

    def _mount(self, name, digest, at):
        self.link(os.path.join(self.repository(name), "_layers"), digest, at)
        return digest

    def _descriptor(self, digest, media_type):
        path = self.blob_path(digest)
        return {
            "mediaType": media_type,
            "digest": digest,
            "size": os.path.getsize(path) if os.path.exists(path) else 7,
        }

    def _next(self):
        self._count += 1
        return self._count

    @staticmethod
    def _write(path, content, at=None):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content)
        if at is not None:
            os.utime(path, (at, at))
