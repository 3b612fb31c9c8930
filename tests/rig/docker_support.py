# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Docker engine of the tests' own, and registries in containers on it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.binaries import Unavailable, locked, registry_binary, run
from ansible_collections.fleetops.container_registry.tests.rig.role_support import free_port, text_and_owner

CONFIG_INSIDE = "/etc/docker/registry/config.yml"

CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: 127.0.0.1:{port}
"""

DOCKERFILE = """\
FROM scratch
COPY root /
ENV PATH=/bin
VOLUME /var/lib/registry
ENTRYPOINT ["registry"]
CMD ["serve", "{config}"]
"""


# The shape of the official images: a script that starts the registry, with the configuration as its only word. It stands where each
# family's image has it.
OFFICIAL = {"2.8": CONFIG_INSIDE, "3.1": "/etc/distribution/config.yml"}
OFFICIAL_DOCKERFILE = """\
FROM scratch
COPY root /
ENV PATH=/bin
VOLUME /var/lib/registry
ENTRYPOINT ["/entrypoint.sh"]
CMD ["{config}"]
"""
ENTRYPOINT = """\
#!/bin/sh
case "$1" in
*.yml | *.yaml) exec registry serve "$@" ;;
serve | garbage-collect | -*) exec registry "$@" ;;
esac
exec "$@"
"""


def docker_programs() -> None:
    """Make sure that dockerd and docker are there, from Debian's package if need be; raises Unavailable."""
    if shutil.which("dockerd") and shutil.which("docker"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable("a Docker engine", "install Debian's docker.io, for instance: sudo apt-get install docker.io")
    with locked("apt"):
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "docker.io"]
        settings = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        try:
            run("a Docker engine", command, env=settings)
        except Unavailable:
            run("a Docker engine", ["apt-get", "update", "-q"])
            run("a Docker engine", command, env=settings)


def image_context(version: str, context: Path, *, official: bool = False) -> Path:
    """A folder that an engine builds the image of a registry from: the program and the libraries that it names, nothing else.

    OFFICIAL: in the shape of the official image, with a shell for its script.
    """
    root = context / "root"
    inside = OFFICIAL[version] if official else CONFIG_INSIDE
    for folder in ("bin", str(Path(inside).parent).lstrip("/"), "var/lib/registry", "tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    _add_program(root, registry_binary(version), "registry")
    if official:
        _add_program(root, Path("/bin/sh"), "sh")
        (root / "entrypoint.sh").write_text(ENTRYPOINT, encoding="utf-8")
        (root / "entrypoint.sh").chmod(0o755)
    (root / inside.lstrip("/")).write_text(CONFIG.format(port=5000), encoding="utf-8")
    dockerfile = OFFICIAL_DOCKERFILE if official else DOCKERFILE
    (context / "Dockerfile").write_text(dockerfile.format(config=inside), encoding="utf-8")
    return context


def _add_program(root: Path, program: Path, name: str) -> None:
    """Put PROGRAM into the folder ROOT as /bin/NAME, with the libraries that it names."""
    shutil.copy2(os.path.realpath(program), root / "bin" / name)
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+)", listed):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(library), target)


class Engine:
    """dockerd with socket, data and pid file of its own, without a network; ended by its own pid."""

    def __init__(self, home: Path) -> None:
        docker_programs()
        if os.geteuid() != 0:
            raise Unavailable("a Docker engine", "dockerd needs root")
        self.home = home
        self.host = f"unix://{home}/docker.sock"
        self.log = home / "dockerd.log"
        command = ["dockerd", "-H", self.host, "--data-root", str(home / "data"), "--exec-root", str(home / "exec")]
        command += ["--pidfile", str(home / "dockerd.pid"), "--bridge", "none", "--iptables=false", "--ip-masq=false"]
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        for _try in range(150):
            if self._process.poll() is not None:
                break
            if (
                subprocess.run(
                    self._words("version"), capture_output=True, env=self._environment(), check=False
                ).returncode
                == 0
            ):
                return
            time.sleep(0.2)
        raise Unavailable("a Docker engine", f"dockerd does not start: {self.log.read_text(errors='replace')[-1500:]}")

    def _words(self, *arguments: str) -> list[str]:
        return ["docker", "-H", self.host, *arguments]

    @staticmethod
    def _environment() -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        return dict(kept, DOCKER_BUILDKIT="0")

    def docker(self, *arguments: str) -> str:
        """Run the docker client on this engine and return what it prints."""
        done = subprocess.run(
            self._words(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment(),
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def image(self, version: str, *, official: bool = False) -> str:
        """An image of a registry version from its program alone, or in the shape of the official one."""
        name = f"rig-registry{'-official' if official else ''}:{version}"
        context = image_context(version, self.home / name.replace(":", "-"), official=official)
        self.docker("build", "-q", "-t", name, str(context))
        return name

    def stop(self) -> None:
        """End every container and the engine itself."""
        if self._process.poll() is None:
            containers = subprocess.run(
                self._words("ps", "-aq"), capture_output=True, text=True, env=self._environment(), check=False
            ).stdout.split()
            if containers:
                subprocess.run(
                    self._words("rm", "-f", *containers), capture_output=True, env=self._environment(), check=False
                )
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for mount in self._mounts():
            subprocess.run(["umount", "-l", mount], capture_output=True, check=False)

    def _mounts(self) -> list[str]:
        """What the engine has left mounted below its home, which nobody could remove."""
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            paths = [line.split()[1] for line in mounts]
        return [path for path in reversed(paths) if path.startswith(f"{self.home}/")]


class Contained:
    """One registry in a container, its configuration in the container's own layer or mounted from this host."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        version: str,
        home: Path,
        *,
        mounted: bool,
        env: dict[str, str],
        image: str = "",
        inside: str = CONFIG_INSIDE,
        volumes: tuple[str, ...] = (),
    ) -> None:
        self.inside = inside
        self.engine = engine
        self.name = name
        self.mounted = mounted
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state = home / "state"
        self.data = home / "data"
        self.config = home / "config.yml"
        self.data.mkdir(parents=True)
        self.config.write_text(CONFIG.format(port=self.port), encoding="utf-8")
        self.config.chmod(0o640)
        words = ["create", "--name", name, "--network", "host", "--ulimit", "nofile=1024:1024"]
        words += [f"--env={key}={value}" for key, value in env.items()]
        for volume in (f"{self.data}:/var/lib/registry", *volumes):
            words += ["--volume", volume]
        if mounted:
            words += ["--volume", f"{self.config}:{inside}:ro"]
        engine.docker(*words, image or engine.image(version))
        if not mounted:
            engine.docker("cp", str(self.config), f"{name}:{inside}")
        engine.docker("start", name)

    def inspect(self, what: str) -> str:
        return self.engine.docker("inspect", "-f", "{{" + what + "}}", self.name)

    @property
    def identity(self) -> str:
        return self.inspect(".Id")

    @property
    def process(self) -> tuple[str, str]:
        """Which process serves: its id on this host, and when the container was started."""
        return self.inspect(".State.Pid"), self.inspect(".State.StartedAt")

    def config_file(self) -> tuple[str, str]:
        """The configuration as the container has it, and its mode, owner and group."""
        copied = self.config
        if not self.mounted:
            copied = self.config.with_name("copied.yml")
            copied.unlink(missing_ok=True)
            self.engine.docker("cp", "--archive", f"{self.name}:{self.inside}", str(copied))
        return text_and_owner(copied)

    def deployment(self) -> dict:
        return {"registry_deployment": "docker", "registry_container": self.name}

    def inventory(self) -> dict:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "registry_url": self.url,
            **self.deployment(),
            "registry_state_dir": str(self.state),
            "registry_blob_grace": "0s",
            "registry_window_quiet": 0,
            "registry_ready_timeout": 20,
        }

    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self.data.rglob("data") if path.is_file())
