# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies the checkout to a real ``ansible_collections/fleetops/container_registry`` directory.

    sync.py DESTINATION

ansible-test refuses symbolic links, so the files are copied: those that git tracks and new ones that it does not ignore.
What is gone from the checkout goes from the copy. Unchanged files keep their times, so caches stay valid.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHES = {"__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", ".ansible"}
SOURCE = Path(__file__).resolve().parent.parent.parent


def listed() -> set[str]:
    """Paths, relative to the checkout, of the files that belong to the collection."""
    command = ["git", "-C", str(SOURCE), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout
    return {name for name in os.fsdecode(names).split("\0") if name and (SOURCE / name).is_file()}


def copy(name: str, destination: Path) -> None:
    """Bring one file up to date by renaming a finished copy into place: a test may be reading the old one."""
    source, target = SOURCE / name, destination / name
    if target.is_file():
        have, want = target.stat(), source.stat()
        if (have.st_size, have.st_mtime_ns, have.st_mode) == (want.st_size, want.st_mtime_ns, want.st_mode):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        shutil.copy2(source, scratch)
    except FileNotFoundError:  # removed since it was listed
        return
    os.replace(scratch, target)


def sweep(destination: Path, wanted: set[str]) -> None:
    """Remove what the checkout no longer has, except caches and ansible-test's output."""
    keep = {str(parent) for name in wanted for parent in Path(name).parents}
    for folder, directories, files in os.walk(destination):
        relative = os.path.relpath(folder, destination)
        for name in list(directories):
            path = os.path.normpath(os.path.join(relative, name))
            if name in CACHES or path == "tests/output":
                directories.remove(name)
            elif path not in keep:
                directories.remove(name)
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
        for name in files:
            if os.path.normpath(os.path.join(relative, name)) not in wanted:
                os.unlink(os.path.join(folder, name))


def main() -> None:
    """Copy, one at a time for each destination."""
    destination = Path(sys.argv[1]).resolve()
    destination.mkdir(parents=True, exist_ok=True)
    with open(destination.parent / f".{destination.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = listed()
        for name in sorted(wanted):
            copy(name, destination)
        sweep(destination, wanted)


if __name__ == "__main__":
    main()
