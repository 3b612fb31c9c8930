# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real systemd, and registries that are its services: of a program, and of podman containers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig import docker_support, role_support
from ansible_collections.fleetops.container_registry.tests.rig.binaries import (
    Unavailable,
    debian_program,
    quadlet,
    registry_binary,
    run,
)
from ansible_collections.fleetops.container_registry.tests.rig.podman_support import Podman

# systemd is the first process of namespaces of its own, with a /run of its own and no unit but the tests'.
MANAGER = """\
#!/bin/sh
for place in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -w "$place/cgroup.procs" ]; then
        mkdir "$place/{group}" && echo $$ >"$place/{group}/cgroup.procs"
    fi
done
exec unshare --mount --pid --fork --uts --cgroup --mount-proc --kill-child -- sh -c '
    mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/lock
    export SYSTEMD_UNIT_PATH={units} container=rig
    exec {program} --system --unit=rig.target --log-target=console --log-level=notice --show-status=no'
"""

TARGET = """\
[Unit]
Description=What the tests' systemd begins with
DefaultDependencies=no
AllowIsolate=yes
"""

SERVICE = """\
[Unit]
DefaultDependencies=no
[Service]
EnvironmentFile={home}/environment
ExecStart={program} serve {config}
"""


class Systemd:
    """systemd as the first process of its own namespaces; `words` before a command lead there. Ended by its own pid."""

    def __init__(self, home: Path) -> None:
        program = next(
            (path for path in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if os.path.exists(path)), None
        )
        if program is None:
            debian_program("systemd", "systemctl")
            program = "/lib/systemd/systemd"
        if os.geteuid() != 0:
            raise Unavailable("systemd", "namespaces need root")
        self.units = home / "units"
        self.units.mkdir(parents=True)
        (self.units / "rig.target").write_text(TARGET, encoding="utf-8")
        self._group = f"rig-{os.getpid()}-{role_support.free_port()}"
        script = home / "manager"
        script.write_text(MANAGER.format(group=self._group, units=self.units, program=program), encoding="utf-8")
        script.chmod(0o755)
        self._log = home / "systemd.log"
        with open(self._log, "wb") as log:
            self._keeper = subprocess.Popen(
                [str(script)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.words = ["nsenter", "--target", str(self._first()), "--mount", "--pid", "--uts", "--cgroup", "--"]
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _first(self) -> int:
        """The process id of systemd as this namespace sees it."""
        children = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children")
        for _try in range(100):
            with contextlib.suppress(OSError):
                for pid in children.read_text(encoding="utf-8").split():
                    if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "systemd":
                        return int(pid)
            time.sleep(0.1)
        raise Unavailable("systemd", self._log.read_text(encoding="utf-8", errors="replace")[-1000:])

    def _wait(self) -> None:
        command = [*self.words, "systemctl", "is-active", "rig.target"]
        for _try in range(100):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.2)
        raise Unavailable("systemd", self._log.read_text(encoding="utf-8", errors="replace")[-1000:])

    def run(self, *command: str) -> str:
        """Run a command beside systemd and return what it prints."""
        done = subprocess.run(
            [*self.words, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def unit(self, name: str, text: str) -> None:
        """Make a unit and start it."""
        (self.units / name).write_text(text, encoding="utf-8")
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "start", name)

    def shown(self, name: str, what: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={what}", name)

    def stop(self) -> None:
        """End systemd, and with it everything that it has started."""
        self._keeper.kill()
        self._keeper.wait()
        for place in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            for folder, _folders, _files in os.walk(f"{place}/{self._group}", topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


class UnitOfProgram:
    """One registry whose unit runs the program, with a variable from its EnvironmentFile that moves the store."""

    def __init__(self, systemd: Systemd, version: str, home: Path) -> None:
        self._systemd = systemd
        self.port = role_support.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.name = "rig-registry.service"
        self.data = home / "moved"
        self.data.mkdir(parents=True)
        self.config = home / "config.yml"
        text = role_support.CONFIG.format(root=home / "nowhere", address=f"127.0.0.1:{self.port}")
        self.config.write_text(text, encoding="utf-8")
        (home / "environment").write_text(
            f"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY='{self.data}'\n", encoding="utf-8"
        )
        self._home, self._program = home, registry_binary(version)
        self._run_by(self._program)

    def _run_by(self, program: Path) -> None:
        text = SERVICE.format(home=self._home, program=program, config=self.config)
        self._systemd.unit(self.name, text)

    @contextlib.contextmanager
    def run_by(self, program: Path) -> Iterator[None]:
        """Within it, the unit runs another program."""
        self._systemd.run("systemctl", "stop", self.name)
        try:
            self._run_by(program)
            yield
        finally:
            self._systemd.run("systemctl", "stop", self.name)
            self._run_by(self._program)

    @property
    def identity(self) -> str:
        return self.name

    @property
    def process(self) -> str:
        return self._systemd.shown(self.name, "MainPID,ExecMainStartTimestampMonotonic")

    def config_file(self) -> tuple[str, str]:
        return role_support.text_and_owner(self.config)

    def deployment(self) -> dict:
        return {"registry_deployment": "service", "registry_service": self.name}


# What an operator writes for quadlet. CgroupsMode, since split, its default, wants a systemd that rules the cgroups of its machine;
# ExecStartPre, since a podman as old as Debian 12's does not write over the id of the container before.
QUADLET = """\
[Unit]
DefaultDependencies=no
[Quadlet]
DefaultDependencies=false
[Container]
ContainerName={name}
Image={image}
Network=host
CgroupsMode=no-conmon
Volume={data}:/var/lib/registry
Volume={config}:{inside}
[Service]
ExecStartPre=/bin/rm -f %t/%N.cid
{environment}
"""


class UnitOfContainer:
    """One registry in a podman container that a unit manages.

    MADE_BY: "new" and "quadlet" make a container at each start and remove it at each stop, by `podman generate systemd --new` and by a
    real quadlet; "kept" starts and stops the one that is there.
    """

    def __init__(self, systemd: Systemd, podman: Podman, name: str, version: str, home: Path, *, made_by: str) -> None:
        self._systemd = systemd
        self._podman = podman
        self._made_by = made_by
        self.name = name
        self.port = role_support.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = home / "data"
        self.data.mkdir(parents=True)
        self.config = home / "config.yml"
        self.config.write_text(docker_support.CONFIG.format(port=self.port), encoding="utf-8")
        environment = "".join(f"Environment={key}={value}\n" for key, value in podman.environment.items())
        if made_by == "quadlet":
            self.unit = f"{name}.service"
            systemd.unit(self.unit, self._by_quadlet(home, podman.image(version), environment))
            return
        mounts = [f"--volume={self.data}:/var/lib/registry", f"--volume={self.config}:{docker_support.CONFIG_INSIDE}"]
        podman.podman("create", "--name", name, "--network", "host", *mounts, podman.image(version))
        options = ["--new"] if made_by == "new" else []
        text = podman.podman("generate", "systemd", "--name", *options, name)
        if made_by == "new":
            podman.podman("rm", name)
        text = text.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n", 1)
        self.unit = f"container-{name}.service"
        systemd.unit(self.unit, text.replace("[Service]\n", f"[Service]\n{environment}", 1))

    def _by_quadlet(self, home: Path, image: str, environment: str) -> str:
        written, made = home / "quadlets", home / "units"
        written.mkdir()
        names = {"name": self.name, "image": image, "data": self.data, "config": self.config}
        text = QUADLET.format(**names, inside=docker_support.CONFIG_INSIDE, environment=environment)
        (written / f"{self.name}.container").write_text(text, encoding="utf-8")
        run("quadlet", [str(quadlet()), str(made)], env={"QUADLET_UNIT_DIRS": str(written)})
        return (made / self.unit).read_text(encoding="utf-8")

    @property
    def identity(self) -> str:
        """Where the unit makes a container at each start, whoever asks for it, it is the unit that stays."""
        return self.unit if self._made_by != "kept" else self._podman.podman("inspect", "-f", "{{.Id}}", self.name)

    @property
    def process(self) -> str:
        state = self._systemd.shown(self.unit, "ActiveState")
        return state + self._podman.podman("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", self.name)

    def config_file(self) -> tuple[str, str]:
        return role_support.text_and_owner(self.config)

    def deployment(self) -> dict:
        return {"registry_deployment": "podman", "registry_container": self.name}
