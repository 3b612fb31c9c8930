# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the virtual environment that lint and tests run in, or brings it up to date.

    make_venv.py PATH_OF_VENV

Everything comes from PyPI: collections cannot be had from Galaxy without general network, so those that the tests
need are taken out of the ``ansible`` package, straight into the environment's site-packages, where ansible finds them.
The whole package would take 300 MB and a minute.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ANSIBLE_PACKAGE = "ansible==12.3.0"
COLLECTIONS = ("community/docker", "community/library_inventory_filtering_v1", "containers/podman")
TESTS = Path(__file__).resolve().parent.parent
INPUTS = (TESTS / "requirements.txt", TESTS / "constraints.txt", Path(__file__).resolve())


def fingerprint() -> str:
    """Digest of all that decides what the environment holds, the base Python included."""
    digest = hashlib.sha256(sys.version.encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ensure_venv_module() -> None:
    """Debian splits ensurepip off into python3-venv; install it as root, say so otherwise."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    package = f"python3.{sys.version_info[1]}-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(
            f"{sys.executable} cannot make virtual environments. Install {package}, for instance: sudo apt-get install {package}"
        )
    print(f"Installing {package}", flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    if subprocess.run(install, env=environment, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        subprocess.run(["apt-get", "update", "-q"], env=environment, stdin=subprocess.DEVNULL, check=True)
        subprocess.run(install, env=environment, stdin=subprocess.DEVNULL, check=True)


def pip(venv: Path, *arguments: str) -> None:
    """Run pip inside the environment; a failure ends this program."""
    command = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        sys.exit(f"Failed: {' '.join(command)}")


def unpack_collections(venv: Path) -> None:
    """Put COLLECTIONS into the environment's site-packages."""
    site_packages = next((venv / "lib").glob("python3.*/site-packages"))
    with tempfile.TemporaryDirectory() as scratch:
        pip(venv, "download", "--no-deps", "--only-binary", ":all:", "-d", scratch, ANSIBLE_PACKAGE)
        prefixes = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
        with zipfile.ZipFile(next(Path(scratch).glob("ansible-*.whl"))) as wheel:
            for name in COLLECTIONS:
                shutil.rmtree(site_packages / "ansible_collections" / name, ignore_errors=True)
            wheel.extractall(site_packages, [member for member in wheel.namelist() if member.startswith(prefixes)])


def main() -> None:
    """Make or update the environment, once however many call at the same time."""
    venv = Path(sys.argv[1]).resolve()
    stamp = venv / ".fingerprint"
    venv.parent.mkdir(parents=True, exist_ok=True)
    with open(venv.with_name(venv.name + ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        print(f"Setting up {venv}", flush=True)
        ensure_venv_module()
        if not stamp.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip(venv, "install", "-r", str(INPUTS[0]), "-c", str(INPUTS[1]))
        unpack_collections(venv)
        stamp.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
