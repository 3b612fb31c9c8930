# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authority of the tests' own, and what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .binaries import debian_program

# 127.0.0.1 as only a resolver reads it: to a client a host like any other, which is asked through a proxy.
THROUGH_PROXY = "127.1"


def openssl(*arguments: str, cwd: Path) -> str:
    """Run openssl in CWD and return its output. Raises Unavailable where there is none."""
    program = str(debian_program("openssl", "openssl"))
    return subprocess.run([program, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def make_certificates(folder: Path) -> Path:
    """Write ca and other (two authorities), and server (for 127.0.0.1, also as THROUGH_PROXY) and client, signed by ca: each .pem and .key."""
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    for authority in ("ca", "other"):
        subject = ("-x509", "-subj", f"/CN={authority}")
        openssl(*new, *subject, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", cwd=folder)
    for name, extra in (
        ("server", f"subjectAltName=IP:127.0.0.1,DNS:{THROUGH_PROXY}"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        openssl(
            *new, "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", f"/CN={name}", "-addext", extra,
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", f"{name}.key", "-out", f"{name}.pem", cwd=folder,
        )  # fmt: skip
    return folder
