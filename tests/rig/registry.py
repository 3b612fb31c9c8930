# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts real registries on loopback, on free ports, each under a directory of its own, and ends them by their own process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .binaries import registry_binary

CONFIG = """\
# Written by hand, long ago.
version: 0.1
log:
  level: warn
storage:
  # the big disk
  filesystem:
    rootdirectory: {root}
"""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RegistryProcess:
    """A registry of VERSION ("2.8" or "3.1") whose config, store and log are under HOME.

    DELETE: True, False, or None for no such key. READONLY: in its maintenance mode. CACHE: "inmemory" or None. EXTRA: keys of the
    config that are merged in, as nested dictionaries. ENV: environment of the process. It is not started yet.
    """

    def __init__(
        self,
        version: str,
        home: Path,
        *,
        delete: bool | None = True,
        readonly: bool = False,
        cache: str | None = "inmemory",
        extra: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.version = version
        self.family = "2.x" if version.startswith("2") else "3.x"
        self.binary = registry_binary(version)
        self.home = home
        self.store_root = home / "store"
        self.store_root.mkdir(parents=True)
        self.config_path = home / "config.yml"
        self.log_path = home / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = dict(env or {})
        self.settings = {"delete": delete, "readonly": readonly, "cache": cache, "extra": dict(extra or {})}
        self.write_config()
        self._process: subprocess.Popen[bytes] | None = None

    def write_config(self, **changes: Any) -> None:
        """Write the config anew, with CHANGES to what the constructor was told."""
        self.settings.update(changes)
        lines = [CONFIG.format(root=self.store_root).rstrip("\n")]
        if self.settings["delete"] is not None:
            lines.append(f"  delete:\n    enabled: {str(self.settings['delete']).lower()}")
        if self.settings["cache"]:
            lines.append(f"  cache:\n    blobdescriptor: {self.settings['cache']}")
        if self.settings["readonly"]:
            lines.append("  maintenance:\n    readonly:\n      enabled: true")
        extra = dict(self.settings["extra"])
        http = dict(extra.pop("http", {}))
        lines.append(f"http:\n  addr: 127.0.0.1:{self.port}")
        lines.extend(f"  {key}: {json.dumps(value)}" for key, value in http.items())
        lines.extend(f"{key}: {json.dumps(value)}" for key, value in extra.items())
        self.config_path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def gc_argv(self) -> list[str]:
        """The program, to which `garbage-collect` and its arguments are added."""
        return [str(self.binary)]

    @property
    def pid(self) -> int:
        """The id of the running process."""
        if self._process is None:
            raise RuntimeError("this registry is not running")
        return self._process.pid

    @property
    def started(self) -> tuple[int, str]:
        """Which process serves: its id, and when it started (ids come back)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        return self.pid, stat.rpartition(")")[2].split()[19]

    def start(self) -> RegistryProcess:
        """Start it and wait until it answers."""
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                [str(self.binary), "serve", str(self.config_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none", **self.env},
                start_new_session=True,
            )
        self.wait()
        return self

    def wait(self) -> None:
        """Until it answers, whatever it answers. RuntimeError with the end of its log if it ends or never does."""
        for _attempt in range(200):
            if self._process is not None and self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.url + "/v2/", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        log = self.log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"the registry at {self.url} does not answer: {log}")

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End it, and return once it is gone."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(sign)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self) -> None:
        """End it as a power failure would."""
        self.stop(signal.SIGKILL)

    def restart(self, **changes: Any) -> None:
        """Stop it, write its config with CHANGES, start it on the same port."""
        self.stop()
        if changes:
            self.write_config(**changes)
        self.start()

    def collect(self, *flags: str) -> str:
        """Run its own garbage collector to the end and return what it prints."""
        done = subprocess.run(
            [str(self.binary), "garbage-collect", *flags, str(self.config_path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout

    def __enter__(self) -> RegistryProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
