# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds and pushes real, small images that real clients pull: quickly, and the same bytes for the same words."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "index": "application/vnd.oci.image.index.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}
DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
MEDIA = {"oci": OCI, "docker": DOCKER}
EMPTY = b"{}"
DAY_ZERO = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Pushed:
    """A manifest that was pushed. BLOBS: its config and layers. PLATFORM as (os, architecture)."""

    repository: str
    digest: str
    media_type: str
    body: bytes
    blobs: tuple[str, ...] = ()
    platform: tuple[str, str] = ("linux", "amd64")

    @property
    def size(self) -> int:
        """The bytes of the manifest itself."""
        return len(self.body)


def day(number: float) -> str:
    """The creation time of the NUMBERth day, as an image's config says it."""
    return (DAY_ZERO + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest_of(content: bytes) -> str:
    """The sha256 digest of CONTENT."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layer_of(words: str, size: int = 200) -> tuple[bytes, str]:
    """A layer (gzipped tar) with one file of about SIZE bytes that depends on WORDS, and the digest of the tar inside it."""
    seed = hashlib.sha512(words.encode()).digest()
    content = b"".join(hashlib.sha512(seed + bytes([n % 256, n // 256])).digest() for n in range(-(-size // 64)))[:size]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("content-" + hashlib.sha256(words.encode()).hexdigest()[:8])
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0), digest_of(stream.getvalue())


class Pusher:
    """Pushes to the registry at URL, from any thread."""

    def __init__(self, url: str, auth: tuple[str, str] | None = None, verify: bool | str = True) -> None:
        self.url = url.rstrip("/")
        self._auth = auth
        self._verify = verify
        self._local = threading.local()
        self._known: set[tuple[str, str]] = set()

    @property
    def session(self) -> requests.Session:
        """The calling thread's session."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False
            session.auth = self._auth
            session.verify = self._verify
            self._local.session = session
        return self._local.session  # type: ignore[no-any-return]

    def blob(self, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
        """Upload CONTENT unless this pusher has done so, and return its descriptor."""
        digest = digest_of(content)
        if (repository, digest) not in self._known:
            begun = self._checked(self.session.post(f"{self.url}/v2/{repository}/blobs/uploads/"), 202)
            place = begun.headers["Location"]
            place = place if "://" in place else self.url + place
            place += ("&" if "?" in place else "?") + "digest=" + digest
            self._checked(self.session.put(place, data=content), 201)
            self._known.add((repository, digest))
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def raw_manifest(self, repository: str, reference: str, body: bytes, media_type: str) -> Pushed:
        """Push BODY as it is."""
        url = f"{self.url}/v2/{repository}/manifests/{reference}"
        self._checked(self.session.put(url, data=body, headers={"Content-Type": media_type}), 201)
        return Pushed(repository, digest_of(body), media_type, body)

    def image(
        self,
        repository: str,
        tag: str | Sequence[str] | None = None,
        *,
        created: float | str | None = 0,
        words: str = "",
        layers: int = 1,
        size: int = 200,
        shared: Sequence[str] = (),
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        media: str = "oci",
        platform: tuple[str, str] = ("linux", "amd64"),
        subject: Pushed | None = None,
    ) -> Pushed:
        """Push an image under TAG (None: by digest only).

        CREATED: a day's number, a text as it is, or None for no date. WORDS make its content its own; SHARED are the words of
        layers that images have in common; LAYERS of SIZE bytes each come on top.
        """
        types = MEDIA[media]
        own = words or f"{repository} {tag} {created} {platform}"
        contents = [layer_of(text, size) for text in [*shared, *(f"{own} {n}" for n in range(layers))]]
        config: dict[str, Any] = {
            "architecture": platform[1],
            "os": platform[0],
            "config": {"Labels": labels or {}},
            "rootfs": {"type": "layers", "diff_ids": [diff for _content, diff in contents]},
            "history": [],
        }
        if created is not None:
            config["created"] = created if isinstance(created, str) else day(created)
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": self.blob(repository, json.dumps(config).encode(), types["config"]),
            "layers": [self.blob(repository, content, types["layer"]) for content, _diff in contents],
        }
        return self._manifest(repository, tag, document, annotations, subject, platform)

    def index(
        self,
        repository: str,
        tag: str | Sequence[str] | None,
        children: Sequence[Pushed],
        *,
        media: str = "oci",
        annotations: dict[str, str] | None = None,
        subject: Pushed | None = None,
    ) -> Pushed:
        """Push an index (a Docker manifest list with MEDIA "docker") of CHILDREN, which may be indexes themselves."""
        entries = [
            {
                "mediaType": child.media_type,
                "digest": child.digest,
                "size": child.size,
                "platform": {"os": child.platform[0], "architecture": child.platform[1]},
            }
            for child in children
        ]
        document = {"schemaVersion": 2, "mediaType": MEDIA[media]["index"], "manifests": entries}
        return self._manifest(repository, tag, document, annotations, subject)

    def multi(
        self,
        repository: str,
        tag: str | Sequence[str] | None,
        *,
        created: float = 0,
        words: str = "",
        media: str = "oci",
    ) -> tuple[Pushed, list[Pushed]]:
        """Push an image for amd64 and arm64; returns the index and its children, which have no tags."""
        children = [
            self.image(
                repository,
                None,
                created=created,
                words=f"{words or tag} {architecture}",
                media=media,
                platform=("linux", architecture),
            )
            for architecture in ("amd64", "arm64")
        ]
        return self.index(repository, tag, children, media=media), children

    def artifact(
        self, repository: str, tag: str | None = None, *, subject: Pushed | None, words: str = "sbom"
    ) -> Pushed:
        """Push an OCI artifact that refers to SUBJECT."""
        document = {
            "schemaVersion": 2,
            "mediaType": OCI["manifest"],
            "artifactType": "application/vnd.example.sbom",
            "config": self.blob(repository, EMPTY, "application/vnd.oci.empty.v1+json"),
            "layers": [self.blob(repository, words.encode(), "application/vnd.example.sbom.text")],
        }
        return self._manifest(repository, tag, document, None, subject)

    def cosign(self, repository: str, subject: Pushed, suffix: str = ".sig") -> Pushed:
        """Push a signature of SUBJECT under the tag that cosign uses."""
        tag = subject.digest.replace(":", "-") + suffix
        document = {
            "schemaVersion": 2,
            "mediaType": OCI["manifest"],
            "config": self.blob(repository, b'{"config":{}}', OCI["config"]),
            "layers": [
                self.blob(
                    repository,
                    f"signature of {subject.digest}".encode(),
                    "application/vnd.dev.cosign.simplesigning.v1+json",
                )
            ],
        }
        return self._manifest(repository, tag, document, None, None)

    def many(self, repository: str, count: int, *, prefix: str = "t", threads: int = 8) -> list[Pushed]:
        """Push COUNT images quickly, one tag each (t0, t1, ...), a day apart, on one common layer."""
        layer = layer_of("common to many")
        described = self.blob(repository, layer[0], OCI["layer"])

        def push(number: int) -> Pushed:
            config = {
                "architecture": "amd64",
                "os": "linux",
                "created": day(number / 24),
                "config": {"Labels": {"number": str(number)}},
                "rootfs": {"type": "layers", "diff_ids": [layer[1]]},
            }
            document = {
                "schemaVersion": 2,
                "mediaType": OCI["manifest"],
                "config": self.blob(repository, json.dumps(config).encode(), OCI["config"]),
                "layers": [described],
            }
            return self._manifest(repository, f"{prefix}{number}", document, None, None)

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(push, range(count)))

    def tag(self, pushed: Pushed, *tags: str) -> None:
        """Put more TAGS on what was pushed."""
        for tag in tags:
            self.raw_manifest(pushed.repository, tag, pushed.body, pushed.media_type)

    def _manifest(
        self,
        repository: str,
        tag: str | Sequence[str] | None,
        document: dict[str, Any],
        annotations: dict[str, str] | None,
        subject: Pushed | None,
        platform: tuple[str, str] = ("linux", "amd64"),
    ) -> Pushed:
        if annotations:
            document["annotations"] = annotations
        if subject is not None:
            document["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
        body = json.dumps(document).encode()
        media_type = document["mediaType"]
        for reference in _references(tag, digest_of(body)):
            self.raw_manifest(repository, reference, body, media_type)
        parts = [document["config"], *document["layers"]] if "config" in document else []
        return Pushed(repository, digest_of(body), media_type, body, tuple(part["digest"] for part in parts), platform)

    @staticmethod
    def _checked(answer: requests.Response, status: int) -> requests.Response:
        if answer.status_code != status:
            raise RuntimeError(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:500]}")
        return answer


def _references(tag: str | Sequence[str] | None, digest: str) -> Iterable[str]:
    if tag is None:
        return [digest]
    return [tag] if isinstance(tag, str) else tag
