# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a program on a terminal of its own, as a person would, and keeps what it prints there."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence


def run_on_terminal(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit status of COMMAND and everything that it printed, with the terminal's line ends made plain."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, close_fds=True
        )
    finally:
        os.close(theirs)
    printed = bytearray()
    try:
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that nobody has the other end open any more
                break
            if not part:
                break
            printed += part
    finally:
        os.close(ours)
    return process.wait(timeout=300), printed.decode("utf-8", "replace").replace("\r\n", "\n")
