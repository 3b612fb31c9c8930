# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Gitea, whose packages are a container registry with users, tokens and a database of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .binaries import GITEA, gitea, go_module
from .daemon import Daemon
from .registry import free_port

USER, PASSWORD = "robot", "a password of Gitea's"

SETTINGS = """\
APP_NAME = test
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = {home}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
DISABLE_SSH = true
OFFLINE_MODE = true
STATIC_ROOT_PATH = {files}
[database]
DB_TYPE = sqlite3
PATH = {home}/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = only of this test
INTERNAL_TOKEN = only-of-this-test
[service]
DISABLE_REGISTRATION = true
[packages]
ENABLED = true
[repository]
ROOT = {home}/repositories
[log]
MODE = console
LEVEL = warn
"""


@contextmanager
def serving_gitea(home: Path) -> Iterator[str]:
    """Its address, while it runs in HOME with the user USER. Raises Unavailable where it cannot be built."""
    program, port = str(gitea()), free_port()
    config = home / "app.ini"
    config.write_text(SETTINGS.format(home=home, port=port, files=go_module(*GITEA)), encoding="utf-8")
    env = {**os.environ, "HOME": str(home), "GITEA_WORK_DIR": str(home)}
    add = ["admin", "user", "create", "--username", USER, "--password", PASSWORD, "--email", "robot@example.com"]
    for words in (["migrate"], [*add, "--must-change-password=false"]):
        done = subprocess.run(
            [program, *words, "--config", str(config)], env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"gitea {words[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    with Daemon([program, "web", "--config", str(config)], port, home / "log", env=env):
        yield f"http://127.0.0.1:{port}"
