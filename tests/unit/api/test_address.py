# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry's URL may be, and what its error texts never repeat."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import (
    Address,
    AddressInvalid,
    is_inward,
    is_loopback,
    secrets_of,
    without_secrets,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://registry.example.com", "https://registry.example.com"),
        ("https://registry.example.com/", "https://registry.example.com"),
        ("HTTPS://Registry.Example.COM:443/", "https://registry.example.com"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://[::1]:5000/", "http://[::1]:5000"),
        ("https://example.com/docker/hub", "https://example.com/docker/hub"),
        ("https://example.com/v2/", "https://example.com"),
        ("https://example.com/prefix/v2", "https://example.com/prefix"),
        (" https://example.com ", "https://example.com"),
    ],
)
def test_a_registry_is_addressed_by_scheme_host_port_and_prefix(url, base):
    assert Address.parse(url).base == base


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("registry.example.com:5000", "https://registry.example.com:5000"),
        ("", "no scheme"),
        ("ftp://example.com", "'ftp'"),
        ("https://", "no usable host"),
        ("https://exa mple.com", "no usable host"),
        ("https://example.com:0", "no usable host"),
        ("https://example.com:99999", "cannot be read"),
        ("https://example.com:port", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://me:secret@example.com", "username and password"),
        ("https://me:the/secret@example.com", "username and password"),
        ("https://me:secret/2@example.com", "username and password"),
        ("https://me:a#secret@example.com", "username and password"),
        ("https://example.com?token=secret", "query"),
        ("https://example.com/#frag", "query or fragment"),
        ("https://example.com/../x", "no registry can have"),
        ("https://example.com/a b", "no registry can have"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(url, says):
    with pytest.raises(AddressInvalid) as refused:
        Address.parse(url)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_password_in_a_url_without_scheme_is_not_repeated():
    with pytest.raises(AddressInvalid) as refused:
        Address.parse("me:secret@registry.example.com")
    assert "secret" not in str(refused.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text):
    try:
        address = Address.parse(text)
    except AddressInvalid:
        return
    assert Address.parse(address.base) == address


def test_messages_show_nothing_that_a_terminal_obeys():
    shown = without_secrets("https://h.example/v2/\x1b[2J\x9b1m\u202e/" + "x" * 5000)
    assert shown.isprintable()
    assert len(shown) <= 1000


def test_messages_show_urls_without_user_and_signature():
    shown = without_secrets("https://me:secret@store.example.com/blob?X-Amz-Signature=secret#secret")
    assert shown == "https://store.example.com/blob"
    assert "secret" not in without_secrets("https://[me:secret@")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "LOCALHOST."])
def test_loopback_is_told_by_name_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "10.0.0.1", "127.0.0.1.example.com", "example.com"])
def test_what_merely_looks_like_loopback_is_not(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "127.0.0.1", "fe80::1", "::1", "0.0.0.0", "::ffff:169.254.169.254", "localhost"),
        *("fd00:ec2::254", "100.100.100.200", "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "2002:a9fe:a9fe::1"),
        *("168.63.129.16", "fd20:ce::254"),
    ],
)
def test_addresses_that_only_this_host_can_reach(host):
    assert is_inward(host)


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "10.1.2.3", "2001:db8::1", "fd00:ec2::1", "64:ff9b::c000:201", "2002:c000:201::1"]
)
def test_other_addresses_are_not_inward(host):
    assert not is_inward(host)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://me:se%40cret@r.example/x", {"se%40cret", "se@cret"}),
        ("https://me:the/secret@r.example", {"the/secret"}),
        ("me:secret@r.example", {"secret"}),
        ("https://token@r.example", {"token"}),
        ("https://r.example?sig=secret#more", {"sig=secret", "more"}),
        ("https://r.example:5000/team", set()),
        ("ftp://r.example", set()),
    ],
)
def test_what_has_to_be_masked_in_a_url_that_is_refused(url, secrets):
    assert secrets_of(url) == secrets
