# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole maintenance run while clients push and pull without a pause: what was acknowledged is whole, and pulls go on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import debian_program
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import PLAYBOOKS, Site, answers
from ansible_collections.fleetops.container_registry.tests.rig.window_support import Windowed, kill_play, until

VERSIONS = {"two": "2.8", "three": "3.1"}
POLICIES = [{"repositories": ["team/app"], "keep_tags": ["kept"], "keep_newest": 1}]
# What a client gets from a registry that is just being restarted. It asks again.
CUT = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)

# One play works on many registries, and a busy machine takes its time.
pytestmark = pytest.mark.timeout(1800)


class Client(threading.Thread):
    """Does one thing again and again until it is told to stop. What breaks it is kept."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ends = threading.Event()
        self.done = 0
        self.cut = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._ends.wait(0.2):
            try:
                self.once()
                self.done += 1
            except CUT:
                self.cut += 1
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")

    def once(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self._ends.set()
        self.join(120)


class Puller(Client):
    """Pulls one image in full, each part held against its digest."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def once(self) -> None:
        store.pull(self._url, "team/app", "kept")


class Skopeo(Client):
    """Pulls the same image with a client of another house."""

    def __init__(self, url: str, target: Path) -> None:
        super().__init__()
        self._url = url
        self._target = target

    def once(self) -> None:
        try:
            store.skopeo_copy_all(self._url, "team/app", "kept", self._target / str(self.done))
        except AssertionError as error:
            if any(words in str(error) for words in ("connection refused", "connection reset", "EOF")):
                raise requests.ConnectionError(str(error)) from error
            raise


class Writer(Client):
    """Pushes new images, and remembers which were acknowledged and how it was refused."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.acknowledged: dict[str, str] = {}
        self.refusals: list[str] = []

    def once(self) -> None:
        tag = f"push-{self.done + len(self.refusals) + self.cut}"
        try:
            pushed = Pusher(self._url).image("team/live", tag, words=tag, layers=2)
        except RuntimeError as error:
            self.refusals.append(str(error))
        else:
            self.acknowledged[tag] = pushed.digest


class Story:
    """Two registries, their clients, and one run of main."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.registries: dict[str, Windowed] = {}
        self.clients: dict[str, dict[str, Client]] = {}

    def tell(self) -> None:
        obtain(lambda: debian_program("skopeo", "skopeo"))
        for name, version in VERSIONS.items():
            made = Windowed(name, version, self.home)
            self.registries[name] = made
            for day in range(2, 6):
                made.push("team/app", f"old-{day}", day)
            made.push("team/live", "first", 1)
        site = Site(self.home, {name: made.inventory() for name, made in self.registries.items()})
        settings = {"registry_policies": POLICIES, "registry_max_delete_percent": 100}
        for name, made in self.registries.items():
            target = self.home / f"skopeo-{name}"
            target.mkdir()
            self.clients[name] = {
                "puller": Puller(made.url),
                "skopeo": Skopeo(made.url, target),
                "writer": Writer(made.url),
            }
            for client in self.clients[name].values():
                client.start()
        play = site.begin(str(PLAYBOOKS / "role.yml"), test_entry="main", **settings)
        try:
            log = site.home / "background.log"
            for name, made in self.registries.items():
                until(lambda made=made: made.hold.reached, lambda name=name: name + log.read_text()[-4000:])
            # All clients work in the window, until each of them has been at it for a while.
            for clients in self.clients.values():
                for kind, client in clients.items():
                    before = client.done
                    if kind == "writer":
                        until(lambda client=client: len(client.refusals) > 3, "the writer was not refused")
                    else:
                        until(
                            lambda client=client, before=before: client.done > before + 2,
                            lambda client=client: client.wrong,
                        )
            for made in self.registries.values():
                made.hold.go_on()
            self.status = play.wait(900)
        except BaseException:
            kill_play(play)
            raise
        self.output = (site.home / "background.log").read_text(encoding="utf-8")
        for clients in self.clients.values():
            for kind, client in clients.items():
                before = client.done
                until(lambda client=client, before=before: client.done > before, f"{kind} does nothing any more")
                client.stop()

    def end(self) -> None:
        for clients in self.clients.values():
            for client in clients.values():
                client.stop()
        for made in self.registries.values():
            made.stop()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    told = Story(tmp_path_factory.mktemp("traffic"))
    try:
        told.tell()
        yield told
    finally:
        told.end()


@pytest.fixture(params=VERSIONS)
def name(request):
    return request.param


def test_the_run_succeeds_and_deletes_what_it_should(story, name):
    assert story.status == 0, story.output[-6000:]
    made = story.registries[name]
    assert store.listed(made.url, "team/app") == ["kept", "old-5"]
    assert answers(made.url) == "enabled"
    assert made.config.read_bytes() == made.config_before
    made.is_clean()


@pytest.mark.parametrize("kind", ["puller", "skopeo"])
def test_pulls_never_fail_but_for_the_moments_of_two_restarts(story, name, kind):
    client = story.clients[name][kind]
    assert client.wrong == []
    assert client.done > 5


def test_writers_are_told_why(story, name):
    writer = story.clients[name]["writer"]
    assert writer.wrong == []
    # Read-only, an upload that a restart has cut off, or a layer that was collected before its manifest came.
    known = ("405", "404", "400")
    assert [text for text in writer.refusals if not any(f": {status} " in text for status in known)] == []
    assert sum(": 405 " in text for text in writer.refusals) > 3


def test_whatever_was_acknowledged_is_whole(story, name):
    writer = story.clients[name]["writer"]
    assert len(writer.acknowledged) > 1
    for tag, digest in writer.acknowledged.items():
        assert digest in store.pull(story.registries[name].url, "team/live", tag)
