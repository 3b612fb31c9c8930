# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Under which name the plans and backups of an offline prune are known."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import ModuleFailure
from ansible_collections.fleetops.container_registry.plugins.modules.registry_storage_prune import address_of


@pytest.mark.parametrize(
    ("url", "known_as"),
    [
        ("https://R.example/", "https://r.example"),
        ("HTTP://r.example:80", "http://r.example"),
        ("https://r.example:5000/Prefix/", "https://r.example:5000/Prefix"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        (None, None),
        ("", None),
    ],
)
def test_a_backup_names_its_registry_as_the_api_does(url, known_as):
    assert address_of(url) == known_as


def test_what_is_no_address_is_refused_before_anything_is_done():
    with pytest.raises(ModuleFailure, match="no scheme.*Nothing was done"):
        address_of("registry.example")
