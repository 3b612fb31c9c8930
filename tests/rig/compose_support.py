# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry as a service of a real compose project, on an engine of the tests' own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.binaries import go_build
from ansible_collections.fleetops.container_registry.tests.rig.docker_support import CONFIG, CONFIG_INSIDE, Engine
from ansible_collections.fleetops.container_registry.tests.rig.role_support import free_port, text_and_owner

# The last release of version 2; go install refuses it, since its go.mod excludes versions.
COMPOSE = ("github.com/docker/compose/v2", "v2.40.3", "./cmd", "docker-compose")

PROJECT = """\
services:
  registry:
    image: {image}
    network_mode: host
    ulimits: {{nofile: 1024}}
    environment:
      REGISTRY_LOG_LEVEL: warn
    volumes:
      - data:/var/lib/registry
      - ./config.yml:{inside}
  # another service of the project, which is nobody's registry
  cache:
    image: {image}
    network_mode: host
    ulimits: {{nofile: 1024}}
    command: [help]
volumes:
  data: {{}}
"""


class Composed:
    """One registry that ``docker compose up`` has made: its store in a named volume, its configuration beside the project's file."""

    def __init__(self, engine: Engine, version: str, home: Path) -> None:
        self._program = go_build(*COMPOSE)
        self.engine = engine
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.project = f"rig{self.port}"
        self.config = home / "config.yml"
        home.mkdir(parents=True)
        self.config.write_text(CONFIG.format(port=self.port), encoding="utf-8")
        text = PROJECT.format(image=engine.image(version), inside=CONFIG_INSIDE)
        (home / "compose.yaml").write_text(text, encoding="utf-8")
        self.compose("up", "--detach")
        self.data = Path(engine.docker("volume", "inspect", "-f", "{{.Mountpoint}}", f"{self.project}_data"))

    def compose(self, *arguments: str) -> str:
        """Run compose as an operator would, in the project's folder."""
        done = subprocess.run(
            [str(self._program), "--project-name", self.project, *arguments],
            cwd=self.home,
            env=dict(os.environ, DOCKER_HOST=self.engine.host),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"docker compose {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    @property
    def identity(self) -> str:
        return self.compose("ps", "--all", "--no-trunc", "--quiet", "registry")

    @property
    def process(self) -> str:
        return self.engine.docker("inspect", "-f", "{{.State.StartedAt}}", self.identity)

    def config_file(self) -> tuple[str, str]:
        return text_and_owner(self.config)

    def deployment(self) -> dict:
        return {"registry_deployment": "compose", "registry_compose_project": self.project}

    def stop(self) -> None:
        self.compose("down", "--volumes", "--timeout", "2")
