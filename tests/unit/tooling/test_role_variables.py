# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables: a fact outlives its use and beats the variable of a later task, so no name is both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "registry"


def tasks() -> Iterator[tuple[Path, dict]]:
    """Every task and block of the role, with its file."""

    def below(path: Path, entries: list) -> Iterator[tuple[Path, dict]]:
        for entry in entries:
            yield path, entry
            for key in ("block", "rescue", "always"):
                yield from below(path, entry.get(key, []))

    for path in sorted((ROLE / "tasks").rglob("*.yml")):
        yield from below(path, yaml.safe_load(path.read_text()))


def test_no_variable_of_a_task_is_a_fact_elsewhere():
    facts: dict[str, str] = {}
    variables: dict[str, str] = {}
    for path, task in tasks():
        where = str(path.relative_to(ROLE))
        facts.update(dict.fromkeys(task.get("ansible.builtin.set_fact", {}), where))
        if "register" in task:
            facts[task["register"]] = where
        variables.update(dict.fromkeys(task.get("vars", {}), where))
    assert facts
    assert variables
    clashes = {name: (variables[name], facts[name]) for name in set(variables) & set(facts)}
    assert clashes == {}


def test_of_what_finding_a_registry_finds_only_its_description_is_used_later():
    # Further instances are found in turn, so any other such fact is about the last one of them.
    deployments = ROLE / "tasks" / "deployments"
    acts = {"start.yml", "stop.yml", "restart.yml"}
    finding = {path for path in deployments.rglob("*.yml") if path.name not in acts}
    facts: set[str] = set()
    for path, task in tasks():
        if path in finding:
            facts.update(task.get("ansible.builtin.set_fact", {}))
            facts.update([task["register"]] if "register" in task else [])
    facts.remove("__registry_found")
    # This one is included right after that.
    later = set(ROLE.rglob("*.yml")) - finding - {ROLE / "tasks/config/container/look.yml"}
    used = {
        (str(path.relative_to(ROLE)), name)
        for path in later
        for name in facts.intersection(re.findall(r"\w+", path.read_text()))
    }
    assert used == set()
