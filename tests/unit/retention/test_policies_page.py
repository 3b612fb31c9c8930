# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of docs/policies.md is true, word for word."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Snapshot
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import (
    Guards,
    Options,
    make_plan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import (
    _CHECKS,
    PolicyInvalid,
    compile_policies,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.summary import blocked_by
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import NO_LIMITS, digest
from ansible_collections.fleetops.container_registry.tests.unit.retention.policies_page import (
    PAGE,
    build_repository,
    now_of,
    read_blocks,
    tag_name,
    with_digests,
    with_short_digests,
)

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = read_blocks(TEXT)
PLANS = [block for block in BLOCKS if block.language == "yaml" and "expect" in block.example]
REFUSALS = [
    case
    for block in BLOCKS
    if block.language == "yaml" and ("error" in block.example or "errors" in block.example)
    for case in block.example.get("errors", [block.example])
]
PLAN_KEYS = {"repositories", "policies", "expect", "now", "protected", "options", "limits", "blocked_by", "warnings"}


def place(block):
    return "line-%d" % block.line


def plan_of(example):
    now = now_of(example)
    repositories = tuple(build_repository(name, raw, now) for name, raw in example.get("repositories", {}).items())
    protected = [with_digests(entry) for entry in example.get("protected", [])]
    guards = Guards(**example["limits"]) if "limits" in example else NO_LIMITS
    options = Options(guards=guards, **example.get("options", {}))
    return make_plan(Snapshot(now, repositories), compile_policies(example["policies"], protected), options)


@pytest.mark.parametrize("block", PLANS, ids=place)
def test_example(block):
    example = block.example
    assert set(example) <= PLAN_KEYS
    plan = plan_of(example)
    for repository in plan.repositories:
        expected = example["expect"][repository.name]
        tags = {tag.name: [tag.action, tag.reason] for tag in repository.tags}
        manifests = {manifest.digest: [manifest.action, manifest.reason] for manifest in repository.manifests}
        wanted = {name: [action, with_short_digests(reason)] for name, (action, reason) in expected.items()}
        assert tags == {tag_name(name): entry for name, entry in wanted.items() if not name.startswith("@")}
        for name, entry in wanted.items():
            if name.startswith("@"):
                assert manifests[digest(name[1:])] == entry
        raw = example["repositories"][repository.name]
        assert {"@" + name for key in ("children", "untagged") for name in raw.get(key, {})} <= set(expected) or all(
            not name.startswith("@") for name in expected
        )
    assert set(example["expect"]) == {repository.name for repository in plan.repositories}
    assert list(plan.warnings) == [with_short_digests(warning) for warning in example.get("warnings", [])]
    assert [guard["message"] for guard in blocked_by(plan)] == example.get("blocked_by", [])


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: re.sub(r"\W+", "-", case["error"])[:50])
def test_refusal(case):
    assert set(case) <= {"policies", "protected", "error"}
    with pytest.raises(PolicyInvalid) as caught:
        plan_of(case)
    assert str(caught.value) == case["error"]


def test_no_block_of_the_page_is_left_out():
    assert len(BLOCKS) == TEXT.count("\n```yaml\n")
    left_out = [
        place(block)
        for block in BLOCKS
        if block.language != "yaml" or not {"expect", "error", "errors"} & set(block.example)
    ]
    assert left_out == []
    assert len(PLANS) > 20
    assert len(REFUSALS) > 15


def test_the_page_names_every_key():
    for key in _CHECKS:
        assert "`%s" % key in TEXT.partition("## Which policy governs")[0], key


def test_a_wrong_example_fails():
    block = PLANS[0]
    assert block.text.count("[keep, 'kept: no policy governs it']") == 1
    wrong = type(block)(block.line, block.language, block.text.replace("[keep, 'kept: no", "[delete, 'kept: no"))
    with pytest.raises(AssertionError):
        test_example(wrong)
