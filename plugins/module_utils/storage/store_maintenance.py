# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One offline maintenance of a store, in the shape of a module's result: the plan, what an earlier run took away and did not come to
delete, stale uploads, and emptied repositories."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Plan, PlanInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan_records import plan_from_records
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import GuardHeld, StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import tree_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.lease import Lease
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.leftovers import (
    find_emptied,
    find_stale_uploads,
    find_taken,
    remove_repository,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.prune import (
    Pruning,
    Saver,
    StorePrune,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import read_records
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.removal import remove_tree
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.still_valid import Protection
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.trash import sweep
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.upload_scan import Upload

Result = t.Dict[str, t.Any]


class NotConfirmed(StorageError):
    """Nobody has said that the registry is stopped or read-only."""


class Incomplete(StorageError):
    """Some of it could not be done; DETAILS tell what was."""


@dataclass(frozen=True)
class Wish:
    """What the user asks of one run. PLAN_ID: the plan that was approved, or None. URL: of the registry on the store, as plans have
    it, or None. PROTECTION: what stays.

    LEASE: the path of the lease that RUN_ID must hold while anything is removed, or None. Times in seconds.
    """

    storage_root: str
    registry_stopped_or_read_only: bool = False
    plan_file: t.Optional[str] = None
    plan_id: t.Optional[str] = None
    url: t.Optional[str] = None
    purge_stale_uploads: bool = False
    stale_uploads_after: float = 7 * 86400.0
    remove_empty_repositories: bool = False
    empty_repository_grace: float = 3600.0
    details: str = "deleted"
    protection: t.Optional[Protection] = None
    lease: t.Optional[str] = None
    run_id: t.Optional[str] = None


def maintain(
    wish: Wish, check_mode: bool, now: float, open_saver: t.Optional[t.Callable[[str], t.Tuple[Saver, str]]] = None
) -> Result:
    """Carry WISH out, or in CHECK_MODE only tell, and return what a module returns. NOW in seconds since the epoch.

    OPEN_SAVER opens the backup for a plan of that identity and returns it and its path. It is called only if something of the plan
    is to go, and without it nothing of the plan may. Raises NotConfirmed, GuardHeld, StoreInvalid, RecordFileInvalid, StorageError,
    LeaseLost, OSError and what OPEN_SAVER raises before anything is done, and Incomplete, with the result as its details, if some of
    it could not be done.
    """
    started = time.monotonic()
    if wish.stale_uploads_after < 0 or wish.empty_repository_grace < 0:
        raise StorageError("stale_uploads_after and empty_repository_grace must not be below 0. Nothing was done")
    if not wish.registry_stopped_or_read_only and not check_mode:
        raise NotConfirmed(
            "set registry_stopped_or_read_only=true, and see to it that it is true: a registry that takes writes meanwhile loses"
            " images. Nothing was done"
        )
    tree = tree_of(wish.storage_root)
    plan = _read_plan(wish)
    prune = StorePrune(tree, wish.protection)
    done = _Done(prune.look(plan) if plan else Pruning())
    taken = find_taken(tree)
    stale = find_stale_uploads(tree, now - wish.stale_uploads_after) if wish.purge_stale_uploads else []
    try:
        if done.pruning.changes and not check_mode:
            if open_saver is None:
                raise StorageError(
                    "backup_dir is needed to delete anything: a directory that keeps what goes, so that it can be put back."
                    " Nothing was done"
                )
            _insist(wish)
            saver, done.backup_file = open_saver(plan.identity if plan else "")
            prune.save(done.pruning, saver)
            prune.carry_out(done.pruning, saver)
        _sweep(tree, wish, check_mode, taken, done)
        _clear_away(tree, wish, check_mode, now, stale, done)
    except Exception as error:
        # Whatever it was: what has gone by then has to be told, and where its backup is.
        if check_mode or not done.anything:
            raise
        text = "%s: %s" % (error.filename, error.strerror) if isinstance(error, OSError) else str(error)
        raise Incomplete("It ended early: %s" % text, **_result(wish, check_mode, plan, done, started)) from error
    result = _result(wish, check_mode, plan, done, started)
    errors = done.errors
    if errors:
        raise Incomplete("%d of the removals could not be done, the first: %s" % (len(errors), errors[0]), **result)
    return result


@dataclass
class _Done:
    """What a run has come to: the plan's PRUNING, repositories that are SWEPT of what an earlier run took away, UPLOADS (place, upload)
    and EMPTIED repositories that it removes, and REMOVALS that could not be done."""

    pruning: Pruning
    swept: t.Sequence[str] = ()
    uploads: t.Sequence[t.Tuple[str, Upload]] = ()
    emptied: t.Sequence[str] = ()
    removals: t.List[str] = field(default_factory=list)
    backup_file: t.Optional[str] = None

    @property
    def errors(self) -> t.List[str]:
        """What could not be removed."""
        return self.pruning.errors + self.removals

    @property
    def anything(self) -> bool:
        """Whether anything is different by now."""
        return bool(self.pruning.changed or self.swept or self.uploads or self.emptied)


def _sweep(tree: str, wish: Wish, check_mode: bool, taken: t.Sequence[str], done: _Done) -> None:
    """Delete what a run that was killed has TAKEN in these repositories; in CHECK_MODE only note it in DONE."""
    if not check_mode and taken:
        _insist(wish)
    done.swept = taken
    if not check_mode:
        done.removals += _each(lambda name: sweep(tree, name), taken)


def _clear_away(
    tree: str, wish: Wish, check_mode: bool, now: float, stale: t.Sequence[t.Tuple[str, Upload]], done: _Done
) -> None:
    """Remove STALE uploads and then, if WISH says so, repositories that are empty without them; in CHECK_MODE only note them in DONE."""
    places = [place for place, _upload in stale]
    if not check_mode:
        _insist(wish)
    done.uploads = stale
    if not check_mode:
        done.removals += _each(lambda place: remove_tree(tree, place), places)
    if wish.remove_empty_repositories:
        emptied = find_emptied(tree, now - wish.empty_repository_grace, set(places))
        if not check_mode:
            _insist(wish)
        done.emptied = emptied
        if not check_mode:
            done.removals += _each(lambda name: remove_repository(tree, name), emptied)


def _result(wish: Wish, check_mode: bool, plan: t.Optional[Plan], done: _Done, started: float) -> Result:
    pruning = done.pruning
    changed = pruning.changes if check_mode else pruning.changed
    return {
        "changed": bool(changed or done.swept or done.uploads or done.emptied),
        "plan_id": plan.identity if plan else None,
        "planned": pruning.planned(),
        "deleted": pruning.gone(),
        "repositories": _rows(pruning, check_mode) if wish.details == "deleted" else [],
        "drifted": [{"repository": name, "name": what, "reason": reason} for name, what, reason in pruning.drifted],
        "held": [{"repository": name, "reason": reason} for name, reason in pruning.held],
        "purged_uploads_count": len(done.uploads),
        "purged_uploads_bytes": sum(upload.size for _place, upload in done.uploads),
        "removed_repositories": sorted(done.emptied),
        "swept_repositories": list(done.swept),
        "backup_file": done.backup_file,
        "errors": done.errors,
        "duration": round(time.monotonic() - started, 3),
    }


def _insist(wish: Wish) -> None:
    # The watchdog that ends a lease ends this process, too: from here on it cannot come in between.
    if wish.lease:
        Lease(wish.lease).insist(wish.run_id or "")


def _read_plan(wish: Wish) -> t.Optional[Plan]:
    if not wish.plan_file:
        return None
    try:
        plan = plan_from_records(read_records(wish.plan_file))
    except OSError as error:
        raise StorageError(
            "the plan file %s cannot be read: %s. Make the plan first. Nothing was done"
            % (wish.plan_file, error.strerror)
        ) from error
    except PlanInvalid as error:
        raise StorageError(
            "the plan file %s cannot be used: %s. Make the plan again. Nothing was done" % (wish.plan_file, error)
        ) from error
    if wish.url and plan.url != wish.url:
        raise StorageError(
            "the plan file %s is of the registry at %s, and url is %s. Make the plan at that address, or correct url. Nothing was done"
            % (wish.plan_file, plan.url or "no known address", wish.url)
        )
    if wish.plan_id and plan.identity != wish.plan_id:
        raise StorageError(
            "the plan file %s holds the plan %s, not the approved %s: review it and approve that one. Nothing was done"
            % (wish.plan_file, plan.identity, wish.plan_id)
        )
    if plan.guards and not wish.plan_id:
        raise GuardHeld(
            "this plan is held: %s. Change the limit and make it again, or approve it with plan_id=%s. Nothing was done"
            % ("; ".join(guard.message for guard in plan.guards), plan.identity)
        )
    return plan


def _each(remove: t.Callable[[str], None], things: t.Iterable[str]) -> t.List[str]:
    errors = []
    for thing in things:
        try:
            remove(thing)
        except OSError as error:
            errors.append("%s: %s" % (error.filename or thing, error.strerror))
    return errors


def _rows(pruning: Pruning, check_mode: bool) -> t.List[Result]:
    rows = []
    for one in pruning.repositories:
        tags = one.valid.tags if check_mode else one.tags_gone
        manifests = [manifest.digest for manifest in one.valid.manifests] if check_mode else one.manifests_gone
        if tags or manifests:
            rows.append({"name": one.name, "tags": sorted(tag.name for tag in tags), "manifests": manifests})
    return rows
