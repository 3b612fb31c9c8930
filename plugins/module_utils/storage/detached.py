# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that outlives the module that starts it, and the connection that the module came over."""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError


def detach(name: str, prepare: t.Callable[[], None], work: t.Callable[[], None]) -> int:
    """Run PREPARE and then WORK in a process of its own, and return its id once it is on its own and PREPARE is done.

    It has a session and a process group of its own, no parent, and none of our files: it ends when WORK does, and neither the
    end of this process nor a closed connection ends it. NAME is what `ps` shows of it. Raises StorageError if there is no process
    to be had, or PREPARE has failed.
    """
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reading)
        os.close(writing)
        raise StorageError("this host gives no process to the watchdog: %s" % error.strerror) from error
    if child == 0:
        _become_detached(name, prepare, work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    if not answer:
        raise StorageError("the watchdog could not be started on this host")
    return int(answer)


def _become_detached(name: str, prepare: t.Callable[[], None], work: t.Callable[[], None], writing: int) -> t.NoReturn:
    """The child's way: it never returns into the module's code, nor runs what that would do at its end."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        # A handler, since what is ignored here would be ignored by every registry that is started from here.
        signal.signal(signal.SIGHUP, lambda *_unused: None)
        os.chdir("/")
        os.umask(0o077)
        _close_all_but(writing)
        with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as stream:
            stream.write(name)
        prepare()
        os.write(writing, b"%d" % os.getpid())
        os.close(writing)
        work()
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    for text in os.listdir("/proc/self/fd"):
        if int(text) > 2 and int(text) != kept:
            with contextlib.suppress(OSError):
                os.close(int(text))
