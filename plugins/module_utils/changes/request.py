# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of registry_prune to a request, checked before anything is sent."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.pruning import PruneRequest
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.selection import compile_option
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import Scan
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.durations import parse_duration
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.options import Guards, Options
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import refuse_without_pulls
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import compile_policies
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import read_scan

_NO_TIME = re.compile(r"0+[smhdwy]?\Z")


class OptionInvalid(ValueError):
    """An option whose value cannot be meant; the text names it, the reason and the remedy."""


def prune_request(params: t.Mapping[str, t.Any], check: bool) -> PruneRequest:
    """Read the options of registry_prune.

    Raises PolicyInvalid for policies that are not sound, StorageError for a scan that cannot be used, RegistryError for patterns
    that cannot be, and OptionInvalid for any other option, each naming the option.
    """
    policies = compile_policies(params["policies"], params["protected"])
    options = Options(
        guards=Guards(
            max_delete_tags=_limit(params, "max_delete_tags", None),
            max_delete_percent=_limit(params, "max_delete_percent", 100),
            allow_empty_repository=params["allow_empty_repository"],
            max_delete_percent_per_repository=_limit(params, "max_delete_percent_per_repository", 100),
        ),
        remove_dangling_tags=params["remove_dangling_tags"],
        remove_orphans=params["remove_orphans"],
    )
    refuse_without_pulls(policies, options)
    backup_dir = params["backup_dir"] or ""
    if not backup_dir and not check:
        raise OptionInvalid(
            "backup_dir is needed to delete anything: a directory that keeps what goes, so that it can be put back"
        )
    if params["repositories"] is not None:
        compile_option("repositories", params["repositories"])
    apply_plan = params["apply_plan"]
    return PruneRequest(
        policies=policies,
        options=options,
        repositories=params["repositories"],
        scan=_scan(params["store_scan"]) if params["store_scan"] else None,
        approved=params["plan_file"] if apply_plan else "",
        approved_id=params["plan_id"] or "",
        plan_file="" if apply_plan else params["plan_file"] or "",
        backup_dir=backup_dir,
        strategy=params["strategy"],
        grace=duration_option("delete_grace", params["delete_grace"]),
        check=check,
        assume_enabled=params["assume_delete_enabled"],
    )


def _scan(path: str) -> Scan:
    try:
        return read_scan(path)
    except OSError as error:
        raise OptionInvalid(
            "store_scan: %s cannot be read: %s. Make the scan first, with registry_storage_info"
            % (path, error.strerror)
        ) from error


def duration_option(name: str, text: str) -> float:
    """Seconds of the option NAME, which says TEXT; 0 for no time at all. Raises OptionInvalid."""
    if _NO_TIME.match(text):
        return 0.0
    seconds = parse_duration(text)
    if seconds is None:
        raise OptionInvalid(
            "%s is %r, which is no time: write a number and a unit, such as 12h, 7d or 2w" % (name, text)
        )
    return seconds


def _limit(params: t.Mapping[str, t.Any], name: str, most: t.Optional[float]) -> t.Any:
    value = params[name]
    if value is not None and (value < 0 or (most is not None and value > most)):
        raise OptionInvalid(
            "%s is %g: it must be 0 or more%s" % (name, value, "" if most is None else ", at most %g" % most)
        )
    return value
