# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes behind a snapshot, kept for the backup within a bounded part of memory."""

from __future__ import annotations

import collections
import threading
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient

Content = t.Tuple[str, bytes]

# Some twenty thousand manifests of the usual size.
MOST_BYTES = 64 * 1024 * 1024


class Bodies:
    """Manifests and configs by digest. Thread-safe. What was read longest ago is dropped first, and read again when needed."""

    def __init__(self, client: RegistryClient, most_bytes: int = MOST_BYTES) -> None:
        self._client = client
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: t.OrderedDict[str, Content] = collections.OrderedDict()
        self._size = 0

    def keep(self, digest: str, media_type: str, body: bytes) -> None:
        """Remember BODY, which hashes to DIGEST: a manifest of MEDIA_TYPE, or a config."""
        with self._lock:
            if digest in self._kept or len(body) > self._most_bytes:
                return
            self._kept[digest] = (media_type, body)
            self._size += len(body)
            while self._size > self._most_bytes:
                _dropped, (_type, content) = self._kept.popitem(last=False)
                self._size -= len(content)

    def get(self, repository: str, digest: str) -> Content:
        """Media type and bytes of the manifest DIGEST, read from REPOSITORY if they are no longer here. Raises RegistryError."""
        with self._lock:
            known = self._kept.get(digest)
        if known is not None:
            return known
        content = self._client.get_manifest(repository, digest)
        self.keep(digest, content.media_type, content.body)
        return content.media_type, content.body

    def config(self, digest: str) -> t.Optional[bytes]:
        """The bytes of the config DIGEST, or None if they are not (or no longer) here."""
        with self._lock:
            known = self._kept.get(digest)
        return known[1] if known is not None else None
