#!/bin/sh
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Fills the folder $1 with links to every Python that really starts, as ansible-test looks for them on PATH. A version
# manager's shims are there for versions that are not chosen, and fail when they are run.
rm -rf "$1"
mkdir -p "$1"
for version in 3.8 3.9 3.10 3.11 3.12 3.13; do
    for candidate in "/usr/bin/python$version" "/usr/local/bin/python$version" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version"; do
        if [ -x "$candidate" ] && "$candidate" -c 'import ssl, venv, ensurepip' >/dev/null 2>&1; then
            ln -s "$candidate" "$1/python$version"
            break
        fi
    done
done
