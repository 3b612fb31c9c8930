# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets `ansible-test --venv` install its tools where only a Python package index can be reached.

    offline_pip.py HOME

ansible-test bootstraps pip with a script that it downloads from its project's own file host, unless the script is already in its
cache under HOME. This puts a stand-in there that runs pip from a wheel which comes from the package index.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PIP = "24.2"

STAND_IN = """\
# Installs what get-pip.py would, with pip from the wheel beside this file.
import runpy
import sys

sys.path.insert(0, {wheel!r})
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", *wanted]
runpy.run_module("pip", run_name="__main__")
"""


def main() -> None:
    """Fill the cache, once."""
    cache = Path(sys.argv[1]).resolve() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    script = cache / f"get_pip_{PIP.replace('.', '_')}.py"
    if script.exists():
        return
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "download",
        "-q",
        "--no-deps",
        "-d",
        str(cache),
        f"pip=={PIP}",
    ]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    wheel = next(cache.glob(f"pip-{PIP}-*.whl"))
    script.write_text(STAND_IN.format(wheel=str(wheel)), encoding="utf-8")


if __name__ == "__main__":
    main()
