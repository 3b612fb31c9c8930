# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generated configuration files in every style, against a parser that is not the filter's own check."""

from __future__ import annotations

import copy
import difflib
import json

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.fleetops.container_registry.plugins.filter.registry_config import registry_config
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = [
    "storage",
    "delete",
    "enabled",
    "filesystem",
    "maintenance",
    "readonly",
    "http",
    "addr",
    "cache",
    "a-b",
    "x.y",
]
PATHS = [
    ("storage", "delete", "enabled"),
    ("storage", "maintenance", "readonly", "enabled"),
    ("catalog", "maxentries"),
]


class Source:
    """Writes a tree as YAML in indents, comments, quotes and styles that hypothesis draws."""

    def __init__(self, draw):
        self.draw = draw
        self.in_block_of_text = False
        self.line_break = draw(st.sampled_from(["\n", "\n", "\r\n"]))

    def text(self, tree):
        lines = []
        if self.draw(st.booleans()):
            lines.append("---")
        self._mapping(lines, tree, 0, self.draw(st.sampled_from([2, 2, 3, 4])))
        return self.line_break.join(lines) + self.draw(st.sampled_from(["", self.line_break]))

    def _noise(self, lines, column):
        noisy = self.draw(st.booleans()) and not self.in_block_of_text  # there it would be text
        self.in_block_of_text = False
        if noisy:
            lines.append(
                self.draw(
                    st.sampled_from(
                        ["", " " * column + "# note: {x", "# at the left", " " * (column + 2) + "# deep: 1"]
                    )
                )
            )

    def _comment(self):
        return self.draw(st.sampled_from(["", "", "", " # c: d", "   # 'e"]))

    def _mapping(self, lines, tree, column, step):
        for key, value in tree.items():
            self._noise(lines, column)
            head = " " * column + self.draw(st.sampled_from([key, key, f'"{key}"', f"'{key}'"])) + ":"
            if isinstance(value, dict) and value and self.draw(st.integers(0, 3)):
                lines.append(head + self._comment())
                self._mapping(lines, value, column + step, step)
            elif isinstance(value, list) and value and self.draw(st.booleans()):
                lines.append(head)
                indent = " " * (column + self.draw(st.sampled_from([0, step])))
                lines.extend(indent + "- " + self._scalar(item) for item in value)
            elif isinstance(value, str) and value.strip(" #") == value != "" and self.draw(st.integers(0, 4)) == 0:
                lines.append(head + " |-")
                self.in_block_of_text = True
                lines.append(" " * (column + step) + value)
            elif value is None and self.draw(st.booleans()):
                lines.append(head + self._comment())
            else:
                lines.append(head + " " + self._flow(value) + self._comment())

    def _flow(self, value):
        if isinstance(value, dict):
            inner = ", ".join(f"{key}: {self._flow(item)}" for key, item in value.items())
            return "{" + inner + ("," if inner and self.draw(st.booleans()) else "") + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self._flow(item) for item in value) + "]"
        return self._scalar(value)

    def _scalar(self, value):
        if value is True:
            return self.draw(st.sampled_from(["true", "yes", "on", "True"]))
        if value is False:
            return self.draw(st.sampled_from(["false", "no", "off", "False"]))
        if value is None:
            return self.draw(st.sampled_from(["null", "~"]))
        return json.dumps(value)


SCALARS = st.one_of(st.booleans(), st.none(), st.integers(-5, 5), st.text("abc :#'\"{}[],", max_size=6))
TREES = st.dictionaries(
    st.sampled_from(WORDS),
    st.recursive(
        st.one_of(SCALARS, st.lists(SCALARS, max_size=2)),
        lambda inner: st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
        max_leaves=8,
    ),
    min_size=1,
    max_size=5,
)


def load(text):
    return yaml.safe_load(text)


def with_value(tree, path, value):
    """TREE with VALUE at PATH, or None where something that is no mapping stands in the way."""
    tree = copy.deepcopy(tree)
    at = tree
    for name in path[:-1]:
        if at.get(name) is None:
            at[name] = {}
        at = at[name]
        if not isinstance(at, dict):
            return None
    if isinstance(at.get(path[-1]), (dict, list)):
        return None
    at[path[-1]] = value
    return tree


def nested(path, value):
    for name in reversed(path):
        value = {name: value}
    return value


def exactly(one, other):
    """Equal with kinds and order, where Python takes 1 for True and orders of keys for nothing."""
    return json.dumps(one) == json.dumps(other)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_result_is_the_old_data_plus_the_wanted_value_and_nothing_else_moves(data):
    tree = data.draw(TREES)
    text = Source(data.draw).text(tree)
    assert exactly(load(text), tree)
    path = data.draw(st.sampled_from(PATHS))
    value = 7 if path[-1] == "maxentries" else data.draw(st.booleans())
    expected = with_value(tree, path, value)
    try:
        changed = registry_config(text, nested(path, value))
    except AnsibleFilterError as refusal:
        if expected is not None and "block of text" not in str(refusal):
            raise
        return
    assert expected is not None
    assert json.dumps(load(changed), sort_keys=True) == json.dumps(expected, sort_keys=True)
    assert registry_config(changed, nested(path, value)) is changed
    lost = [piece for piece in difflib.ndiff(text.splitlines(), changed.splitlines()) if piece.startswith("- ")]
    assert len(lost) <= 1
    if exactly(expected, tree):
        assert changed is text


@settings(max_examples=300, deadline=None)
@given(st.text("storage:delnb \n#{}[],&*|'\"-?!<", max_size=60))
def test_whatever_the_text_is_the_result_is_right_or_refused(text):
    try:
        changed = registry_config(text, nested(PATHS[0], True))
    except AnsibleFilterError:
        return
    try:
        before = load(text)
    except yaml.YAMLError:
        return  # beyond this parser: nothing to compare with
    assert load(changed) == with_value(before or {}, PATHS[0], True)
