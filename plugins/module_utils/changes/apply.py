# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries a plan out over the API, repository by repository, and says what came of it."""

from __future__ import annotations

import typing as t
from types import MappingProxyType

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    DeadlineExceeded,
    Forbidden,
    RateLimited,
    RegistryError,
    Unsupported,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes import moving
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.deletion import (
    DeletionFailed,
    current_digest,
    delete_digest,
    delete_left_tags,
    delete_tag,
    listed_tags,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import (
    JournalError,
    JournalWriter,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.lost import LostTags
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import (
    Drift,
    Outcome,
    RepositoryOutcome,
    Skipped,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    AUTO,
    TAG,
    Abilities,
    Strategy,
    choose_strategy,
    goes_alone,
    strategy_name,
    why_no_move,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.telling import Telling
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.look import Looked
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.refresh import refresh
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import TOMBSTONE
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    KEEP,
    UNTAG,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import Progress
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import companion_subject
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Repository
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.tombstone import Tombstone
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.confirm import confirm

# Whatever answers like this to one repository answers like this to all of them.
STOPS_THE_RUN = (Unsupported, ConnectionFailed, DeadlineExceeded, RateLimited)


class Applier:
    """Carries out one plan on what was looked at.

    RUN names this run; PROGRESS is told of what goes and of each repository that is done, from any thread. TORN: (repository,
    digest) of manifests that are wanted out of indexes that stay. LOST: what dangling tags named before an earlier run was
    interrupted.
    """

    def __init__(
        self,
        client: RegistryClient,
        looked: Looked,
        run: str,
        abilities: Abilities,
        journal: t.Optional[JournalWriter] = None,
        strategy: str = AUTO,
        progress: t.Optional[Progress] = None,
        torn: t.AbstractSet[t.Tuple[str, str]] = frozenset(),
        lost: LostTags = MappingProxyType({}),
    ) -> None:
        self._client = client
        self._bodies = looked.bodies
        self._seen = {repository.name: repository for repository in looked.snapshot.repositories}
        self._run = run
        self._abilities = abilities
        self._journal = journal
        self._forced = strategy
        self._progress = progress
        self._telling = Telling(None, ())
        self._torn = torn
        self._lost = lost
        self._stopped = ""

    def apply(self, plan: Plan) -> Outcome:
        """Carry out what nothing holds. Raises StrategyUnavailable before the first request if the strategy cannot be followed."""
        outcome = Outcome()
        work = [(repository, self._strategy(repository)) for repository in plan.actionable]
        self._telling = Telling(self._progress, plan.actionable)
        side_by_side = [item for item in work if not item[1].all]
        for _item, done in run_parallel(self._guarded, side_by_side, self._client.connection.workers):
            self._finish(outcome, done)
        for item in work:
            if item[1].all:
                self._finish(outcome, self._guarded(item))
        outcome.interrupted = self._stopped
        return outcome

    def _finish(self, outcome: Outcome, done: RepositoryOutcome) -> None:
        outcome.repositories.append(done)
        if not self._stopped:
            self._telling.finished(done)

    def _strategy(self, plan: RepositoryPlan) -> Strategy:
        return choose_strategy(self._forced, plan, self._abilities, self._journal is not None)

    def _guarded(self, item: t.Tuple[RepositoryPlan, Strategy]) -> RepositoryOutcome:
        """One repository's outcome, whatever happens in it; once the run is stopped, nothing more is done."""
        plan, strategy = item
        outcome = RepositoryOutcome(plan.name, strategy_name(strategy, plan))
        if self._stopped:
            return outcome
        try:
            self._repository(plan, strategy, outcome)
        except STOPS_THE_RUN as error:
            self._stopped = self._stopped or "%s: %s" % (plan.name, error.message)
        except RegistryError as error:
            outcome.errors.append(error.message)
        except DeletionFailed as error:
            outcome.errors.append(str(error))
        except JournalError as error:
            # What went until now is in the outcome, and still open in the journal: the next run looks at it.
            self._stopped = self._stopped or str(error)
        return outcome

    def _repository(self, plan: RepositoryPlan, strategy: Strategy, outcome: RepositoryOutcome) -> None:
        seen = self._seen[plan.name]
        plan = self._confirm(plan, seen, outcome)
        self._put_back(plan, outcome)
        parked = [tag for tag in plan.doomed_tags if tag.parked]
        self._bury_parked(plan, parked, outcome)
        tags = [tag for tag in plan.doomed_tags if not tag.parked]
        moving_tags = tags if strategy.all else [tag for tag in tags if goes_alone(tag)]
        if moving_tags and not self._take_off(plan, moving_tags, strategy, outcome):
            strategy = Strategy("", all=False)
        if strategy.all:
            plan = self._confirm(plan, seen, outcome)
        self._delete_manifests(plan, seen, strategy, outcome)
        self._check(plan, outcome)

    def _confirm(self, plan: RepositoryPlan, seen: Repository, outcome: RepositoryOutcome) -> RepositoryPlan:
        reported = {drift.name for drift in outcome.drifted}
        going = {tag.name for tag in plan.doomed_tags} - reported
        torn = {digest for name, digest in self._torn if name == plan.name}
        confirmed = confirm(plan, refresh(self._client, seen, going), torn)
        outcome.drifted.extend(
            Drift(plan.name, moved.name, moved.reason) for moved in confirmed.moved if moved.name not in reported
        )
        if confirmed.plan.problem:
            raise DeletionFailed(confirmed.plan.problem)
        return confirmed.plan

    def _put_back(self, plan: RepositoryPlan, outcome: RepositoryOutcome) -> None:
        """Undo what an unfinished run did to tags that this run keeps, before anything else."""
        for tag in plan.stranded_tags:
            media_type, body = self._bodies.get(plan.name, tag.digest or "")
            result = moving.put_back(self._client, plan.name, tag, media_type, body)
            if result.state == moving.TAKEN:
                outcome.restored_tags.append(tag.name)
            elif result.state == moving.FAILED:
                raise DeletionFailed("the tag %s: %s" % (tag.name, result.text))

    def _bury_parked(self, plan: RepositoryPlan, parked: t.Sequence[PlannedTag], outcome: RepositoryOutcome) -> None:
        """Finish the tombstones that an unfinished run left."""
        tombstones: t.Dict[str, t.List[PlannedTag]] = {}
        for tag in parked:
            tombstones.setdefault(tag.parked, []).append(tag)
        for digest, tags in sorted(tombstones.items()):
            seen = self._seen[plan.name].manifests.get(digest)
            if seen is None or seen.kind != TOMBSTONE:
                raise DeletionFailed(
                    "%s is no tombstone, and the plan says that %s stands on it: make a new plan"
                    % (digest, tags[0].name)
                )
            delete_digest(self._client, plan.name, digest, [tag.name for tag in tags], self._content(plan.name, digest))
            self._record(plan, outcome, tags)

    def _take_off(
        self, plan: RepositoryPlan, tags: t.Sequence[PlannedTag], strategy: Strategy, outcome: RepositoryOutcome
    ) -> bool:
        """Take TAGS off; False where that cannot be done here and tags can only go with their manifests."""
        if not strategy.move:
            why = why_no_move(self._forced, self._abilities)
            outcome.skipped.extend(
                Skipped(plan.name, tag.name, tag.digest is None, why)
                for tag in self._take_off_lost(plan, tags, outcome)
            )
            return False

        def announce(tombstone: Tombstone) -> None:
            if self._journal is not None:
                self._journal.tombstone(plan.name, tombstone.digest, tombstone.body)

        for batch in moving.batches(tags):
            try:
                results = (
                    self._take_off_natively(plan, batch, outcome)
                    if strategy.move == TAG
                    else moving.take_off_by_tombstone(self._client, plan.name, self._run, batch, announce)
                )
            except (AuthenticationFailed, Forbidden):
                if strategy.move == TAG or self._forced != AUTO:
                    raise
                self._abilities = Abilities(self._abilities.native_untag, may_push=False)
                alone = [tag for tag in tags if goes_alone(tag)]
                return self._take_off(plan, alone, Strategy("", False), outcome)
            except moving.BatchFailed as error:
                self._note_moved(plan, outcome, error.taken)
                raise
            self._note_moved(plan, outcome, results)
            for result in results:
                if result.state == moving.FAILED:
                    outcome.errors.append("the tag %s: %s" % (result.tag.name, result.text))
            self._record(plan, outcome, [result.tag for result in results if result.state == moving.TAKEN])
        return True

    def _take_off_natively(
        self, plan: RepositoryPlan, batch: t.Sequence[PlannedTag], outcome: RepositoryOutcome
    ) -> t.List[moving.Taken]:
        """Take BATCH off by DELETEs; where one of them ends it, the tags that have gone are told all the same."""
        known: t.List[moving.Taken] = []
        try:
            return moving.take_off_natively(self._client, plan.name, batch, known.append)
        except RegistryError:
            self._note_moved(plan, outcome, known)
            self._record(plan, outcome, [result.tag for result in known if result.state == moving.TAKEN])
            raise

    @staticmethod
    def _note_moved(plan: RepositoryPlan, outcome: RepositoryOutcome, results: t.Iterable[moving.Taken]) -> None:
        outcome.drifted.extend(
            Drift(plan.name, result.tag.name, "it names %s now" % result.text)
            for result in results
            if result.state == moving.MOVED
        )

    def _take_off_lost(
        self, plan: RepositoryPlan, tags: t.Sequence[PlannedTag], outcome: RepositoryOutcome
    ) -> t.List[PlannedTag]:
        """Finish the deletions that were interrupted between a manifest and its tags; returns those of TAGS that stay."""
        groups: t.Dict[str, t.List[PlannedTag]] = {}
        for tag in tags:
            if tag.digest is None and (plan.name, tag.name) in self._lost:
                groups.setdefault(self._lost[plan.name, tag.name], []).append(tag)
        gone: t.Set[str] = set()
        for digest, group in sorted(groups.items()):
            names = [tag.name for tag in group]
            off = delete_left_tags(self._client, plan.name, digest, names, self._content(plan.name, digest)())
            self._record(plan, outcome, [tag for tag in group if tag.name in off])
            gone.update(off)
        return [tag for tag in tags if tag.name not in gone]

    def _record(self, plan: RepositoryPlan, outcome: RepositoryOutcome, tags: t.Iterable[PlannedTag]) -> None:
        gone = list(tags)
        outcome.untagged_tags.extend(tag.name for tag in gone if tag.action == UNTAG)
        outcome.deleted_tags.extend(tag.name for tag in gone if tag.action != UNTAG)
        if self._journal is not None:
            self._journal.done(plan.name, tags=[tag.name for tag in gone])
        self._telling.went(outcome)

    def _delete_manifests(
        self, plan: RepositoryPlan, seen: Repository, strategy: Strategy, outcome: RepositoryOutcome
    ) -> None:
        off = set(outcome.deleted_tags)
        on: t.Dict[str, t.List[PlannedTag]] = {}
        for tag in plan.doomed_tags:
            if tag.digest and tag.name not in off:
                on.setdefault(tag.digest, []).append(tag)
        workers = self._client.connection.workers if strategy.all else 1

        def delete(manifest: PlannedManifest) -> str:
            try:
                self._delete(plan.name, manifest.digest, on.get(manifest.digest, []), outcome)
            except DeletionFailed as error:
                return str(error)
            return ""

        dependents = _dependents(plan, seen)
        needed: t.Set[str] = set()
        for level in _levels(plan.doomed_manifests, dependents):
            gone = []
            wanted = [manifest for manifest in level if manifest.digest not in needed]
            needed.update(
                child for manifest in level if manifest.digest in needed for child in dependents[manifest.digest]
            )
            for manifest, failure in run_parallel(delete, wanted, workers):
                if failure:
                    # An index that stays after all keeps its children, and whatever refers to it.
                    outcome.errors.append(failure)
                    needed.update(dependents[manifest.digest])
                    continue
                gone.append(manifest.digest)
                self._telling.went(outcome, manifests=1)
            if self._journal is not None:
                self._journal.done(plan.name, digests=gone)

    def _delete(self, name: str, digest: str, tags: t.Sequence[PlannedTag], outcome: RepositoryOutcome) -> None:
        """Delete one manifest with the tags that are still on it."""
        staying = []
        naming = []
        for tag in tags:
            now = current_digest(self._client, name, tag.name)
            if now == digest:
                naming.append(tag.name)
            if now is not None and now != digest:
                outcome.drifted.append(Drift(name, tag.name, "it names %s now, not %s" % (now, digest)))
            else:
                staying.append(tag.name)
        existed = delete_digest(self._client, name, digest, staying, self._content(name, digest))
        if not existed:  # tags that name it all the same are kept apart from manifests there
            naming = [tag for tag in naming if current_digest(self._client, name, tag) == digest]
        outcome.deleted_tags.extend(staying if existed else naming)
        if existed:
            outcome.deleted_manifests.append(digest)
        if self._journal is not None:
            self._journal.done(name, tags=staying)

    def _content(self, name: str, digest: str) -> t.Callable[[], t.Optional[t.Tuple[str, bytes]]]:
        def content() -> t.Optional[t.Tuple[str, bytes]]:
            try:
                return self._bodies.get(name, digest)
            except RegistryError:
                return None

        return content

    def _check(self, plan: RepositoryPlan, outcome: RepositoryOutcome) -> None:
        """Read the tags once more: what was reported as gone must not be listed, unless somebody pushed it again."""
        gone = set(outcome.deleted_tags) | set(outcome.untagged_tags)
        if not gone and not outcome.deleted_manifests:
            return
        digests = {tag.name: tag.digest for tag in plan.tags}
        listed = listed_tags(self._client, plan.name)
        for kept in plan.tags:
            if kept.action == KEEP and kept.name not in listed:
                reason = "it stays and is no longer listed: somebody removed it, or had put it on an image that went meanwhile"
                outcome.drifted.append(Drift(plan.name, kept.name, reason))
        for tag in sorted(gone & listed):
            now = current_digest(self._client, plan.name, tag)
            if now is not None and now != digests.get(tag):
                outcome.drifted.append(Drift(plan.name, tag, "it was pushed again while its old image was deleted"))
            elif now is not None and self._drop_outliving(plan.name, tag, now):
                continue
            else:
                text = "the tag %s is still listed after its deletion; run again to finish" % tag
                if now is None:
                    text += (
                        ". If it stays, a push to it failed at that moment: push it again, or set remove_dangling_tags"
                    )
                outcome.errors.append(text)
            for names in (outcome.deleted_tags, outcome.untagged_tags):
                if tag in names:
                    names.remove(tag)

    def _drop_outliving(self, name: str, tag: str, digest: str) -> bool:
        """Delete a TAG that still names DIGEST where the registry does not have DIGEST any more; False where that is not so.

        Distribution drops a manifest's tags with it. crane's registry and Nexus 3.89 keep them. A tag that was pushed again has its
        manifest, and stays.
        """
        if not self._abilities.native_untag or current_digest(self._client, name, digest) is not None:
            return False
        delete_tag(self._client, name, tag)
        return tag not in listed_tags(self._client, name)


def _dependents(plan: RepositoryPlan, seen: Repository) -> t.Dict[str, t.List[str]]:
    """For each doomed manifest of PLAN the digests that may go only after it: its children, and what refers to it."""
    dependents: t.Dict[str, t.List[str]] = {planned.digest: [] for planned in plan.doomed_manifests}
    for digest, below in dependents.items():
        manifest = seen.manifests.get(digest)
        if manifest is None:
            continue
        below.extend(child.digest for child in manifest.children)
        if manifest.subject in dependents:
            dependents[manifest.subject].append(digest)
    for tag in seen.tags:  # PLAN has lost those that were taken off before
        subject = companion_subject(tag.name)
        if subject in dependents and tag.digest:
            dependents[subject].append(tag.digest)
    return dependents


def _levels(
    manifests: t.Iterable[PlannedManifest], dependents: t.Mapping[str, t.Sequence[str]]
) -> t.Iterator[t.List[PlannedManifest]]:
    """MANIFESTS in their order, cut so that no part holds both a manifest and one of its DEPENDENTS."""
    level: t.List[PlannedManifest] = []
    below: t.Set[str] = set()
    for planned in manifests:
        if planned.digest in below:
            yield level
            level, below = [], set()
        level.append(planned)
        below.update(dependents[planned.digest])
    if level:
        yield level
