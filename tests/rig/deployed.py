# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job of the role on registries of several deployments, in one play: in check mode, for real, and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    Site,
    answers,
    push_image,
    tags_of,
)

POLICIES = [{"name": "everything", "keep_newest": 2}]


class Moment:
    """A registry as it is now: which container or service, which process, and what it holds."""

    def __init__(self, registry) -> None:
        self.identity = registry.identity
        self.process = registry.process
        self.config, self.owner = registry.config_file()
        self.tags = tags_of(registry.url, "team/app")
        self.delete = answers(registry.url)
        self.bytes = sum(path.stat().st_size for path in registry.data.rglob("data") if path.is_file())


class Story:
    """What the plays have done to REGISTRIES, by name of the host. WORDS before ansible-playbook say where it runs."""

    def __init__(self, home: Path, registries: dict, words: Sequence[str] = ()) -> None:
        self.registries = registries
        self._home = home
        for registry in registries.values():
            wait(registry.url)
            for day in range(5):
                push_image(registry.url, "team/app", f"1.{day}", day)
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_blob_grace": "0s",
            "registry_ready_timeout": 20,
        }
        hosts = {
            name: dict(
                common,
                **registry.deployment(),
                registry_url=registry.url,
                registry_state_dir=str(self.state(name)),
            )
            for name, registry in registries.items()
        }
        self.site = Site(home / "site", hosts)
        self.site.controller = list(words)
        self.plays = []
        self.moments = [self.now()]
        for options in (["--check"], [], []):
            self.run("main", *options)

    def state(self, name: str) -> Path:
        """The folder in which the role keeps its state of a host."""
        return self._home / f"state-{name}"

    def run(self, entry: str, *options: str, **settings: object) -> None:
        play = self.site.role(entry, *options, registry_policies=POLICIES, registry_max_delete_percent=90, **settings)
        assert play.status == 0, play.output[-9000:]
        self.plays.append(play)
        self.moments.append(self.now())

    def now(self) -> dict[str, Moment]:
        return {name: Moment(registry) for name, registry in self.registries.items()}


def wait(url: str) -> None:
    """Until the registry answers."""
    for _try in range(200):
        if answers(url) != "down":
            return
        time.sleep(0.1)
    raise AssertionError(f"no registry at {url}")
