# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry in a pod, which only a command named ``kubectl`` leads to."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig import kubectl
from ansible_collections.fleetops.container_registry.tests.rig.binaries import Unavailable, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.role_support import CONFIG, free_port


class Pod:
    """One registry that is the first process of its own namespace; `folder` holds the kubectl that leads to it."""

    def __init__(self, version: str, home: Path, *, env: dict[str, str]) -> None:
        if os.geteuid() != 0:
            raise Unavailable("a pod", "namespaces need root")
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = home / "bin"
        self.data = home / "data"
        self.config = home / "config.yml"
        for folder in (self.folder, self.data):
            folder.mkdir(parents=True)
        self.config.write_text(CONFIG.format(root=self.data, address=f"127.0.0.1:{self.port}"), encoding="utf-8")
        words = shlex.join([sys.executable, str(Path(kubectl.__file__)), str(home)])
        (self.folder / "kubectl").write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        (self.folder / "kubectl").chmod(0o755)
        known = {"program": str(registry_binary(version)), "config": str(self.config), "port": self.port, "env": env}
        (home / "pod.json").write_text(json.dumps(known), encoding="utf-8")
        for verb in ("restart", "status"):
            subprocess.run([str(self.folder / "kubectl"), "rollout", verb, "deploy/registry"], check=True)

    @property
    def process(self) -> int:
        return kubectl.pod(self.home)["first"]

    @property
    def environment(self) -> dict[str, str]:
        """The deployment's environment, as an operator sees it."""
        return json.loads((self.home / "pod.json").read_text(encoding="utf-8"))["env"]

    def stop(self) -> None:
        kubectl.end(kubectl.pod(self.home))
