# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs have left to a later one, by their journals: what it finishes, what it spares, and when a journal is done with."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    Journal,
    SavedRepository,
    close_journal,
    note_done,
    read_journal,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import Outcome, Skipped
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.unfinished import Unfinished
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    ManifestInvalid,
    parse_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Plan, RepositoryPlan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import companion_subject
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository, Snapshot
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.compiled import Policies
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.protection import Protected

# (repository, digest)
Pins = t.FrozenSet[t.Tuple[str, str]]


def due_journals(journals: t.Sequence[Journal], grace: float, now: float) -> t.List[Journal]:
    """Those of JOURNALS that a run with GRACE (seconds) may finish NOW: what was promised to wait does, whatever it has been given."""
    return [
        journal for journal in journals if not journal.defer or journal.started_at + max(journal.grace, grace) <= now
    ]


def with_grace(policies: Policies, journals: t.Sequence[Journal], due: t.Sequence[Journal]) -> Policies:
    """POLICIES that also protect the manifests of runs whose grace is not over."""
    return _pinning(
        policies,
        {
            (name, digest): "in the grace that the run %s has promised" % journal.run
            for journal in journals
            if journal not in due
            for name, saved in journal.repositories.items()
            for digest in saved.open_digests
        },
    )


def strike_tagged(journals: t.Sequence[Journal], snapshot: Snapshot, check: bool) -> None:
    """Note in JOURNALS, and on disk unless CHECK, that what tags of SNAPSHOT lead to is no longer theirs to delete.

    Once it loses those tags, too, it is for the policies of then to judge. Raises JournalError.
    """
    seen = {repository.name: repository for repository in snapshot.repositories}
    for journal in journals:
        whole: t.Optional[Journal] = None
        for name, saved in journal.repositories.items():
            tagged = _led_to(seen[name]) if name in seen else set()
            if tagged.isdisjoint(saved.open_digests):
                continue
            whole = whole or read_journal(journal.path, bodies=True)
            again = _reach(whole.repositories[name], tagged).intersection(saved.open_digests)
            saved.done_digests.update(again)
            if not check:
                note_done(journal, name, (), again)


def unfinished_of(due: t.Sequence[Journal], named: bool = False) -> t.Dict[str, Unfinished]:
    """What the runs of DUE have left, by repository. NAMED: somebody names all of it again, and no policy has a say in any of it.

    Raises JournalError where a journal can no longer be read.
    """
    unfinished: t.Dict[str, Unfinished] = {}
    for journal in due:
        reason = "left by the run %s, which was not finished" % journal.run
        if journal.defer:
            reason = "its tags were taken off by the run %s, and the grace is over" % journal.run
        whole = None
        if not named and any(saved.open_digests for saved in journal.repositories.values()):
            whole = read_journal(journal.path, bodies=True)
        for name, saved in journal.repositories.items():
            tagged = set(saved.open_digests) if named else set()
            if whole is not None:
                tagged = _reach(whole.repositories[name], {tag.digest or "" for tag in saved.tags.values()})
            before = unfinished.get(name, Unfinished())
            digests = dict.fromkeys((digest for digest in saved.open_digests if digest in tagged), reason)
            unfinished[name] = Unfinished(
                digests=dict(digests, **before.digests),
                tags=before.tags | {(tag, saved.tags[tag].digest) for tag in saved.open_tags},
                tagless=before.tagless.union(saved.open_digests) - set(digests) - set(before.digests),
            )
    return unfinished


def over_grace(due: t.Sequence[Journal]) -> t.Dict[str, t.Set[str]]:
    """By repository, the manifests that no run lets wait any more: they have waited, or were to go at once."""
    over: t.Dict[str, t.Set[str]] = {}
    for journal in due:
        for name, saved in journal.repositories.items():
            over.setdefault(name, set()).update(saved.open_digests)
    return over


def protected_by_name(due: t.Sequence[Journal], protected: Protected, snapshot: Snapshot) -> Pins:
    """Open manifests of DUE of which PROTECTED names a tag that such a run has taken off, with their children and companions.

    A tag that names another image by now protects that one. Raises JournalError where a journal can no longer be read.
    """
    seen = {repository.name: repository for repository in snapshot.repositories}
    pins: t.Set[t.Tuple[str, str]] = set()
    for journal in due:
        for name, saved in journal.repositories.items():
            current = {tag.name: tag.digest for tag in seen[name].tags} if name in seen else {}
            roots = {
                tag.digest
                for tag in saved.tags.values()
                if tag.digest and protected.covers_tag(name, tag.name) and current.get(tag.name) in (None, tag.digest)
            }
            if roots and saved.open_digests:
                whole = read_journal(journal.path, bodies=True).repositories[name]
                pins.update((name, digest) for digest in _reach(whole, roots).intersection(saved.open_digests))
    return frozenset(pins)


def with_pins(policies: Policies, pins: Pins, why: str) -> Policies:
    """POLICIES that also protect PINS, for the reason WHY."""
    return _pinning(policies, dict.fromkeys(pins, why)) if pins else policies


def close_finished(
    due: t.Sequence[Journal],
    snapshot: Snapshot,
    plan: Plan,
    outcome: Outcome,
    skipped: t.Sequence[Skipped],
    unsaved: t.AbstractSet[str],
    by_name: Pins,
    approved: bool,
    run: str,
) -> None:
    """Close the journals of DUE that RUN has finished, which looked at SNAPSHOT and carried out PLAN with OUTCOME.

    SKIPPED: tags that stay; one that dangles is known from its journal alone. UNSAVED: repositories that were left alone for want of a
    backup. BY_NAME: see protected_by_name; their journals know alone what those tags named. APPROVED: PLAN is of an earlier
    time, so what it does not delete was not judged. Raises JournalError.
    """
    # Where nothing at all is seen, the store may not be mounted, and nothing is known to be gone.
    if outcome.interrupted or not any(entry.tags or entry.manifests for entry in snapshot.repositories):
        return
    failed = {entry.name for entry in outcome.repositories if entry.errors} | unsaved
    dangling = {(entry.repository, entry.tag) for entry in skipped if entry.dangles}
    covered = {entry.name: entry for entry in plan.repositories if not entry.held and entry.name not in failed}
    seen = {repository.name: repository for repository in snapshot.repositories}
    for journal in due:
        if os.path.exists(journal.path) and all(
            name in covered
            and name in seen
            and _settled(saved, seen[name], covered[name], by_name, approved)
            and not any((name, tag) in dangling for tag in saved.open_tags)
            for name, saved in journal.repositories.items()
        ):
            close_journal(journal, run)


def _settled(saved: SavedRepository, seen: Repository, plan: RepositoryPlan, by_name: Pins, approved: bool) -> bool:
    """Whether nothing of SAVED is open any more, given that PLAN was carried out without an error."""
    left = {digest for digest in saved.open_digests if digest in seen.manifests}
    left.difference_update(manifest.digest for manifest in plan.doomed_manifests)
    if any((seen.name, digest) in by_name for digest in left):
        return False
    if approved:
        tags = seen.unfinished_tags.intersection(saved.open_tags) - {tag.name for tag in plan.doomed_tags}
        return not left and not tags
    # What never had a tag is judged by policies, which need a list of what is there.
    return seen.revisions is not None or left.issubset(seen.unfinished)


def _pinning(policies: Policies, pins: t.Mapping[t.Tuple[str, str], str]) -> Policies:
    before = policies.protected
    protected = replace(before, pinned=before.pinned.union(pins), because={**before.because, **pins})
    return replace(policies, protected=protected)


def _led_to(repository: Repository) -> t.Set[str]:
    """What tags name, and everything below that."""
    reached: t.Set[str] = set()
    waiting = [tag.digest for tag in repository.tags if tag.digest]
    while waiting:
        digest = waiting.pop()
        if digest not in reached:
            reached.add(digest)
            manifest = repository.manifests.get(digest)
            waiting.extend(child.digest for child in (manifest.children if manifest is not None else ()))
    return reached


def _reach(saved: SavedRepository, roots: t.AbstractSet[str]) -> t.Set[str]:
    """ROOTS, and what of SAVED (with bodies) goes where they go: children, nested too, and what refers to any of it."""
    below: t.Dict[str, t.List[str]] = {}
    for digest, entry in saved.manifests.items():
        try:
            manifest = parse_manifest(entry.body, entry.media_type, digest)
        except ManifestInvalid:
            continue
        below.setdefault(digest, []).extend(child.digest for child in manifest.children)
        if manifest.subject:
            below.setdefault(manifest.subject, []).append(digest)
    for tag in saved.tags.values():
        subject = companion_subject(tag.name)
        if subject and tag.digest:
            below.setdefault(subject, []).append(tag.digest)
    reached: t.Set[str] = set()
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        if digest not in reached:
            reached.add(digest)
            waiting.extend(below.get(digest, ()))
    return reached
