# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry in a real podman container, in a storage of the tests' own: root's, or that of a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.binaries import Unavailable, debian_program, run
from ansible_collections.fleetops.container_registry.tests.rig.docker_support import (
    CONFIG,
    CONFIG_INSIDE,
    image_context,
)
from ansible_collections.fleetops.container_registry.tests.rig.role_support import free_port, text_and_owner

# crun refuses cgroups of two versions at once, runc cannot raise limits in a sandbox, and there may be no systemd to keep cgroups.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""

STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{home}/graph"
runroot = "{home}/run"
"""


class Podman:
    """podman with a storage of its own; `environment` leads any podman to it."""

    def __init__(self, home: Path, words: Sequence[str] = ()) -> None:
        """WORDS before a command lead to where podman shall run, such as the namespace of a systemd."""
        self._words = list(words)
        self._program = debian_program("podman", "podman")
        debian_program("runc", "runc")
        if os.geteuid() != 0:
            raise Unavailable("podman", "these tests run it as root")
        self.home = home
        (home / "containers.conf").write_text(CONTAINERS_CONF, encoding="utf-8")
        (home / "storage.conf").write_text(STORAGE_CONF.format(home=home), encoding="utf-8")
        self.environment = {
            "CONTAINERS_CONF": str(home / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
        }
        run("podman", [*self._words, str(self._program), "info"], env=self.environment)

    def podman(self, *arguments: str) -> str:
        """Run podman on this storage and return what it prints."""
        done = subprocess.run(
            [*self._words, str(self._program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=dict(os.environ, **self.environment),
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def image(self, version: str) -> str:
        """The image of a registry version, from its program alone."""
        name = f"localhost/rig-registry:{version}"
        context = image_context(version, self.home / f"image-{version}")
        self.give(context)
        self.podman("build", "--quiet", "--format", "docker", "--tag", name, str(context))
        return name

    def give(self, path: Path) -> None:
        """Let whoever runs podman have PATH and all below it: root has everything."""

    def stop(self) -> None:
        """End every container, and unmount what podman leaves mounted."""
        self.podman("rm", "--all", "--force", "--time", "2")
        # The cleaning up after a container may mount the storage once more.
        for _try in range(5):
            with open("/proc/self/mounts", encoding="utf-8") as mounts:
                paths = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{self.home}/")]
            if not paths:
                return
            for path in reversed(paths):
                subprocess.run(["umount", "-l", path], capture_output=True, check=False)
            time.sleep(0.5)


class RootlessPodman(Podman):
    """podman of a user without rights, made for it and removed at the end, with a home and a storage of its own."""

    user = "fleetops-rootless"

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise Unavailable("podman", "these tests make a user to run it, as root")
        self._program = debian_program("podman", "podman")
        debian_program("runc", "runc")
        debian_program("uidmap", "newuidmap")
        # Not below pytest's own folder, which nobody else may enter.
        self._place = Path(tempfile.mkdtemp(prefix="rootless.", dir="/var/tmp"))
        self._place.chmod(0o755)
        self.home = self._place / "home"
        # With --create-home, it gets its range of subordinate ids.
        run("useradd", ["useradd", "--create-home", "--home-dir", str(self.home), self.user])
        self.id = pwd.getpwnam(self.user).pw_uid
        self.home.chmod(0o755)
        conf = self.home / ".config/containers"
        conf.mkdir(parents=True)
        (conf / "containers.conf").write_text(CONTAINERS_CONF, encoding="utf-8")
        # The one driver that needs neither a mount nor FUSE.
        (conf / "storage.conf").write_text('[storage]\ndriver = "vfs"\n', encoding="utf-8")
        self.give(self.home)
        try:
            self.podman("info")
        except RuntimeError as failed:
            self.stop()
            raise Unavailable("rootless podman", str(failed)) from failed

    def podman(self, *arguments: str) -> str:
        """Run podman as its user and return what it prints."""
        done = subprocess.run(
            [str(self._program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "USER": self.user},
            cwd=self.home,
            user=self.id,
            group=self.id,
            extra_groups=[],
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def give(self, path: Path) -> None:
        for found in (path, *path.rglob("*")):
            os.chown(found, self.id, self.id, follow_symlinks=False)

    def stop(self) -> None:
        """End every container and the process that keeps the user's namespace, and remove the user with all of its files."""
        try:
            self.podman("rm", "--all", "--force", "--time", "2")
            self.podman("system", "migrate")
        finally:
            subprocess.run(["userdel", self.user], capture_output=True, check=False)
            shutil.rmtree(self._place, ignore_errors=True)
            shutil.rmtree(f"/tmp/podman-run-{self.id}", ignore_errors=True)


class Podded:
    """One registry in a podman container, its configuration in the container's own layer, its store mounted from this host."""

    def __init__(self, podman: Podman, name: str, version: str, home: Path, *, env: dict[str, str]) -> None:
        self.engine = podman
        self.name = name
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = home / "data"
        self.data.mkdir(parents=True)
        config = home / "config.yml"
        config.write_text(CONFIG.format(port=self.port), encoding="utf-8")
        config.chmod(0o640)
        podman.give(home)
        words = ["create", "--name", name, "--network", "host", f"--volume={self.data}:/var/lib/registry"]
        podman.podman(*words, *(f"--env={key}={value}" for key, value in env.items()), podman.image(version))
        podman.podman("cp", str(config), f"{name}:{CONFIG_INSIDE}")
        podman.podman("start", name)

    @property
    def identity(self) -> str:
        return self.engine.podman("inspect", "-f", "{{.Id}}", self.name)

    @property
    def process(self) -> str:
        return self.engine.podman("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", self.name)

    def config_file(self) -> tuple[str, str]:
        copied = self.home / "copied.yml"
        self.engine.podman("cp", f"{self.name}:{CONFIG_INSIDE}", str(copied))
        return text_and_owner(copied)

    def deployment(self) -> dict:
        return {"registry_deployment": "podman", "registry_container": self.name}
