# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible makes of secrets, held against Ansible itself."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.masking import (
    is_masked,
    masked_place,
    secret_place,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"references": ["team/app:1", "********/app:1"]}, "references[1]"),
        ({"policies": [{"name": "a"}, {"name": "b", "tags": ["v*", "x-********-y"]}]}, "policies[1].tags[1]"),
        ({"policies": [{"labels": {"********": "x"}}]}, "policies[0].labels"),
        ({"repository": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}, "repository"),
        ({"repositories": ["*", "**", "team/*******"], "tags": None, "n": 8}, ""),
        ({"********": 1}, "a key"),
    ],
)
def test_a_masked_name_is_found_wherever_it_is(value, place):
    assert masked_place(value) == place


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text("ab1/.-e", max_size=6))
results = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
)


@given(
    st.dictionaries(st.text("ab1", max_size=2), results, max_size=3), st.sets(st.text("ab1", min_size=1, max_size=2))
)
def test_a_secret_is_found_exactly_where_ansible_masks_something(result, secrets):
    masked = remove_values(result, secrets)
    assert bool(secret_place(result, secrets)) == (masked != result)
    assert bool(masked_place(masked)) == (masked != result)


def test_names_of_the_protocol_are_never_taken_for_masked_ones():
    assert not any(map(is_masked, ("team/app", "v1.0-rc_1", "sha256:" + "0" * 64, "~^v.*$", "*", "*.*")))
