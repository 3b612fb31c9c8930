# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a collector ended badly, in words that say what to do. Each pattern was seen from a real 2.x or 3.x collector."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import printable

_SCAN = "registry_storage_info names the file"

# The first pattern that is found in the errors decides.
_CAUSES: t.Tuple[t.Tuple[str, str], ...] = (
    (
        r"invalid checksum digest format|unsupported digest algorithm|invalid checksum digest length",
        "a link file is empty or damaged (as after a crash or on a full disk); %s, remove that revision or tag" % _SCAN,
    ),
    (
        r"Path not found: \S*/_layers",
        "a repository has _manifests and no _layers, which makes every collection of 3.x abort; %s, create the empty folder"
        " _layers there with the registry's owner" % _SCAN,
    ),
    (
        r"unrecognized manifest schema version 1|schema1|manifest schema v1 unsupported",
        "the store holds a schema 1 manifest, which 3.x cannot read; delete it by its digest over the API, %s" % _SCAN,
    ),
    (
        r"unexpected end of JSON input|invalid character|errors verifying manifest|cannot unmarshal",
        "a manifest in the store is damaged; %s, delete that manifest by its digest and push it again" % _SCAN,
    ),
    (
        r"failed to retrieve tags unknown repository name",
        "a repository has no folder tags; %s, create that empty folder with the registry's owner" % _SCAN,
    ),
    (
        r"configuration error: (?:open|stat|read) [^\n]*(?:no such file|not a directory)",
        (
            "config_path is not there, as the collector sees it: in a container it is usually"
            " /etc/docker/registry/config.yml (registry:2) or /etc/distribution/config.yml (registry:3)"
        ),
    ),
    (
        r"configuration error: configuration path not specified",
        "no config was given to the collector: set config_path",
    ),
    (
        r"configuration error|error parsing|panic: (?:invalid|readonly|uploadpurging)",
        "the config cannot be used: correct it",
    ),
    (
        r"unknown (?:shorthand )?flag|unknown command",
        "the program does not know garbage-collect or its flags: argv must lead to the registry's own program, 2.7 or newer",
    ),
    (
        r"No such container|no such container|no container with name",
        "there is no such container: correct argv",
    ),
    (
        r"[Cc]ontainer \S+ is not running|can only create exec sessions on running containers",
        "the container does not run: start it (in read-only mode), or collect with 'docker run --rm --volumes-from'",
    ),
    (
        r"service \"?\S+\"? is not running",
        "the service does not run: start it, or collect with 'run --rm' instead of 'exec'",
    ),
    (
        r"Cannot connect to the Docker daemon|failed to connect to the docker API|error during connect",
        "the container engine cannot be reached: is it running, and may this user use it",
    ),
    (
        r"executable file not found|stat \S+: no such file or directory: unknown",
        "the program is not there inside the container: in the official images it is 'registry', in /bin",
    ),
    (
        r"permission denied",
        (
            "this user may not read or change the store or the config: run it as the user that the registry runs as, or as root"
            " (become)"
        ),
    ),
    (r"no space left on device", "a disk is full"),
)
_EMPTY_STORE = re.compile(
    r"failed to mark: \w+: Path not found: \S*/docker/registry/v2/repositories\s*\Z", re.MULTILINE
)


def is_empty_store(returncode: t.Optional[int], stderr: str) -> bool:
    """Whether a collector failed only because nothing has ever been pushed to its store."""
    return returncode == 1 and bool(_EMPTY_STORE.search(stderr))


def diagnose(returncode: t.Optional[int], stderr: str, last_repository: str) -> str:
    """A sentence about a run that ended with RETURNCODE and STDERR, and without its summary or with a bad status."""
    cause = ""
    for pattern, remedy in _CAUSES:
        if re.search(pattern, stderr):
            cause = ": " + remedy
            break
    if returncode == 0:
        outcome = "ended with status 0 and without its summary line"
    elif returncode is not None and returncode < 0:
        outcome = "was ended by signal %d" % -returncode
    else:
        outcome = "ended with status %s" % returncode
    where = " (in or after repository %s)" % last_repository if last_repository else ""
    return "garbage-collect %s%s%s. It said: %s" % (
        outcome,
        where,
        cause,
        printable(stderr[-1000:], 1000, lines=True) or "nothing",
    )
