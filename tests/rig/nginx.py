# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real nginx from Debian's package, which keeps everything that it writes in one folder."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.binaries import debian_program
from ansible_collections.fleetops.container_registry.tests.rig.daemon import Daemon
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain

CONFIG = """\
daemon off;
pid {home}/pid;
error_log {home}/error.log;
{user}
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  client_max_body_size 0;
{servers}
}}
"""


def nginx(home: Path, servers: str, port: int) -> Daemon:
    """An nginx that is to be entered: SERVERS is what its http block holds, PORT one on which they listen."""
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(CONFIG.format(home=home, user=user, servers=servers), encoding="utf-8")
    program = str(obtain(lambda: debian_program("nginx", "nginx")))
    command = [program, "-p", str(home), "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")]
    return Daemon(command, port, home / "nginx.log")
