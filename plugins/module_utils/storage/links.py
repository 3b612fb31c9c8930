# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Link files: a digest as text, and the time at which it was written."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import is_digest

# A sha512 link has 135 bytes; whatever is longer is no link.
_LONGEST = 200


class Link(t.NamedTuple):
    """A link file. DIGEST is empty where it holds no digest, and PROBLEM says what it holds; WRITTEN is its mtime."""

    digest: str
    written: float
    problem: str = ""


def read_link(path: str, folder: t.Optional[int] = None, times: bool = True) -> t.Optional[Link]:
    """Read the link file PATH (relative to the open FOLDER, if given); None if there is none. Without TIMES, WRITTEN is 0.

    What can be no link at all (a folder, an unreadable file) is a Link with a problem: the collector stumbles over it too.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Link("", 0.0, "cannot be read (%s)" % error.strerror)
    try:
        written = os.fstat(descriptor).st_mtime if times else 0.0
        content = os.read(descriptor, _LONGEST)
    except OSError as error:
        return Link("", 0.0, "cannot be read (%s)" % error.strerror)
    finally:
        os.close(descriptor)
    text = content.decode("ascii", "replace")
    if is_digest(text):
        return Link(text, written)
    if not content:
        return Link("", written, "is empty")
    return Link("", written, "holds no digest")
