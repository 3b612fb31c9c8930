# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes repositories straight into the store of a registry's filesystem driver: thousands of tags in seconds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

DOCKER = "application/vnd.docker."
OCI = "application/vnd.oci.image."
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def write(path: str, content: bytes) -> None:
    """Write a file, and make its folders where they are missing."""
    try:
        with open(path, "wb") as stream:
            stream.write(content)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as stream:
            stream.write(content)


def blob(tree: str, content: bytes) -> dict[str, object]:
    """Store CONTENT and return digest and size."""
    encoded = hashlib.sha256(content).hexdigest()
    write(f"{tree}/blobs/sha256/{encoded[:2]}/{encoded}/data", content)
    return {"digest": "sha256:" + encoded, "size": len(content)}


def link(folder: str, digest: str) -> None:
    """Link DIGEST in FOLDER, as the registry does."""
    write(f"{folder}/{digest.replace(':', '/')}/link", digest.encode())


def tag_name(number: int) -> str:
    """The tag of image NUMBER."""
    return f"build-{number:06d}"


def make_repository(root: Path, name: str, tags: int) -> None:
    """A repository NAME with TAGS images in the store at ROOT.

    They are of Docker's own media types, since one of the peers reads no others. Each has a config and a manifest of its own and
    shares one layer with all others; they were created an hour apart, the one with the highest number last.
    """
    tree = f"{root}/docker/registry/v2"
    repository = f"{tree}/repositories/{name}"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("common"))
    layer = blob(tree, gzip.compress(archive.getvalue(), mtime=0))
    link(f"{repository}/_layers", str(layer["digest"]))
    unpacked = "sha256:" + hashlib.sha256(archive.getvalue()).hexdigest()
    for number in range(tags):
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": (FIRST + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "config": {"Labels": {"build": str(number)}},
            "rootfs": {"type": "layers", "diff_ids": [unpacked]},
        }
        stored = blob(tree, json.dumps(config).encode())
        link(f"{repository}/_layers", str(stored["digest"]))
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER + "distribution.manifest.v2+json",
            "config": {"mediaType": DOCKER + "container.image.v1+json", **stored},
            "layers": [{"mediaType": DOCKER + "image.rootfs.diff.tar.gzip", **layer}],
        }
        push(tree, repository, tag_name(number), manifest)


def make_registry(root: Path, tags: int, repositories: int) -> None:
    """TAGS tags over REPOSITORIES: one in ten was pushed over, one in five is a multi-architecture index; two layers an image."""
    tree = f"{root}/docker/registry/v2"
    for number in range(tags):
        repository = f"{tree}/repositories/team-{number % 7}/app-{number % repositories}"
        tag = tag_name(number)
        if number % 10 == 0:
            image(tree, repository, tag, f"{number}-before")
        if number % 5:
            image(tree, repository, tag, str(number))
            continue
        children = [image(tree, repository, None, f"{number}-{arch}") for arch in ("amd64", "arm64")]
        manifests = [{"mediaType": OCI + "manifest.v1+json", **child} for child in children]
        push(tree, repository, tag, {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests})


def image(tree: str, repository: str, tag: str | None, name: str) -> dict[str, object]:
    """An image with a config and a layer of its own, and one that its repository shares; returns digest and size."""
    descriptors = []
    for part in ("config", "layer", "shared"):
        stored = blob(tree, (part + (name if part != "shared" else repository)).encode())
        link(f"{repository}/_layers", str(stored["digest"]))
        descriptors.append({"mediaType": OCI + part, **stored})
    return push(
        tree,
        repository,
        tag,
        {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": descriptors[0],
            "layers": descriptors[1:],
        },
    )


def push(tree: str, repository: str, tag: str | None, manifest: dict[str, object]) -> dict[str, object]:
    """Store MANIFEST, with a tag if one is named; returns digest and size."""
    stored = blob(tree, json.dumps(manifest).encode())
    digest = str(stored["digest"])
    link(f"{repository}/_manifests/revisions", digest)
    if tag:
        write(f"{repository}/_manifests/tags/{tag}/current/link", digest.encode())
        link(f"{repository}/_manifests/tags/{tag}/index", digest)
    return stored
