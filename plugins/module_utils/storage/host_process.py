# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which process, and which run of this host: process ids come back, and nothing survives a restart of the host."""

from __future__ import annotations

import typing as t

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """The name of this run of the host's system, empty where the kernel does not tell."""
    try:
        with open(_BOOT_ID, encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def start_time(pid: int) -> t.Optional[str]:
    """When the process PID was started, in the kernel's ticks; None where there is none, or only its remains."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            # The second field is the program's name in parentheses, with whatever it likes in it.
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return fields[19].decode("ascii")


def lives(pid: int, started: str) -> bool:
    """Whether the process that was PID and was started at STARTED, of this run of the system, is still there."""
    return start_time(pid) == started
