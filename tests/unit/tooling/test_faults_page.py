# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/faults.md names tests that there are, and leaves none out in which something is broken on purpose."""

from __future__ import annotations

import re
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[3]
PAGE = (HOUSE / "docs" / "faults.md").read_text(encoding="utf-8")
FAULTS = HOUSE / "tests" / "faults"
# Each of these is a fault of its own; the other files are one story each, whose tests look at it from several sides.
SINGLE = ("test_window_role", "test_prune_killed")
HARMLESS = {"test_a_registry_behind_a_proxy_is_stopped_and_collected"}


def named() -> list[tuple[Path, str]]:
    """Each file that the page names, with each function or case that it names in it, empty for the whole file."""
    found = []
    for row in PAGE.splitlines():
        file = None
        for words in re.findall(r"`([^`]+)`", row.rpartition(" | ")[2] if row.startswith("|") else row):
            place = HOUSE / f"{words}.py" if "/" in words else FAULTS / f"{words}.py"
            if place.exists():
                file = place
                found.append((place, ""))
            elif file and row.startswith("|"):
                found.append((file, words))
    return found


def test_each_test_that_is_named_exists():
    missing = []
    for file, name in named():
        text = file.read_text(encoding="utf-8")
        if name and not (f"def {name}(" in text if name.startswith("test_") else f'"{name}"' in text):
            missing.append((file.name, name))
    assert missing == []
    assert len(named()) > 50


def test_no_file_of_faults_is_left_out():
    assert {path.name for path in FAULTS.glob("test_*.py")} - {path.name for path, _name in named()} == set()


def test_no_fault_is_left_out():
    functions = {
        name
        for file in SINGLE
        for name in re.findall(r"^def (test_\w+)\(", (FAULTS / f"{file}.py").read_text(encoding="utf-8"), re.MULTILINE)
    }
    told = {name for _path, name in named()}
    whole = {"test_killed_at_any_write_the_next_run_finishes_and_decides_the_same"}
    assert functions - told - HARMLESS - whole == set()
