# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on a rootless podman container, looked after by the user whose container it is, whom the play becomes."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.deployed import Story
from ansible_collections.fleetops.container_registry.tests.rig.podman_support import Podded, RootlessPodman
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

# Three plays; slow where others work beside them.
pytestmark = pytest.mark.timeout(1200)


class Rootless(Podded):
    def deployment(self) -> dict:
        """Its user has no right to the Python of the tests; the modules need nothing but Debian's."""
        become = {"ansible_become": True, "ansible_become_method": "su", "ansible_become_user": self.engine.user}
        return dict(super().deployment(), ansible_python_interpreter="/usr/bin/python3", **become)


@pytest.fixture(scope="module")
def story():
    with contextlib.ExitStack() as ends:
        podman = obtain(RootlessPodman)
        ends.callback(podman.stop)
        home = podman.home / "story"
        registry = obtain(lambda: Rootless(podman, "registry", "3.1", home / "registry", env={}))
        podman.give(home)
        yield Story(home, {"rootless": registry})


def test_check_mode_touches_nothing(story):
    before, after = story.moments[0]["rootless"], story.moments[1]["rootless"]
    assert vars(before) == vars(after)
    assert story.plays[0].recap("rootless")["changed"] >= 1


def test_the_main_job_is_done_in_the_same_container(story):
    before, after = story.moments[0]["rootless"], story.moments[2]["rootless"]
    assert after.tags == {tag: before.tags[tag] for tag in ("1.3", "1.4")}
    assert after.bytes < before.bytes * 0.6
    assert (before.delete, after.delete) == ("disabled", "enabled")
    assert after.identity == before.identity
    assert after.process != before.process


def test_it_was_the_user_who_worked(story):
    """The backups in it are root's here: the controller writes them, where the play's become does not count."""
    registry = story.registries["rootless"]
    assert story.state("rootless").stat().st_uid == registry.engine.id
    assert {path.stat().st_uid for path in registry.data.rglob("*")} == {registry.engine.id}


def test_the_second_run_changes_nothing_and_restarts_nothing(story):
    assert story.plays[2].recap("rootless")["changed"] == 0
    assert vars(story.moments[3]["rootless"]) == vars(story.moments[2]["rootless"])
