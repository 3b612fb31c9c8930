# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module's own examples, as pasted but for addresses, places, commands and how long something waits."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.redis_server import FOREIGN, PASSWORD, RedisServer
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Site

PLUGINS = Path(__file__).resolve().parents[2] / "plugins" / "modules"
BACKUP = "20261125T210000Z-5b2f0c9a1d3e.backup.jsonl"
PLAN_ID = "0d7d5a9a5e0f6b6a6b1d7c2f8f6c3b9f5d0c1e2a3b4c5d6e7f8091a2b3c4d5e6"
LOOKING = ("registry_info", "registry_catalog_info", "registry_tags_info")
DELETING = ("registry_tag_delete", "registry_prune", "registry_manifest_delete")
ON_THE_STORE = (
    "registry_storage_info",
    "registry_storage_wait",
    "registry_window_lease",
    "registry_garbage_collect",
    "registry_storage_prune",
)


class Registry:
    """A registry that the examples fit, and a playbook's way to it."""

    def __init__(self, version: str, home: Path) -> None:
        self.process = obtain(lambda: RegistryProcess(version, home / "registry"))
        self.state = home / "state"
        self.home = home
        login = home / "auth.json"
        login.write_text('{"auths": {}}', encoding="utf-8")
        program = json.dumps(self.process.gc_argv)
        self.places = {
            "https://registry.example.com": self.process.url,
            "http://127.0.0.1:5000": self.process.url,
            "/var/lib/container-registry": str(self.state),
            "/srv/registry/config.yml": str(self.process.config_path),
            "/etc/docker/registry/config.yml": str(self.process.config_path),
            "/etc/distribution/config.yml": str(self.process.config_path),
            "/srv/registry": str(self.process.store_root),
            "~/.docker/config.json": str(login),
            "[docker, exec, registry, registry]": program,
            '[docker, run, --rm, --network, none, --volumes-from, registry, "registry:2"]': program,
            "argv: [registry]": f"argv: {program}",
            "[docker, restart, registry]": '["true"]',
            "quiet: 60": "quiet: 0",
        }

    def fill(self) -> None:
        pusher = Pusher(self.process.url)
        for number in range(7):
            pusher.image("prod/api", f"v1.0.{number}", created=number)
        pusher.image("prod/api", ["latest", "2.3"], created=0, words="the latest")
        for name in ("shop/api", "shop/web"):
            pusher.image(name, ["1", "one-branch"], created=1, labels={"branch": "one"})
        for number, tag in enumerate(("1.0", "1.0-rc.1", "candidate", "nightly")):
            pusher.image("team/app", tag, created=number)
        pusher.image("team/web", "1.0", created=1)

    def play(self, tasks: str) -> str:
        """Run TASKS with the places of this registry, and return what was printed."""
        for what, other in self.places.items():
            tasks = tasks.replace(what, other)
        return play(self.home, tasks)


def play(home: Path, tasks: str, **settings: object) -> str:
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    site = Site(Path(tempfile.mkdtemp(dir=home)), {"localhost": here})
    playbook = site.home / "playbook.yml"
    head = "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
    playbook.write_text(head + re.sub("^(?=.)", "    ", tasks, flags=re.MULTILINE), encoding="utf-8")
    done = site.play(str(playbook), **settings)
    assert done.status == 0, done.output[-4000:]
    return done.output


def examples(name: str) -> str:
    text = (PLUGINS / f"{name}.py").read_text(encoding="utf-8")
    found = re.search(r'^EXAMPLES = r"""\n(.*?)^"""', text, re.DOTALL | re.MULTILINE)
    assert found, name
    return found[1]


@pytest.fixture
def registry(request, tmp_path):
    registry = Registry(request.param, tmp_path)
    with registry.process:
        registry.fill()
        yield registry


def test_no_module_is_left_out():
    run_here = {*LOOKING, *DELETING, *ON_THE_STORE, "registry_manifest_restore", "registry_cache_clear"}
    assert run_here == {path.stem for path in PLUGINS.glob("registry_*.py")}


@pytest.mark.parametrize("registry", ["3.1"], indirect=True)
def test_over_the_api(registry):
    url = registry.process.url
    assert "shop/api:one-branch" in registry.play("".join(examples(name) for name in LOOKING))
    before = store.tags(registry.process.store_root, "team/app")
    assert len(before) == 4
    registry.play("".join(examples(name) for name in DELETING))
    assert store.listed(url, "team/app") == []
    assert store.listed(url, "prod/api") == [f"v1.0.{number}" for number in range(2, 7)]
    # The last backup is that of the manifests that were deleted by name.
    backup = max(
        (registry.state / "localhost" / "backups").glob("*.backup.jsonl"), key=lambda path: path.stat().st_mtime
    )
    registry.play(examples("registry_manifest_restore").replace(BACKUP, backup.name))
    assert store.tags(registry.process.store_root, "team/app") == {"1.0": before["1.0"]}


@pytest.mark.parametrize("registry", ["2.8"], indirect=True)
def test_on_the_store(registry):
    planning = examples("registry_prune").partition("- name: Save a plan for review\n")
    planned = "".join(planning[1:]).partition("- name: Carry out exactly that plan\n")[0]
    tasks = planned + "".join(examples(name) for name in ON_THE_STORE)
    output = registry.play(tasks.replace(PLAN_ID, '"{{ planned.plan_id }}"'))
    assert "TASK [Carry out the reviewed plan while the registry is stopped]" in output
    assert sorted(store.tags(registry.process.store_root, "prod/api")) == [f"v1.0.{number}" for number in range(2, 7)]
    assert not (registry.state / "localhost" / "lease").exists()


def test_on_a_cache(tmp_path):
    server = obtain(lambda: RedisServer(tmp_path))
    try:
        play(
            tmp_path,
            examples("registry_cache_clear").replace("host: 127.0.0.1", f"host: 127.0.0.1\n    port: {server.port}"),
            vault_redis_password=PASSWORD,
        )
        assert server.keys() == FOREIGN
    finally:
        server.stop()
