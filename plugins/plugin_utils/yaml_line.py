# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a text is no YAML, without the text that stands there: in a registry's configuration that may be a password."""

from __future__ import annotations


def line_of(error: Exception) -> str:
    """The place of a YAML parser's ERROR (PyYAML's or ruamel's), as " (line 7)"; empty if it has none. Its own message shows the text."""
    mark = getattr(error, "problem_mark", None)
    return " (line %d)" % (mark.line + 1) if mark else ""
