# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/role.md says that the role leaves for the play: each variable, and of its keys the role's own ones with their types."""

from __future__ import annotations

import re
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
SECTION = (
    (HOUSE / "docs" / "role.md").read_text(encoding="utf-8").partition("\n## What the role leaves for the play\n")[2]
)
ROWS = {
    cells[1].strip(" `"): cells[3]
    for cells in (line.split("|") for line in SECTION.splitlines() if line.startswith("| `"))
}
TYPES = {"bool": bool, "str": str, "int": int, "float": float, "dict": dict, "list": list}


def typed(text: str) -> dict[str, str]:
    """Each key in TEXT with its type."""
    return dict(re.findall(r"`(\w+)` \((bool|str|int|float|dict|list)\b", text))


def of_other_types(variable: str, value: dict) -> dict[str, object]:
    """What is in VALUE, which the role has left in VARIABLE, and is not of the type that the page says; null is of each."""
    return {
        key: value[key]
        for key, name in typed(ROWS[variable]).items()
        if value.get(key) is not None and not _is_a(value[key], TYPES[name])
    }


def _is_a(value: object, kind: type) -> bool:
    """Whether VALUE is of KIND; true and false are no numbers here."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
