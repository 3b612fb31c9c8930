# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about files that others may read names every record and every field that they have, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import JournalWriter, SavedTag
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    PLAN_SCHEMA,
    PLAN_VERSION,
    UNTAG,
    Guard,
    Plan,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan_records import plan_to_records

PAGE = Path(__file__).resolve().parents[3] / "docs" / "applying.md"
DIGEST = "sha256:" + "a" * 64
# Words in backticks that are values, or other names.
VALUES = {"keep", "untag", "delete", "image", "index", "artifact", "tombstone", PLAN_SCHEMA, "registry_manifest_delete"}


def section(title):
    return PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def described(title):
    """Type of record to the names that the table of a section has for it."""
    rows = re.findall(r"^\| `([a-z]+)` \| (.*) \|$", section(title), re.MULTILINE)
    return {kind: set(re.findall(r"`([^`]+)`", text)) - VALUES for kind, text in rows if kind != "type"}


def found(records):
    fields = {}
    for record in records:
        fields.setdefault(record["type"], set()).update(set(record) - {"type"})
    return fields


def test_the_page_names_every_field_of_a_saved_plan():
    guard = Guard("max_delete_percent", "too much", 70)
    repository = RepositoryPlan(
        "team/app",
        (PlannedTag("v1", DIGEST, UNTAG, "old"),),
        (PlannedManifest(DIGEST, "x", "image", 1, DELETE, "old"),),
    )
    records = list(plan_to_records(Plan(1.0, (repository,), (guard,), ("look",))))
    assert described("The plan file") == found(records)
    assert list(described("The plan file")) == list(dict.fromkeys(record["type"] for record in records))
    assert f"`schema`, which is `{PLAN_SCHEMA}`; `version`, which is {PLAN_VERSION};" in section("The plan file")


def test_the_page_names_every_field_of_a_backup(tmp_path):
    writer = JournalWriter.create(str(tmp_path), "run", "http://r", "plan", 1.0)
    writer.manifest("team/app", DIGEST, "x", b"{}")
    writer.manifest("team/app", DIGEST, "x", b"\xff")
    writer.config("team/app", DIGEST, b"{}")
    writer.config("team/app", DIGEST, b"\xff")
    writer.tag("team/app", SavedTag("v1", DIGEST, DELETE, 1.0))
    writer.ready()
    writer.tombstone("team/app", DIGEST, b"{}")
    writer.done("team/app", ["v1"], [DIGEST])
    writer.finished("run")
    writer.close()
    (path,) = tmp_path.iterdir()
    assert described("The backup file") == found(json.loads(line) for line in path.read_text().splitlines())
