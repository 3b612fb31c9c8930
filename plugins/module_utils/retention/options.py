# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What besides the policies bears on a plan: limits, permissions, and facts from elsewhere."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Guards:
    """Limits. None: no limit. The first two hold the whole run, the others hold one repository."""

    max_delete_tags: t.Optional[int] = None
    max_delete_percent: t.Optional[float] = 50
    allow_empty_repository: bool = False
    max_delete_percent_per_repository: t.Optional[float] = None


@dataclass(frozen=True)
class Pulls:
    """Pull times: LAST[repository][digest] (seconds since the epoch); none were recorded before SINCE."""

    since: float
    last: t.Mapping[str, t.Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """GUARDS limit the plan; dangling tags and orphans go only where asked; PULLS: None where nobody recorded any."""

    guards: Guards = field(default_factory=Guards)
    remove_dangling_tags: bool = False
    remove_orphans: bool = False
    pulls: t.Optional[Pulls] = None
