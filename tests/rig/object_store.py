# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An S3-compatible object store on loopback (moto's server), and registries that keep their images in it."""

from __future__ import annotations

import shutil
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from xml.etree import ElementTree

from ansible_collections.fleetops.container_registry.tests.rig.binaries import Unavailable
from ansible_collections.fleetops.container_registry.tests.rig.daemon import Daemon
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port

BUCKET = "images"

# Debian's 2.8.2 panics at a bundle of certificates that the caller's environment may name; empty is as good as unset.
ENVIRONMENT = {"AWS_CA_BUNDLE": ""}

CONFIG = """\
version: 0.1
log: {{{{level: error}}}}
storage:
    s3:   # a bucket
        accesskey: nobody
        secretkey: nothing
        region: us-east-1
        regionendpoint: {url}
        forcepathstyle: true
        secure: false
        bucket: {bucket}
        rootdirectory: {root}
    redirect: {{{{disable: true}}}}
    cache:
        blobdescriptor: inmemory
http:
    addr: {{address}}
"""


class ObjectStore:
    """The server, with one bucket in it. A context manager."""

    def __init__(self, home: Path) -> None:
        program = shutil.which("moto_server", path=str(Path(sys.executable).parent))
        if not program:
            raise Unavailable(
                "an S3-compatible server", "moto_server is not beside this Python (tests/requirements.txt)"
            )
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._daemon = Daemon([program, "-H", "127.0.0.1", "-p", str(self.port)], self.port, home / "object-store.log")

    def __enter__(self) -> ObjectStore:
        self._daemon.__enter__()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT")).close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daemon.__exit__(kind, error, trace)

    def config(self, root: str) -> str:
        """The config of a registry below ROOT in the bucket; {address} is to be filled in."""
        return CONFIG.format(url=self.url, bucket=BUCKET, root=root)

    def sizes(self, root: str) -> dict[str, int]:
        """Size of every blob below ROOT, by its digest's hexadecimal part."""
        found: dict[str, int] = {}
        prefix = f"{root.strip('/')}/docker/registry/v2/blobs/"
        after = ""
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"start-after": after} if after else {})}
            with urllib.request.urlopen(f"{self.url}/{BUCKET}?{urllib.parse.urlencode(query)}") as answer:
                page = ElementTree.parse(answer).getroot()
            space = page.tag.partition("}")[0] + "}"
            for entry in page.iter(space + "Contents"):
                after = entry.findtext(space + "Key", "")
                found[after.split("/")[-2]] = int(entry.findtext(space + "Size", "0"))
            if page.findtext(space + "IsTruncated") != "true":
                return found
