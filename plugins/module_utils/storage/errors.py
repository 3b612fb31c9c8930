# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong with the store on disk and with its collector; texts name the thing, the reason and the remedy."""

from __future__ import annotations


class StorageError(Exception):
    """Something about the store, a file of ours or the collector that cannot be worked with."""
