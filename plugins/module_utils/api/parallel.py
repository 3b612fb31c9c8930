# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many requests at once, with results in order and nothing left running."""

from __future__ import annotations

import collections
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

X = t.TypeVar("X")
Y = t.TypeVar("Y")

# How many items per worker are begun before the first of them is handed over: enough that a slow one does not idle the rest.
_AHEAD = 8


def run_parallel(work: t.Callable[[X], Y], items: t.Iterable[X], workers: int) -> t.Iterator[t.Tuple[X, Y]]:
    """Yield (item, work(item)) in the order of ITEMS, with at most WORKERS at once and a bounded number begun ahead.

    The first exception is raised where its item would have been; what has not begun by then is cancelled, and what has begun
    is waited for, also when the consumer stops early. So no thread outlives the iteration.
    """
    if workers <= 1:
        for item in items:
            yield item, work(item)
        return
    waiting: t.Deque[t.Tuple[X, Future[Y]]] = collections.deque()
    executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="registry")
    try:
        for item in items:
            waiting.append((item, executor.submit(work, item)))
            if len(waiting) >= workers * _AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _item, future in waiting:
            future.cancel()
        executor.shutdown(wait=True)
