# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads what a run prints: a person at a terminal, a log, or a program."""

from __future__ import annotations

import typing as t

# What CONTAINER_REGISTRY_PROGRESS may say, beside auto.
LINES = "lines"
STEPS = "steps"
NONE = "none"

SETTING = "CONTAINER_REGISTRY_PROGRESS"

# Callbacks that print for people, by their last name. Any other may print what a program reads.
_FOR_PEOPLE = frozenset(["debug", "default", "diy", "unixy", "yaml"])
# ansible-runner's, under AWX too: it gives ansible a terminal, but what is printed there becomes events.
_FOR_EVENTS = "awx_display"


def audience(
    environment: t.Mapping[str, str], callback: str, terminal: bool, shows_ok: bool, cli: t.Mapping[str, t.Any]
) -> str:
    """LINES, STEPS or NONE.

    CALLBACK is the name of what prints to standard output, TERMINAL whether that is one, SHOWS_OK whether hosts are shown on
    which nothing changed, CLI the command line's options.
    """
    wanted = environment.get(SETTING, "").strip().lower()
    if wanted in (LINES, STEPS, NONE):
        return wanted
    name = callback.rpartition(".")[2]
    ad_hoc = "module_name" in cli
    if ad_hoc and (cli.get("one_line") or cli.get("tree") or not terminal):
        return NONE
    if not shows_ok or (name not in _FOR_PEOPLE and name != _FOR_EVENTS):
        return NONE
    if name == _FOR_EVENTS or not terminal or environment.get("TERM") == "dumb" or environment.get("CI"):
        return STEPS
    return LINES
