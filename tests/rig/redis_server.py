# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Redis server with a password, whose database 3 holds somebody else's keys, too."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from .binaries import debian_program
from .registry import free_port

FOREIGN = {"blobs::mine", "repository::team/app", "repository::team/app::settings", "session:1", "blobs::sha256:short"}
PASSWORD = "correct horse"
DATABASE = 3


class RedisServer:
    """A server on loopback, ended by its pid. Raises Unavailable where there is none to be had."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self._program = debian_program("redis-server", "redis-server")
        client = debian_program("redis-tools", "redis-cli")
        self._words = [str(client), "-p", str(self.port), "-n", str(DATABASE)]
        self.start()

    def start(self) -> None:
        """Start it with nobody's keys but somebody else's."""
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        self._process = subprocess.Popen(
            [str(self._program), *settings, "--dir", str(self.home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for _try in range(200):
            if self.say("PING") == ["PONG"]:
                break
            time.sleep(0.05)
        else:
            self.stop()
            raise RuntimeError(f"no redis-server on port {self.port}")
        for key in FOREIGN:
            self.say("SET", key, "somebody's")

    def say(self, *words: str) -> list[str]:
        """Run one command and return the lines of the answer."""
        environment = {"REDISCLI_AUTH": PASSWORD}
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, env=environment, check=False)
        return done.stdout.split("\n")[:-1]

    def keys(self) -> set[str]:
        """Every key of the database."""
        return set(self.say("KEYS", "*"))

    def stop(self) -> None:
        """End it, and with it what it holds."""
        self._process.terminate()
        self._process.wait()

    def settings(self, version: str) -> dict:
        """What a registry's configuration has to say, by the registry's version."""
        address = f"127.0.0.1:{self.port}"
        where = {"addr": address} if version.startswith("2") else {"addrs": [address]}
        return {"redis": {**where, "password": PASSWORD, "db": DATABASE}}
