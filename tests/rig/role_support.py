# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry as an operator has one: a configuration file, a store, and commands that start, stop and restart it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.tests.rig import store

PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"

CONFIG = """\
version: 0.1
log: {{level: error}}
# where the images are
storage:
    filesystem:   # one disk
        rootdirectory: "{root}"
    cache:
        blobdescriptor: inmemory
http:
    addr: {address}
"""

START = """\
#!/bin/sh
cd "$1" && setsid "$2" serve "$1/config.yml" >>"$1/log" 2>&1 </dev/null &
echo $! >"$1/pid"
"""

STOP = """\
#!/bin/sh
pid=$(cat "$1/pid")
kill "$pid"
for _try in $(seq 100); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
echo "the registry does not stop" >&2
exit 1
"""

RESTART = """\
#!/bin/sh
echo restart >>"$1/restarts"
if [ -e "$1/fail-restarts" ]; then echo "no restart today" >&2; exit 1; fi
"$1/stop" "$1" && "$1/start" "$1" "$2"
"""

# A collector that can be made to fail, to wait, or to take a file that is still needed, and only when it would really collect.
COLLECTOR = """\
#!/bin/sh
case "$*" in
*--version* | *--dry-run*) ;;
garbage-collect*)
    touch "{home}/collecting"
    while [ -e "{home}/hold-collector" ]; do sleep 0.2; done
    if [ -e "{home}/break-restarts" ]; then touch "{home}/fail-restarts"; fi
    if [ -e "{home}/eaten" ]; then rm "$(cat "{home}/eaten")"; fi
    if [ -e "{home}/fail-collector" ]; then echo "the disk said no" >&2; exit 1; fi ;;
esac
exec "{program}" "$@"
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Operated:
    """One registry on loopback, controlled by scripts in its own directory."""

    def __init__(
        self, home: Path, program: Path, environment: dict[str, str] | None = None, config: str = CONFIG
    ) -> None:
        self.home = home
        self.program = program
        self.environment = environment or {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = home / "config.yml"
        self.state = home / "state"
        (home / "data").mkdir(parents=True)
        self.config.write_text(config.format(root=home / "data", address=f"127.0.0.1:{self.port}"), encoding="utf-8")
        scripts = {"start": START, "stop": STOP, "restart": RESTART}
        scripts["collector"] = COLLECTOR.format(home=home, program=program)
        for name, text in scripts.items():
            (home / name).write_text(text, encoding="utf-8")
            (home / name).chmod(0o755)
        self.start()

    def start(self) -> None:
        command = [self.home / "start", self.home, self.program]
        subprocess.run(command, check=True, env={**os.environ, **self.environment})
        self.wait()

    def wait(self) -> None:
        """Until it answers, which it does in a fraction of a second or not at all."""
        for _try in range(100):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"no registry at {self.url}: {(self.home / 'log').read_text(encoding='utf-8')[-500:]}")

    def stop(self) -> None:
        """End the registry by the pid that its start script kept."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, sign)
                for _try in range(50):
                    os.kill(self.pid, 0)
                    time.sleep(0.1)
            except ProcessLookupError:
                return

    @property
    def pid(self) -> int:
        return int((self.home / "pid").read_text(encoding="utf-8"))

    @property
    def process(self) -> tuple[int, str]:
        """Which process serves: its id, and when it started, since ids come back."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        return self.pid, stat.rpartition(")")[2].split()[19]

    def inventory(self) -> dict:
        """What an operator would write for this host, with names as in docs/role.md."""
        script = str(self.home / "restart")
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_url": self.url,
            "registry_deployment": "command",
            "registry_config_path": str(self.config),
            "registry_argv": [str(self.home / "collector")],
            "registry_restart_command": [script, str(self.home), str(self.program)],
            "registry_start_command": f"{self.home}/start {self.home} {self.program}",
            "registry_stop_command": f"{self.home}/stop {self.home}",
            "registry_state_dir": str(self.state),
            "registry_blob_grace": "0s",
            "registry_window_quiet": 0,
            "registry_ready_timeout": 20,
        }

    def client(self) -> RegistryClient:
        return RegistryClient(Connection(url=self.url))

    def push(self, repository: str, tag: str, day: int, layer: bytes | None = None) -> str:
        return push_image(self.url, repository, tag, day, layer)

    def tags(self, repository: str) -> dict[str, str]:
        return tags_of(self.url, repository)

    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in (self.home / "data").rglob("data") if path.is_file())


def text_and_owner(path: Path) -> tuple[str, str]:
    """What is in a file, and its mode, owner and group."""
    found = path.stat()
    return path.read_text(encoding="utf-8"), f"{found.st_mode:o} {found.st_uid}:{found.st_gid}"


def push_image(url: str, repository: str, tag: str, day: int, layer: bytes | None = None) -> str:
    """Push an image of one layer that was built on that day of 2025; returns its digest."""
    layer = layer if layer is not None else f"{repository}:{tag}:{day}".encode() * 500
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(1735689600 + day * 86400)),
            "config": {"Labels": {"name": f"{repository}:{tag}"}},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    ).encode()
    with RegistryClient(Connection(url=url)) as client:
        described = []
        for content in (config, layer):
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            client.upload_blob(repository, content, digest)
            described.append({"digest": digest, "size": len(content)})
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": dict(described[0], mediaType="application/vnd.oci.image.config.v1+json"),
            "layers": [dict(described[1], mediaType="application/vnd.oci.image.layer.v1.tar+gzip")],
        }
        return client.put_manifest(repository, tag, json.dumps(manifest).encode(), media_types.OCI_MANIFEST)


def tags_of(url: str, repository: str) -> dict[str, str]:
    """Tag to digest, with every image pulled in full, indexes with their children, and its digests checked."""
    return store.pull_all(url, repository)


class Play:
    """What one ansible-playbook run has done."""

    def __init__(self, status: int, output: str, results: Path) -> None:
        self.status = status
        self.output = output
        self._results = results

    def result(self, host: str, name: str) -> dict:
        """A variable that the role has left, as the test's playbook wrote it down."""
        return json.loads((self._results / f"{host}.json").read_text(encoding="utf-8"))[name]

    def recap(self, host: str) -> dict[str, int]:
        line = re.search(rf"^{re.escape(host)}\s+:(.*)$", self.output, re.MULTILINE)
        assert line, self.output[-3000:]
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line.group(1))}

    @property
    def failure(self) -> str:
        """The message that the user reads last."""
        messages = re.findall(r'^fatal: .*?"msg": "((?:[^"\\]|\\.)*)"', self.output, re.MULTILINE)
        return messages[-1] if messages else ""


class Site:
    """An inventory of registries, and the playbooks run on it."""

    def __init__(self, home: Path, hosts: dict[str, dict]) -> None:
        self.home = home
        self.hosts = hosts
        self.controller: list[str] = []  # words before ansible-playbook
        self.settings: dict[str, str] = {}  # more variables of its environment
        self.results = home / "results"
        self.results.mkdir(parents=True)
        self.inventory = home / "inventory.json"
        self.inventory.write_text(json.dumps({"registries": {"hosts": hosts}}), encoding="utf-8")

    def command(self, playbook: str, *options: str, **settings: object) -> list[str]:
        program = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert program, "ansible-playbook is not beside this Python"
        known = dict(settings, test_results=str(self.results))
        return [*self.controller, program, "-i", str(self.inventory), "-e", json.dumps(known), *options, playbook]

    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CONTAINER_REGISTRY_", "REGISTRY_"))
        }
        return dict(
            kept,
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_PIPELINING="1",
            ANSIBLE_LOCALHOST_WARNING="false",
            ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
            ANSIBLE_HOME=str(self.home / "ansible"),
            ANSIBLE_DEPRECATION_WARNINGS="true",
            **self.settings,
        )

    def begin(self, playbook: str, *options: str, **settings: object) -> subprocess.Popen:
        """Start a run and leave it running, in a process group of its own; what it prints goes to a file."""
        with open(self.home / "background.log", "w", encoding="utf-8") as log:
            return subprocess.Popen(
                self.command(playbook, *options, **settings),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def play(self, playbook: str, *options: str, **settings: object) -> Play:
        """Run to the end and return what happened; the role's tasks are in no way timed."""
        for old in self.results.glob("*.json"):
            old.unlink()
        done = subprocess.run(
            self.command(playbook, *options, **settings),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=580,
            check=False,
        )
        return Play(done.returncode, done.stdout, self.results)

    def role(self, entry: str, *options: str, **settings: object) -> Play:
        """Run one entry point of the role; its results are written down for the test."""
        return self.play(str(PLAYBOOKS / "role.yml"), *options, test_entry=entry, **settings)


def answers(url: str) -> str:
    """What the registry lets a client do: enabled, disabled, read_only, or "down"."""
    try:
        with RegistryClient(Connection(url=url, retries=0)) as client:
            return client.probe().delete
    except RegistryError:
        return "down"
