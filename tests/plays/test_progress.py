# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress in real runs: seen at a terminal, seldom in a log, never where a program reads, and without any effect on the result."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.content import Pusher
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import PLAYBOOKS, Site
from ansible_collections.fleetops.container_registry.tests.rig.terminal import run_on_terminal

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = str(PLAYBOOKS / "progress.yml")
REPOSITORIES = [f"team/app{number}" for number in range(6)]
TAGS = 4
# Requests per second, so that a look lasts for several lines.
RATE = 12

LINE = re.compile(r"^\[registry\] (\d+)/6 (team/app\d): (.+)$", re.MULTILINE)
WORDS = re.compile(
    r"tags listed|\d+ of \d+ (tags|more manifests|image configs) read|\d+ of \d+ manifests backed up"
    r"|\d+ deleted, \d+ kept(, \d+ manifests to go)?"
)


def filled(registry):
    """REGISTRY with the same content each time."""
    pusher = Pusher(registry.url)
    for repository in REPOSITORIES:
        for number in range(TAGS):
            pusher.image(repository, f"v{number}", created=number)
    return registry


class Watched(Site):
    """A site on which nothing says that a program is reading, with this collection or with another copy of it."""

    collections: Path | None = None

    def environment(self):
        given = {name: value for name, value in super().environment().items() if name != "CI"}
        if self.collections:
            given["ANSIBLE_COLLECTIONS_PATH"] = str(self.collections)
        return dict(given, TERM="xterm")


class Run:
    """The test's playbook, on a registry of its own."""

    def __init__(self, registry, home, collections=None):
        self.registry = registry
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_url": registry.url,
        }
        home.mkdir()
        self.site = Watched(home, {"one": host})
        self.site.collections = collections
        self.settings = {
            "test_policies": [{"name": "all", "keep_newest": 1}],
            "test_backup_dir": str(home / "backups"),
            "test_rate": RATE,
        }

    def on_terminal(self, *options, **environment):
        """What a person sees."""
        command = self.site.command(PLAYBOOK, *options, **self.settings)
        status, output = run_on_terminal(command, dict(self.site.environment(), **environment))
        assert status == 0, output[-5000:]
        return output

    def into_log(self, *options):
        """What a log gets."""
        done = self.site.play(PLAYBOOK, *options, **self.settings)
        assert done.status == 0, done.output[-5000:]
        return done.output

    def results(self):
        """What each task returned, without what differs between any two runs."""
        text = (self.site.results / "one.json").read_text(encoding="utf-8")
        text = text.replace(self.registry.url, "URL").replace(str(self.site.home), "HOME")
        text = re.sub(r"\d{8}T\d{6}Z?-[0-9a-f]{12}", "RUN", text)
        return re.sub(r'"(ansible_job_id|results_file)": "[^"]*"', r'"\1": ""', text)


@pytest.fixture
def without_plugin(tmp_path):
    """A folder of collections with this one in it, whole but for its action plugins."""
    copy = tmp_path / "collections/ansible_collections/fleetops/container_registry"
    (copy / "plugins").mkdir(parents=True)
    for entry in [*ROOT.iterdir(), *(ROOT / "plugins").iterdir()]:
        if entry.name not in ("plugins", "action"):
            (copy / entry.relative_to(ROOT)).symlink_to(entry)
    return tmp_path / "collections"


@pytest.fixture(scope="module")
def plan_at(tmp_path_factory):
    """A registry of one version that is only looked at; who prints what does not depend on it."""
    home = tmp_path_factory.mktemp("looked-at")
    obtain(lambda: registry_binary("3.1"))
    registry = RegistryProcess("3.1", home / "registry").start()
    yield Run(filled(registry), home / "run")
    registry.stop()


def test_the_result_is_the_same_with_and_without(registry_factory, tmp_path, without_plugin):
    seen = Run(filled(registry_factory()), tmp_path / "seen")
    bare = Run(filled(registry_factory()), tmp_path / "bare", without_plugin)
    with ThreadPoolExecutor(2) as side_by_side:
        log = side_by_side.submit(bare.into_log)
        output = seen.on_terminal()
    assert not LINE.search(log.result())

    assert seen.results() == bare.results()
    results = json.loads(seen.results())
    assert results["pruned"]["deleted"]["tags"] == len(REPOSITORIES) * (TAGS - 1)
    assert results["planned"]["plan_id"] == results["asynchronous"]["plan_id"] == results["pruned"]["plan_id"]
    assert results["again"]["changed"] is False
    for run in (seen, bare):
        assert {name: store.listed(run.registry.url, name) for name in REPOSITORIES} == {
            name: [f"v{TAGS - 1}"] for name in REPOSITORIES
        }
    # one backup, from one look, for the whole of each run
    assert len(list((tmp_path / "seen/backups").glob("*.backup.jsonl*"))) == 1

    # written beside ansible's own temporary files, and gone with them
    tasks = {text.partition("]")[0]: LINE.findall(text) for text in output.split("\nTASK [")[1:]}
    assert len(tasks["Plan"]) >= 2
    assert any("deleted" in words for _number, _name, words in tasks["Prune"])
    assert any("read" in words for _number, _name, words in tasks["Prune"])
    for lines in tasks.values():
        for number, name, words in lines:
            assert REPOSITORIES[int(number) - 1] == name or "deleted" in words
            assert WORDS.fullmatch(words)
    assert not any(tasks[name] for name in ("Plan what nobody may see", "Plan in the background"))
    left = list((seen.site.home / "ansible").rglob("registry-progress-*"))
    assert left == []


@pytest.mark.parametrize(
    ("environment", "lines"),
    [
        ({"ANSIBLE_DISPLAY_OK_HOSTS": "false"}, False),
        ({"ANSIBLE_STDOUT_CALLBACK": "minimal"}, False),
        ({"CONTAINER_REGISTRY_PROGRESS": "none"}, False),
        ({"CI": "true"}, False),
        ({"CI": "true", "CONTAINER_REGISTRY_PROGRESS": "lines"}, True),
    ],
)
def test_who_wants_little_sees_little(plan_at, environment, lines):
    assert bool(LINE.search(plan_at.on_terminal("--tags", "plan", **environment))) is lines


def test_a_short_run_leaves_nothing_in_a_log(plan_at):
    assert not LINE.search(plan_at.into_log("--tags", "plan"))
