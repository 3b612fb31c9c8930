# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens files of a store, which its registry's user may have replaced by what never answers or never ends."""

from __future__ import annotations

import errno
import os
import stat
import typing as t


class NotRegular(OSError):
    """What has the name of a file is a named pipe, a device or a folder."""


def open_regular(path: str) -> t.BinaryIO:
    """PATH, open for reading. Raises OSError, NotRegular for what is no file; never waits for another process."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegular(errno.EINVAL, "it is no regular file", path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
