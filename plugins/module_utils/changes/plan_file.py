# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan as a file: saved by one run, reviewed, and carried out by another."""

from __future__ import annotations

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import Plan, PlanInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan_records import (
    plan_from_records,
    plan_to_records,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import (
    read_records,
    write_records,
)


class PlanFileError(Exception):
    """A plan file that cannot be written, read or trusted; the text names it, the reason and the remedy."""


def write_plan(path: str, plan: Plan) -> None:
    """Write PLAN to PATH, replacing what was there; its folder is made with mode 0700 if absent. Raises PlanFileError."""
    try:
        write_records(path, plan_to_records(plan))
    except OSError as error:
        raise PlanFileError(
            "the plan %s cannot be saved: %s. Nothing was deleted; give a plan_file that can be written"
            % (path, error.strerror)
        ) from error


def read_plan(path: str, identity: str = "") -> Plan:
    """Read the plan at PATH; with IDENTITY, only if it is that plan. Raises PlanFileError."""
    try:
        plan = plan_from_records(read_records(path))
    except OSError as error:
        raise PlanFileError(
            "the plan file %s cannot be read: %s. Make the plan first" % (path, error.strerror)
        ) from error
    except (StorageError, PlanInvalid) as error:
        raise PlanFileError("the plan file %s cannot be used: %s. Make the plan again" % (path, error)) from error
    if identity and plan.identity != identity:
        raise PlanFileError(
            "the plan file %s holds the plan %s, not the approved %s; review it and approve that one"
            % (path, plan.identity, identity)
        )
    return plan
