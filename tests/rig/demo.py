# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job on a real registry: a believable little company's, whose disk only ever grew. `make demo` runs it.

Nothing but Debian's docker-registry is needed, which is unpacked and not installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import store
from .content import Pusher
from .registry import RegistryProcess

ROOT = Path(__file__).resolve().parents[2]

TEAMS = {
    "shop": ("api", "web", "cart", "checkout", "search", "payments", "images", "mailer"),
    "data": ("etl", "warehouse", "reports", "notebooks", "features", "stream", "quality", "export"),
    "platform": ("gateway", "auth", "config", "metrics", "logs", "queue", "scheduler", "backup"),
    "mobile": ("bff", "push", "assets", "deeplinks", "experiments", "crash", "flags", "store"),
    "tools": ("ci", "lint", "docs", "release", "e2e", "seed", "mirror", "bot"),
}

POLICIES = [
    {
        "name": "releases",
        "tags": [r"~^v\d+\.\d+\.\d+$"],
        "keep_newest": 5,
        "order_by": "version",
    },
    {"name": "per branch builds", "tags": ["*-build.*"], "group_by": r"^(.+)-build\.\d+$", "keep_newest": 2},
    {"name": "the rest", "keep_newest": 3, "keep_tags": ["latest", "stable"]},
    {"name": "left over from pushes over a tag", "untagged": True, "delete": "all"},
]

PLAYS = (("in check mode", ["--check", "--diff"]), ("for real", []), ("once more", []))


def fill(url: str) -> None:
    """Forty repositories: releases, branch builds, multi-architecture images, shared digests, tags that were pushed over."""
    pusher = Pusher(url)
    names = [f"{team}/{service}" for team, services in TEAMS.items() for service in services]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: _fill_repository(pusher, name), names))


def _fill_repository(pusher: Pusher, name: str) -> None:
    base = [f"base of {name.partition('/')[0]}"]
    for number in range(9):
        image = pusher.image(name, f"v1.{number}.0", created=number * 10, shared=base, size=20_000)
        if number == 2:
            pusher.tag(image, "stable")
    for branch in ("feature-login", "fix-cache"):
        for number in range(4):
            pusher.image(name, f"{branch}-build.{number}", created=50 + number, shared=base, size=12_000)
    for number in range(4):
        pusher.image(name, "latest", created=90 + number, words=f"{name} latest {number}", shared=base, size=20_000)
    if name.endswith(("api", "gateway", "bff", "etl")):
        for number in range(6):
            index, _children = pusher.multi(name, f"multi-{number}", created=20 + number)
            if number == 5:
                pusher.cosign(name, index)


def write_scripts(registry: RegistryProcess, home: Path) -> dict[str, str]:
    """The commands by which an operator would start and stop this registry."""
    pid = home / "pid"
    start = f'#!/bin/sh\nsetsid "{registry.binary}" serve "{registry.config_path}" >>"{registry.log_path}" 2>&1 </dev/null &\necho $! >"{pid}"\n'
    stop = (
        f'#!/bin/sh\npid=$(cat "{pid}") || exit 0\nkill "$pid" 2>/dev/null\n'
        'for _try in $(seq 100); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done\nexit 1\n'
    )
    commands = {}
    for name, text in {"start": start, "stop": stop}.items():
        script = home / name
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
        commands[name] = str(script)
    return commands


def inventory(registry: RegistryProcess, home: Path, commands: dict[str, str]) -> Path:
    """One host for the registry, as docs/role.md describes it."""
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "registry_url": registry.url,
        "registry_api_host": "{{ inventory_hostname }}",
        "registry_deployment": "command",
        "registry_config_path": str(registry.config_path),
        "registry_argv": registry.gc_argv,
        "registry_start_command": commands["start"],
        "registry_stop_command": commands["stop"],
        "registry_state_dir": str(home / "state"),
        # Nobody pushes to the demo, so nothing that looks like garbage can be a push under way.
        "registry_blob_grace": "0s",
        "registry_window_quiet": 0,
        "registry_policies": POLICIES,
        "registry_max_delete_percent": 90,
    }
    path = home / "inventory.json"
    path.write_text(json.dumps({"registries": {"hosts": {"company-registry": host}}}, indent=1), encoding="utf-8")
    return path


def play(path: Path, home: Path, options: Sequence[str]) -> str:
    """Run the playbook and return what it prints, which is shown as it comes, shortened. SystemExit if it fails."""
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "fleetops.container_registry.maintain", "-i", str(path), *options]
    environment = dict(
        os.environ,
        ANSIBLE_COLLECTIONS_PATH=str(ROOT.parents[2]),
        ANSIBLE_HOME=str(home / "ansible"),
        ANSIBLE_LOCALHOST_WARNING="false",
        ANSIBLE_DISPLAY_SKIPPED_HOSTS="false",
        ANSIBLE_NOCOLOR="1",
    )
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (home / f"play{len(list(home.glob('play*.log')))}.log").write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        print(done.stdout)
        raise SystemExit("the playbook has failed, see above")
    return done.stdout


def figures(registry: RegistryProcess) -> tuple[int, int, int]:
    """Tags, manifests and bytes of blobs, from the disk."""
    names = [f"{team}/{service}" for team, services in TEAMS.items() for service in services]
    tags = sum(len(store.tags(registry.store_root, name)) for name in names)
    manifests = sum(len(store.revisions(registry.store_root, name)) for name in names)
    return tags, manifests, store.blob_bytes(registry.store_root)


def show(title: str, counted: tuple[int, int, int]) -> None:
    """One line of the table."""
    print(f"{title:<28} {counted[0]:>6} tags {counted[1]:>6} manifests {counted[2]:>12,} bytes", flush=True)


def diff_of(output: str, lines: int = 25) -> str:
    """The beginning of the difference that check mode shows."""
    found = re.search(r"^--- .*?(?=^(?:changed|ok|TASK|PLAY))", output, re.MULTILINE | re.DOTALL)
    shown = found.group(0).splitlines() if found else []
    more = len(shown) - lines
    return "\n".join(shown[:lines]) + (f"\n  ... and {more} more lines" if more > 0 else "")


def changed(output: str) -> int:
    """The number after changed= in the registry's line of the recap."""
    found = re.search(r"^company-registry\s.*\bchanged=(\d+)", output, re.MULTILINE)
    if not found:
        raise SystemExit("no recap of the play was found")
    return int(found.group(1))


def main() -> None:
    """Run the demo. SystemExit with a message if anything is not as promised."""
    home = Path(tempfile.mkdtemp(prefix="registry-demo-"))
    registry = RegistryProcess("2.8", home / "registry", delete=False)
    commands = write_scripts(registry, home)
    try:
        subprocess.run([commands["start"]], check=True)
        registry.wait()
        print(f"A registry runs at {registry.url}, deletes are switched off. Filling it ...", flush=True)
        fill(registry.url)
        counted = [figures(registry)]
        show("before", counted[0])
        path = inventory(registry, home, commands)
        outputs = []
        for title, options in PLAYS:
            print(
                f"\nansible-playbook fleetops.container_registry.maintain {' '.join(options)} ({title}) ...", flush=True
            )
            outputs.append(play(path, home, options))
            counted.append(figures(registry))
            if options:
                print(diff_of(outputs[-1]))
            print(f"changed={changed(outputs[-1])}", flush=True)
        print()
        for title, numbers in zip(("before", "after check mode", "after the run", "after the second run"), counted):
            show(title, numbers)
        judge(registry, counted, outputs)
    finally:
        subprocess.run([commands["stop"]], check=False)
        shutil.rmtree(home, ignore_errors=True)


def judge(registry: RegistryProcess, counted: Sequence[tuple[int, int, int]], outputs: Sequence[str]) -> None:
    """Hold the demo to its promise."""
    if counted[1] != counted[0]:
        raise SystemExit("check mode has changed something")
    if not (counted[2][0] < counted[1][0] and counted[2][2] < counted[1][2]):
        raise SystemExit("nothing was freed")
    if counted[3] != counted[2] or changed(outputs[2]) != 0:
        raise SystemExit("the second run has changed something")
    pulled = sum(
        len(store.pull_all(registry.url, f"{team}/{service}"))
        for team, services in TEAMS.items()
        for service in services
    )
    print(
        f"\nAll {pulled} tags that are left were pulled in full, every digest checked. The third run reported changed=0."
    )


if __name__ == "__main__":
    main()
