# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keep clauses of one policy, over the tags that it governs in one repository."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import (
    format_instant,
    parse_instant,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Tag
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention import reasons
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import (
    CREATED,
    NAME,
    PUSHED,
    Policy,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.dates import (
    LATEST_AHEAD,
    plausible,
    pushes_reliable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.durations import (
    in_words,
    parse_duration,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.graph import Graph
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.labels import (
    LabelUnknown,
    labels_of,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Pulls
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.ordering import (
    Place,
    natural_key,
    rank,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.versions import (
    parse_version,
)

NOT_A_VERSION = "not a version"
NO_GROUP = "group_by does not match it"
NO_CREATION = "its creation date is unknown"


@dataclass(frozen=True)
class Verdict:
    """What the policies say about one tag or untagged manifest.

    REASON is complete, POLICY is '' where none governs.
    """

    keep: bool
    reason: str
    policy: str = ""


@dataclass
class Facts:
    """What the clauses look at in one repository. CREATED by digest; all times in seconds since the epoch."""

    graph: Graph
    now: float
    created: t.Mapping[str, float]
    pulls: t.Optional[Pulls] = None
    oddities: t.Dict[t.Tuple[str, str], t.List[str]] = field(default_factory=dict)

    def note(self, policy: str, what: str, tag: str) -> None:
        """Remember that TAG was kept because of WHAT, for a warning."""
        self.oddities.setdefault((policy, what), []).append("%s:%s" % (self.graph.repository.name, tag))

    def born(self, tag: Tag) -> t.Union[float, str]:
        """Since when it is here, the later of created and pushed, or in words why that is unknown."""
        created = self.created.get(tag.digest or "")
        if created is None:
            return NO_CREATION
        if tag.pushed is not None and tag.pushed > self.now + LATEST_AHEAD:
            return "its push time lies in the future"
        return max(created, plausible(tag.pushed, self.now) or created)


# What a clause says: (keeps, words), or None for a clause that is not set.
_Saying = t.Tuple[bool, str]
# Where a tag stands: its place and group, or in words why it has none.
_Standing = t.Union[t.Tuple[Place, t.Optional[str]], str]


def judge(policy: Policy, tags: t.Sequence[Tag], facts: Facts) -> t.Dict[str, Verdict]:
    """A verdict for each of TAGS, all that POLICY governs in this repository.

    A tag is kept as soon as one clause says so.
    """
    if policy.keep_all or policy.delete_all:
        verdict = _verdict(policy, [(policy.keep_all, "keep: all" if policy.keep_all else "delete: all")])
        return {tag.name: verdict for tag in tags}
    standings = _standings(policy, tags, facts) if policy.keep_newest is not None else {}
    verdicts = {}
    for tag in tags:
        says = [saying for saying in _sayings(policy, tag, facts, standings.get(tag.name)) if saying is not None]
        verdict = _verdict(policy, says)
        if verdict.keep:
            why = next(words for keeps, words in says if keeps)
            if why in (NOT_A_VERSION, NO_GROUP):
                facts.note(policy.name, why, tag.name)
        verdicts[tag.name] = verdict
    return verdicts


def judge_untagged(policy: Policy, digest: str, since: t.Optional[float], facts: Facts) -> Verdict:
    """A verdict for the untagged DIGEST, SINCE when it has been untagged (None: unknown, so it is kept)."""
    if policy.keep_all or policy.delete_all:
        return _verdict(policy, [(policy.keep_all, "untagged, %s: all" % ("keep" if policy.keep_all else "delete"))])
    says = []
    if policy.keep_younger_than is not None:
        limit = policy.keep_younger_than
        known = plausible(since, facts.now)
        if known is None:
            says.append((True, "not known since when it is untagged"))
        else:
            younger = facts.now - known < limit.seconds
            words = "untagged for %s, %s than %s" % (
                in_words(facts.now - known),
                "less" if younger else "not less",
                limit.text,
            )
            says.append((younger, words))
    if policy.keep_unexpired is not None:
        created = _or_words(facts.created.get(digest), NO_CREATION)
        says.append(_unexpired(policy.keep_unexpired, digest, created, facts))
    return _verdict(policy, says)


def _verdict(policy: Policy, says: t.Sequence[_Saying]) -> Verdict:
    for keeps, words in says:
        if keeps:
            return Verdict(True, reasons.kept(policy.name, words), policy.name)
    return Verdict(False, reasons.deleted(policy.name, ", ".join(words for _keeps, words in says)), policy.name)


def _sayings(
    policy: Policy, tag: Tag, facts: Facts, standing: t.Optional[_Standing]
) -> t.Iterator[t.Optional[_Saying]]:
    digest = tag.digest or ""
    if policy.keep_tags is not None:
        pattern = policy.keep_tags.match(tag.name)
        yield (False, "matches no keep_tags") if pattern is None else (True, "matches keep_tags %s" % pattern)
    if standing is not None:
        yield _newest(standing, policy.keep_newest or 1)
    if policy.keep_younger_than is not None:
        yield _younger(policy.keep_younger_than.seconds, policy.keep_younger_than.text, facts.born(tag), facts.now)
    if policy.keep_at_least_version is not None:
        wanted, bound = policy.keep_at_least_version
        key = parse_version(tag.name)
        if key is None:
            yield True, NOT_A_VERSION
        else:
            yield key >= bound, "version %s %s" % ("at least" if key >= bound else "below", wanted)
    if policy.keep_unexpired is not None:
        yield _unexpired(policy.keep_unexpired, digest, facts.born(tag), facts)
    if policy.keep_pulled_within is not None:
        yield _pulled(policy.keep_pulled_within.seconds, policy.keep_pulled_within.text, digest, facts)


def _newest(standing: _Standing, count: int) -> _Saying:
    if isinstance(standing, str):
        return True, standing
    place, group = standing
    return place.kept, reasons.newest(place, group, count)


def _younger(limit: float, text: str, born: t.Union[float, str], now: float) -> _Saying:
    if isinstance(born, str):
        return True, born
    return now - born < limit, reasons.age(now - born, text, now - born < limit)


def _unexpired(label: str, digest: str, born: t.Union[float, str], facts: Facts) -> _Saying:
    try:
        values = labels_of(facts.graph, digest, label)
    except LabelUnknown:
        return True, reasons.LABELS_UNKNOWN
    if len(values) > 1:
        return True, "its images do not agree on the label %s" % label
    value = values.pop()
    if value is None:
        return True, "has no label %s" % label
    lasts = parse_duration(value)
    instant = plausible(parse_instant(value), float("inf"))
    if lasts is None and instant is None:
        return True, "label %s=%s is neither a duration nor a time" % (label, reasons.quoted(value))
    if instant is not None:
        expires = instant
    elif isinstance(born, str):
        return True, born
    else:
        expires = born + (lasts or 0.0)
    unexpired = facts.now < expires
    words = "expire%s %s (label %s=%s)"
    when = format_instant(expires) or "later than any calendar goes"
    return unexpired, words % ("s" if unexpired else "d", when, label, reasons.quoted(value))


def _pulled(limit: float, text: str, digest: str, facts: Facts) -> _Saying:
    pulls = facts.pulls
    if pulls is None or facts.now - pulls.since < limit:
        return True, "pulls have not been recorded for %s yet" % text
    last = pulls.last.get(facts.graph.repository.name, {}).get(digest)
    if last is not None and facts.now - last < limit:
        return True, "pulled %s ago, within %s" % (in_words(facts.now - last), text)
    return False, "not pulled within %s" % text


def _standings(policy: Policy, tags: t.Sequence[Tag], facts: Facts) -> t.Dict[str, _Standing]:
    standings: t.Dict[str, _Standing] = {}
    groups: t.Dict[t.Optional[str], t.List[t.Tuple[Tag, t.Any]]] = {}
    keys = _order_keys(policy, tags, facts)
    for tag in tags:
        group = None
        if policy.group_by is not None:
            match = policy.group_by.search(tag.name)
            group = match.group(1) if match else None
            if group is None:
                standings[tag.name] = NO_GROUP
                continue
        key = keys[tag.name]
        if isinstance(key, str):
            standings[tag.name] = key
        else:
            groups.setdefault(group, []).append((tag, key))
    for group, members in groups.items():
        best: t.Dict[str, t.Any] = {}
        for tag, key in members:
            digest = tag.digest or ""
            best[digest] = max(best.get(digest, key), key)
        places = rank(best, policy.keep_newest or 1)
        for tag, _key in members:
            standings[tag.name] = (places[tag.digest or ""], group)
    return standings


def _order_keys(policy: Policy, tags: t.Sequence[Tag], facts: Facts) -> t.Dict[str, t.Any]:
    """For each tag a key of the policy's order, or (a text) why it has none."""
    if policy.order_by == NAME:
        return {tag.name: natural_key(tag.name) for tag in tags}
    if policy.order_by == CREATED:
        return {tag.name: _or_words(facts.created.get(tag.digest or ""), NO_CREATION) for tag in tags}
    if policy.order_by == PUSHED:
        return _push_keys(tags, facts)
    return {tag.name: _or_words(parse_version(tag.name), NOT_A_VERSION) for tag in tags}


def _push_keys(tags: t.Sequence[Tag], facts: Facts) -> t.Dict[str, t.Any]:
    pushed = {tag.name: plausible(tag.pushed, facts.now) for tag in tags}
    latest: t.Dict[str, float] = {}
    for tag in tags:
        instant = pushed[tag.name]
        if instant is not None:
            latest[tag.digest or ""] = max(instant, latest.get(tag.digest or "", instant))
    if not pushes_reliable(latest.values()):
        return {tag.name: "push times unreliable" for tag in tags}
    return {name: _or_words(instant, "its push time is unknown") for name, instant in pushed.items()}


def _or_words(key: t.Any, words: str) -> t.Any:
    return words if key is None else key
