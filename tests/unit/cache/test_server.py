# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the Redis server is spoken to is what was asked for, or it is not spoken to."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.cache.server import CacheAddress, CacheError


@pytest.mark.parametrize("option", ["ca_path", "client_cert", "client_key"])
def test_options_of_tls_without_it_are_refused(option):
    with pytest.raises(CacheError, match="without TLS although %s is given" % option):
        CacheAddress("redis.invalid", password="secret", **{option: "/some.pem"})
    assert CacheAddress("redis.invalid", tls=True, **{option: "/some.pem"}).warnings == []


def test_a_certificate_that_is_not_checked_is_warned_of():
    warnings = CacheAddress("redis.invalid", password="secret", tls=True, validate_certs=False).warnings
    assert "validate_certs" in warnings[0] and "secret" not in warnings[0]
    assert CacheAddress("redis.invalid", validate_certs=False).warnings == []
