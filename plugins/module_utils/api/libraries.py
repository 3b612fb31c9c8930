# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one guarded import of requests, so that every module can be imported, documented and explained without it."""

from __future__ import annotations

import traceback
import typing as t

requests: t.Any
urllib3: t.Any
HTTPAdapter: t.Any
REQUESTS_IMPORT_ERROR: t.Optional[str]

try:
    import requests as _requests
    import urllib3 as _urllib3
    from requests.adapters import HTTPAdapter as _HTTPAdapter
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    requests = None
    urllib3 = None
    HTTPAdapter = object  # something to derive from, so that this package can be imported
else:
    REQUESTS_IMPORT_ERROR = None
    requests = _requests
    urllib3 = _urllib3
    HTTPAdapter = _HTTPAdapter
