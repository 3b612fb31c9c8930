# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the raw list of policies to compiled ones, or to an error that names policy, key and value."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    ReferenceInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import validation
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import (
    Duration,
    Policies,
    Policy,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import (
    Protected,
    parse_protected,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.validation import (
    PolicyInvalid,
    ValueRefused,
    shown,
)

__all__ = ["Policies", "Policy", "PolicyInvalid", "compile_policies"]

# Children are pushed by digest before their index: a younger untagged manifest may be half of a push that is
# still running.
MIN_UNTAGGED_SECONDS = 86400.0
DEFAULT_UNTAGGED = Duration("7d", 7 * 86400.0)
MAX_NAME_LENGTH = 100

_CHECKS: t.Dict[str, t.Callable[[t.Any], t.Any]] = {
    "name": validation.name,
    "repositories": validation.patterns,
    "tags": validation.patterns,
    "labels": validation.label_patterns,
    "untagged": validation.boolean,
    "keep": validation.everything,
    "delete": validation.everything,
    "keep_newest": validation.count,
    "order_by": validation.order,
    "group_by": validation.group,
    "keep_younger_than": validation.duration,
    "keep_tags": validation.patterns,
    "keep_at_least_version": validation.version,
    "keep_unexpired": validation.text,
    "keep_pulled_within": validation.duration,
}
_FIELDS = {"keep": "keep_all", "delete": "delete_all"}
_KEEP_CLAUSES = (
    "keep_newest",
    "keep_younger_than",
    "keep_tags",
    "keep_at_least_version",
    "keep_unexpired",
    "keep_pulled_within",
)
_RANKING = ("order_by", "group_by")
_NEED_TAGS = (
    "tags",
    "keep_newest",
    "order_by",
    "group_by",
    "keep_tags",
    "keep_at_least_version",
    "keep_pulled_within",
)


def compile_policies(raw: t.Any, protected: t.Any = None) -> Policies:
    """Check and compile RAW, a list of dictionaries as written, and PROTECTED, a list of texts or None.

    Raises PolicyInvalid for the first thing that is not exactly right. Never reads anything but its
    arguments.
    """
    if not isinstance(raw, (list, tuple)):
        raise PolicyInvalid("policies: %s: this must be a list of policies" % shown(raw), key="policies", value=raw)
    policies: t.List[Policy] = []
    for number, entry in enumerate(raw, 1):
        policy = _compile(entry, number)
        _check_place(policy, policies)
        policies.append(policy)
    return Policies(tuple(policies), _compile_protected(protected))


def _compile(entry: t.Any, number: int) -> Policy:
    name = "number %d" % number
    if not isinstance(entry, dict):
        raise PolicyInvalid("%s: this must be a dictionary" % shown(entry), policy=name, value=entry)
    given = entry.get("name")
    if isinstance(given, str) and given.strip() and given.isprintable():
        name = given if len(given) <= MAX_NAME_LENGTH else given[:MAX_NAME_LENGTH]
    values: t.Dict[str, t.Any] = {}
    for key, value in entry.items():
        check = _CHECKS.get(key) if isinstance(key, str) else None
        if check is None:
            raise PolicyInvalid(
                "there is no such key%s" % _hint(key), policy=name, key=shown(key).strip("'"), value=value
            )
        try:
            values[key] = check(value)
        except ValueRefused as error:
            raise PolicyInvalid(str(error), policy=name, key=key, value=error.value) from error
    if len(values.get("name", "")) > MAX_NAME_LENGTH:
        raise PolicyInvalid("a name has at most %d characters" % MAX_NAME_LENGTH, policy=name, key="name", value=given)
    values["name"] = name
    _check_contradictions(name, values, entry)
    if values.get("untagged") and not values.get("keep") and not values.get("delete"):
        values.setdefault("keep_younger_than", DEFAULT_UNTAGGED)
    return Policy(**{_FIELDS.get(key, key): value for key, value in values.items()})


def _check_contradictions(name: str, values: t.Mapping[str, t.Any], entry: t.Mapping[str, t.Any]) -> None:
    def refuse(key: str, why: str) -> PolicyInvalid:
        return PolicyInvalid("%s: %s" % (shown(entry.get(key)), why), policy=name, key=key, value=entry.get(key))

    untagged = values.get("untagged", False)
    for whole, other in (("keep", "delete"), ("delete", "keep")):
        if whole not in values:
            continue
        for key in (other,) + _KEEP_CLAUSES + _RANKING:
            if key in values:
                raise refuse(key, "it contradicts '%s: all' in the same policy; take one of them out" % whole)
    for key in _NEED_TAGS:
        if untagged and key in values:
            raise refuse(
                key,
                "it needs tags, and 'untagged: true' is about manifests without any; make two policies of it",
            )
    for key in _RANKING:
        if key in values and "keep_newest" not in values:
            raise refuse(key, "it has no effect without keep_newest")
    younger = values.get("keep_younger_than")
    if untagged and younger and younger.seconds < MIN_UNTAGGED_SECONDS:
        raise refuse(
            "keep_younger_than",
            "it must be at least 24h for untagged manifests, as a running push has untagged ones too; "
            "if nobody is pushing, say 'delete: all'",
        )
    if not untagged and not any(key in values for key in ("keep", "delete") + _KEEP_CLAUSES):
        raise PolicyInvalid(
            "it does not say what to keep; give it a clause such as 'keep_newest: 10', or say 'delete: all'",
            policy=name,
        )


def _check_place(policy: Policy, before: t.Sequence[Policy]) -> None:
    for other in before:
        if other.name == policy.name:
            raise PolicyInvalid(
                "%s: another policy has this name; names are how reasons tell policies apart" % shown(policy.name),
                policy=policy.name,
                key="name",
                value=policy.name,
            )
        if other.untagged == policy.untagged and other.selects_everything:
            raise PolicyInvalid(
                'it can never govern anything, as "%s" before it has no selector and governs everything; '
                "put it before that one" % other.name,
                policy=policy.name,
            )


def _compile_protected(raw: t.Any) -> Protected:
    if raw is None or (isinstance(raw, (list, tuple)) and not raw):
        return Protected()
    try:
        entries = validation.text_list(raw)
    except ValueRefused as error:
        raise PolicyInvalid(str(error), key="protected", value=error.value) from error
    for entry in entries:
        try:
            parse_protected([entry])
        except ReferenceInvalid as error:
            raise PolicyInvalid(str(error), key="protected", value=entry) from error
    return parse_protected(entries)


def _hint(key: t.Any) -> str:
    close = difflib.get_close_matches(key[:MAX_NAME_LENGTH], list(_CHECKS), 1) if isinstance(key, str) else []
    return "; did you mean %s?" % close[0] if close else "; the keys are %s" % ", ".join(_CHECKS)
