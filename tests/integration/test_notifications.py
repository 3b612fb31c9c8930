# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry tells those who listen to its notifications while we take tags off, as docs/applying.md says it."""

from __future__ import annotations

import collections
import json

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.modules import run_module
from ansible_collections.fleetops.container_registry.tests.rig.window_support import until
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import Reply, serving

# A push of a marker that comes last tells that all before it has come: events are sent in their order.
LAST = "marker/last"


class Listener:
    """Takes a registry's notifications, and counts those about REPOSITORY as (action, tag)."""

    def __init__(self) -> None:
        self.events: list[dict] = []

    def __call__(self, request) -> Reply:
        self.events.extend(json.loads(request.body)["events"])
        return Reply(200, b"")

    def about(self, repository: str) -> collections.Counter:
        return collections.Counter(
            (event["action"], event["target"].get("tag", ""))
            for event in self.events
            if event["target"]["repository"] == repository and event["action"] != "pull"
        )


@pytest.fixture
def told(registry_factory):
    """A registry, and what counts the events that something causes there."""
    listener = Listener()
    with serving(listener) as server:
        endpoint = {"name": "listener", "url": server.url, "timeout": "2s", "threshold": 3, "backoff": "1s"}
        registry = registry_factory(extra={"notifications": {"endpoints": [endpoint]}})
        pusher = Pusher(registry.url)

        def settle() -> None:
            number = len(listener.events)
            pusher.image(LAST, f"v{number}", created=1)
            until(
                lambda: any(event["target"].get("tag") == f"v{number}" for event in listener.events),
                "the registry sends no notifications",
                60,
            )

        def count(job) -> collections.Counter:
            settle()
            listener.events.clear()
            job()
            settle()
            return listener.about("team/app")

        yield registry, pusher, count


def test_a_tombstone_is_a_push_a_tag_and_a_deletion_with_its_tags(told):
    registry, pusher, count = told
    pusher.image("team/app", ["one", "two", "kept"], created=1)

    def take_off():
        arguments = {"url": registry.url, "references": ["team/app:one", "team/app:two"], "strategy": "tombstone"}
        assert run_module("registry_tag_delete", arguments)["changed"]

    assert count(take_off) == {
        ("push", "one"): 1,
        ("push", "two"): 1,
        ("delete", ""): 1,
        ("delete", "one"): 1,
        ("delete", "two"): 1,
    }


def test_a_tag_that_is_deleted_natively_is_one_deletion(told, registry_version):
    registry, pusher, count = told
    pusher.image("team/app", ["one", "kept"], created=1)
    arguments = {"url": registry.url, "references": ["team/app:one"], "strategy": "tag"}
    if registry_version == "2.8":
        assert count(lambda: run_module("registry_tag_delete", arguments)) == {}
    else:
        assert count(lambda: run_module("registry_tag_delete", arguments)) == {("delete", "one"): 1}
