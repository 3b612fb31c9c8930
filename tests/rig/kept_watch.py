# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks a registry again and again what tags resolve to, while other things happen to it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from types import TracebackType
from urllib.parse import urlsplit

from .store import ACCEPT


class KeptWatch:
    """Resolves TAGS (name to digest) of REPOSITORY all the time. WRONG: every other answer that was seen, in words.

    A registry that is down, or fails, says nothing about its tags, and is asked again.
    """

    def __init__(self, url: str, repository: str, tags: Mapping[str, str]) -> None:
        self._place = urlsplit(url).netloc
        self._repository = repository
        self._tags = dict(tags)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.wrong: list[str] = []
        self.answers = 0

    def _watch(self) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=10)
        while not self._over.is_set():
            for tag, digest in self._tags.items():
                try:
                    path = f"/v2/{self._repository}/manifests/{tag}"
                    connection.request("HEAD", path, headers={"Accept": ACCEPT})
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    connection.close()
                    break
                if answer.status == 200:
                    self.answers += 1
                    if answer.headers["Docker-Content-Digest"] != digest:
                        self.wrong.append(f"{tag} names {answer.headers['Docker-Content-Digest']}, not {digest}")
                elif answer.status == 404:
                    self.wrong.append(f"{tag} is not found")
            self._over.wait(0.02)
        connection.close()

    def __enter__(self) -> KeptWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
