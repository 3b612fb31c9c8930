# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry really holds, read by other means than the collection's own: from its disk, and by pulling everything."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import requests

from .binaries import debian_program

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def _tree(root: Path) -> Path:
    return root / "docker" / "registry" / "v2"


def blobs(root: Path) -> set[str]:
    """The digests of every blob on disk."""
    return {f"sha256:{path.parent.name}" for path in _tree(root).glob("blobs/sha256/*/*/data")}


def blob_bytes(root: Path) -> int:
    """The bytes of every blob on disk."""
    return sum(path.stat().st_size for path in _tree(root).glob("blobs/sha256/*/*/data"))


def revisions(root: Path, repository: str) -> set[str]:
    """The digests of every manifest of REPOSITORY on disk, tagged or not."""
    links = (_tree(root) / "repositories" / repository).glob("_manifests/revisions/sha256/*/link")
    return {f"sha256:{path.parent.name}" for path in links}


def tags(root: Path, repository: str) -> dict[str, str]:
    """Tag to digest, from disk."""
    links = (_tree(root) / "repositories" / repository).glob("_manifests/tags/*/current/link")
    return {path.parent.parent.name: path.read_text(encoding="ascii") for path in links}


def listed(url: str, repository: str) -> list[str]:
    """The tags that the registry lists, sorted."""
    answer = requests.get(f"{url}/v2/{repository}/tags/list", timeout=30)
    if answer.status_code == 404:
        return []
    answer.raise_for_status()
    return sorted(answer.json()["tags"] or [])


def digest(url: str, repository: str, reference: str) -> str | None:
    """What REFERENCE resolves to, None where the registry has no such manifest."""
    answer = requests.head(f"{url}/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT}, timeout=30)
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    return answer.headers["Docker-Content-Digest"]


def pull(url: str, repository: str, reference: str) -> dict[str, int]:
    """Pull REFERENCE in full: manifest, children, configs and layers, each held against its digest.

    Returns digest to size. AssertionError names what is missing or wrong.
    """
    session = requests.Session()
    found: dict[str, int] = {}
    waiting = [reference]
    while waiting:
        name = waiting.pop()
        answer = session.get(f"{url}/v2/{repository}/manifests/{name}", headers={"Accept": ACCEPT}, timeout=30)
        assert answer.status_code == 200, f"{repository} {name}: {answer.status_code} {answer.text[:300]}"
        body = answer.content
        assert _digest(body) == answer.headers["Docker-Content-Digest"]
        if _digest(body) in found:
            continue
        found[_digest(body)] = len(body)
        document: dict[str, Any] = json.loads(body)
        waiting.extend(child["digest"] for child in document.get("manifests", ()))
        for part in [document["config"], *document["layers"]] if "config" in document else ():
            blob = session.get(f"{url}/v2/{repository}/blobs/{part['digest']}", timeout=30)
            assert blob.status_code == 200, f"{repository} blob {part['digest']}: {blob.status_code}"
            assert _digest(blob.content) == part["digest"], f"{repository} blob {part['digest']} is damaged"
            found[part["digest"]] = len(blob.content)
    return found


def pull_all(url: str, repository: str) -> dict[str, str]:
    """Pull every tag of REPOSITORY in full; tag to digest."""
    found = {}
    for tag in listed(url, repository):
        pull(url, repository, tag)
        resolved = digest(url, repository, tag)
        assert resolved is not None
        found[tag] = resolved
    return found


def skopeo_copy_all(url: str, repository: str, tag: str, target: Path) -> None:
    """Pull every platform of an image with a real client. Raises CalledProcessError with what it says."""
    skopeo = debian_program("skopeo", "skopeo")
    host = url.partition("://")[2]
    source = f"docker://{host}/{repository}:{tag}"
    done = subprocess.run(
        [str(skopeo), "--insecure-policy", "copy", "--all", "--src-tls-verify=false", source, f"dir:{target}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
