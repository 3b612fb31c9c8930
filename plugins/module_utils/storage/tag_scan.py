# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags of one repository: what each names, when it was pushed, and when what it named before became untagged."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    is_digest,
    is_tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import StoredTag
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import (
    TAG_LINK_BROKEN,
    TAG_NAME,
    Finding,
    Findings,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.links import read_link

# Where folders count their links, one with a single folder in it has these: from its parent, from itself, and from that one.
_ONE_FOLDER = 3


def read_tags(
    folder: str, place: str, repository: str, findings: Findings
) -> t.Tuple[t.Dict[str, StoredTag], t.List[str]]:
    """The tags in FOLDER (a repository's _manifests/tags) that name a digest, and the names of those that do not.

    The latter become findings, at PLACE.

    Raises FileNotFoundError if there is no FOLDER, another OSError if it is none, or cannot be read.
    """
    tags = {}
    broken = []
    with os.scandir(folder) as listing:
        names = sorted((entry.name, entry.is_dir()) for entry in listing)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for name, is_folder in names:
            if not is_folder or not is_tag(name):
                findings.add(Finding(TAG_NAME, os.path.join(place, name), repository))
                continue
            link = read_link(name + "/current/link", descriptor)
            if link is None or link.problem:
                detail = "current/link " + (link.problem if link else "is not there")
                findings.add(Finding(TAG_LINK_BROKEN, os.path.join(place, name), repository, detail))
                broken.append(name)
                continue
            tags[name] = StoredTag(name, link.digest, link.written)
    finally:
        os.close(descriptor)
    return tags, broken


def when_untagged(folder: str, tags: t.Mapping[str, StoredTag], untagged: t.Set[str]) -> t.Dict[str, float]:
    """When each of the UNTAGGED digests that a tag of FOLDER has named before was pushed over, the last time.

    A tag's index keeps every digest that it ever named, with the time of its last push. A digest that was pushed again later
    hides when it was first pushed: then the time found is too late, never too early. A tag that was removed took its index along, so
    what only such tags have named is not in the result, nor is what never had a tag.
    """
    since: t.Dict[str, float] = {}
    for tag in tags.values():
        history = read_history(os.path.join(folder, tag.name, "index"), tag.digest)
        if not history:
            continue
        times = sorted(history.values())
        for digest, pushed in history.items():
            if digest in untagged:
                later = next((moment for moment in times if moment > pushed), None)
                if later is not None:
                    since[digest] = max(later, since.get(digest, later))
    return since


def read_history(folder: str, current: str = "") -> t.Dict[str, float]:
    """Digests and push times of a tag's index, which is FOLDER; empty where it has only ever named CURRENT."""
    found = {}
    for algorithm in ("sha256", "sha512"):
        path = "%s/%s" % (folder, algorithm)
        try:
            if current and os.stat(path).st_nlink == _ONE_FOLDER:
                return {}
            names = os.listdir(path)
        except OSError:
            continue
        if names == [current.partition(":")[2]]:
            return {}
        for name in names:
            digest = "%s:%s" % (algorithm, name)
            try:
                if is_digest(digest):
                    found[digest] = os.stat("%s/%s/link" % (path, name)).st_mtime
            except OSError:
                continue
        if names:
            break
    return found
