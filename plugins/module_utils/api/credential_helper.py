# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs named docker-credential-NAME that keep logins in a store of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess  # nosec B404: the protocol is a program
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MOST_BYTES = 64 * 1024
# What the helpers of the docker project print (with exit status 1) for a server that they know nothing about.
_NOT_FOUND = ("credentials not found", "no credentials server url")
_LONGEST = 60.0


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
    """Exit status and the beginning of the standard output. Ends the helper and its children when TIMEOUT has passed."""
    try:
        # The helper gets no standard error of ours: what it prints there may hold secrets.
        process = subprocess.Popen(  # nosec B603: no shell; the name is checked, the path is from PATH
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise RegistryError("The credential helper %s cannot be started: %s." % (program, error)) from error
    with process:
        try:
            output, _unused = process.communicate(server.encode("utf-8"), timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise RegistryError(
                "The credential helper %s gave no answer for %s within %g seconds and was ended."
                % (program, server, timeout)
            ) from None
    if len(output) > _MOST_BYTES:
        raise RegistryError("The credential helper %s answers for %s with more than a login." % (program, server))
    return process.returncode, output


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the helper with everything that it started, or its pipe would stay open."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        process.kill()
