# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of docs/role.md and docs/applying.md about saved plans and undo, as pasted but for the places, the address and the id."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site

DOCS = Path(__file__).resolve().parents[2] / "docs"


def example(page: str, name: str) -> str:
    """The playbook of PAGE that is called NAME."""
    blocks = (DOCS / page).read_text(encoding="utf-8").split("```yaml\n")[1:]
    (found,) = [block.partition("```")[0] for block in blocks if block.startswith(f"- name: {name}\n")]
    return found


def replaced(text: str, **others: str) -> str:
    for what, other in others.items():
        assert what in text
        text = text.replace(what, other)
    return text


@pytest.fixture
def registry(tmp_path):
    operated = Operated(tmp_path / "registry", obtain(lambda: registry_binary("3.1")))
    yield operated
    operated.stop()


def test_what_was_approved_is_carried_out_and_put_back(registry, tmp_path):
    for day in range(5):
        registry.push("team/app", f"1.{day + 1}", day)
    settings = {"registry_policies": [{"name": "everything", "keep_newest": 2}], "registry_max_delete_percent": 90}
    site = Site(tmp_path / "site", {"one": {**registry.inventory(), **settings}})
    assert site.role("configure").status == 0
    place = {"/var/lib/container-registry/{{": str(tmp_path / "approved") + "/{{"}

    def play(text: str, *options: str):
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(text, encoding="utf-8")
        done = site.play(str(playbook), *options)
        assert done.status == 0, done.output[-4000:]
        return done

    before = registry.tags("team/app")
    planned = play(replaced(example("role.md", "Plan"), **place))
    assert registry.tags("team/app") == before
    plan_id = planned.output.partition('"registry_prune_result.plan_id": "')[2].partition('"')[0]
    assert len(plan_id) == 64
    registry.push("team/app", "1.6", 6)
    play(replaced(example("role.md", "Prune as approved"), **place, **{"2f0c...": plan_id}))
    assert sorted(registry.tags("team/app")) == ["1.4", "1.5", "1.6"]
    (backup,) = Path(registry.inventory()["registry_state_dir"]).glob("backups/*.backup.jsonl")
    one = replaced(
        example("applying.md", "Put back one tag of the last run, and see first what would come back"),
        **{
            "https://registry.example.com": registry.url,
            "/var/lib/container-registry/example/backups/20261126T101500Z-0c1d2e3f4a5b.backup.jsonl": str(backup),
            'tags: ["1.4"]': 'tags: ["1.2"]',
        },
    )
    play(one, "--check")
    assert sorted(registry.tags("team/app")) == ["1.4", "1.5", "1.6"]
    play(one)
    assert sorted(registry.tags("team/app")) == ["1.2", "1.4", "1.5", "1.6"]
    play(replaced(example("role.md", "Restore"), **{'["1.4", "1.5"]': '["1.1", "1.3"]'}))
    after = registry.tags("team/app")
    assert {tag: after[tag] for tag in before} == before
