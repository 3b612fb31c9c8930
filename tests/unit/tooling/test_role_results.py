# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role and its playbooks leave for the play: docs/role.md names every variable and key, and each key with its type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.fleetops.container_registry.tests.rig.modules import documented_returns
from ansible_collections.fleetops.container_registry.tests.rig.role_page import ROWS, SECTION, typed
from ansible_collections.fleetops.container_registry.tests.unit.tooling.test_role_variables import tasks

HOUSE = Path(__file__).resolve().parents[3]
MODULE = "fleetops.container_registry."
# A key that a Jinja expression gives a dictionary.
KEY = re.compile(r"'(\w+)':")


def left_by_tasks() -> dict[str, list[tuple[Any, dict, dict]]]:
    """Each public variable of the role: what it is set to, with the variables of its task, and the task."""
    found: dict[str, list[tuple[Any, dict, dict]]] = {}
    for _path, task in tasks():
        facts = dict(task.get("ansible.builtin.set_fact", {}))
        if "register" in task:
            facts[task["register"]] = None
        for name, value in facts.items():
            if not name.startswith("__"):
                found.setdefault(name, []).append((value, task.get("vars", {}), task))
    return found


def keys_given(value: Any, variables: dict) -> set[str]:
    """The keys that the role itself gives a result by this VALUE."""
    if isinstance(value, dict):
        return set(value)
    text = str(value)
    found = set(KEY.findall(text))
    for name in variables:
        if name in text and (isinstance(variables[name], dict) or KEY.search(str(variables[name]))):
            found |= keys_given(variables[name], {})
    return found


def test_every_variable_that_the_role_leaves_is_documented_and_none_else():
    assert len(ROWS) > 5
    assert set(ROWS) == set(left_by_tasks())


def test_every_key_that_the_role_sets_is_documented_with_its_type_and_none_else():
    for name, settings in left_by_tasks().items():
        given = set().union(*(keys_given(value, variables) for value, variables, _task in settings))
        modules = re.findall(r"`(registry_\w+)` returns", ROWS[name])
        returned = set().union({"changed"}, *(documented_returns(module) for module in modules))
        assert set(typed(ROWS[name])) == (given - returned if modules else given), name


def test_what_a_module_has_returned_is_documented_by_its_name():
    jobs = {
        "registry_storage_prune_result": "registry_storage_prune",
        "registry_garbage_collect_result": "registry_garbage_collect",
    }
    for name, settings in left_by_tasks().items():
        registered = {
            module[len(MODULE) :]
            for value, _variables, task in settings
            if value is None
            for module in task
            if module.startswith(MODULE)
        }
        expected = registered or ({jobs[name]} if name in jobs else set())
        assert set(re.findall(r"`(registry_\w+)` returns", ROWS[name])) == expected, name


def test_the_rows_of_the_summary_are_documented():
    playbook = yaml.safe_load((HOUSE / "playbooks" / "summary" / "maintenance.yml").read_text(encoding="utf-8"))
    task = playbook[0]["tasks"][0]
    after = SECTION.partition("`registry_summary`")[2]
    assert set(typed(after)) == keys_given(task["ansible.builtin.set_fact"]["registry_summary"], {})


def test_no_variable_is_asked_whether_it_is_null():
    # With ansible-core 2.18, a template whose outcome is null gives an empty text.
    asking = [
        path.name for path in (HOUSE / "roles").rglob("*.yml") if re.search(r"\bis (not )?none\b", path.read_text())
    ]
    assert [name for name in asking if name != "argument_specs.yml"] == []


def test_no_number_or_null_is_made_text_by_ansible_core_2_18():
    # There a template inside a mapping gives text, unless its outcome is a boolean, a list or a dictionary.
    settings = [
        (name, value, variables) for name, entries in left_by_tasks().items() for value, variables, _task in entries
    ]
    playbook = yaml.safe_load((HOUSE / "playbooks" / "summary" / "maintenance.yml").read_text(encoding="utf-8"))
    task = playbook[0]["tasks"][0]
    settings.append(("registry_summary", task["ansible.builtin.set_fact"]["registry_summary"], task["vars"]))
    types = {name: typed(text) for name, text in ROWS.items()}
    types["registry_summary"] = typed(SECTION.partition("`registry_summary`")[2])
    numbers = set()
    for name, value, variables in settings:
        mappings = [value, *(entry for other, entry in variables.items() if isinstance(value, str) and other in value)]
        for mapping in (entry for entry in mappings if isinstance(entry, dict)):
            numbers |= {(name, key) for key in mapping if types[name].get(key) in ("int", "float", "dict")}
    assert numbers == set()
