# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands of the registry's deployment, run without a shell and bounded in time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError

_TAIL = 1000
_PATIENCE = 10.0


class CommandFailed(StorageError):
    """A command that cannot be run, takes too long, or ends with another status than 0."""


def run_command(argv: t.Sequence[str], timeout: float) -> None:
    """Run ARGV with this process's environment. Raises CommandFailed with what it has printed.

    What it prints goes to memory, not to a pipe: a registry that was started by it and keeps its output open holds up nothing.
    After TIMEOUT seconds its process group is ended.
    """
    with _output() as output:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed("cannot run %s: %s" % (argv[0], error.strerror)) from error
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            _end_group(process)
            raise CommandFailed("%s took longer than %g s" % (" ".join(argv), timeout)) from error
        if status != 0:
            raise CommandFailed("%s ended with status %d: %s" % (" ".join(argv), status, _tail_of(output)))


def is_there(argv: t.Sequence[str]) -> bool:
    """Whether this host has the program that ARGV begins with."""
    return bool(argv) and shutil.which(argv[0]) is not None


@contextlib.contextmanager
def _output() -> t.Iterator[t.IO[bytes]]:
    """A file for output that needs no space on a disk where that can be had, or one that swallows it."""
    try:
        number = os.memfd_create("output")
    except (AttributeError, OSError):
        number = -1
    with os.fdopen(number, "w+b") if number >= 0 else _on_disk() as stream:
        yield stream


def _on_disk() -> t.IO[bytes]:
    try:
        return t.cast("t.IO[bytes]", tempfile.TemporaryFile())
    except OSError:
        return open(os.devnull, "r+b")


def _tail_of(output: t.IO[bytes]) -> str:
    try:
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - _TAIL))
        return output.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            return
