# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook of docs/kubernetes.md on a registry that only a kubectl leads to, word for word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.kubernetes_support import Pod
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    Site,
    answers,
    push_image,
    tags_of,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kubernetes.md"
DELETES = {"REGISTRY_STORAGE_DELETE_ENABLED": "true"}


class Moment:
    def __init__(self, pod: Pod) -> None:
        self.process = pod.process
        self.config = pod.config.read_bytes()
        self.environment = pod.environment
        self.tags = tags_of(pod.url, "team/app")
        self.delete = answers(pod.url)
        self.bytes = sum(path.stat().st_size for path in pod.data.rglob("data") if path.is_file())


class Story:
    def __init__(self, home: Path, pod: Pod) -> None:
        for day in range(5):
            push_image(pod.url, "team/app", f"1.{day}", day)
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_url": pod.url,
            "registry_state_dir": str(home / "state"),
            "registry_policies": [{"name": "everything", "keep_newest": 2}],
            "registry_max_delete_percent": 90,
            "registry_ready_timeout": 20,
        }
        self.site = Site(home, {"pod": host})
        playbook = home / "kubernetes.yml"
        playbook.write_text(PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0], encoding="utf-8")
        self.moments = [Moment(pod)]
        self.plays = []
        for _run in range(2):
            self.plays.append(self.site.play(str(playbook)))
            assert self.plays[-1].status == 0, self.plays[-1].output[-6000:]
            self.moments.append(Moment(pod))
        known = {"registry_deployment": "kubernetes", "registry_argv": self.argv, "registry_blob_grace": "0s"}
        push_image(pod.url, "team/app", "2.0", 7)
        pruned = self.site.role("prune", **known)
        assert pruned.status == 0, pruned.output[-6000:]
        self.before_refused = Moment(pod)
        self.refused = self.site.role("garbage_collect", **known)
        self.after_refused = Moment(pod)

    argv = ["kubectl", "exec", "--namespace", "registry", "deploy/registry", "--", "registry"]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    home = tmp_path_factory.mktemp("kubernetes")
    pod = obtain(lambda: Pod("3.1", home / "pod", env=dict(DELETES)))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{pod.folder}:{os.environ['PATH']}")
            yield Story(home / "site", pod)
    finally:
        pod.stop()


def test_the_main_job_is_done(story):
    before, after = story.moments[:2]
    assert after.tags == {tag: before.tags[tag] for tag in ("1.3", "1.4")}
    assert after.bytes < before.bytes * 0.6
    assert after.delete == before.delete == "enabled"
    assert after.environment == DELETES
    assert after.config == before.config


def test_the_second_run_changes_nothing_and_rolls_out_nothing(story):
    assert story.plays[1].recap("pod")["changed"] == 0
    assert vars(story.moments[2]) == vars(story.moments[1])


def test_a_registry_that_is_not_read_only_is_not_collected(story):
    assert story.refused.status != 0
    assert 'REGISTRY_STORAGE_MAINTENANCE_READONLY={"enabled":true}' in story.refused.failure.replace("\\", "")
    assert vars(story.after_refused) == vars(story.before_refused)
