# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the scan of a large store takes, and how much memory.

    python benchmarks/scan.py [--tags 100000] [--repositories 100] [--folder DIR]

Makes a store straight on the disk (two layers and a config for each tag, one tag in ten pushed over, one in five in a
multi-architecture index) and scans it twice, in a process of its own. Run it from the collection's path below
ansible_collections.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLLECTIONS = Path(__file__).resolve().parents[4]
OCI = "application/vnd.oci.image."


def write(path: str, content: bytes) -> None:
    try:
        with open(path, "wb") as stream:
            stream.write(content)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as stream:
            stream.write(content)


def blob(tree: str, content: bytes) -> tuple[str, int]:
    encoded = hashlib.sha256(content).hexdigest()
    write(f"{tree}/blobs/sha256/{encoded[:2]}/{encoded}/data", content)
    return "sha256:" + encoded, len(content)


def link(folder: str, digest: str) -> None:
    write(f"{folder}/{digest.replace(':', '/')}/link", digest.encode())


def push(tree: str, repository: str, tag: str | None, content: bytes) -> tuple[str, int]:
    digest, size = blob(tree, content)
    link(f"{repository}/_manifests/revisions", digest)
    if tag:
        write(f"{repository}/_manifests/tags/{tag}/current/link", digest.encode())
        link(f"{repository}/_manifests/tags/{tag}/index", digest)
    return digest, size


def image(tree: str, repository: str, tag: str | None, name: str) -> tuple[str, int]:
    descriptors = []
    for part in ("config", "layer", "shared"):
        digest, size = blob(tree, (part + (name if part != "shared" else repository)).encode())
        link(f"{repository}/_layers", digest)
        descriptors.append({"mediaType": f"{OCI}{part}", "digest": digest, "size": size})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI + "manifest.v1+json",
        "config": descriptors[0],
        "layers": descriptors[1:],
    }
    return push(tree, repository, tag, json.dumps(manifest).encode())


def make(root: str, tags: int, repositories: int) -> None:
    tree = f"{root}/docker/registry/v2"
    for number in range(tags):
        repository = f"{tree}/repositories/team-{number % 7}/app-{number % repositories}"
        tag = f"v{number}"
        if number % 10 == 0:
            image(tree, repository, tag, f"{number}-before")
        if number % 5 == 0:
            children = [image(tree, repository, None, f"{number}-{arch}") for arch in ("amd64", "arm64")]
            manifests = [
                {"mediaType": OCI + "manifest.v1+json", "digest": digest, "size": size} for digest, size in children
            ]
            index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}
            push(tree, repository, tag, json.dumps(index).encode())
        else:
            image(tree, repository, tag, str(number))


def scan(root: str) -> None:
    """In a process of its own: its peak of memory is the scan's."""
    sys.path.insert(0, str(COLLECTIONS))
    from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import FILESYSTEM
    from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import tree_of
    from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan import StoreScan
    from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import (
        write_scan_of,
    )

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    work = StoreScan(tree_of(root))
    tags = manifests = 0

    def stored():
        nonlocal tags, manifests
        for contents in work.repositories():
            tags += len(contents.tags)
            manifests += len(contents.manifests)
            yield contents.stored

    write_scan_of(os.path.join(root, "scan.gz"), FILESYSTEM, time.time(), stored())
    free = [work.would_free(family) for family in ("2.x", "3.x")]
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{tags} tags, {manifests} manifests, {len(work.table)} blobs: {seconds:.1f} s, "
        f"{(peak - before) / 1024:.0f} MiB on top of {before / 1024:.0f} MiB; scan file "
        f"{os.path.getsize(os.path.join(root, 'scan.gz')) / 2**20:.1f} MiB; would free {[one.blobs for one in free]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tags", type=int, default=100_000)
    parser.add_argument("--repositories", type=int, default=100)
    parser.add_argument("--folder", default=None, help="where the store is made, and removed again")
    parser.add_argument("--scan", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scan:
        scan(options.scan)
        return
    root = tempfile.mkdtemp(prefix="registry-scan-", dir=options.folder)
    try:
        started = time.monotonic()
        make(root, options.tags, options.repositories)
        print(f"made in {time.monotonic() - started:.1f} s")
        for _again in range(2):
            subprocess.run([sys.executable, __file__, "--scan", root], check=True)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
