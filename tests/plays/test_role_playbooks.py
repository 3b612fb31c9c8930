# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks, called by their names, as a workflow calls them: plan, approve, prune, collect, report."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site, answers

POLICIES = [{"name": "everything", "keep_newest": 1}]


@pytest.fixture
def registry(tmp_path):
    operated = Operated(tmp_path / "registry", obtain(lambda: registry_binary("2.8")))
    yield operated
    operated.stop()


def figures(output: str) -> dict:
    """What the last play shows for the first registry."""
    shown = re.search(r'"msg": \[\n(.*?)\n    \]', output, re.DOTALL)
    assert shown, output[-3000:]
    return json.loads("[" + shown.group(1) + "]")[0]


def test_a_plan_is_made_approved_and_carried_out(registry, tmp_path):
    site = Site(tmp_path, {"one": registry.inventory()})
    tags = {f"1.{day}": registry.push("team/app", f"1.{day}", day) for day in range(3)}
    saved = str(tmp_path / "plan.jsonl.gz")
    limits = {"registry_max_delete_percent": 90}

    def run(name: str, **settings: object):
        play = site.play(f"fleetops.container_registry.{name}", registry_policies=POLICIES, **settings)
        assert play.status == 0, play.output[-5000:]
        return play

    assert figures(run("maintain", **limits).output)["tags_deleted"] == 2
    assert registry.tags("team/app") == {"1.2": tags["1.2"]}
    tags = {f"2.{day}": registry.push("team/app", f"2.{day}", day + 10) for day in range(3)}
    planned = run("plan", registry_plan_file=saved, **limits)
    assert planned.recap("one")["changed"] == 0
    shown = figures(planned.output)
    assert (shown["tags_planned"], shown["tags_deleted"], shown["manifests_deleted"]) == (3, 0, 0)
    plan_id = shown["plan_id"]
    late = registry.push("team/app", "3.0", 20)
    run("prune", registry_plan_file=saved, registry_apply_plan=True, registry_plan_id=plan_id)
    # exactly the plan: what came later stays, and so does what it would push out
    assert registry.tags("team/app") == {"2.2": tags["2.2"], "3.0": late}
    before = registry.bytes_on_disk()
    freed = figures(run("garbage_collect").output)["bytes_freed"]
    assert freed == before - registry.bytes_on_disk() > 0
    assert answers(registry.url) == "enabled"
    reported = run("report").output
    assert '"tags": 2' in reported
    assert '"bytes_eligible": 0' in reported
