# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The window in which garbage is collected, where nothing goes wrong. tests/faults has what does."""

from __future__ import annotations

import hashlib
import threading
from urllib.parse import urljoin

import pytest
import requests
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS
from ansible_collections.fleetops.container_registry.tests.rig.role_support import PLAYBOOKS
from ansible_collections.fleetops.container_registry.tests.rig.window_support import until

WAITS = ": Wait until nobody pushes]"


class Upload(threading.Thread):
    """A client that sends a blob in many small pieces, until it is told to end it or is refused."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.ends = threading.Event()
        self.pieces = 0
        self.refused = 0
        self.url = url
        begun = requests.post(f"{url}/v2/team/uploaded/blobs/uploads/", timeout=30)
        assert begun.status_code == 202
        self.place = urljoin(url, begun.headers["Location"])
        self.start()

    def run(self) -> None:
        while not self.ends.wait(0.2):
            try:
                answer = requests.patch(self.place, data=b"piece", timeout=30)
            except requests.ConnectionError:
                continue  # the registry restarts
            if answer.status_code != 202:
                self.refused = answer.status_code
                return
            self.place = urljoin(self.url, answer.headers["Location"])
            self.pieces += 1

    def finish(self) -> int:
        """End it as a client does; the registry's answer."""
        self.ends.set()
        self.join(60)
        digest = "sha256:" + hashlib.sha256(b"piece" * self.pieces).hexdigest()
        answer = requests.put(self.place, params={"digest": digest}, timeout=30)
        assert requests.get(f"{self.url}/v2/team/uploaded/blobs/{digest}", timeout=30).content == b"piece" * self.pieces
        return answer.status_code


@pytest.mark.parametrize("version", VERSIONS)
def test_stopped_mode_collects_and_starts_the_registry_again(stage, version):
    scene = stage(version)
    play = scene.collect(registry_garbage_collect_mode="stopped")
    assert play.status == 0, play.output[-4000:]
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes
    assert scene.registry.process != scene.process
    assert play.result("one", "garbage_collect")["bytes_freed"] == scene.bytes - scene.registry.bytes_on_disk()


def test_check_mode_and_limits_open_no_window(stage):
    scene = stage("3.1")
    checked = scene.collect("--check")
    assert checked.status == 0, checked.output[-4000:]
    assert checked.recap("one")["changed"] == 1
    assert checked.result("one", "garbage_collect")["blobs_eligible"] == 3
    limited = scene.collect(registry_garbage_collect_max_blobs=2)
    assert limited.status != 0
    assert "registry_garbage_collect_max_blobs" in limited.failure
    assert "max_blobs=3" in limited.failure
    young = scene.collect(registry_blob_grace="2h")
    assert young.status == 0, young.output[-4000:]
    assert young.recap("one")["changed"] == 0
    # Nor for what this run itself has pruned, where the disk tells how old that is.
    scene.registry.push("team/app", "late", 3)
    scene.bytes = scene.registry.bytes_on_disk()
    policies = [{"name": "kept", "tags": ["kept"], "keep": "all"}, {"name": "the rest", "delete": "all"}]
    pruned = scene.site.role(
        "main", registry_policies=policies, registry_max_delete_percent=90, registry_blob_grace="2h"
    )
    assert pruned.status == 0, pruned.output[-4000:]
    assert pruned.result("one", "prune")["deleted"]["manifests"] == 1
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_the_window_waits_for_who_pushes(stage):
    scene = stage("3.1")
    upload = Upload(scene.registry.url)
    try:
        run = scene.site.begin(
            str(PLAYBOOKS / "role.yml"),
            test_entry="garbage_collect",
            registry_window_quiet="15s",
            registry_window_quiet_timeout="30m",
        )
        log = scene.site.home / "background.log"
        until(lambda: WAITS in log.read_text(encoding="utf-8"), lambda: log.read_text(encoding="utf-8")[-4000:])
        seen = upload.pieces
        until(lambda: upload.pieces > seen + 20 or upload.refused, "the client does not go on")
        # Without the wait it would be cut off by now, or read-only.
        assert upload.finish() == 201
        assert scene.registry.process == scene.process
        assert run.wait(300) == 0, log.read_text(encoding="utf-8")[-4000:]
        assert "Somebody still pushes" not in log.read_text(encoding="utf-8")
    finally:
        upload.ends.set()
    scene.is_as_it_was()
    assert scene.registry.process != scene.process


def test_the_window_does_not_wait_for_ever(stage):
    scene = stage("2.8")
    upload = Upload(scene.registry.url)
    try:
        play = scene.collect(registry_window_quiet="10m", registry_window_quiet_timeout="3s")
    finally:
        upload.ends.set()
    assert play.status == 0, play.output[-4000:]
    assert "Somebody still pushes to team/uploaded. After 3s the window opens all the same" in play.output
    upload.join(60)
    assert upload.refused in (404, 405)
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes
