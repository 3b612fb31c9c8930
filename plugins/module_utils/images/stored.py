# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a scan of the store adds to what the API shows, as far as the two agree."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.images.reading import Reader, Reading
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import Scan, StoredRepository
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import Revision


def agreeing(scan: t.Optional[Scan], name: str, tags: t.Mapping[str, t.Optional[str]]) -> t.Optional[StoredRepository]:
    """What SCAN says of the repository NAME, whose TAGS (name to digest) the API has just shown; None if it says nothing usable.

    A few tags move between scan and look. Where most of those that both know differ, the scan is of another store or of
    another time, and nothing of it is believed; nor where no tag is known to both. A collector's dry run knows no tags,
    so there is nothing to compare.
    """
    stored = scan.repositories.get(name) if scan is not None else None
    if stored is None:
        return None
    both = [tag for tag in stored.tags if tags.get(tag) is not None]
    same = sum(1 for tag in both if stored.tags[tag].digest == tags[tag])
    if both and same * 2 < len(both):
        return None
    if stored.tags and not both:
        return None
    return stored


def pushed_at(stored: t.Optional[StoredRepository], tag: str, digest: t.Optional[str]) -> t.Optional[float]:
    """When TAG was pushed, if the store knows it with the very DIGEST that the API shows."""
    known = stored.tags.get(tag) if stored is not None else None
    return known.pushed if known is not None and known.digest == digest else None


def unlisted_in(stored: t.Optional[StoredRepository], tags: t.Mapping[str, t.Optional[str]]) -> t.Dict[str, str]:
    """Manifests on which the store has a tag that is not among TAGS (name to digest) of the API, or names nothing there.

    Such a tag is gone since the scan, or the list was stale or incomplete: nobody can tell which.
    """
    listed = stored.tags.values() if stored is not None else ()
    return {tag.digest: tag.name for tag in listed if tags.get(tag.name) is None}


def read_dependants(reader: Reader, readings: t.Sequence[Reading], stored: t.Mapping[str, StoredRepository]) -> None:
    """Read what of STORED (by repository) may need a manifest that was read, and what these need, until there is no more.

    No tag leads to an untagged index, and all the same it needs its children. Raises DeadlineExceeded.
    """
    asked: t.Dict[str, t.Set[str]] = {reading.name: set() for reading in readings}
    waiting = True
    while waiting:
        waiting = False
        for reading in readings:
            known = stored.get(reading.name)
            if known is not None and not reading.stopped:
                above = _dependants(known, reading.manifests) - asked[reading.name]
                asked[reading.name] |= above
                reading.want(above)
                waiting = waiting or bool(reading.wanted)
        reader.read_wanted(readings)


def _dependants(stored: StoredRepository, known: t.Container[str]) -> t.Set[str]:
    """Indexes of STORED that name one of KNOWN, and manifests that the scan has not read, which may be such."""
    return {
        digest
        for digest, manifest in stored.manifests.items()
        if manifest.children is None or any(child in known for child in manifest.children)
    }


def revisions_of(
    stored: StoredRepository, known: t.Iterable[str], missing: t.AbstractSet[str]
) -> t.Dict[str, Revision]:
    """Every manifest of a repository: what the store lists and is not MISSING by now, and what the API showed (KNOWN).

    A manifest that only the API showed is new: nothing is known of its times, so it is kept.
    """
    revisions = {
        digest: Revision(digest, manifest.pushed, manifest.untagged_since)
        for digest, manifest in stored.manifests.items()
        if digest not in missing
    }
    for digest in known:
        revisions.setdefault(digest, Revision(digest))
    return revisions
