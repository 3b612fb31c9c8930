# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as flat records, for a file that a person reviews and another run carries out, and back again.

Records in this order: header, guards and warnings of the run, then each repository followed by its guards,
tags and manifests, then end with the counts. Whatever is odd in any way is refused: a plan deletes things.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.masking import REMEDY, is_masked
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    PLAN_SCHEMA,
    PLAN_VERSION,
    UNTAG,
    Guard,
    Plan,
    PlanInvalid,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    is_digest,
    is_repository,
    is_tag,
)

_Record = t.Mapping[str, t.Any]
_Check = t.Callable[[t.Any], bool]


def plan_to_records(plan: Plan) -> t.Iterator[t.Dict[str, t.Any]]:
    """The records of PLAN, each a dictionary of JSON's own types."""
    yield {
        "type": "header",
        "schema": PLAN_SCHEMA,
        "version": PLAN_VERSION,
        "identity": plan.identity,
        "taken_at": plan.taken_at,
        "bytes_freed": plan.bytes_freed,
        "url": plan.url,
    }
    for guard in plan.guards:
        yield _guard_record(guard)
    for warning in plan.warnings:
        yield {"type": "warning", "text": warning}
    for repository in plan.repositories:
        yield {
            "type": "repository",
            "name": repository.name,
            "problem": repository.problem,
            "untagged": repository.untagged,
            "bytes_own": repository.bytes_own,
            "bytes_shared": repository.bytes_shared,
        }
        for guard in repository.guards:
            yield _guard_record(guard)
        for tag in repository.tags:
            yield {
                "type": "tag",
                "name": tag.name,
                "digest": tag.digest,
                "action": tag.action,
                "reason": tag.reason,
                "policy": tag.policy,
                "created": tag.created,
                "pushed": tag.pushed,
                "parked": tag.parked,
            }
        for manifest in repository.manifests:
            yield {
                "type": "manifest",
                "digest": manifest.digest,
                "media_type": manifest.media_type,
                "kind": manifest.kind,
                "size": manifest.size,
                "action": manifest.action,
                "reason": manifest.reason,
            }
    yield dict(_counts(plan), type="end")


def plan_from_records(records: t.Iterable[_Record]) -> Plan:
    """The plan that RECORDS were made of, equal to it in every field.

    Raises PlanInvalid for anything that is not right.
    """
    reader = _Reader()
    for record in records:
        reader.take(record)
    return reader.finish()


def _guard_record(guard: Guard) -> t.Dict[str, t.Any]:
    return {
        "type": "guard",
        "name": guard.name,
        "message": guard.message,
        "passes_with": guard.passes_with,
        "repository": guard.repository,
    }


def _counts(plan: Plan) -> t.Dict[str, int]:
    return {
        "repositories": len(plan.repositories),
        "tags": sum(len(repository.tags) for repository in plan.repositories),
        "manifests": sum(len(repository.manifests) for repository in plan.repositories),
    }


def _is_text(value: t.Any) -> bool:
    return isinstance(value, str)


def _is_count(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: t.Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_action(value: t.Any) -> bool:
    return value in (KEEP, UNTAG, DELETE)


def _is_digest(value: t.Any) -> bool:
    return isinstance(value, str) and is_digest(value)


def _or_none(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


_FIELDS: t.Dict[str, t.Dict[str, _Check]] = {
    "header": {
        "schema": _is_text,
        "version": _is_count,
        "identity": _is_text,
        "taken_at": _is_time,
        "bytes_freed": _is_count,
        "url": _is_text,
    },
    "guard": {
        "name": _is_text,
        "message": _is_text,
        "passes_with": lambda value: isinstance(value, (bool, int, str)),
        "repository": _is_text,
    },
    "warning": {"text": _is_text},
    "repository": {
        "name": lambda value: isinstance(value, str) and is_repository(value),
        "problem": _is_text,
        "untagged": _or_none(_is_count),
        "bytes_own": _is_count,
        "bytes_shared": _is_count,
    },
    "tag": {
        "name": lambda value: isinstance(value, str) and is_tag(value),
        "digest": _or_none(_is_digest),
        "action": _is_action,
        "reason": _is_text,
        "policy": _is_text,
        "created": _or_none(_is_time),
        "pushed": _or_none(_is_time),
        "parked": lambda value: value == "" or _is_digest(value),
    },
    "manifest": {
        "digest": _is_digest,
        "media_type": _is_text,
        "kind": _is_text,
        "size": _is_count,
        "action": lambda value: value in (KEEP, DELETE),
        "reason": _is_text,
    },
    "end": {"repositories": _is_count, "tags": _is_count, "manifests": _is_count},
}


class _Reader:
    """Takes records one by one and builds the plan."""

    def __init__(self) -> None:
        self.number = 0
        self.header: t.Optional[t.Dict[str, t.Any]] = None
        self.ended: t.Optional[t.Dict[str, t.Any]] = None
        self.guards: t.List[Guard] = []
        self.warnings: t.List[str] = []
        self.repositories: t.List[RepositoryPlan] = []
        self.open: t.Optional[_Open] = None

    def take(self, record: t.Any) -> None:
        """Take the next record."""
        self.number += 1
        kind = record.get("type") if isinstance(record, dict) else None
        if self.header is None and kind != "header":
            raise self._refuse("a plan begins with a header")
        if self.header is None and (record.get("schema"), record.get("version")) != (
            PLAN_SCHEMA,
            PLAN_VERSION,
        ):
            raise self._refuse(
                "this is %.60r version %.20r, not %s version %d"
                % (record.get("schema"), record.get("version"), PLAN_SCHEMA, PLAN_VERSION)
            )
        if self.ended is not None:
            raise self._refuse("there is something after the end")
        fields = self._fields(kind, record)
        if kind == "header":
            if self.header is not None:
                raise self._refuse("there is a second header")
            self.header = fields
        elif kind == "repository":
            self._close()
            self.open = _Open(fields)
        elif kind == "end":
            self._close()
            self.ended = fields
        else:
            self._take_inner(str(kind), fields)

    def finish(self) -> Plan:
        """The plan, once all records are taken."""
        if self.header is None or self.ended is None:
            raise PlanInvalid("the plan is incomplete: its %s is missing" % ("end" if self.header else "header"))
        plan = Plan(
            self.header["taken_at"],
            tuple(self.repositories),
            tuple(self.guards),
            tuple(self.warnings),
            self.header["bytes_freed"],
            self.header["url"],
        )
        if self.ended != _counts(plan):
            raise PlanInvalid("the plan is incomplete: it says to have %s, it has %s" % (self.ended, _counts(plan)))
        if self.header["identity"] != plan.identity:
            raise PlanInvalid("the plan has been altered: what it would do does not have the identity that it names")
        return plan

    def _take_inner(self, kind: str, fields: t.Dict[str, t.Any]) -> None:
        if kind == "guard" and self.open is None and not fields["repository"]:
            self.guards.append(Guard(**fields))
        elif kind == "warning" and self.open is None:
            self.warnings.append(fields["text"])
        elif self.open is None or kind == "warning":
            raise self._refuse("a %s record stands in the wrong place" % kind)
        else:
            why = self.open.take(kind, fields)
            if why:
                raise self._refuse(why)

    def _fields(self, kind: t.Any, record: _Record) -> t.Dict[str, t.Any]:
        checks = _FIELDS.get(kind) if isinstance(kind, str) else None
        if checks is None:
            raise self._refuse("it is of no known type: %.60r" % (kind,))
        names = set(record) - {"type"}
        if names != set(checks):
            odd = sorted(str(name) for name in names ^ set(checks))
            raise self._refuse("a %s record with missing or unknown fields: %.200s" % (kind, ", ".join(odd)))
        for name, check in checks.items():
            if name == "name" and isinstance(record[name], str) and is_masked(record[name]):
                raise self._refuse("%s has the name %.100r. %s" % (kind, record[name], REMEDY))
            if not check(record[name]):
                raise self._refuse("%s has the %s %.100r" % (kind, name, record[name]))
        return {name: record[name] for name in checks}

    def _close(self) -> None:
        if self.open is not None:
            repository = self.open.finish()
            if self.repositories and self.repositories[-1].name >= repository.name:
                raise self._refuse("repositories are not in order, or one comes twice: %s" % repository.name)
            self.repositories.append(repository)
            self.open = None

    def _refuse(self, why: str) -> PlanInvalid:
        return PlanInvalid("record %d of the plan: %s" % (self.number, why))


class _Open:
    """A repository whose records are being read."""

    def __init__(self, fields: t.Dict[str, t.Any]) -> None:
        self.fields = fields
        self.guards: t.List[Guard] = []
        self.tags: t.Dict[str, PlannedTag] = {}
        self.manifests: t.Dict[str, PlannedManifest] = {}

    def take(self, kind: str, fields: t.Dict[str, t.Any]) -> str:
        """Take a record; '' or what is wrong with it."""
        if kind == "guard":
            self.guards.append(Guard(**fields))
            return "" if fields["repository"] == self.fields["name"] else "the guard is another repository's"
        if kind == "tag":
            if fields["name"] in self.tags:
                return "tag %s comes twice" % fields["name"]
            if fields["action"] == UNTAG and fields["digest"] is None:
                return "tag %s is to be untagged, and names no manifest" % fields["name"]
            self.tags[fields["name"]] = PlannedTag(**fields)
            return ""
        if fields["digest"] in self.manifests:
            return "manifest %s comes twice" % fields["digest"]
        self.manifests[fields["digest"]] = PlannedManifest(**fields)
        return ""

    def finish(self) -> RepositoryPlan:
        """The repository's plan; refused if a tag stays on a manifest that goes."""
        for tag in self.tags.values():
            manifest = self.manifests.get(tag.digest or "")
            if tag.action != DELETE and manifest is not None and manifest.action == DELETE:
                raise PlanInvalid(
                    "repository %s: tag %s is to %s, yet its manifest %s is to go"
                    % (self.fields["name"], tag.name, tag.action, tag.digest)
                )
        return RepositoryPlan(
            self.fields["name"],
            tuple(self.tags.values()),
            tuple(self.manifests.values()),
            self.fields["problem"],
            tuple(self.guards),
            self.fields["untagged"],
            self.fields["bytes_own"],
            self.fields["bytes_shared"],
        )
