# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What carrying out a plan came to."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import JournalError
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.state import StateError


@dataclass(frozen=True)
class Drift:
    """Something that had changed between the look and the deed, and was therefore left alone."""

    repository: str
    name: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A tag that is to go and stays, since it cannot be taken off alone here, and WHY. DANGLES: the registry has no manifest for it."""

    repository: str
    tag: str
    dangles: bool
    why: str

    def __str__(self) -> str:
        what = "dangles" if self.dangles else "names a manifest that stays"
        return "%s: the tag %s %s and is kept: %s" % (self.repository, self.tag, what, self.why)


@dataclass
class RepositoryOutcome:
    """What was done in one repository.

    STRATEGY says how. SKIPPED: what was left alone, since only the deed showed that it cannot be done here; ERRORS say what
    should have been done and could not.
    """

    name: str
    strategy: str = ""
    deleted_tags: t.List[str] = field(default_factory=list)
    untagged_tags: t.List[str] = field(default_factory=list)
    restored_tags: t.List[str] = field(default_factory=list)
    deleted_manifests: t.List[str] = field(default_factory=list)
    drifted: t.List[Drift] = field(default_factory=list)
    skipped: t.List[Skipped] = field(default_factory=list)
    errors: t.List[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything in the registry is different now."""
        return bool(self.deleted_tags or self.untagged_tags or self.restored_tags or self.deleted_manifests)


@dataclass
class Outcome:
    """What a run did. INTERRUPTED, when not empty, says why it ended early. UNSAVED: what was left alone for want of a backup."""

    repositories: t.List[RepositoryOutcome] = field(default_factory=list)
    interrupted: str = ""
    unsaved: t.List[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything in the registry is different now."""
        return any(repository.changed for repository in self.repositories)

    @property
    def errors(self) -> t.List[str]:
        """Every error, with its repository."""
        return self.unsaved + ["%s: %s" % (entry.name, text) for entry in self.repositories for text in entry.errors]

    @property
    def skipped(self) -> t.List[Skipped]:
        """Everything that was left alone."""
        return [entry for repository in self.repositories for entry in repository.skipped]

    @property
    def drifted(self) -> t.List[Drift]:
        """Everything that had moved."""
        return [drift for entry in self.repositories for drift in entry.drifted]


@contextlib.contextmanager
def keep_outcome(outcome: Outcome) -> t.Iterator[None]:
    """Where a file of ours cannot be written, OUTCOME is interrupted. Raises JournalError or StateError if nothing was done before."""
    try:
        yield
    except (JournalError, StateError) as error:
        if not (outcome.changed or outcome.interrupted):
            raise
        outcome.interrupted = outcome.interrupted or str(error)
