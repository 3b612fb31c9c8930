# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stops the role before or in its window: it is said, and the registry is given back as it was found."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_process import start_time
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS
from ansible_collections.fleetops.container_registry.tests.rig.nginx import nginx
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    PLAYBOOKS,
    Operated,
    answers,
    free_port,
)
from ansible_collections.fleetops.container_registry.tests.rig.window_support import (
    add_garbage,
    kill_play,
    run_out,
    running,
    until,
    watchdog_of,
    working_for,
)

HIDING = """\
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{registry};
      proxy_set_header Host $http_host;
      proxy_hide_header Docker-Distribution-Api-Version;
    }}
  }}
"""

# A way to another machine, as ssh is one: what runs at its end has neither our environment nor our process group.
ELSEWHERE = """\
#!/bin/sh
shift
exec env -i PATH="$PATH" setsid -w "$@"
"""


def test_a_collector_that_fails(stage):
    scene = stage("2.8")
    scene.mark("fail-collector")
    play = scene.collect()
    assert play.status != 0
    assert "the disk said no" in play.failure
    assert "the registry is as it was before" in play.failure
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == scene.bytes
    scene.unmark("fail-collector")
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes


@pytest.mark.parametrize("version", VERSIONS)
def test_a_collector_that_takes_a_layer_of_a_kept_image(stage, version):
    scene = stage(version)
    with scene.registry.client() as client:
        manifest = json.loads(client.get_manifest("team/app", "kept").body)
    name = manifest["layers"][0]["digest"].partition(":")[2]
    layer = scene.registry.home / "data/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    content = layer.read_bytes()
    (scene.registry.home / "eaten").write_text(str(layer), encoding="utf-8")
    play = scene.collect()
    assert play.status != 0
    assert "these images cannot be pulled any more: team/app:kept" in play.failure
    layer.write_bytes(content)
    scene.is_as_it_was()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_damaged_store_is_named_and_not_collected(stage, version):
    scene = stage(version)
    revisions = scene.registry.home / "data/docker/registry/v2/repositories/team/app/_manifests/revisions"
    link = revisions / "sha256" / scene.tags["kept"].split(":")[1] / "link"
    intact = link.read_bytes()
    link.write_bytes(b"")
    play = scene.collect()
    assert play.status != 0
    assert str(link) in play.failure.replace("\\", "")
    assert "was not touched" in play.failure
    link.write_bytes(intact)
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_layers_that_are_missing_beside_manifests_stop_the_window(stage, tmp_path):
    # plain garbage collection of 2.x would take these images away, without a word
    scene = stage("2.8")
    scene.registry.push("another", "one", 3)
    held = scene.registry.bytes_on_disk()
    layers = scene.registry.home / "data/docker/registry/v2/repositories/team/app/_layers"
    layers.rename(scene.registry.home / "aside")
    play = scene.collect()
    assert play.status != 0
    assert "team/app" in play.failure
    # Nor does it open where a proxy hides what the registry is, and where much else is odd that does no harm.
    for number in range(60):
        (layers.parent.parent / f"odd{number}" / "_manifests").mkdir(parents=True)
    home = tmp_path / "nginx"
    home.mkdir()
    port = free_port()
    with nginx(home, HIDING.format(port=port, registry=scene.registry.port), port):
        play = scene.collect(registry_url=f"http://127.0.0.1:{port}")
    assert play.status != 0
    assert "the collector of 2.x would abort or lose images" in play.failure
    (scene.registry.home / "aside").rename(layers)
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == held


def test_a_restart_that_fails_before_anything_happened(stage):
    scene = stage("2.8")
    scene.mark("fail-restarts")
    play = scene.collect()
    assert play.status != 0
    assert "no restart today" in play.failure
    assert "the registry is as it was before" in play.failure
    scene.is_as_it_was()
    assert scene.registry.process == scene.process
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_a_restart_that_fails_after_the_collection(stage):
    scene = stage("3.1")
    scene.mark("break-restarts")
    play = scene.collect()
    assert play.status != 0
    assert "could not be given back" in play.failure
    assert "no restart today" in play.failure
    assert "window.json" in play.failure
    # its file is as it was, and it still serves, but read-only
    assert scene.registry.config.read_bytes() == scene.config
    assert answers(scene.registry.url) == "read_only"
    assert "window.json" in scene.state
    assert "lock" not in scene.state
    checked = scene.collect("--check")
    assert checked.status != 0
    assert "left the registry in its maintenance window" in checked.failure
    scene.unmark("break-restarts")
    scene.unmark("fail-restarts")
    # what somebody has written into it since is not overwritten
    changed = scene.config + b"# by hand\n"
    scene.registry.config.write_bytes(changed)
    refused = scene.collect()
    assert refused.status != 0
    assert "was changed by somebody since" in refused.failure
    assert scene.registry.config.read_bytes() == changed
    assert "window.json" in scene.state
    scene.registry.config.write_bytes(scene.config)
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()


def test_a_marker_that_cannot_be_written_touches_nothing(stage):
    scene = stage("3.1")
    collector = scene.registry.home / "collector"
    text = collector.read_text(encoding="utf-8")
    # Between the look for a marker and the window.
    blocked = scene.registry.state / "window.json"
    collector.write_text(text.replace("#!/bin/sh\n", f'#!/bin/sh\nmkdir -p "{blocked}"\n'), encoding="utf-8")
    play = scene.collect()
    assert play.status != 0
    assert "the registry was not touched" in play.failure
    assert "Leave the marker" in play.failure
    blocked.rmdir()
    assert scene.registry.process == scene.process
    scene.is_as_it_was()


def comes_back_by_its_watchdog(scene) -> None:
    """Without another run, as soon as restarts work again."""
    tried = scene.restarts
    until(lambda: scene.restarts > tried, "the watchdog does not go on")
    for name in ("break-restarts", "fail-restarts"):
        scene.unmark(name)
    until(lambda: answers(scene.registry.url) == "enabled", "the watchdog does not give the registry back")
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    assert again.result("one", "repair")["watchdog"]["gave_back"]
    scene.is_as_it_was()


def test_a_run_that_cannot_repair_either_leaves_the_watchdog_trying(stage):
    scene = stage("2.8")
    scene.mark("break-restarts")
    assert scene.collect().status != 0
    watchdog = watchdog_of(scene.registry.state)
    second = scene.collect()
    assert second.status != 0
    assert "no restart today" in second.failure
    assert "goes on trying" in second.failure
    assert start_time(watchdog["pid"]) == watchdog["started"]
    assert answers(scene.registry.url) == "read_only"
    comes_back_by_its_watchdog(scene)


def test_a_run_that_wakes_up_and_cannot_close_its_window_leaves_the_watchdog_trying(stage):
    scene = stage("3.1")
    scene.mark("hold-collector")
    run = scene.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect")
    log = scene.site.home / "background.log"
    until(
        lambda: (scene.registry.home / "collecting").exists() or run.poll() is not None,
        lambda: log.read_text(encoding="utf-8")[-4000:],
    )
    scene.mark("fail-restarts")
    while (scene.registry.state / "lease/held").exists():
        run_out(scene.registry.state)
        time.sleep(2)  # the play may have renewed it just then
    assert run.wait(300) != 0
    text = log.read_text(encoding="utf-8")
    assert "could not be given back" in text
    assert ": Take the lease over from the watchdog]" in text
    assert answers(scene.registry.url) == "read_only"
    scene.unmark("hold-collector")
    comes_back_by_its_watchdog(scene)


def test_what_somebody_writes_into_the_configuration_in_the_window_is_not_overwritten(stage):
    scene = stage("3.1")
    scene.mark("hold-collector")
    run = scene.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect")
    log = scene.site.home / "background.log"
    until(
        lambda: (scene.registry.home / "collecting").exists() or run.poll() is not None,
        lambda: log.read_text(encoding="utf-8")[-4000:],
    )
    changed = scene.registry.config.read_bytes() + b"# by hand\n"
    scene.registry.config.write_bytes(changed)
    scene.unmark("hold-collector")
    assert run.wait(300) != 0
    assert "was changed by somebody while the window was open" in log.read_text(encoding="utf-8")
    assert scene.registry.config.read_bytes() == changed
    assert "window.json" in scene.state
    scene.registry.config.write_bytes(scene.config)
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()


def test_an_environment_that_forbids_the_window_is_named(stage):
    scene = stage("3.1", {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": false}'})
    play = scene.collect()
    assert play.status != 0
    assert "REGISTRY_STORAGE_MAINTENANCE_READONLY" in play.failure
    assert "registry_garbage_collect_mode: stopped" in play.failure
    scene.is_as_it_was()
    assert scene.registry.process == scene.process


def test_a_registry_that_does_not_become_read_only_is_not_collected(stage):
    scene = stage("2.8", {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": false}'})
    # the role is not told, and the restart command sets the variable by itself
    text = (scene.registry.home / "restart").read_text(encoding="utf-8")
    exported = "#!/bin/sh\nexport REGISTRY_STORAGE_MAINTENANCE_READONLY='{\"enabled\": false}'\n"
    (scene.registry.home / "restart").write_text(text.replace("#!/bin/sh\n", exported), encoding="utf-8")
    play = scene.collect(registry_environment={})
    assert play.status != 0
    assert "does not answer as read-only" in play.failure
    assert "REGISTRY_STORAGE_MAINTENANCE_READONLY" in play.failure
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_a_store_of_another_registry_is_not_collected_while_this_one_is_stopped(stage, tmp_path):
    scene = stage("3.1")
    other = Operated(tmp_path / "other", scene.registry.program)
    try:
        other.push("team/app", "kept", 9)
        add_garbage(other.home / "data", 3)
        play = scene.collect(registry_config_path=str(other.config), registry_garbage_collect_mode="stopped")
        assert play.status != 0
        assert "two registries'" in play.failure
        assert other.tags("team/app")
    finally:
        other.stop()
    scene.is_as_it_was()
    assert scene.registry.process == scene.process


def test_a_registry_behind_a_proxy_is_stopped_and_collected(stage, tmp_path):
    scene = stage("2.8")
    home = tmp_path / "nginx"
    home.mkdir()
    port = free_port()
    with nginx(home, HIDING.format(port=port, registry=scene.registry.port), port):
        play = scene.collect(registry_url=f"http://127.0.0.1:{port}", registry_garbage_collect_mode="stopped")
        assert play.status == 0, play.output[-4000:]
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() < scene.bytes


@pytest.mark.parametrize("mode", ["readonly", "stopped"])
def test_a_collector_that_nobody_can_see_keeps_the_next_run_from_letting_writers_in(stage, mode):
    scene = stage("3.1")
    way = scene.registry.home / "ssh"
    way.write_text(ELSEWHERE, encoding="utf-8")
    way.chmod(0o755)
    settings = {
        "registry_argv": [str(way), "elsewhere", str(scene.registry.home / "collector")],
        "registry_garbage_collect_mode": mode,
        "registry_window_watchdog": False,
        "registry_window_timeout": "3m",
    }
    closed = "read_only" if mode == "readonly" else "down"
    scene.mark("hold-collector")
    run = scene.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect", **settings)
    log = scene.site.home / "background.log"
    until(
        lambda: (scene.registry.home / "collecting").exists() or run.poll() is not None,
        lambda: log.read_text(encoding="utf-8")[-4000:],
    )
    kill_play(run)
    window = json.loads((scene.registry.state / "window.json").read_text(encoding="utf-8"))["collection"]
    for word in ("", f"{window}0"):
        refused = scene.collect(**settings, registry_window_collector_ended=word)
        assert refused.status != 0
        assert "nobody may write to the registry yet" in refused.failure
        assert f"registry_window_collector_ended={window}" in refused.failure
        assert answers(scene.registry.url) == closed
        assert "window.json" in scene.state
    # It is still there, and whoever looks sees that.
    words = f"{scene.registry.home}/collector garbage-collect"
    assert running(words)
    scene.unmark("hold-collector")
    until(lambda: not running(words), "the collector elsewhere does not end")
    again = scene.collect(**settings, registry_window_collector_ended=window)
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()


def in_its_middle(scene, **settings):
    """A run in its window, whose collector waits for "hold-collector" to go."""
    scene.mark("hold-collector")
    run = scene.site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect", **settings)
    log = scene.site.home / "background.log"
    until(
        lambda: (scene.registry.home / "collecting").exists() or run.poll() is not None,
        lambda: log.read_text(encoding="utf-8")[-4000:],
    )
    return run, log


def test_a_collector_that_takes_too_long_is_ended_and_the_registry_given_back(stage):
    scene = stage("2.8")
    run, log = in_its_middle(scene, registry_window_timeout="10s")
    assert run.wait(300) != 0
    text = log.read_text(encoding="utf-8")
    assert "garbage collection took longer than 10 s. It has been ended" in text
    assert "the registry is as it was before" in text
    assert not running(f"{scene.registry.home}/collector garbage-collect")
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() == scene.bytes


def test_a_window_has_an_end_although_the_play_goes_on_renewing_it(stage):
    scene = stage("3.1")
    settings = {"registry_window_timeout": "10s", "registry_window_lease": "21s"}
    run, log = in_its_middle(scene, **settings)
    # The module's own time-out does nothing while it is stopped.
    for pid in working_for(scene.registry.state):
        os.kill(pid, signal.SIGSTOP)
    assert run.wait(500) != 0
    assert "the lease" in log.read_text(encoding="utf-8")
    assert not running(f"{scene.registry.home}/collector garbage-collect")
    until(lambda: answers(scene.registry.url) == "enabled", lambda: log.read_text(encoding="utf-8")[-4000:])
    assert scene.registry.bytes_on_disk() == scene.bytes
    scene.unmark("hold-collector")
    again = scene.collect()
    assert again.status == 0, again.output[-4000:]
    scene.is_as_it_was()


@pytest.mark.parametrize(("version", "guard"), [("2.8", "max_blobs"), ("3.1", "max_bytes"), ("2.8", "max_percent")])
def test_garbage_that_has_grown_since_the_dry_run_meets_the_limits_again(stage, version, guard):
    scene = stage(version)
    checked = scene.collect("--check").result("one", "garbage_collect")
    limit = {"max_blobs": checked["blobs_eligible"], "max_bytes": checked["bytes_eligible"], "max_percent": 50}[guard]
    add_garbage(scene.registry.home / "more", 20)
    script = scene.registry.home / "restart"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("#!/bin/sh\n", '#!/bin/sh\ncp -r "$1/more/." "$1/data/"\n'), encoding="utf-8")
    play = scene.collect(**{f"registry_garbage_collect_{guard}": limit})
    assert play.status != 0
    assert "the registry is as it was before" in play.failure
    assert f"{guard}=" in play.failure
    assert scene.restarts == 2
    scene.is_as_it_was()
    assert scene.registry.bytes_on_disk() > scene.bytes
