# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of registry_prune as Ansible hands them over where nobody has said anything."""

from __future__ import annotations

DEFAULTS = {
    "protected": None,
    "max_delete_tags": None,
    "max_delete_percent_per_repository": None,
    "allow_empty_repository": False,
    "remove_dangling_tags": False,
    "remove_orphans": False,
    "apply_plan": False,
    "plan_file": None,
    "plan_id": None,
    "store_scan": None,
    "strategy": "auto",
    "delete_grace": "0d",
    "assume_delete_enabled": False,
    "repositories": None,
}
