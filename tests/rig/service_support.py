# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry as a service of this host: by an init script, as Debian's package has one, under a name of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.binaries import Unavailable, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.role_support import CONFIG, free_port, text_and_owner

INIT_SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:           {name}
# Required-Start:
# Required-Stop:
# Default-Start:
# Default-Stop:
# Short-Description:  a registry of the tests
### END INIT INFO
[ ! -f "/etc/default/{name}" ] || . "/etc/default/{name}"
case "$1" in
start)
    start-stop-daemon --start --oknodo --background --no-close --exec "{program}" --pidfile "/run/{name}.pid" --make-pidfile \\
        -- serve "{config}" >>"{home}/log" 2>&1 </dev/null ;;
stop) start-stop-daemon --stop --oknodo --retry TERM/10/KILL/5 --pidfile "/run/{name}.pid" --remove-pidfile ;;
restart) "$0" stop && "$0" start ;;
status) start-stop-daemon --status --pidfile "/run/{name}.pid" ;;
*) exit 2 ;;
esac
"""


class Served:
    """One registry that an init script starts, with a variable from /etc/default that moves its store.

    Program and configuration are where nobody but root can change them, as a package would put them.
    """

    def __init__(self, version: str, home: Path) -> None:
        if os.geteuid() != 0:
            raise Unavailable("a service", "init scripts need root")
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.identity = f"fleetops-rig-{self.port}"
        self.data = home / "moved"
        self.data.mkdir(parents=True)
        self._installed = Path("/opt") / self.identity
        self._installed.mkdir(mode=0o755)
        program = shutil.copy(registry_binary(version), self._installed / "registry")
        self.config = self._installed / "config.yml"
        self.config.write_text(CONFIG.format(root=home / "nowhere", address=f"127.0.0.1:{self.port}"), encoding="utf-8")
        self._script = Path("/etc/init.d") / self.identity
        self.defaults = Path("/etc/default") / self.identity
        names = {"name": self.identity, "program": program, "config": self.config, "home": home}
        self._script.write_text(INIT_SCRIPT.format(**names), encoding="utf-8")
        self._script.chmod(0o755)
        setting = f'export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="{self.data}"\n'
        self.defaults.write_text(setting, encoding="utf-8")
        if Path("/run/systemd/system").exists():
            subprocess.run(["systemctl", "daemon-reload"], check=True)
        self.run("start")

    def run(self, verb: str) -> None:
        """Have the init script start, stop or restart the registry."""
        subprocess.run(["service", self.identity, verb], stdin=subprocess.DEVNULL, capture_output=True, check=True)

    @property
    def process(self) -> str:
        pid = Path(f"/run/{self.identity}.pid").read_text(encoding="utf-8").strip()
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19] + " " + pid

    def config_file(self) -> tuple[str, str]:
        return text_and_owner(self.config)

    def deployment(self) -> dict:
        return {"registry_deployment": "service", "registry_service": self.identity}

    def stop(self) -> None:
        self.run("stop")
        self._script.unlink()
        self.defaults.unlink()
        shutil.rmtree(self._installed)
        if Path("/run/systemd/system").exists():
            subprocess.run(["systemctl", "daemon-reload"], check=True)
