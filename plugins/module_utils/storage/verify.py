# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether blobs still have the digest of their name: reads every byte of a store."""

from __future__ import annotations

import hashlib
import os
import typing as t
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import (
    BLOB_CORRUPT,
    DIGEST_UNVERIFIED,
    Finding,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import blob_path
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.regular_file import open_regular

_CHUNK = 1024 * 1024
# Enough to keep the workers busy; a store has more blobs than futures should.
_AHEAD = 4


def verify_digests(tree: str, digests: t.Iterable[str], workers: int) -> t.Iterator[t.Tuple[str, t.Optional[Finding]]]:
    """Read the blobs DIGESTS with WORKERS threads; yield each digest, in order, with a finding if something is wrong with it.

    A blob that is gone meanwhile is passed over. Hashing leaves the interpreter's lock, so threads do use several processors.
    """
    waiting: t.Deque[t.Tuple[str, Future[t.Optional[Finding]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for digest in digests:
                waiting.append((digest, pool.submit(_verify, tree, digest)))
                if len(waiting) > workers * _AHEAD:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            for _digest, future in waiting:
                future.cancel()


def _result(pair: t.Tuple[str, Future[t.Optional[Finding]]]) -> t.Tuple[str, t.Optional[Finding]]:
    return pair[0], pair[1].result()


def _verify(tree: str, digest: str) -> t.Optional[Finding]:
    algorithm, expected = digest.split(":", 1)
    path = blob_path(tree, digest)
    content = hashlib.new(algorithm)
    try:
        with open_regular(path) as stream:
            while True:
                chunk = stream.read(_CHUNK)
                if not chunk:
                    break
                content.update(chunk)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Finding(DIGEST_UNVERIFIED, os.path.relpath(path, tree), detail=error.strerror or "")
    if content.hexdigest() == expected:
        return None
    return Finding(BLOB_CORRUPT, os.path.relpath(path, tree), detail="it is %s:%s" % (algorithm, content.hexdigest()))
