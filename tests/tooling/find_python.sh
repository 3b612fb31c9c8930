#!/bin/sh
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Prints the first Python that the pinned ansible-core runs on (3.11 to 3.13). It is really started, because a
# version manager's shim may be on PATH for a version that is not there.
for candidate in python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
echo "No Python 3.11, 3.12 or 3.13 was found on PATH. On Debian 12: apt-get install python3 python3-venv" >&2
exit 1
