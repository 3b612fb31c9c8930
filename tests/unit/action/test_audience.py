# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told how far a run is: people at a terminal line by line, logs seldom, programs never."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.audience import (
    LINES,
    NONE,
    SETTING,
    STEPS,
    audience,
)

PLAYBOOK = {"forks": 5, "args": ("site.yml",)}
AD_HOC = {"forks": 5, "module_name": "registry_prune", "one_line": None, "tree": None}


def decide(environment=(), callback="default", terminal=True, shows_ok=True, cli=None):
    return audience(dict(environment), callback, terminal, shows_ok, PLAYBOOK if cli is None else cli)


@pytest.mark.parametrize(
    "callback", ["default", "ansible.builtin.default", "community.general.yaml", "ansible.posix.debug"]
)
def test_people_at_a_terminal_get_lines(callback):
    assert decide(callback=callback) == LINES


@pytest.mark.parametrize(
    "how",
    [
        {"terminal": False},
        {"environment": {"TERM": "dumb"}},
        {"environment": {"CI": "true"}},
        {"callback": "awx_display"},
    ],
)
def test_logs_get_steps(how):
    assert decide(**how) == STEPS


@pytest.mark.parametrize(
    "callback", ["json", "ansible.posix.json", "oneline", "minimal", "null", "junit", "some.new.thing"]
)
def test_what_a_program_may_read_stays_clean(callback):
    assert decide(callback=callback) == NONE
    assert decide(callback=callback, terminal=False) == NONE


def test_who_wants_to_see_little_sees_nothing():
    assert decide(shows_ok=False) == NONE


def test_single_commands():
    assert decide(cli=AD_HOC) == LINES
    assert decide(cli=AD_HOC, terminal=False) == NONE
    assert decide(cli=dict(AD_HOC, one_line=True)) == NONE
    assert decide(cli=dict(AD_HOC, tree="/tmp/tree")) == NONE


@pytest.mark.parametrize("wanted", [LINES, STEPS, NONE])
def test_the_setting_decides(wanted):
    for how in ({}, {"terminal": False}, {"callback": "json"}, {"shows_ok": False}, {"cli": AD_HOC}):
        assert decide({SETTING: wanted.upper()}, **how) == wanted


@pytest.mark.parametrize("setting", ["auto", "", "yes"])
def test_any_other_setting_is_none(setting):
    assert decide({SETTING: setting}) == LINES
