# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An audit that could look at nothing must not look like one that found nothing."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.fleetops.container_registry.tests.tooling import audit

SKIPPED = {"name": "own", "skip_reason": "not found"}
SOUND = {"name": "requests", "version": "2", "vulns": []}
WEAK = {"name": "idna", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        (None, 2, "NOTHING was looked at"),
        ([SKIPPED], 2, "NOTHING was looked at"),
        ([SKIPPED, SOUND], 0, "1 packages looked at, 0 with"),
        ([SOUND, WEAK], 1, "idna 1: PYSEC-1, fixed in no version yet"),
    ],
)
def test_the_verdict(monkeypatch, capsys, packages, status, says):
    said = "no connection" if packages is None else json.dumps({"dependencies": packages})
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_options: subprocess.CompletedProcess(command, 0, said, "")
    )
    assert audit.main() == status
    assert says in capsys.readouterr().out
