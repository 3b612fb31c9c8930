# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes that the modules of this collection have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """DOCUMENTATION describes the attributes, and the module adds C(support); the others are complete."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what a real run would change, without changing it.
  diff_mode:
    description: Returns what was there before and what is there after, when C(diff) is asked for.
  idempotent:
    description: A second run with the same options, on what the first run has left, changes nothing.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
"""

    API_MODULE = r"""
options: {}
attributes:
  action_group:
    description:
      - Options can be given once for all API modules of this collection, as
        C(module_defaults) of C(group/fleetops.container_registry.registry).
    support: full
    membership:
      - fleetops.container_registry.registry
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description: Whether an action plugin on the controller takes part.
  async:
    description: Can be run with C(async).
"""
