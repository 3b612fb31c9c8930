# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach one registry: everything that a user may say about the way there."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Connection:
    """Options of one run against one registry.

    URL with scheme, host, port and an optional path prefix, without user or query. TIMEOUT (seconds) bounds each request,
    DEADLINE (seconds) the whole run. RETRIES: repetitions of a request that is safe to repeat. WORKERS: requests at once.
    RATE_LIMIT: requests a second. FIND_HIDDEN_TAGS: ask for tags that the registry
    has and does not list (True), or know that there are none (False).
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    auth_file: str = ""
    validate_certs: bool = True
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    timeout: float = 30.0
    deadline: t.Optional[float] = None
    retries: int = 3
    workers: int = 8
    rate_limit: t.Optional[float] = None
    find_hidden_tags: t.Optional[bool] = None
