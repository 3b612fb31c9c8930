# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of single values in a policy.

Whatever is not exactly right is refused: an error never means 'keeps nothing'.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import (
    ORDERS,
    Duration,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.durations import (
    parse_duration,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import (
    PatternInvalid,
    PatternSet,
    compile_patterns,
    compile_regex,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.versions import (
    VersionKey,
    parse_version,
)

_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_SHOWN = 100


class PolicyInvalid(ValueError):
    """A policy that cannot be used.

    The text names POLICY, KEY and VALUE; the latter are None where there is none.
    """

    def __init__(
        self, why: str, policy: t.Optional[str] = None, key: t.Optional[str] = None, value: t.Any = None
    ) -> None:
        where = ([] if policy is None else ['policy "%s"' % policy]) + ([] if key is None else [key])
        super().__init__("%s: %s" % (", ".join(where), why) if where else why)
        self.policy = policy
        self.key = key
        self.value = value


class ValueRefused(ValueError):
    """A value that a key does not take; the text says what is wrong, VALUE is the culprit."""

    def __init__(self, value: t.Any, why: str) -> None:
        super().__init__("%s: %s" % (shown(value), why))
        self.value = value


def shown(value: t.Any) -> str:
    """VALUE as it may appear in a message: in one line and not too long."""
    text = "null" if value is None else str(value) if isinstance(value, datetime.date) else ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def text(value: t.Any) -> str:
    """A text that is not empty."""
    if value is None:
        raise ValueRefused(value, "there is no value; leave the key out, or give it one")
    if isinstance(value, (bool, int, float, datetime.date)):
        raise ValueRefused(value, "this is %s, not a text; quote it (an unquoted 1.10 is read as 1.1)" % _kind(value))
    if not isinstance(value, str):
        raise ValueRefused(value, "this is %s, not a text" % _kind(value))
    if not value.strip():
        raise ValueRefused(value, "the text is empty")
    return value


def name(value: t.Any) -> str:
    """A text in one line, for it stands in every reason and error."""
    if not text(value).isprintable():
        raise ValueRefused(value, "a name is one line of printable characters")
    return str(value)


def text_list(value: t.Any) -> t.List[str]:
    """A list of texts that is not empty. One text stands for a list of one."""
    if isinstance(value, str):
        return [text(value)]
    if value is None:
        raise ValueRefused(value, "there is no value; leave the key out, or give it a list")
    if isinstance(value, (list, tuple)):
        if not value:
            raise ValueRefused(value, "the list is empty; leave the key out, or say what it means")
        return [text(entry) for entry in value]
    if isinstance(value, (bool, int, float, datetime.date)):
        return [text(value)]
    raise ValueRefused(value, "this is %s, not a list" % _kind(value))


def patterns(value: t.Any) -> PatternSet:
    """A list of patterns that is not empty."""
    entries = text_list(value)
    try:
        return compile_patterns(entries)
    except PatternInvalid as error:
        raise ValueRefused(error.pattern, str(error)) from error


def count(value: t.Any) -> int:
    """A whole number of at least 1, or the digits of one (what a template yields)."""
    if isinstance(value, str) and _WHOLE_NUMBER.match(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueRefused(value, "this is %s, not a whole number" % _kind(value))
    if value < 1:
        raise ValueRefused(value, "it must be at least 1; to keep nothing, say 'delete: all'")
    return value


def duration(value: t.Any) -> Duration:
    """A duration longer than zero."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueRefused(value, "a duration needs a unit: 30m, 12h, 90d, 2w or 1y")
    seconds = parse_duration(text(value))
    if seconds is None:
        raise ValueRefused(value, "a duration is a whole number above zero and one unit: 30m, 12h, 90d, 2w or 1y")
    return Duration(value, seconds)


def order(value: t.Any) -> str:
    """One of the orders."""
    if text(value) not in ORDERS:
        raise ValueRefused(value, "an order is one of %s" % ", ".join(ORDERS))
    return str(value)


def group(value: t.Any) -> t.Pattern[str]:
    """A regular expression with exactly one capture group."""
    if text(value).startswith("~"):
        raise ValueRefused(value, "this is always a regular expression; leave out the '~'")
    try:
        pattern = compile_regex(value)
    except PatternInvalid as error:
        raise ValueRefused(value, str(error)) from error
    if pattern.groups != 1:
        raise ValueRefused(
            value,
            "it has %d capture groups, it needs exactly one; others can be written as (?:...)" % pattern.groups,
        )
    return pattern


def version(value: t.Any) -> t.Tuple[str, VersionKey]:
    """A version, as written and as a key."""
    key = parse_version(text(value))
    if key is None:
        raise ValueRefused(value, "this is no version such as 2.0, v1.2.3-rc.1 or 950")
    return value, key


def everything(value: t.Any) -> bool:
    """The word 'all'."""
    if value != "all":
        raise ValueRefused(value, "the only value is 'all'")
    return True


def boolean(value: t.Any) -> bool:
    """A boolean, or the word for one that a template yields."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueRefused(value, "this is %s, not true or false" % _kind(value))
    return value


def label_patterns(value: t.Any) -> t.Dict[str, PatternSet]:
    """A dictionary of label -> pattern or patterns of its value, not empty."""
    if not isinstance(value, dict):
        raise ValueRefused(value, "this is %s, not a dictionary of labels and their values" % _kind(value))
    if not value:
        raise ValueRefused(value, "the dictionary is empty; leave the key out, or name a label")
    return {text(name): patterns(wanted) for name, wanted in value.items()}


def _kind(value: t.Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, datetime.date):
        return "a date"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a dictionary" if isinstance(value, dict) else "a %s" % type(value).__name__
