# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process that tests.rig.modules starts: hands standard input to a module as its arguments."""

from __future__ import annotations

import importlib
import sys

from ansible.module_utils import basic


def main() -> None:
    """Run the module named on the command line."""
    name = sys.argv[1]
    try:
        from ansible.module_utils.testing import patch_module_args
    except ImportError:  # ansible-core 2.18
        basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
        importlib.import_module(name).main()
    else:
        import json

        with patch_module_args(json.loads(sys.stdin.read())["ANSIBLE_MODULE_ARGS"]):
            importlib.import_module(name).main()


if __name__ == "__main__":
    main()
