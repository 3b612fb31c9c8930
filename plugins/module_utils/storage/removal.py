# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing folders of a store without following a symbolic link. See `trash` for those that the registry must never see half gone."""

from __future__ import annotations

import os

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.real_folder import (
    real_folder,
    remove_real_tree,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.record_file import sync_folder


def sync_if_there(folder: str) -> None:
    """Make what was removed from FOLDER stay removed after a crash. Raises OSError if it is there and cannot be synced."""
    if os.path.isdir(folder):
        sync_folder(folder)


def remove_tree(tree: str, place: str) -> None:
    """Delete PLACE, a folder below TREE, with all that it holds, if it is there. Raises OSError, also where it, or one above, is a link."""
    above, name = os.path.split(place)
    try:
        with real_folder(tree, above) as folder:
            if name in os.listdir(folder):
                remove_real_tree(folder, name, os.path.join(tree, place))
    except FileNotFoundError:
        return


def remove_empty_upwards(tree: str, place: str) -> None:
    """Remove PLACE and the folders above it, up to the first one below TREE and without that, as long as they are empty and no links.

    Raises nothing: it ends at the first that cannot be removed.
    """
    above, name = os.path.split(place)
    while above:
        try:
            with real_folder(tree, above) as folder:
                os.rmdir(name, dir_fd=folder)
        except OSError:
            return
        above, name = os.path.split(above)
