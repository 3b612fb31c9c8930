# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which steps become lines: never more than promised, whatever the work does, and never anything a terminal would obey."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import (
    APPLY,
    BACKUP,
    STAGES,
    TAGS,
    Step,
    step_of,
)
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.progress_lines import Lines, line_of
from hypothesis import given
from hypothesis import strategies as st

READ = Step(TAGS, 12, 40, "team/app", 230, 800)
GONE = Step(APPLY, 12, 40, "team/app", 900, 4000, deleted=180, kept=20)


def test_the_words():
    assert line_of(GONE) == "[registry] 12/40 team/app: 180 deleted, 20 kept"
    assert line_of(replace(GONE, to_go=7)) == "[registry] 12/40 team/app: 180 deleted, 20 kept, 7 manifests to go"
    assert line_of(READ, "eu1") == "[registry eu1] 12/40 team/app: 230 of 800 tags read"
    assert line_of(replace(READ, stage=BACKUP)) == "[registry] 12/40 team/app: 230 of 800 manifests backed up"
    for stage in STAGES:
        assert "{" not in line_of(replace(READ, stage=stage))


def test_a_name_cannot_steer_the_terminal():
    line = line_of(replace(READ, repository="a\x1b[2Jb\r\nok: [host]\u202e"), "h\x07")
    assert line.isprintable()
    assert "\n" not in line


def test_two_seconds_between_lines_and_before_the_first():
    lines = Lines(100.0)
    shown = [now for tenth in range(1, 101) if lines.due(replace(READ, done=tenth), now := 100 + tenth / 10)]
    assert shown == [102.0, 104.0, 106.0, 108.0, 110.0]


def test_a_short_run_says_nothing():
    assert Lines(0.0).due(GONE, 1.9) == ""


def test_what_has_not_moved_is_not_told_twice():
    lines = Lines(0.0)
    assert lines.due(READ, 5.0)
    assert lines.due(READ, 50.0) == ""
    assert lines.due(replace(READ, done=231), 50.1)


def test_runs_that_share_a_screen_share_its_lines():
    lines = Lines(0.0, among=5)
    assert [now for now in range(1, 31) if lines.due(replace(READ, done=now), float(now))] == [10, 20, 30]


def test_in_a_log_a_line_per_tenth_at_most():
    lines = Lines(0.0, coarse=True)
    hour = [replace(READ, done=second, total=3600) for second in range(3601)]
    shown = [step.done for step in hour if lines.due(step, float(step.done))]
    assert shown == [30, *range(360, 3601, 360)]


def test_in_a_log_never_sooner_than_half_a_minute():
    lines = Lines(0.0, coarse=True)
    minute = [replace(READ, stage=STAGES[second // 10], done=second % 10, total=10) for second in range(60)]
    assert [second for second, step in enumerate(minute) if lines.due(step, float(second))] == [30]


def test_a_stage_without_work_divides_nothing():
    assert Lines(0.0, coarse=True).due(replace(READ, done=0, total=0), 60.0)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from(STAGES), st.integers(0, 50)), max_size=60),
    st.booleans(),
    st.integers(0, 4),
)
def test_whatever_happens_lines_keep_their_distance(events, coarse, among):
    lines = Lines(0.0, coarse, among=among)
    now, last = 0.0, 0.0
    for pause, stage, done in events:
        now += pause
        if lines.due(replace(READ, stage=stage, done=done, total=50), now):
            assert now - last >= (30 if coarse else 2)
            last = now


@pytest.mark.parametrize(
    "record",
    [None, [], "x", 7, {}, {"stage": "tags"}, dict(READ.as_record(), stage="x"), dict(READ.as_record(), more=1)]
    + [dict(READ.as_record(), **{name: "7"}) for name in ("done", "number", "total", "kept")]
    + [dict(READ.as_record(), repository=7), dict(READ.as_record(), stage=["tags"])],
)
def test_what_is_no_record_is_no_step(record):
    assert step_of(record) is None


def test_a_record_comes_back_as_its_step():
    assert step_of(GONE.as_record()) == GONE
