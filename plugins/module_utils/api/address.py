# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses: the registry's own, and what to think of others that a server sends us to."""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

# A registry's longest own URL names a repository (255), a digest of sha512 and a path prefix.
_LONGEST_SHOWN = 1000
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?\Z")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")

_Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Metadata services of clouds that are on no link-local address: Alibaba's, Azure's, and Amazon's and Google's for IPv6.
_METADATA = (
    ipaddress.IPv4Address("100.100.100.200"),
    ipaddress.IPv4Address("168.63.129.16"),
    ipaddress.IPv6Address("fd00:ec2::254"),
    ipaddress.IPv6Address("fd20:ce::254"),
)


class AddressInvalid(ValueError):
    """A registry's URL that cannot be used; the text says why and what to write."""


@dataclass(frozen=True)
class Origin:
    """Who is spoken to: scheme, host in lower case, port. Credentials never leave the origin that they were given for."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return "%s://%s" % (self.scheme, self.netloc)

    @property
    def netloc(self) -> str:
        """Host and port as a URL has them, without the scheme's own port."""
        return self._host if self.port == _PORTS[self.scheme] else self.netloc_with_port

    @property
    def netloc_with_port(self) -> str:
        """Host and port, also the scheme's own port."""
        return "%s:%d" % (self._host, self.port)

    @property
    def _host(self) -> str:
        return "[%s]" % self.host if ":" in self.host else self.host


@dataclass(frozen=True)
class Address:
    """A registry: its origin and, where it lives under one, a path prefix without a slash at its end."""

    origin: Origin
    prefix: str = ""

    @property
    def base(self) -> str:
        """The URL to which '/v2/' is added."""
        return "%s%s" % (self.origin, self.prefix)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a registry's URL; raise AddressInvalid, whose text never repeats a user or password."""
        text = url.strip()
        scheme, separator, _rest = text.partition("://")
        if not separator:
            raise AddressInvalid(
                "url %r has no scheme: write https://%s, or http:// for a registry without TLS"
                % (_shown(text), _shown(text))
            )
        if scheme.lower() not in _PORTS:
            raise AddressInvalid(
                "url %r has the scheme %r: a registry is reached by http or https" % (_shown(text), scheme)
            )
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:  # its text may quote a password with a slash in it, which looks like a port
            raise AddressInvalid(
                "url %r cannot be read: check host and port; a user and a password belong into the options username and password"
                % _shown(text)
            ) from None
        if "@" in parts.netloc:
            raise AddressInvalid(
                "url %r has a user in it: use the options username and password, or auth_file" % _shown(text)
            )
        if parts.query or parts.fragment or "?" in text or "#" in text:
            raise AddressInvalid("url %r has a query or fragment: give only scheme, host, port and path" % _shown(text))
        origin = origin_of(parts)
        if origin is None or port == 0:
            raise AddressInvalid("url %r names no usable host and port" % _shown(text))
        prefix = parts.path.rstrip("/")
        if prefix == "/v2" or prefix.endswith("/v2"):
            prefix = prefix[: -len("/v2")]
        if not _PREFIX.match(prefix) or "/.." in prefix or "/./" in prefix + "/":
            raise AddressInvalid("url %r has a path that no registry can have" % _shown(text))
        return cls(origin, prefix)


def origin_of(parts: SplitResult) -> t.Optional[Origin]:
    """The origin of a split URL, or None where it has no http(s) scheme, no host, or a port that is none."""
    scheme = parts.scheme.lower()
    try:
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not host or not (_HOST.match(host) or _ip(host)):
        return None
    return Origin(scheme, host, _PORTS[scheme] if port is None else port)


def secrets_of(url: str) -> t.Set[str]:
    """What may be a secret in a URL that is refused (user, password, query), as written and decoded; nothing for one that can be used."""
    try:
        Address.parse(url)
    except AddressInvalid:
        user, _at, host = (url.partition("://")[2] or url).rpartition("@")
        secrets = (user.partition(":")[2] or user, *re.split(r"[?#]", host)[1:])
        return {secret for one in secrets for secret in (one, unquote(one)) if secret}
    return set()


def without_secrets(url: str) -> str:
    """URL for messages: without user, password, query and fragment (object stores sign their URLs in the query).

    A server may have chosen it, so it is cut, and what a terminal would obey is replaced.
    """
    try:
        parts = urlsplit(url)
        shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return "(a URL that cannot be read)"
    shown = shown[:_LONGEST_SHOWN]
    return shown if shown.isprintable() else "".join(char if char.isprintable() else "?" for char in shown)


def is_loopback(host: str) -> bool:
    """Whether HOST is this machine by its very name: nothing is looked up, since a looked-up answer may change."""
    address = _ip(host)
    return host.rstrip(".").lower() == "localhost" or (address is not None and address.is_loopback)


def is_inward(host: str) -> bool:
    """Whether HOST is, or resolves to, an address where cloud metadata and local services listen: loopback, link-local and their like."""
    address = _ip(host)
    if address is not None:
        found = [address]
    else:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False  # it does not resolve: connecting says so
        found = [item for item in (_ip(str(answer[4][0])) for answer in answers) if item is not None]
    return any(_is_inward(_meant(item)) for item in found)


def _is_inward(address: _Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in _METADATA
    )


def _meant(address: _Address) -> _Address:
    """The IPv4 address that a gateway makes of ADDRESS (6to4, NAT64), else ADDRESS."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _ip(host: str) -> t.Optional[_Address]:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _shown(url: str) -> str:
    """URL for a message: whatever stands before an '@' may be a password."""
    head, separator, rest = url.partition("://")
    if not separator:
        head, rest = "", head
    return head + separator + re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
