# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy that the environment names for an address: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Origin, is_loopback
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.libraries import requests

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def proxies_for(origin: Origin) -> t.Dict[str, str]:
    """The proxies for ORIGIN as requests takes them, none for this host itself: a proxy's loopback is another machine's.

    Raises RegistryError, which never shows a proxy's address: it has a password.
    """
    if is_loopback(origin.host):
        return {}
    proxies: t.Dict[str, str] = dict(requests.utils.get_environ_proxies(str(origin)))
    chosen = requests.utils.select_proxy(str(origin), proxies)
    if chosen and not _is_usable(chosen):
        raise RegistryError(
            "%s cannot be reached through the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY): its address is none."
            " Write http://HOST:PORT or socks5h://HOST:PORT, with USER:PASSWORD@ before the host where the proxy wants one, and"
            " every special character of the password as %%XX." % origin
        )
    return proxies


def _is_usable(proxy: str) -> bool:
    """Whether urllib3 can take PROXY; with one that it cannot it fails in many ways."""
    try:
        parts = urlsplit(proxy if "://" in proxy else "http://" + proxy)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme.lower() in _SCHEMES and bool(parts.hostname) and port != 0 and ("://" in proxy or "@" not in proxy)
    )
