# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What works on the store or on plain data: the scan, planning, and the offline prune of what the API prunes too.

Each part runs in a process of its own, whose peak of memory is reported.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.fleetops.container_registry.benchmarks.content import make_registry, make_repository
from ansible_collections.fleetops.container_registry.benchmarks.process import COLLECTION, run, run_module
from ansible_collections.fleetops.container_registry.benchmarks.record import Records, environment
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    IMAGE,
    Descriptor,
    ImageConfig,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import OCI_MANIFEST
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Snapshot,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Options
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import make_plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import compile_policies
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS
from ansible_collections.fleetops.container_registry.tests.rig.registry import RegistryProcess

REPOSITORY = "team/app"


def snapshot(tags: int, repositories: int) -> Snapshot:
    """TAGS images over REPOSITORIES, as a look over the API would find them."""
    found = []
    for place in range(repositories):
        names, manifests = [], {}
        for number in range(place, tags, repositories):
            digest = digest_of(b"manifest %d" % number)
            config = Descriptor(digest_of(b"config %d" % number), "application/vnd.oci.image.config.v1+json", 300)
            layer = Descriptor(digest_of(b"layer %d" % number), "application/vnd.oci.image.layer.v1.tar+gzip", 1000)
            manifests[digest] = Manifest(
                digest, OCI_MANIFEST, 500, IMAGE, config, (layer,), config=ImageConfig(1.7e9 + 60 * number)
            )
            names.append(Tag(f"build-{number:06d}", digest))
        found.append(Repository(f"team/app-{place:04d}", tuple(sorted(names, key=lambda tag: tag.name)), manifests))
    return Snapshot(1.8e9, tuple(found))


def plan_here(tags: int, repositories: int) -> None:
    """Plan in this process, and print how long the planning alone took."""
    policies = compile_policies([{"name": "newest", "keep_newest": 100}], [])
    seen = snapshot(tags, repositories)
    started = time.monotonic()
    plan = make_plan(seen, policies, Options())
    print(json.dumps({"seconds": round(time.monotonic() - started, 2), "identity": plan.identity}))


def measure_planning(home: Path, tags: int, repositories: int) -> dict[str, Any]:
    """Planning in a process of its own."""
    command = [sys.executable, "-m", f"{COLLECTION}.benchmarks.storage", "--plan-here", str(tags), str(repositories)]
    measured = run([*command, "--folder", str(home)], home, 600)
    if measured["status"] != 0:
        raise RuntimeError((home / "errors").read_text(encoding="utf-8")[-2000:])
    seconds = json.loads((home / "output").read_text(encoding="utf-8"))["seconds"]
    return {"tags": tags, "repositories": repositories, "seconds": seconds, "peak_mib": measured["peak_mib"]}


def measure_scan(home: Path, tags: int, repositories: int) -> dict[str, Any]:
    """The scan of a store of TAGS tags, as the module does it."""
    root = home / "scanned"
    shutil.rmtree(root, ignore_errors=True)  # of a run that was cut short
    make_registry(root, tags, repositories)
    arguments = {"storage_root": str(root), "details": "none", "output": str(home / "scan.gz")}
    measured = run_module("registry_storage_info", arguments, home)
    result = measured["result"]
    shutil.rmtree(root)
    return {
        "tags": result["tags_count"],
        "manifests": result["manifests_count"],
        "repositories": result["repositories_count"],
        "seconds": measured["seconds"],
        "processor": measured["client_cpu"],
        "peak_mib": measured["peak_mib"],
    }


def measure_offline(home: Path, version: str, tags: int, keep: int) -> dict[str, Any]:
    """Plan over the API, carry the plan out on the store of the stopped registry, and look at what is left."""
    shutil.rmtree(home / f"offline-{version}", ignore_errors=True)  # of a run that was cut short
    registry = RegistryProcess(version, home / f"offline-{version}")
    template = home / f"template-{tags}"
    registry.store_root.rmdir()
    if template.exists():
        subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(registry.store_root)], check=True)
    else:
        make_repository(registry.store_root, REPOSITORY, tags)
    plan = registry.home / "plan.gz"
    policies = [{"name": "newest", "keep_newest": keep}]
    with registry:
        asked = {"url": registry.url, "policies": policies, "plan_file": str(plan), "max_delete_percent": 100}
        planned = run_module("registry_prune", {**asked, "details": "none"}, registry.home, check=True)
    arguments = {
        "storage_root": str(registry.store_root),
        "registry_stopped_or_read_only": True,
        "plan_file": str(plan),
        "backup_dir": str(registry.home / "backups"),
        "details": "none",
    }
    pruned = run_module("registry_storage_prune", arguments, registry.home)
    left = (len(store.tags(registry.store_root, REPOSITORY)), len(store.revisions(registry.store_root, REPOSITORY)))
    if left != (keep, keep):
        raise RuntimeError(f"the offline prune left {left[0]} tags and {left[1]} manifests, not {keep}")
    shutil.rmtree(registry.home)
    return {
        "version": version,
        "tags": tags,
        "look_and_plan_seconds": planned["seconds"],
        "seconds": pruned["seconds"],
        "processor": pruned["client_cpu"],
        "peak_mib": pruned["peak_mib"],
    }


def main() -> None:
    """Measure, and write what comes out at once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where results and stores are kept")
    parser.add_argument("--tags", type=int, default=100_000, help="tags to scan and to plan")
    parser.add_argument("--offline", type=int, default=10_000, help="tags of the repository that is pruned offline")
    parser.add_argument("--keep", type=int, default=100, help="how many tags stay there")
    parser.add_argument("--versions", nargs="+", default=list(VERSIONS))
    parser.add_argument("--plan-here", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan_here:
        plan_here(*options.plan_here)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    records = Records(options.folder / "storage.json", environment())
    for repositories in (100, 1):
        _add(records, "planning", measure_planning(options.folder, options.tags, repositories))
    _add(records, "scan", measure_scan(options.folder, options.tags, 100))
    for version in options.versions:
        _add(records, "offline prune", measure_offline(options.folder, version, options.offline, options.keep))


def _add(records: Records, part: str, entry: dict[str, Any]) -> None:
    records.add({"part": part, **entry})
    print(part, entry, flush=True)


if __name__ == "__main__":
    main()
