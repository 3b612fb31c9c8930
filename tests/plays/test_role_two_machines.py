# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller that is another machine than the registry's host, as far as one machine can play both.

The registry's host runs its modules by an interpreter that sees another boot id, which is how the role tells machines apart.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain, require
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site

BOOT_ID = "/proc/sys/kernel/random/boot_id"

ELSEWHERE = """\
#!/bin/sh
exec unshare -m sh -c 'mount --bind {home}/boot_id {boot_id} && exec "$@"' sh {python} "$@"
"""


@pytest.fixture
def far(tmp_path):
    """A registry and its site, whose host seems to be another machine than the controller."""
    registry = Operated(tmp_path / "registry", obtain(lambda: registry_binary("3.1")))
    try:
        interpreter = tmp_path / "python-elsewhere"
        (tmp_path / "boot_id").write_text("00000000-0000-4000-8000-000000000000\n", encoding="utf-8")
        text = ELSEWHERE.format(home=tmp_path, boot_id=BOOT_ID, python=sys.executable)
        interpreter.write_text(text, encoding="utf-8")
        interpreter.chmod(0o755)
        seen = subprocess.run(
            [interpreter, "-c", f"print(open('{BOOT_ID}').read())"], capture_output=True, text=True, check=False
        )
        require(seen.stdout.startswith("00000000-"), "a mount namespace", f"it needs root: {seen.stderr}")
        host = dict(registry.inventory(), ansible_python_interpreter=str(interpreter))
        with tempfile.TemporaryDirectory(dir="/dev/shm") as kept:  # a volume, should this machine be a container
            host["registry_api_state_dir"] = kept
            yield registry, Site(tmp_path, {"one": host})
    finally:
        registry.stop()


def test_a_loopback_url_is_refused_on_another_machine(far):
    registry, site = far
    play = site.role("report")
    assert play.status != 0
    assert "is a loopback address" in play.failure
    assert "registry_api_host" in play.failure


def test_a_loopback_url_of_a_further_instance_is_refused_on_another_machine(far):
    registry, site = far
    further = {"registry_url": "http://127.0.0.1:5999", "registry_container": "another"}
    elsewhere = registry.url.replace("127.0.0.1", "0.0.0.0")
    before = registry.process
    play = site.role("garbage_collect", registry_url=elsewhere, registry_instances=[further])
    assert play.status != 0
    assert "http://127.0.0.1:5999 is a loopback address" in play.output
    assert "a probe would prove nothing" in play.output
    assert registry.process == before


def test_backups_in_a_container_that_is_thrown_away_are_refused(far, tmp_path):
    registry, site = far
    digest = registry.push("team/app", "one", 1)
    inside = 'mount -t tmpfs tmpfs /run && touch /run/.containerenv && exec "$@"'
    site.controller = ["unshare", "-m", "sh", "-c", inside, "sh"]
    play = site.role(
        "prune",
        registry_url=registry.url.replace("127.0.0.1", "0.0.0.0"),
        registry_policies=[{"tags": ["one"], "delete": "all"}],
        registry_api_state_dir=str(tmp_path / "inside"),
    )
    assert play.status != 0
    assert "would be thrown away with it" in play.failure
    assert registry.tags("team/app") == {"one": digest}


def test_scan_and_backup_travel_between_the_machines(far):
    registry, site = far
    kept = Path(site.hosts["one"]["registry_api_state_dir"])
    for day in range(4):
        registry.push("team/app", "latest", day)  # three are left without a tag: only the store knows
    # every address of this machine that does not look like loopback
    elsewhere = registry.url.replace("127.0.0.1", "0.0.0.0")
    policies = [{"untagged": True, "delete": "all"}]
    settings = {"registry_url": elsewhere, "registry_policies": policies}
    configured = site.role("configure", **settings)
    assert configured.status == 0, configured.output[-4000:]
    checked = site.role("prune", "--check", **settings)
    assert checked.status == 0, checked.output[-4000:]
    assert checked.result("one", "prune")["totals"]["manifests_deleted"] == 3
    pruned = site.role("prune", **settings)
    assert pruned.status == 0, pruned.output[-4000:]
    backup = pruned.result("one", "prune")["backup_file"]
    name = backup.rsplit("/", 1)[1]
    written, copied = kept / "backups" / name, registry.state / "backups" / name
    assert str(written) == backup
    assert copied.read_bytes() == written.read_bytes()
    again = site.role("prune", **settings)
    assert again.recap("one")["changed"] == 0
