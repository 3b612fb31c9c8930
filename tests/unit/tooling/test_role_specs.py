# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's argument specs: an option is the same at every entry point, and every entry point that opens a window has the window's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "registry"
SPECS = {
    entry: spec["options"]
    for entry, spec in yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"].items()
}
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
WINDOW = "registry_(window_.*|instances|cache_clear|redis|garbage_collect_mode|blob_grace|verify_sample)"


def test_every_entry_point_has_a_spec():
    assert set(SPECS) == {path.stem for path in (ROLE / "tasks").glob("*.yml")} - {
        "prepare",
        "find_store",
        "on_api_host",
    }


@pytest.mark.parametrize("entry", sorted(SPECS))
def test_an_option_is_the_same_everywhere(entry):
    for name, option in SPECS[entry].items():
        common = dict(SPECS["main"].get(name, option))
        if name == "registry_deployment" and not option.get("required"):
            # Some entry points do without.
            common.pop("required")
            common.update(default="", choices=["", *common["choices"]])
        assert option == common, name
        if "default" in option:
            assert option["default"] == DEFAULTS[name], name


@pytest.mark.parametrize("entry", ["garbage_collect", "prune"])
def test_who_opens_a_window_has_its_options(entry):
    window = {name for name in SPECS["main"] if re.fullmatch(WINDOW, name)}
    assert len(window) > 6
    assert window - set(SPECS[entry]) == set()
