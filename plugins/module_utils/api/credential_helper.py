# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs named docker-credential-NAME that keep logins in a store of their own."""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MOST_BYTES = 64 * 1024
# What the helpers of the docker project print (with exit status 1) for a server that they know nothing about.
_NOT_FOUND = ("credentials not found", "no credentials server url")
_LONGEST = 60.0
_LOOK_AGAIN = 0.05


def ask_helper(name: str, server: str, timeout: float) -> t.Optional[t.Tuple[str, str]]:
    """User and secret that the helper NAME keeps for SERVER, or None if it knows none. TIMEOUT in seconds.

    Raises RegistryError naming the helper where it is missing, hangs, fails, or answers with something else.
    """
    if not _NAME.match(name):
        raise RegistryError("%r is no name of a credential helper." % name[:100])
    program = "docker-credential-" + name
    path = shutil.which(program)
    if path is None:
        raise RegistryError(
            "The credential helper %s, which the file of logins names for %s, is not on PATH of the host that the module runs on."
            % (program, server)
        )
    status, output = _run(program, path, server, min(timeout, _LONGEST))
    if status != 0:
        text = output[:200].decode("utf-8", "replace").strip()
        if any(known in text.lower() for known in _NOT_FOUND):
            return None
        raise RegistryError("The credential helper %s failed for %s with exit status %d." % (program, server, status))
    try:
        document = json.loads(output.decode("utf-8"))
        username, secret = document["Username"], document["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        username = secret = None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise RegistryError(
            "The credential helper %s answers for %s with something that is no login." % (program, server)
        )
    return (username, secret) if username and secret else None


def _run(program: str, path: str, server: str, timeout: float) -> t.Tuple[int, bytes]:
    """Exit status and standard output, of which no more than _MOST_BYTES are ever held.

    Ends the helper and its children when TIMEOUT has passed, or when it says more than that.
    """
    ends = time.monotonic() + timeout
    try:
        # The helper gets no standard error of ours: what it prints there may hold secrets.
        process = subprocess.Popen(
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        raise RegistryError("The credential helper %s cannot be started: %s." % (program, error)) from error
    ended = False
    try:
        _tell(t.cast(t.IO[bytes], process.stdin), server)
        output = _output(process, ends)
        if len(output) > _MOST_BYTES:
            raise RegistryError("The credential helper %s answers for %s with more than a login." % (program, server))
        status = process.wait(max(0.0, ends - time.monotonic()))
        ended = True
        return status, output
    except subprocess.TimeoutExpired:
        raise RegistryError(
            "The credential helper %s gave no answer for %s within %g seconds and was ended."
            % (program, server, timeout)
        ) from None
    finally:
        if not ended:
            _end(process)
        process.__exit__(None, None, None)


def _tell(stream: t.IO[bytes], server: str) -> None:
    """Write the server's name, which is shorter than any pipe, and close the helper's input. It need not listen."""
    try:
        with stream:
            stream.write(server.encode("utf-8"))
    except BrokenPipeError:
        pass


def _output(process: subprocess.Popen[bytes], ends: float) -> bytes:
    """What PROCESS prints until it ends, at most a little more than _MOST_BYTES. Raises TimeoutExpired at the time ENDS.

    Its end is waited for, and not its pipe's: an agent that it leaves running may hold that.
    """
    stream = t.cast(t.IO[bytes], process.stdout)
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(output) <= _MOST_BYTES:
            left = ends - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            # Whether it has ended is asked first, so that what it printed last is still read.
            over = process.poll() is not None
            if selector.select(0 if over else min(left, _LOOK_AGAIN)):
                part = stream.read(_MOST_BYTES)
                if not part:
                    break
                output += part
            elif over:
                break
    return output


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the helper with everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        process.kill()
