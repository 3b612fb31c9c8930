# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request needs to be allowed: the scopes of the distribution token protocol."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

PULL = "pull"
PUSH = "push"
DELETE = "delete"
ALL = "*"


@dataclass(frozen=True)
class Scope:
    """ACTIONS on one resource: KIND is 'repository' or 'registry', NAME the repository or 'catalog'. Empty: nothing special.

    ALSO is a second scope, as text, that the same token must have (mounting a blob from another repository).
    """

    kind: str = ""
    name: str = ""
    actions: t.FrozenSet[str] = frozenset()
    also: str = ""

    @property
    def repository(self) -> str:
        """The repository that credentials may be chosen by, or an empty text."""
        return self.name if self.kind == "repository" else ""

    @property
    def key(self) -> t.Tuple[str, str, str]:
        """What a token for it is kept under."""
        return (self.kind, self.name, self.also)

    def covers(self, other: Scope) -> bool:
        """Whether a token for this scope also does for OTHER."""
        return self.key == other.key and self.actions >= other.actions

    def __str__(self) -> str:
        return "%s:%s:%s" % (self.kind, self.name, ",".join(sorted(self.actions))) if self.kind else ""


NOTHING = Scope()
CATALOG = Scope("registry", "catalog", frozenset((ALL,)))


def repository_scope(repository: str, *actions: str, also: str = "") -> Scope:
    """ACTIONS on REPOSITORY, and the scope ALSO."""
    return Scope("repository", repository, frozenset(actions), also)
