# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry's own garbage collector, used so that it does no harm."""

from __future__ import annotations

import contextlib
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import StoredRepository
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_diagnosis import (
    diagnose,
    is_empty_store,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_output import (
    CollectorOutput,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_process import (
    CollectorProcess,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    CollectorFailed,
    CollectorRefused,
    StorageError,
)

_VERSION_SECONDS = 60.0
_VERSION = re.compile(
    r"\bgithub\.com/(?P<path>docker/distribution|distribution/distribution(?:/v3)?)\s+"
    r"(?P<version>v?(?P<major>\d+)\.(?P<minor>\d+)\.(?P<patch>\d+)(?:-(?P<pre>[0-9A-Za-z.-]+))?\S*)"
)
# Untagged builds of 3.x carry git's description of the newest tag: "rc.1-5-gabc" is a commit after rc.1.
_SAFE_PRERELEASE = re.compile(r"rc\.\d+")


class StoreEmpty(StorageError):
    """The collector found no store: nothing has ever been pushed, or its config points elsewhere."""


@dataclass(frozen=True)
class CollectorVersion:
    """What `--version` said. FAMILY is '2.x', '3.x' or 'unknown'; VERSION is empty where it is unknown."""

    family: str = "unknown"
    version: str = ""
    dry_run_deletes: bool = False


class Collector:
    """Runs garbage-collect through ARGV, the words that lead to the registry's program, and that program itself.

    CONFIG_PATH is the config as that program sees it. TIMEOUT (seconds) bounds each run. RUN_ID marks its processes.
    """

    def __init__(self, argv: t.Sequence[str], config_path: str, run_id: str, timeout: t.Optional[float] = None) -> None:
        self._argv = list(argv)
        self._config_path = config_path
        self._run_id = run_id
        self._timeout = timeout

    def version(self) -> CollectorVersion:
        """Ask the program for its version. Raises CollectorFailed only if it cannot be started."""
        process = CollectorProcess(self._argv + ["--version"], self._run_id, _VERSION_SECONDS)
        text = b"\n".join(process.lines()).decode("utf-8", "replace")
        return parse_version(text)

    def run(self, output: CollectorOutput, dry_run: bool) -> t.Generator[StoredRepository, None, None]:
        """Collect, or only say what would be collected; yield each repository that the output names.

        Never with --delete-untagged, which destroys multi-architecture images, and never with --quiet, which hides the only
        proof of success. Raises StoreEmpty, CollectorTimedOut, or CollectorFailed for anything but a run that both printed its
        summary and ended with status 0.
        """
        argv = self._argv + ["garbage-collect"] + (["--dry-run"] if dry_run else []) + [self._config_path]
        process = CollectorProcess(argv, self._run_id, self._timeout)
        last = ""
        # Closed at once, not when the garbage is collected: whatever fails here, the collector has ended by then.
        with contextlib.closing(process.lines()) as lines:
            for line in lines:
                finished = output.take(line)
                last = output.last_repository or last
                if finished:
                    yield finished
        rest = output.finish()
        if is_empty_store(process.returncode, process.stderr_tail) and not output.repositories:
            raise StoreEmpty(
                "the collector finds no repositories: nothing has ever been pushed to this registry. If it does hold images,"
                " the config at %s leads the collector to another store" % self._config_path
            )
        if dry_run and process.returncode == 0 and output.complete and output.blobs_named != output.blobs_eligible:
            raise CollectorFailed(
                "the collector says that %d blobs may go and names %d: part of its output was lost on the way here. Run it on the registry's"
                " own host, or again" % (output.blobs_eligible, output.blobs_named),
                rc=0,
                argv=argv,
                stderr_tail=process.stderr_tail,
            )
        if process.returncode != 0 or not output.complete:
            raise CollectorFailed(
                diagnose(process.returncode, process.stderr_tail, last),
                rc=process.returncode,
                argv=argv,
                stderr_tail=process.stderr_tail,
            )
        if rest:
            yield rest


def parse_version(text: str) -> CollectorVersion:
    """Read what `registry --version` printed.

    The dry run of 3.0 before rc.1 deletes layer links (fixed by distribution/distribution#4425). So do builds between 2.8 and
    3.0, which call themselves 2.x with the module path of 3.x, or cannot be told from those that do.
    """
    match = _VERSION.search(text)
    if not match:
        return CollectorVersion()
    major, minor, patch = (int(match.group(name)) for name in ("major", "minor", "patch"))
    is_v3 = match.group("path").endswith("/v3") or major >= 3
    prerelease = match.group("pre") or ""
    early = (major, minor, patch) < (3, 0, 0) or (
        (major, minor, patch) == (3, 0, 0) and bool(prerelease) and not _SAFE_PRERELEASE.match(prerelease)
    )
    return CollectorVersion("3.x" if is_v3 else "2.x", match.group("version"), is_v3 and early)


def refuse_deleting_dry_run(version: CollectorVersion) -> None:
    """Raise CollectorRefused for a version whose dry run deletes."""
    if version.dry_run_deletes:
        raise CollectorRefused(
            "this registry is %s, whose 'garbage-collect --dry-run' deletes layer links for real (fixed in 3.0.0-rc.1): nothing"
            " was run. Upgrade the registry to 3.0.0 or newer." % version.version,
            version=version.version,
        )
