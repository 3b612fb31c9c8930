# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts what goes while a plan is carried out, for whoever follows."""

from __future__ import annotations

import threading
import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.outcome import RepositoryOutcome
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import KEEP, RepositoryPlan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import APPLY, Progress, Step


@dataclass
class _Count:
    kept: int
    tags: int
    manifests: int
    tags_gone: int = 0
    manifests_gone: int = 0


class Telling:
    """Tells PROGRESS, if there is one, of every deletion in the repositories of PLANS. Called from any thread."""

    def __init__(self, progress: t.Optional[Progress], plans: t.Sequence[RepositoryPlan]) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._finished = 0
        self._done = 0
        self._counts: t.Dict[str, _Count] = {}
        if progress is not None:
            for plan in plans:
                kept = sum(1 for tag in plan.tags if tag.action == KEEP)
                self._counts[plan.name] = _Count(kept, len(plan.doomed_tags), len(plan.doomed_manifests))
        self._total = sum(count.tags + count.manifests for count in self._counts.values())

    def went(self, outcome: RepositoryOutcome, manifests: int = 0) -> None:
        """Something is gone: what OUTCOME says about tags by now, and MANIFESTS more manifests."""
        if self._progress is None:
            return
        with self._lock:
            self._note(outcome, manifests)
            self._tell(outcome.name, self._finished + 1)

    def finished(self, outcome: RepositoryOutcome) -> None:
        """A repository is done."""
        if self._progress is None:
            return
        with self._lock:
            self._finished += 1
            self._note(outcome, 0)
            count = self._counts[outcome.name]
            # What was left alone is no longer to be done.
            self._done += count.tags - count.tags_gone + count.manifests - count.manifests_gone
            count.tags, count.manifests = count.tags_gone, count.manifests_gone
            self._tell(outcome.name, self._finished)

    def _note(self, outcome: RepositoryOutcome, manifests: int) -> None:
        count = self._counts[outcome.name]
        tags_gone = len(outcome.deleted_tags) + len(outcome.untagged_tags)
        self._done += tags_gone - count.tags_gone + manifests
        count.tags_gone = tags_gone
        count.manifests_gone += manifests

    def _tell(self, name: str, number: int) -> None:
        count = self._counts[name]
        to_go = count.manifests - count.manifests_gone
        if self._progress is not None:
            self._progress(
                Step(
                    APPLY,
                    number,
                    len(self._counts),
                    name,
                    self._done,
                    self._total,
                    deleted=count.tags_gone,
                    kept=count.kept,
                    to_go=to_go,
                )
            )
