# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One collection: dry run, guards, and then, unless only the prediction is wanted, the real run."""

from __future__ import annotations

import contextlib
import time
import typing as t
import uuid
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Guard
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import (
    GARBAGE_COLLECT,
    StoredRepository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector import (
    Collector,
    CollectorVersion,
    StoreEmpty,
    refuse_deleting_dry_run,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_output import (
    CollectorOutput,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    GuardHeld,
    StorageError,
    StoreInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.garbage import Garbage
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import (
    count_blobs,
    holds_blobs,
    tree_of,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease import Lease
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import (
    write_scan_of,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.sightings import Sightings

Result = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Wish:
    """What the user asks of one collection.

    ARGV and CONFIG_PATH as for Collector. STORAGE_ROOT: the rootdirectory as this host sees it, or None. MANIFESTS_OUTPUT: the
    file for every manifest digest per repository, or None. BLOB_GRACE in seconds. SEEN_FILE:
    where dry runs remember what they named, for stores that this host cannot see, or None. MAX_PERCENT of the store's blobs. LEASE: the folder
    of the lease that RUN_ID must hold, or None.
    """

    argv: t.Sequence[str]
    config_path: str
    storage_root: t.Optional[str] = None
    timeout: t.Optional[float] = None
    manifests_output: t.Optional[str] = None
    max_blobs: t.Optional[int] = None
    max_bytes: t.Optional[int] = None
    max_percent: t.Optional[float] = None
    allow_empty: bool = False
    seen_file: t.Optional[str] = None
    blob_grace: float = 0.0
    run_id: t.Optional[str] = None
    lease: t.Optional[str] = None


def collect(wish: Wish, check_mode: bool, now: float) -> Result:
    """Carry WISH out, in CHECK_MODE up to and with the dry run, and return what a module returns.

    NOW is in seconds since the epoch. Raises CollectorRefused, CollectorFailed, CollectorTimedOut, StoreInvalid, GuardHeld (a
    real run only; check mode lists the guards in the result), each with what was found or done until then as its details.
    """
    started = time.monotonic()
    tree = tree_of(wish.storage_root) if wish.storage_root else None
    _check(wish)
    collector = Collector(wish.argv, wish.config_path, wish.run_id or uuid.uuid4().hex, wish.timeout)
    version = collector.version()
    refuse_deleting_dry_run(version)
    sightings = Sightings(wish.seen_file, now) if wish.seen_file and not tree else None
    with Garbage(tree, now - wish.blob_grace if wish.blob_grace else None, sightings) as garbage:
        output = CollectorOutput(garbage.take_blob, garbage.take_link, keep_manifests=bool(wish.manifests_output))
        message = ""
        try:
            _predict(collector, output, wish, now)
        except StoreEmpty as error:
            if tree and holds_blobs(tree):
                raise StoreInvalid(
                    "%s, but storage_root %s does hold blobs" % (error.message, wish.storage_root)
                ) from error
            message = error.message
        if sightings:
            sightings.save()
        guards = _find_guards(wish, output, garbage)
        result = _found(wish, version, output, garbage, guards)
        result["message"] = message
        wanted = bool(output.blobs_eligible or output.manifests_eligible or output.layer_links_eligible)
        if wanted and wish.blob_grace and garbage.only_young:
            wanted = False
            result["message"] = (
                "all that may go is younger than blob_grace (%g s): it may belong to pushes that are under way"
                % wish.blob_grace
            )
        result["collection_wanted"] = wanted
        if wanted and check_mode:
            result["changed"] = not guards
        elif wanted:
            if guards:
                raise GuardHeld("; ".join(guard.message for guard in guards), **result)  # pylint: disable=kwarg-superseded-by-positional-arg
            if wish.lease:
                # The watchdog that ends a lease ends this process, too: from here on it cannot come in between.
                Lease(wish.lease).insist(wish.run_id or "")
            _collect_for_real(collector, garbage, result)
    result["duration"] = round(time.monotonic() - started, 3)
    return result


def _found(
    wish: Wish, version: CollectorVersion, output: CollectorOutput, garbage: Garbage, guards: t.Sequence[Guard]
) -> Result:
    """What the dry run has found, as a result in which nothing has been done yet."""
    return {
        "changed": False,
        "family": version.family,
        "version": version.version,
        "repositories_count": output.repositories,
        "manifests_count": output.manifests,
        "blobs_marked": output.blobs_marked,
        "blobs_eligible": output.blobs_eligible,
        "blobs_young": garbage.young_blobs if garbage.knows_ages else None,
        "manifests_eligible": output.manifests_eligible,
        "layer_links_eligible": output.layer_links_eligible,
        "bytes_eligible": garbage.size,
        "blobs_removed": 0,
        "layer_links_removed": 0,
        "bytes_freed": None if garbage.size is None else 0,
        "sample": garbage.sample,
        "manifests_output": wish.manifests_output,
        "blocked_by": [
            {"name": guard.name, "message": guard.message, "passes_with": guard.passes_with} for guard in guards
        ],
    }


def _find_guards(wish: Wish, output: CollectorOutput, garbage: Garbage) -> t.List[Guard]:
    """The limits of WISH that do not let through what the dry run found."""
    found = []
    eligible, marked = output.blobs_eligible, output.blobs_marked
    if eligible and not marked and not wish.allow_empty:
        found.append(
            Guard(
                "allow_empty",
                "the collector marks no blob at all and would remove all %d: this is what a wrong or damaged store looks like. If"
                " the registry is meant to be empty, set allow_empty=true" % eligible,
                True,
            )
        )
    if wish.max_blobs is not None and eligible > wish.max_blobs:
        found.append(
            Guard(
                "max_blobs",
                "%d blobs would go and max_blobs allows %d: max_blobs=%d lets this through"
                % (eligible, wish.max_blobs, eligible),
                eligible,
            )
        )
    size = garbage.size or 0
    if wish.max_bytes is not None and size > wish.max_bytes:
        found.append(
            Guard(
                "max_bytes",
                "%d bytes would go and max_bytes allows %d: max_bytes=%d lets this through"
                % (size, wish.max_bytes, size),
                size,
            )
        )
    if wish.max_percent is None or not eligible:
        return found
    total = eligible + marked
    if wish.storage_root:
        # What is marked may not be there at all: layers that stay at their maker's place, blobs that are lost.
        total = max(eligible, min(total, count_blobs(tree_of(wish.storage_root))))
    if 100.0 * eligible > wish.max_percent * total:
        # In whole tenths, rounded up, so that the value that is named does let it through.
        percent = -(-1000 * eligible // total) / 10.0
        found.append(
            Guard(
                "max_percent",
                "%d of %d blobs would go (%g %%) and max_percent allows %g: max_percent=%g lets this through"
                % (eligible, total, percent, wish.max_percent, percent),
                str(percent),
            )
        )
    return found


def _check(wish: Wish) -> None:
    if not wish.argv or not all(wish.argv):
        raise StorageError(
            "argv must name the registry's program, such as [registry] or [docker, exec, registry, registry]"
        )
    if "garbage-collect" in wish.argv or wish.config_path.startswith("-"):
        raise StorageError(
            "argv must end with the registry's program: garbage-collect and its flags are added to it, and config_path is a path"
        )
    for name in ("timeout", "max_blobs", "max_bytes", "max_percent", "blob_grace"):
        value = getattr(wish, name)
        if value is not None and (value < 0 or (name == "timeout" and value == 0)):
            raise StorageError("%s must not be %g" % (name, value))
    if wish.max_bytes is not None and not wish.storage_root:
        raise StorageError(
            "max_bytes needs storage_root: without it nobody knows the size of a blob. Set storage_root, or use max_blobs or"
            " max_percent"
        )
    if wish.blob_grace and not (wish.storage_root or wish.seen_file):
        raise StorageError(
            "blob_grace needs storage_root, to know the age of a blob, or seen_file, to know how long it has been named by dry runs"
        )


def _predict(collector: Collector, output: CollectorOutput, wish: Wish, now: float) -> None:
    """The dry run, with the list of manifests written if it is wanted, but only of a run that succeeded."""
    try:
        with contextlib.closing(collector.run(output, dry_run=True)) as repositories:
            if wish.manifests_output:
                write_scan_of(wish.manifests_output, GARBAGE_COLLECT, now, repositories)
            for _unused in repositories:
                pass
    except StoreEmpty:
        if wish.manifests_output:
            nothing: t.Tuple[StoredRepository, ...] = ()
            write_scan_of(wish.manifests_output, GARBAGE_COLLECT, now, nothing)
        raise


def _collect_for_real(collector: Collector, garbage: Garbage, result: Result) -> None:
    output = CollectorOutput()
    started = time.monotonic()
    try:
        for _unused in collector.run(output, dry_run=False):
            pass
    except StorageError as error:
        # It names each blob just before it removes it: the last one may still be there.
        result["blobs_removed"] = max(0, output.blobs_named - 1)
        if garbage.size is not None:
            result["blobs_removed"], result["bytes_freed"] = garbage.gone()
        result["changed"] = bool(result["blobs_removed"] or output.blobs_named or output.layer_links_eligible)
        error.details = dict(result, **error.details)
        raise
    result["collection_seconds"] = round(time.monotonic() - started, 3)
    result["blobs_removed"] = output.blobs_named
    result["layer_links_removed"] = output.layer_links_eligible
    if garbage.size is not None:
        result["bytes_freed"] = garbage.gone()[1]
    result["changed"] = bool(output.blobs_named or output.layer_links_eligible)
