# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Order, failure and the end of every thread."""

from __future__ import annotations

import itertools
import threading

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("registry")]


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_results_come_in_the_order_of_the_items(workers):
    done = list(run_parallel(lambda number: number * number, range(300), workers))
    assert done == [(number, number * number) for number in range(300)]
    assert our_threads() == []


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_failure_is_raised_in_its_place_and_the_rest_is_not_begun(workers):
    begun = []

    def work(number):
        begun.append(number)
        if number == 10:
            raise ValueError("ten")
        return number

    seen = []
    with pytest.raises(ValueError, match="ten"):
        for item, _result in run_parallel(work, range(100000), workers):
            seen.append(item)
    assert seen == list(range(10))
    assert len(begun) < 200
    assert our_threads() == []


def test_an_endless_source_is_read_only_a_little_ahead():
    counter = itertools.count()
    results = run_parallel(lambda number: number, counter, 4)
    assert next(results) == (0, 0)
    results.close()
    assert next(counter) < 100
    assert our_threads() == []


def test_work_is_done_at_the_same_time():
    together = threading.Barrier(4, timeout=30)
    assert len(list(run_parallel(lambda _item: together.wait(), range(4), 4))) == 4
