# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists and prunes with this collection and with its peers, each on a copy of the same store behind a registry of its own.

    make bench BENCH_PEERS="--prune 1000 --budget 120"

Each tool gets the same budget. One that does not finish is reported with how far it got, and is not asked for more tags. What
a tool leaves behind is read from the store's disk: only the newest tags and their manifests count as done.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible_collections.fleetops.container_registry.benchmarks.content import make_repository, tag_name
from ansible_collections.fleetops.container_registry.benchmarks.process import processor_seconds, run
from ansible_collections.fleetops.container_registry.benchmarks.record import Records, environment
from ansible_collections.fleetops.container_registry.benchmarks.tools import (
    LIST,
    PRUNE,
    Collection,
    Job,
    Tool,
    contestants,
)
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess

REPOSITORY = "team/app"


class Arena:
    """Where it happens: templates of stores, made once for each size, and copies of them."""

    def __init__(self, folder: Path, budget: float, own_budget: float, keep: int) -> None:
        self.folder = folder
        self.budget = budget
        self.own_budget = own_budget
        self.keep = keep

    def template(self, tags: int) -> Path:
        """The store with TAGS tags."""
        root = self.folder / f"template-{tags}"
        if not root.exists():
            scratch = root.with_name(root.name + ".new")
            shutil.rmtree(scratch, ignore_errors=True)
            make_repository(scratch, REPOSITORY, tags)
            scratch.rename(root)
        return root

    def measure(self, tool: Tool, kind: str, version: str, tags: int) -> dict[str, Any]:
        """One tool at one job. A list only reads, so it gets the template itself; pruning gets a copy."""
        home = self.folder / "run"
        _remove(home)
        registry = RegistryProcess(version, home)
        registry.store_root.rmdir()
        template = self.template(tags)
        if kind == LIST:
            registry.store_root.symlink_to(template)
        else:
            subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(registry.store_root)], check=True)
        job = Job(kind, registry.url, REPOSITORY, registry.family, self.keep, home)
        budget = self.own_budget if isinstance(tool, Collection) else self.budget
        with registry:
            result = run(tool.command(job), home, budget)
            result["server_cpu"] = round(processor_seconds(registry.pid), 2)
        result.update(self._judge(tool, job, registry.store_root, tags, result))
        result["requests"] = registry.log_path.read_text(encoding="utf-8", errors="replace").count(' HTTP/1.1" ')
        if registry.store_root.is_symlink():
            registry.store_root.unlink()
        if result["verdict"] in ("done", "cut short"):
            _remove(home)
        else:
            result["output"] = _last_words(home)
        return result

    def _judge(self, tool: Tool, job: Job, root: Path, tags: int, result: dict[str, Any]) -> dict[str, Any]:
        wanted = tags if job.kind == LIST else tags - self.keep
        if job.kind == LIST:
            done = tool.done(job)
        else:
            left, manifests = set(store.tags(root, REPOSITORY)), store.revisions(root, REPOSITORY)
            done = tags - max(len(left), len(manifests))
            newest = {tag_name(number) for number in range(tags - self.keep, tags)}
            if not newest <= left:
                return {"verdict": "wrong: it deleted what was to stay", "done": done, "wanted": wanted}
        if result["status"] is None:
            return {"verdict": "cut short", "done": min(done, wanted), "wanted": wanted}
        if result["status"] or done < wanted:
            return {"verdict": f"failed: exit code {result['status']}", "done": done, "wanted": wanted}
        return {"verdict": "done", "done": done, "wanted": wanted}


def _last_words(home: Path) -> str:
    return "".join((home / name).read_text(encoding="utf-8", errors="replace")[-1000:] for name in ("output", "errors"))


def _remove(folder: Path) -> None:
    """Remove FOLDER, also while a worker of a playbook that was cut short still writes there: it sees the end of its task first."""
    for _attempt in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise RuntimeError(f"{folder} cannot be removed")


def main() -> None:
    """Measure, and write what comes out at once, so that an interrupted run has not been for nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where results and stores are kept")
    parser.add_argument("--versions", nargs="+", default=list(VERSIONS))
    parser.add_argument("--list", nargs="*", type=int, default=[1000, 3000], help="how many tags are listed")
    parser.add_argument("--prune", nargs="*", type=int, default=[1000, 3000, 10000], help="how many tags are pruned")
    parser.add_argument("--keep", type=int, default=100, help="how many tags stay")
    parser.add_argument("--budget", type=float, default=30, help="seconds for each run of a peer")
    parser.add_argument("--own-budget", type=float, default=900, help="seconds for each run of this collection")
    parser.add_argument(
        "--peers", nargs="*", default=[], help="only these peers: crane regctl regbot deckschrubber uri"
    )
    options = parser.parse_args()
    tools, missing = contestants(options.peers)
    options.folder.mkdir(parents=True, exist_ok=True)
    records = Records(options.folder / "peers.json", environment())
    records.note(
        keep=options.keep, budget=options.budget, missing=missing, tools={tool.name: tool.label for tool in tools}
    )
    arena = Arena(options.folder, options.budget, options.own_budget, options.keep)
    started = run(
        Collection().command(Job("nothing", "http://127.0.0.1:1", REPOSITORY, "", 0, options.folder)),
        options.folder,
        60,
    )
    records.note(start_seconds=started["seconds"], start_cpu=started["client_cpu"])
    for version in options.versions:
        for kind, sizes in ((LIST, options.list), (PRUNE, options.prune)):
            tired: dict[str, int] = {}
            for tags in sizes:
                for tool in tools:
                    if kind not in tool.jobs:
                        continue
                    entry = {"version": version, "job": kind, "tags": tags, "tool": tool.name}
                    if tool.name in tired:
                        entry["verdict"] = f"not tried: cut short at {tired[tool.name]:,} tags"
                    else:
                        entry.update(arena.measure(tool, kind, version, tags))
                        if entry["verdict"] != "done":
                            tired[tool.name] = tags
                    records.add(entry)
                    print(
                        f"{version} {kind} {tags} {tool.name}: {entry['verdict']} {entry.get('done', '')} "
                        f"{entry.get('seconds', '')} s, processor {entry.get('client_cpu', '')} + "
                        f"{entry.get('server_cpu', '')} s, {entry.get('requests', '')} requests",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
