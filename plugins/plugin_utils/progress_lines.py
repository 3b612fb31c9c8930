# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which steps of a run become lines, and in which words. No clock and no output of its own."""

from __future__ import annotations

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import (
    APPLY,
    BACKUP,
    CONFIGS,
    LIST,
    MANIFESTS,
    TAGS,
    Step,
)

# Seconds between two lines on a terminal.
SECONDS_BETWEEN_LINES = 2.0
# Seconds between two lines in a log, where each stage has a line for each of its parts at most.
SECONDS_BETWEEN_MARKS = 30.0
MARKS = 10

_DONE = {
    LIST: "tags listed",
    TAGS: "{done} of {total} tags read",
    MANIFESTS: "{done} of {total} more manifests read",
    CONFIGS: "{done} of {total} image configs read",
    BACKUP: "{done} of {total} manifests backed up",
    APPLY: "{deleted} deleted, {kept} kept",
}


def line_of(step: Step, host: str = "") -> str:
    """STEP in words, one printable line. HOST is named where there are several."""
    text = _DONE[step.stage].format(done=step.done, total=step.total, deleted=step.deleted, kept=step.kept)
    if step.to_go:
        text += ", %d manifests to go" % step.to_go
    label = "registry %s" % host if host else "registry"
    line = "[%s] %d/%d %s: %s" % (label, step.number, step.repositories, step.repository, text)
    # Names come from whoever can push, and a terminal obeys what it is sent.
    return "".join(character if character.isprintable() else "?" for character in line)


class Lines:
    """Chooses steps at which a line is due: at most one every so often, none twice, and none in a run that is over sooner.

    With COARSE, for logs: at each new tenth of a stage at most, and seldom. AMONG: how many runs share the screen.
    """

    def __init__(self, started: float, coarse: bool = False, host: str = "", among: int = 1) -> None:
        """STARTED: the clock (seconds, monotonic) at the beginning."""
        self._coarse = coarse
        self._host = host
        self._pause = (SECONDS_BETWEEN_MARKS if coarse else SECONDS_BETWEEN_LINES) * max(among, 1)
        self._last = started
        self._shown: object = None

    def due(self, step: Step, now: float) -> str:
        """The line for STEP at NOW, or nothing."""
        key: object = step
        if self._coarse:
            key = (step.stage, MARKS * step.done // step.total if step.total > 0 else 0)
        if now - self._last < self._pause or key == self._shown:
            return ""
        self._last, self._shown = now, key
        return line_of(step, self._host)
