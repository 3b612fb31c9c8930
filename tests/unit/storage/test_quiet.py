# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quiet is when no upload was begun, written to or ended for long enough."""

from __future__ import annotations

import os

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.quiet import (
    last_activity,
    wait_for_quiet,
)


class Store:
    """Uploads whose times are set, and a clock that only pauses move."""

    def __init__(self, tree) -> None:
        self.tree = tree
        self.now = 1000.0
        self.pauses: list[float] = []

    def touch(self, repository: str, when: float, *parts: str) -> None:
        path = self.tree / "repositories" / repository / "_uploads"
        path.joinpath(*parts[:-1]).mkdir(parents=True, exist_ok=True)
        if parts:
            path.joinpath(*parts).write_bytes(b"")
        for place in [path.joinpath(*parts), *path.joinpath(*parts).parents]:
            os.utime(place, (0, 0))
            if place == path:
                break
        os.utime(path.joinpath(*parts), (when, when))

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds

    def wait(self, quiet: float, limit: float):
        return wait_for_quiet(str(self.tree), quiet, limit, clock=lambda: self.now, pause=self.pause)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_store_without_uploads_is_quiet_at_once(store):
    assert last_activity(str(store.tree)) is None
    waited = store.wait(30, 600)
    assert (waited.quiet, waited.seconds, waited.last, store.pauses) == (True, 0.0, None, [])


def test_a_repository_behind_a_link_counts_and_a_circle_ends(store, tmp_path_factory):
    store.touch("team/app", 100.0)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "deep" / "_uploads").mkdir(parents=True)
    os.utime(elsewhere / "deep" / "_uploads", (900.0, 900.0))
    (store.tree / "repositories" / "linked").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(store.tree / "repositories")
    last = last_activity(str(store.tree))
    assert (last.repository, last.when) == ("linked/deep", 900.0)


@pytest.mark.parametrize("parts", [(), ("uuid", "data"), ("uuid", "startedat")])
def test_every_trace_of_an_upload_counts(store, parts):
    store.touch("team/app", 900.0, *parts)
    store.touch("other", 100.0)
    last = last_activity(str(store.tree))
    assert (last.repository, last.when) == ("team/app", 900.0)


def test_it_waits_for_what_is_missing_and_no_longer(store):
    store.touch("team/app", 990.0, "uuid", "data")
    waited = store.wait(30, 600)
    assert (waited.quiet, waited.seconds) == (True, 20.0)
    assert sum(store.pauses) == 20.0


def test_a_registry_that_is_never_quiet_is_waited_for_within_bounds(store):
    def busy(seconds: float) -> None:
        Store.pause(store, seconds)
        store.touch("team/app", store.now, "uuid", "data")

    store.touch("team/app", 1000.0, "uuid", "data")
    waited = wait_for_quiet(str(store.tree), 30, 100, clock=lambda: store.now, pause=busy)
    assert (waited.quiet, waited.seconds) == (False, 100.0)
    assert waited.last.repository == "team/app"


def test_a_time_in_the_future_ends_as_well(store):
    store.touch("team/app", 99999.0)
    assert (store.wait(30, 60).quiet, store.now) == (False, 1060.0)


def test_other_folders_are_not_uploads(store):
    (store.tree / "repositories" / "app" / "_manifests" / "_uploads").mkdir(parents=True)
    assert last_activity(str(store.tree)) is None


@pytest.mark.parametrize("part", ["team", "team/app", "team/app/_uploads", "team/app/_uploads/uuid"])
def test_pushes_behind_a_link_are_seen_as_the_registry_sees_them(store, part):
    """The registry follows links wherever they lie: what is not looked at may be a push."""
    store.touch("team/app", 990.0, "uuid", "data")
    store.touch("other", 100.0)
    linked = store.tree / "repositories" / part
    linked.rename(store.tree / "elsewhere")
    linked.symlink_to(store.tree / "elsewhere")
    os.utime(linked.parent, (0, 0))
    last = last_activity(str(store.tree))
    assert (last.repository, last.when) == ("team/app", 990.0)
    assert store.wait(30, 5).quiet is False


def test_links_that_lead_back_or_nowhere_end(store):
    store.touch("team/app", 990.0, "uuid", "data")
    (store.tree / "repositories" / "team" / "back").symlink_to(store.tree / "repositories" / "team")
    (store.tree / "repositories" / "gone").symlink_to(store.tree / "nowhere")
    last = last_activity(str(store.tree))
    assert (last.repository, last.when) == ("team/app", 990.0)


def test_what_cannot_be_looked_at_is_not_called_quiet(store):
    store.touch("team/app", 0.0)
    itself = store.tree / "repositories" / "itself"
    itself.symlink_to(itself)
    with pytest.raises(OSError, match="itself"):
        store.wait(30, 600)
