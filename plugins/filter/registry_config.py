# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set values in the text of a registry's configuration file, and leave every other character as it is.

The parser only says where a value stands. A round trip through a YAML library would indent the file anew
and move comments, so the text is cut and pasted at that one place, and the outcome is parsed again and
compared with what was wanted.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.yaml_line import line_of

try:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
    from ruamel.yaml.resolver import VersionedResolver

    RUAMEL_IMPORT_ERROR: t.Optional[ImportError] = None

    class _Yaml11(VersionedResolver):
        """The registry's parser follows YAML 1.1 always; ruamel forgets a set version at the first '---'."""

        processing_version = (1, 1)

except ImportError as missing:  # the filter says so when it is used
    RUAMEL_IMPORT_ERROR = missing

Scalar = t.Union[bool, int, str]
Path = t.Tuple[str, ...]

# What the registry's own parser (go-yaml) reads as a boolean when it stands without quotes.
_TRUE = frozenset(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"))
_FALSE = frozenset(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"))
_STRING_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
_PLAIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_SOME_WORD = _TRUE | _FALSE | frozenset(("null", "Null", "NULL", "y", "Y", "n", "N"))
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_COLON = re.compile(r"[ \t]*:")


class _Refused(Exception):
    """This text cannot be changed safely; the message says why and what to do."""


def registry_config(text: t.Any, settings: t.Any) -> str:
    """Return TEXT, a registry's config.yml, with SETTINGS in force.

    SETTINGS is a mapping of nested mappings whose leaves are booleans, whole numbers or strings. Where all
    of them are in force already, TEXT itself is returned. Raises AnsibleFilterError where the text cannot
    be changed without a risk to the rest of it.
    """
    if RUAMEL_IMPORT_ERROR is not None:
        raise AnsibleFilterError(
            "registry_config needs the Python library ruamel.yaml on the controller: %s. Install it where"
            " ansible-playbook runs." % RUAMEL_IMPORT_ERROR
        )
    if not isinstance(text, str):
        raise AnsibleFilterError(
            "registry_config works on the text of a configuration file, not on %s:"
            " read it with ansible.builtin.slurp and b64decode" % type(text).__name__
        )
    try:
        wanted = list(_leaves(settings, ()))
        before = _parse(text)
        _refuse_duplicates(before)
        changed = text
        for path, value in wanted:
            changed = _set(changed, path, value)
        if changed == text:
            return text
        if not _is_before_with(before, _parse(changed), settings):
            raise _Refused("it is written in a way that cannot be changed at one place only")
    except _Refused as refusal:
        raise AnsibleFilterError("The registry's configuration was not changed: %s." % refusal) from None
    return changed


def _leaves(settings: t.Any, path: Path) -> t.Iterator[t.Tuple[Path, Scalar]]:
    """Every value of SETTINGS with the keys that lead to it."""
    where = ".".join(path) or "settings"
    if isinstance(settings, dict):
        if not settings:
            raise _Refused("%s is an empty mapping: name at least one key to set" % where)
        for key, value in settings.items():
            if not isinstance(key, str) or not key:
                raise _Refused("%s has the key %r; keys must be non-empty strings" % (where, key))
            yield from _leaves(value, path + (key,))
    elif path and isinstance(settings, (bool, int, str)):
        yield path, settings
    else:
        raise _Refused(
            "%s is %s; settings are nested mappings of booleans, whole numbers and strings"
            % (where, type(settings).__name__)
        )


def _parse(text: str) -> t.Optional[Node]:
    """The one document in TEXT as nodes that know their place, read by YAML 1.1 as the registry does."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = _Yaml11
    try:
        return yaml.compose(text)
    except YAMLError as error:
        if "expected a single document" in str(error):
            raise _Refused(
                "it holds several YAML documents, of which the registry reads only the first; keep one"
            ) from error
        raise _Refused("it is not valid YAML%s" % line_of(error)) from None
    except RecursionError as error:
        raise _Refused("it is nested too deeply") from error


def _refuse_duplicates(root: t.Optional[Node]) -> None:
    """A key that occurs twice in one mapping: which of them counts depends on the reader."""
    seen: t.Set[int] = set()
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, MappingNode):
            names: t.Set[str] = set()
            for key, value in node.value:
                if isinstance(key, ScalarNode):
                    if key.value in names:
                        raise _Refused(
                            'the key "%s" occurs twice in one mapping (again in line %d); remove one'
                            % (key.value, key.start_mark.line + 1)
                        )
                    names.add(key.value)
                waiting.extend((key, value))


def _set(text: str, path: Path, value: Scalar) -> str:
    """TEXT with VALUE at PATH."""
    root = _parse(text)
    if root is None or _is_null(root) and root.start_mark.index == root.end_mark.index:
        return _append(text, len(text), _block(path, value, 0, 2, _line_break(text)), _line_break(text))
    node = root
    parents: t.List[MappingNode] = []
    key_node: t.Optional[Node] = None
    for depth, name in enumerate(path):
        where = ".".join(path[:depth]) or "the document"
        if depth and _is_null(node):
            return _fill_null(text, parents, key_node, node, path[depth:], value)
        if not isinstance(node, MappingNode):
            raise _Refused("%s is not a mapping (line %d), so %s cannot be set in it" % (where, _line(node), name))
        _refuse_shared(node, where)
        parents.append(node)
        found = [pair for pair in node.value if isinstance(pair[0], ScalarNode) and pair[0].value == name]
        if not found:
            return _insert(text, parents, key_node, path[depth:], value)
        key_node, node = found[0]
    if _reads_as(node, value):
        return text
    _refuse_shared(node, ".".join(path))
    return _replace(text, key_node, node, path, value)


def _refuse_shared(node: Node, where: str) -> None:
    """A node with an anchor may be meant elsewhere too; a merge key may bring what is then set twice."""
    if node.anchor is not None:
        raise _Refused(
            "%s is shared through the YAML anchor &%s (line %d); write it out" % (where, node.anchor, _line(node))
        )
    if isinstance(node, MappingNode) and any(
        isinstance(key, ScalarNode) and key.value == "<<" for key, _value in node.value
    ):
        raise _Refused(
            "%s takes keys from elsewhere with the YAML merge key << (line %d); write them out" % (where, _line(node))
        )


def _replace(text: str, key: Node, node: Node, path: Path, value: Scalar) -> str:
    """TEXT with the scalar NODE of KEY written as VALUE."""
    where = ".".join(path)
    if not isinstance(node, ScalarNode):
        raise _Refused("%s is a mapping or a list (line %d), and a single value is wanted" % (where, _line(node)))
    if node.style in ("|", ">"):
        raise _Refused("%s is written as a block of text (line %d); write it on one line" % (where, _line(node)))
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:
        start = end = _after_colon(text, key)
        return text[:start] + " " + _written(value) + text[end:]
    return text[:start] + _written(value) + text[end:]


def _fill_null(text: str, parents: t.List[MappingNode], key: Node, node: Node, rest: Path, value: Scalar) -> str:
    """TEXT with a mapping where KEY has none yet: a bare key, or null in words."""
    _refuse_shared(node, key.value)
    start, end = node.start_mark.index, node.end_mark.index
    flow = "{%s}" % _flow(rest, value)
    if start != end:
        return text[:start] + flow + text[end:]
    place = _after_colon(text, key)
    if parents[-1].flow_style:
        return text[:place] + " " + flow + text[place:]
    step = _step(parents)
    column = key.start_mark.column + step
    lines = _block(rest, value, column, step, _line_break(text))
    return _append(text, _past_comments(text, place, key.start_mark.column + 1), lines, _line_break(text))


def _insert(text: str, parents: t.List[MappingNode], key: t.Optional[Node], rest: Path, value: Scalar) -> str:
    """TEXT with a new key at the end of the last of PARENTS, the value of KEY (None: the document)."""
    mapping = parents[-1]
    pairs = mapping.value
    if mapping.flow_style:
        if not pairs:
            place = mapping.end_mark.index - 1
            return text[:place] + _flow(rest, value) + text[place:]
        last_key, last = pairs[-1]
        written_here = last_key.end_mark.index < last.start_mark.index < last.end_mark.index
        place = last.end_mark.index if written_here else mapping.end_mark.index - 1
        return text[:place] + ", " + _flow(rest, value) + text[place:]
    step = _step(parents)
    column = pairs[0][0].start_mark.column
    lines = _block(rest, value, column, step, _line_break(text))
    end = _content_end(text, mapping)
    if end is not None:
        return _append(text, _past_comments(text, end, column), lines, _line_break(text))
    if key is not None:  # after a block of text or an empty list item the end is not certain, so the new key goes first
        return _append(text, _line_end(text, _after_colon(text, key)), lines, _line_break(text))
    first = pairs[0][0].start_mark.index
    place = first - pairs[0][0].start_mark.column
    return text[:place] + lines + _line_break(text) + text[place:]


def _append(text: str, place: int, lines: str, line_break: str) -> str:
    """TEXT with LINES after the line that ends at PLACE; a file without a last line break stays one."""
    if place == 0 or text[:place].endswith(("\n", "\r")):
        return text[:place] + lines + line_break + text[place:]
    return text[:place] + line_break + lines + text[place:]


def _content_end(text: str, node: Node) -> t.Optional[int]:
    """Where the last thing written in NODE ends; None where that cannot be told."""
    if isinstance(node, ScalarNode):
        return None if node.style in ("|", ">") or node.start_mark.index == node.end_mark.index else node.end_mark.index
    if node.flow_style:
        return node.end_mark.index
    if not node.value:
        return None
    if isinstance(node, SequenceNode):
        return _content_end(text, node.value[-1])
    key, value = node.value[-1]
    if value.anchor is not None and value.start_mark.index < key.start_mark.index:
        return None  # an alias: its node stands elsewhere
    if isinstance(value, ScalarNode) and value.start_mark.index == value.end_mark.index:
        return _after_colon(text, key)
    return _content_end(text, value)


def _past_comments(text: str, place: int, column: int) -> int:
    """The end of the line at PLACE, or of the last comment below it that is indented by COLUMN or more."""
    end = _line_end(text, place)
    at = end
    while True:
        line_break = _LINE_BREAK.match(text, at)
        if line_break is None:
            return end
        start = line_break.end()
        at = _line_end(text, start)
        line = text[start:at]
        content = line.lstrip(" ")
        if content.startswith("#") and len(line) - len(content) >= column:
            end = at
        elif content.strip():
            return end


def _line_end(text: str, place: int) -> int:
    found = _LINE_BREAK.search(text, place)
    return len(text) if found is None else found.start()


def _after_colon(text: str, key: Node) -> int:
    found = _COLON.match(text, key.end_mark.index)
    if found is None:
        raise _Refused('the key "%s" (line %d) is not followed by a colon' % (key.value, _line(key)))
    return found.end()


def _line_break(text: str) -> str:
    """The file's own line break, judged by its first line."""
    found = _LINE_BREAK.search(text)
    return "\n" if found is None else found.group()


def _step(parents: t.Sequence[MappingNode]) -> int:
    """By how many columns this file indents, judged where the change is made."""
    columns = [parent.start_mark.column for parent in parents]
    if len(columns) > 1 and columns[-1] > columns[-2]:
        return columns[-1] - columns[-2]
    for _key, value in parents[0].value:
        if isinstance(value, MappingNode) and not value.flow_style and value.start_mark.column > columns[0]:
            return value.start_mark.column - columns[0]
    return 2


def _block(path: Path, value: Scalar, column: int, step: int, line_break: str) -> str:
    lines = ["%s%s:" % (" " * (column + step * depth), _written(name)) for depth, name in enumerate(path)]
    return line_break.join(lines) + " " + _written(value)


def _flow(path: Path, value: Scalar) -> str:
    return (
        "".join("%s: {" % _written(name) for name in path[:-1])
        + "%s: %s" % (_written(path[-1]), _written(value))
        + ("}" * (len(path) - 1))
    )


def _written(value: Scalar) -> str:
    """VALUE as the registry reads it back: booleans and numbers bare, strings in quotes where needed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d" % value
    if _PLAIN_TEXT.match(value) and value not in _SOME_WORD:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _NULL_TAG


def _line(node: Node) -> int:
    return node.start_mark.line + 1


def _reads_as(node: Node, value: Scalar) -> bool:
    """Does the registry read NODE as VALUE? A string in quotes is no boolean there, and neither is 1."""
    if not isinstance(node, ScalarNode):
        return False
    text = node.value
    if isinstance(value, str):
        bare_word = node.style is None and text in _SOME_WORD
        return text == value and node.tag == _STRING_TAG and not bare_word
    if node.style is not None or node.tag == _STRING_TAG:
        return False
    if isinstance(value, bool):
        return text in (_TRUE if value else _FALSE)
    return re.match(r"(0|-?[1-9][0-9]*)\Z", text) is not None and int(text) == value


def _is_before_with(before: t.Optional[Node], after: t.Optional[Node], settings: t.Any) -> bool:
    """Is AFTER the same data as BEFORE, in the same order, with SETTINGS set?"""
    if after is None:
        return False
    if not isinstance(settings, dict):
        return _reads_as(after, settings)
    if not isinstance(after, MappingNode):
        return False
    if before is None or _is_null(before):
        old: t.Dict[str, Node] = {}
    elif isinstance(before, MappingNode):
        old = {key.value: value for key, value in before.value if isinstance(key, ScalarNode)}
        kept = [pair for pair in after.value if not _is_new(pair[0], old, settings)]
        if len(kept) != len(before.value):
            return False
        for (old_key, old_value), (key, value) in zip(before.value, kept):
            touched = isinstance(key, ScalarNode) and key.value in settings
            if not _same(old_key, key, set()) or not touched and not _same(old_value, value, set()):
                return False
    else:
        return False
    new = {key.value: value for key, value in after.value if isinstance(key, ScalarNode)}
    if len(new) != len(old) + sum(1 for name in settings if name not in old):
        return False
    return all(name in new and _is_before_with(old.get(name), new[name], settings[name]) for name in settings)


def _is_new(key: Node, old: t.Mapping[str, Node], settings: t.Mapping[str, t.Any]) -> bool:
    return isinstance(key, ScalarNode) and key.value in settings and key.value not in old


def _same(one: Node, other: Node, compared: t.Set[t.Tuple[int, int]]) -> bool:
    """The same data, kinds and order; anchors may lead in circles."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if (id(left), id(right)) in compared:
            continue
        compared.add((id(left), id(right)))
        if type(left) is not type(right) or left.tag != right.tag or left.anchor != right.anchor:
            return False
        if isinstance(left, ScalarNode):
            if left.value != right.value or left.style != right.style:
                return False
            continue
        if len(left.value) != len(right.value):
            return False
        if isinstance(left, MappingNode):
            for (left_key, left_value), (right_key, right_value) in zip(left.value, right.value):
                waiting.extend(((left_key, right_key), (left_value, right_value)))
        else:
            waiting.extend(zip(left.value, right.value))
    return True


class FilterModule:
    """The filters of this file."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Name to function, as Ansible asks for it."""
        return {"registry_config": registry_config}
