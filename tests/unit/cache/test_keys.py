# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only a registry's own keys are taken for its cache."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.cache.keys import is_cache_key

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    "key",
    [
        f"blobs::{DIGEST}",
        f"blobs::sha512:{'0b' * 64}",
        "repository::team/app::blobs",
        f"repository::team/app::blobs::{DIGEST}",
        f"repository::a-b/c_d/e.f::blobs::{DIGEST}",
    ],
)
def test_keys_of_a_registry(key):
    assert is_cache_key(key.encode())


@pytest.mark.parametrize(
    "key",
    [
        "",
        "blobs::",
        "blobs::mine",
        "blobs::sha256:0a",
        f"blobs::{DIGEST}::mine",
        f"my-blobs::{DIGEST}",
        f"blobs::{DIGEST}\n",
        "repository::team/app",
        "repository::team/app::settings",
        "repository::Team/App::blobs",
        "repository::::blobs",
        f"repository::team/app::blobs::{DIGEST}::mine",
        f"repository::team::app::blobs::{DIGEST}",
        "blobs::ünlike",
    ],
)
def test_keys_of_somebody_else(key):
    assert not is_cache_key(key.encode())


def test_a_key_that_is_no_text():
    assert not is_cache_key(b"blobs::\xff\xfe")
