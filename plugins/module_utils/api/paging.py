# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists that come in pages: where the next page is, and when to stop believing in it."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urljoin, urlsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address, without_secrets
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import ResponseInvalid

_NEXT = re.compile(r"<([^<>]{0,4096})>([^<]{0,4096})")
_REL_NEXT = re.compile(r";\s*rel\s*=\s*\"?next\"?\s*(?:[;,]|\Z)", re.IGNORECASE)
MOST_NAMES = 2000000
# Distribution's own page has 100 names, so this is as many names; an endless list of small pages ends here.
_MOST_PAGES = 20000
# A name has at most 255 characters, and most have a tenth of that.
MOST_NAME_BYTES = 128 * 1024 * 1024
# A page may be short or even empty (filtered by what the user may see), but not endlessly many in a row.
_MOST_EMPTY = 20
_MOST_HEADER = 16384


class Pages:
    """Follows the 'next' links of one list of names, and refuses a list that leads in circles, away, or on for ever."""

    def __init__(self, address: Address, what: str) -> None:
        self._address = address
        self._what = what
        self._queries: t.Set[str] = set()
        self._names: t.Set[str] = set()
        self._bytes = 0
        self._empty = 0

    def take(self, names: t.Iterable[str]) -> t.List[str]:
        """The names that no earlier page had. Raises ResponseInvalid where there are more than anybody can have."""
        fresh = []
        for name in names:
            if name not in self._names:
                self._names.add(name)
                self._bytes += len(name)
                fresh.append(name)
        if len(self._names) > MOST_NAMES:
            raise ResponseInvalid("%s: there are more than %d names." % (self._what, MOST_NAMES))
        if self._bytes > MOST_NAME_BYTES:
            raise ResponseInvalid(
                "%s: the names have more than %d MiB." % (self._what, MOST_NAME_BYTES // 1024 // 1024)
            )
        self._empty = 0 if fresh else self._empty + 1
        return fresh

    def next_query(self, answer: Answer) -> t.Optional[str]:
        """The query of the next page, or None at the end. Raises ResponseInvalid.

        Only the query is taken from the link: behind a proxy, scheme, port and path prefix of links are often wrong, and the
        list's own path is known. A foreign host is refused.
        """
        target = _next_link(answer.header("link"))
        if target is None:
            return None
        try:
            parts = urlsplit(urljoin(answer.url, target))
            host = (parts.hostname or "").lower()
        except ValueError:
            raise ResponseInvalid("%s: the link to the next page cannot be read." % self._what, *answer.where) from None
        if host != self._address.origin.host:
            raise ResponseInvalid(
                "%s: the next page is said to be at %s, another host, which is not followed. Behind a proxy, let it pass on the Host"
                " header, or set http.host in the registry's configuration."
                % (self._what, without_secrets(parts.geturl())),
                *answer.where,
            )
        if len(self._queries) >= _MOST_PAGES:
            raise ResponseInvalid("%s: there are more than %d pages." % (self._what, _MOST_PAGES), *answer.where)
        if parts.query in self._queries or self._empty >= _MOST_EMPTY:
            raise ResponseInvalid("%s: the pages lead in a circle." % self._what, *answer.where)
        self._queries.add(parts.query)
        return parts.query


def _next_link(header: t.Optional[str]) -> t.Optional[str]:
    """The target of the link with rel="next" (RFC 8288), or None."""
    for target, parameters in _NEXT.findall((header or "")[:_MOST_HEADER]):
        if _REL_NEXT.search(parameters):
            return str(target)
    return None
