#!/usr/bin/python
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until nobody pushes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_storage_wait
short_description: Wait until nobody pushes to a registry
version_added: 0.1.0
author:
  - fleetops.container_registry contributors (@fleetops)
description:
  - Looks at the uploads in the store of CNCF Distribution's filesystem driver (C(registry:2), C(registry:3)) until none has been begun,
    written to or ended for O(quiet) seconds.
  - This is a courtesy to those who push. An upload that is cut off by a restart has to begin anew. It is no lock, since a push may
    begin right after it.
  - A registry that is never quiet does not make the task fail. After O(timeout) the module ends with RV(quiet=false).
  - Symbolic links are followed, as the registry follows them. A folder that cannot be read makes the task fail, since a push may be
    going on in it.
  - The module runs on the host that holds the store, with Python's standard library alone.
extends_documentation_fragment:
  - fleetops.container_registry.attributes
  - fleetops.container_registry.attributes.info_module
options:
  storage_root:
    description:
      - The C(rootdirectory) of the registry's filesystem driver, as this host sees it.
    type: path
    required: true
  quiet:
    description:
      - Seconds for which no upload may have been touched. V(0) waits for nothing.
    type: float
    default: 30.0
  timeout:
    description:
      - Seconds to wait at most. If somebody still pushes then, RV(quiet) is V(false) and the task succeeds. In check
        mode it looks once.
    type: float
    default: 600.0
notes:
  - In check mode the module looks once and does not wait.
seealso:
  - module: fleetops.container_registry.registry_storage_info
"""

EXAMPLES = r"""
- name: Let pushes end before the registry is restarted
  fleetops.container_registry.registry_storage_wait:
    storage_root: /srv/registry
    quiet: 60
  register: pushes

- name: Restart it all the same, and say so
  ansible.builtin.debug:
    msg: "Somebody still pushes to {{ pushes.last_repository }}."
  when: not pushes.quiet
"""

RETURN = r"""
quiet:
  description: Whether no upload was touched for O(quiet) seconds.
  returned: success
  type: bool
  sample: true
waited:
  description: The seconds that this took.
  returned: success
  type: float
  sample: 12.5
last_repository:
  description: The repository of the last upload, empty if there never was one.
  returned: success
  type: str
  sample: team/app
last_touched:
  description: When it was touched last, by this host's clock, empty if there never was one.
  returned: success
  type: str
  sample: "2026-03-01T12:00:00Z"
"""

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.instant import format_instant
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import ModuleFailure, StoreModule
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import tree_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.quiet import wait_for_quiet


def job(module: StoreModule) -> t.Dict[str, t.Any]:
    """Wait; once around in check mode."""
    for name in ("quiet", "timeout"):
        if module.params[name] < 0:
            raise ModuleFailure("%s must be 0 or more, not %s" % (name, module.params[name]))
    limit = 0.0 if module.check_mode else module.params["timeout"]
    waited = wait_for_quiet(tree_of(module.params["storage_root"]), module.params["quiet"], limit)
    return {
        "changed": False,
        "quiet": waited.quiet,
        "waited": round(waited.seconds, 1),
        "last_repository": waited.last.repository if waited.last else "",
        "last_touched": format_instant(waited.last.when) if waited.last else "",
    }


def main() -> None:
    """Run the module."""
    StoreModule(
        {
            "storage_root": {"type": "path", "required": True},
            "quiet": {"type": "float", "default": 30.0},
            "timeout": {"type": "float", "default": 600.0},
        }
    ).run(job)


if __name__ == "__main__":
    main()
