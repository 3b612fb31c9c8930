# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks pip-audit for known weaknesses of every package in this environment: 0 none, 1 some, 2 nothing could be looked at.

pip-audit calls a package that the service does not know "skipped" and is content. Where the index is a mirror without the
service's data that is every package, so here what was skipped is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys

SERVICES = ("pypi", "osv")


def audit(service: str) -> list[dict] | None:
    """What pip-audit says of each package, or None where SERVICE cannot be asked."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "30"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None


def main() -> int:
    """Try one service after the other."""
    for service in SERVICES:
        packages = audit(service) or []
        known = [package for package in packages if "skip_reason" not in package]
        if not known:
            print(f"{service}: it cannot be reached, or knows none of the {len(packages)} packages")
            continue
        for package in packages:
            if "skip_reason" in package:
                print(f"not looked at: {package['name']}: {package['skip_reason']}")
        weak = [package for package in known if package["vulns"]]
        for package in weak:
            for weakness in package["vulns"]:
                fixed = ", ".join(weakness["fix_versions"]) or "no version yet"
                print(f"{package['name']} {package['version']}: {weakness['id']}, fixed in {fixed}")
        print(f"{service}: {len(known)} packages looked at, {len(weak)} with known weaknesses")
        return 1 if weak else 0
    print("No advisory service can be reached from here, so NOTHING was looked at. Run `make audit` where one can be.")
    return 2


if __name__ == "__main__":
    sys.exit(main())
