# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a blob may be fetched from when the registry sends us elsewhere (to its object store)."""

from __future__ import annotations

import typing as t
from urllib.parse import urljoin, urlsplit, urlunsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import (
    Origin,
    is_inward,
    origin_of,
    without_secrets,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import ResponseInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.transport import Transport

_MOST = 4
_REDIRECTS = (301, 302, 303, 307, 308)


class Redirects:
    """Follows redirects of reads, without credentials as soon as they leave the registry's origin."""

    def __init__(self, home: Origin, transport: Transport) -> None:
        self._home = home
        self._transport = transport

    def follow(self, answer: Answer, headers: t.Mapping[str, str], limit: int, first_bytes: bool, what: str) -> Answer:
        """The answer at the end of the chain that ANSWER begins. Raises ResponseInvalid for one that must not be followed."""
        current = answer.url
        origin = self._home
        for _step in range(_MOST):
            url, origin = self._target(answer, current, origin, what)
            kept = dict(headers)
            if origin != self._home:
                kept.pop("Authorization", None)
            current = url
            answer = self._transport.exchange(answer.method, url, kept, limit=limit, first_bytes=first_bytes)
            if answer.status not in _REDIRECTS:
                return answer
        raise ResponseInvalid("%s: redirected more than %d times, perhaps in a circle." % (what, _MOST), *answer.where)

    def _target(self, answer: Answer, current: str, before: Origin, what: str) -> t.Tuple[str, Origin]:
        location = answer.header("location") or ""
        try:
            parts = urlsplit(urljoin(current, location))
        except ValueError:
            parts = urlsplit("")
        origin = origin_of(parts) if location else None
        if origin is None or "@" in parts.netloc:
            raise ResponseInvalid("%s: redirected to something that is no address." % what, *answer.where)
        shown = without_secrets(parts.geturl())
        if before.scheme == "https" and origin.scheme != "https":
            raise ResponseInvalid(
                "%s: redirected from TLS to %s without it, which is not followed." % (what, shown), *answer.where
            )
        # A registry must not be able to make us read what only this host can reach.
        if origin.host != self._home.host and is_inward(origin.host) and not is_inward(self._home.host):
            raise ResponseInvalid(
                "%s: redirected to %s on this host or link, which is not followed." % (what, shown), *answer.where
            )
        return urlunsplit(parts._replace(fragment="")), origin
