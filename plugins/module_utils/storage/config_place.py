# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a registry's configuration is, and how it is read and written there, byte for byte."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_command import (
    run_command,
)

# In a place's commands, it stands for a file on this host.
FILE = "{}"
_SECONDS = 120.0


class ConfigPlace(t.Protocol):
    """A place that a configuration is in. Both methods raise OSError or CommandFailed."""

    def read(self) -> bytes:
        """The configuration as it is."""

    def write(self, content: bytes) -> None:
        """Put CONTENT there; owner, mode and everything else about the file stays."""


class ConfigFile:
    """A file on this host."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self) -> bytes:
        with open(self._path, "rb") as stream:
            return stream.read()

    def write(self, content: bytes) -> None:
        # In place: the file keeps its owner, labels and mounts, and what is no longer than before needs no space on a full disk.
        with open(self._path, "r+b", buffering=0) as stream:
            written = 0
            while written < len(content):
                written += stream.write(content[written:])
            stream.truncate()
            os.fsync(stream.fileno())


class ConfigElsewhere:
    """A file that only commands reach, such as one inside a container. FETCH and PUT hold FILE where a file of this host goes.

    SCRATCH is a folder for these files.
    """

    def __init__(self, fetch: t.Sequence[str], put: t.Sequence[str], scratch: str) -> None:
        self._fetch = fetch
        self._put = put
        self._scratch = scratch

    def read(self) -> bytes:
        with self._copy() as path:
            run_command(_with_file(self._fetch, path), _SECONDS)
            with open(path, "rb") as stream:
                return stream.read()

    def write(self, content: bytes) -> None:
        with self._copy() as path:
            # Fetched first, since owner and mode come back with it.
            run_command(_with_file(self._fetch, path), _SECONDS)
            ConfigFile(path).write(content)
            run_command(_with_file(self._put, path), _SECONDS)

    @contextlib.contextmanager
    def _copy(self) -> t.Iterator[str]:
        path = os.path.join(self._scratch, "config.copy")
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _with_file(argv: t.Sequence[str], path: str) -> t.List[str]:
    return [word.replace(FILE, path) for word in argv]
