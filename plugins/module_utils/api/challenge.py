# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""WWW-Authenticate: how a server says what it wants (RFC 9110 11.6.1)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

_LONGEST = 16 * 1024
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(r"\s*(?:,\s*)*(%s)(?=\s|,|\Z)(?!\s*=)" % _WORD)
_PARAMETER = re.compile(r"\s*(?:,\s*)*(%s)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]*))" % _WORD)


@dataclass(frozen=True)
class Challenge:
    """One way in: SCHEME in lower case with its parameters (names in lower case)."""

    scheme: str
    parameters: t.Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: t.Optional[str]) -> t.Tuple[Challenge, ...]:
    """The challenges of a WWW-Authenticate header, in order; whatever cannot be read ends the list. Linear in its length."""
    text = (header or "")[:_LONGEST]
    found: t.List[Challenge] = []
    position = 0
    while True:
        scheme = _SCHEME.match(text, position)
        if not scheme:
            return tuple(found)
        position = scheme.end()
        parameters: t.Dict[str, str] = {}
        while True:
            parameter = _PARAMETER.match(text, position)
            if not parameter:
                break
            position = parameter.end()
            quoted = parameter.group(2)
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter.group(3)
            parameters.setdefault(parameter.group(1).lower(), value)
        found.append(Challenge(scheme.group(1).lower(), parameters))
