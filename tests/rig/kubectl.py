# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for kubectl and a cluster of one pod: ``kubectl.py HOME exec|set|rollout ...``.

The pod is a real registry that is the first process of a process namespace of its own, as in a pod. Only what docs/kubernetes.md
uses is understood, in the form that kubectl understands it; anything else ends with an error.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def pod(home: Path) -> dict:
    """What is known of the pod: program, config, port, env (of the deployment), keeper and first (process ids)."""
    return json.loads((home / "pod.json").read_text(encoding="utf-8"))


def start(home: Path, known: dict) -> None:
    """Start the pod's process in a namespace of its own, and write down who it is."""
    command = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "--",
        known["program"],
        "serve",
        known["config"],
    ]
    with open(home / "log", "ab") as log:
        keeper = subprocess.Popen(
            command,
            env={"PATH": PATH, **known["env"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children")
    while not children.read_text(encoding="utf-8").strip():
        if keeper.poll() is not None:
            sys.exit("the pod does not start")
        time.sleep(0.05)
    known.update(keeper=keeper.pid, first=int(children.read_text(encoding="utf-8").split()[0]))
    (home / "pod.json").write_text(json.dumps(known), encoding="utf-8")


def end(known: dict) -> None:
    """End the pod's first process, and with it all of the pod."""
    if "first" not in known:
        return
    try:
        os.kill(known["first"], signal.SIGTERM)
        while Path(f"/proc/{known['first']}").exists():
            time.sleep(0.05)
    except ProcessLookupError:
        return


def execute(known: dict, words: list[str]) -> None:
    """Become a process in the pod, with the pod's environment and no other."""
    aliases = {"registry": known["program"]}
    command = ["nsenter", "--target", str(known["first"]), "--pid", "--mount", "--"]
    os.execvpe(command[0], [*command, aliases.get(words[0], words[0]), *words[1:]], {"PATH": PATH, **known["env"]})


def set_env(home: Path, known: dict, changes: list[str]) -> None:
    """Change the deployment's environment, and roll out a new pod if that made a difference."""
    before = dict(known["env"])
    for change in changes:
        name, equals, value = change.partition("=")
        if equals:
            known["env"][name] = value
        elif name.endswith("-"):
            known["env"].pop(name[:-1], None)
        else:
            sys.exit(f"error: {change} is neither NAME=VALUE nor NAME-")
    if known["env"] != before:
        end(known)
        start(home, known)
        print("deployment.apps/registry env updated")


def wait(known: dict) -> None:
    """Until the pod is ready."""
    for _try in range(200):
        try:
            with socket.create_connection(("127.0.0.1", known["port"]), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("error: timed out waiting for the condition")


def main() -> None:
    """Do what the command line asks for."""
    home, words = Path(sys.argv[1]), sys.argv[2:]
    known = pod(home)
    if "--namespace" in words[: words.index("--") if "--" in words else None]:
        position = words.index("--namespace")
        if words[position + 1] != "registry":
            sys.exit(f'Error from server (NotFound): namespaces "{words[position + 1]}" not found')
        del words[position : position + 2]
    if words[:2] == ["exec", "deploy/registry"] and words[2] == "--":
        execute(known, words[3:])
    elif words[:3] == ["set", "env", "deploy/registry"]:
        set_env(home, known, words[3:])
    elif words == ["rollout", "restart", "deploy/registry"]:
        end(known)
        start(home, known)
    elif words == ["rollout", "status", "deploy/registry"]:
        wait(known)
    else:
        sys.exit(f"error: this stand-in does not know {words}")


if __name__ == "__main__":
    main()
