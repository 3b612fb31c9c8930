# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a run is, as those who do the work tell it to whoever wants to know."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

LIST = "list"
TAGS = "tags"
MANIFESTS = "manifests"
CONFIGS = "configs"
BACKUP = "backup"
APPLY = "apply"

# In the order in which a run goes through them.
STAGES = (LIST, TAGS, MANIFESTS, CONFIGS, BACKUP, APPLY)


@dataclass(frozen=True)
class Step:
    """One sign of life: at STAGE, REPOSITORY is the NUMBER-th of REPOSITORIES, and DONE pieces of work of TOTAL are done.

    A piece is what the stage is about: a tag, a manifest, a config; of APPLY whatever goes. DELETED and KEPT count the tags of this
    repository, TO_GO its manifests that are still to be deleted.
    """

    stage: str
    number: int
    repositories: int
    repository: str
    done: int
    total: int
    deleted: int = 0
    kept: int = 0
    to_go: int = 0

    def as_record(self) -> t.Dict[str, t.Union[str, int]]:
        """The step as plain data."""
        return dict(vars(self))


Progress = t.Callable[[Step], None]


def step_of(record: object) -> t.Optional[Step]:
    """The step that RECORD, as of as_record, stands for; None for anything else."""
    if not isinstance(record, dict) or record.get("stage") not in STAGES:
        return None
    try:
        step = Step(**record)
    except TypeError:
        return None
    numbers = (step.number, step.repositories, step.done, step.total, step.deleted, step.kept, step.to_go)
    if not isinstance(step.repository, str) or not all(
        isinstance(number, int) and not isinstance(number, bool) for number in numbers
    ):
        return None
    return step
