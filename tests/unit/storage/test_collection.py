# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One collection: guards, grace, and that the real run only ever follows a dry run that succeeded."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.scan import GARBAGE_COLLECT
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collection import (
    Wish,
    collect,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    CollectorFailed,
    CollectorRefused,
    GuardHeld,
    StorageError,
    StoreInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import count_blobs
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan_file import read_scan
from ansible_collections.fleetops.container_registry.tests.unit.storage.made_store import MadeStore

NOW = 1_800_000_000.0


class StandIn:
    """A shell script in the collector's place: it prints what it is told, and removes the blobs it names in a real run."""

    def __init__(self, folder, store):
        self.store = store
        self.path = folder / "registry"
        self.calls = folder / "calls"
        self.version = "registry github.com/docker/distribution 2.8.2"
        self.marked = 6
        while count_blobs(store.tree) < self.marked:
            store.blob(b"kept %d" % count_blobs(store.tree))
        self.garbage = [store.blob(b"%d" % number * 10, at=NOW - 7200) for number in range(4)]
        self.after = ""

    def words(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def write(self):
        lines = ["#!/bin/sh", "echo \"$*\" >> '%s'" % self.calls]
        lines.append("case \"$1\" in --version) echo '%s'; exit 0;; esac" % self.version)
        lines.append("echo team/app; echo 'team/app: marking manifest sha256:%064x '" % 7)
        lines.append(
            "echo; echo '%d blobs marked, %d blobs and 0 manifests eligible for deletion'"
            % (self.marked, len(self.garbage))
        )
        for digest in self.garbage:
            lines.append("echo 'blob eligible for deletion: %s'" % digest)
            folder = os.path.dirname(self.store.blob_path(digest))
            lines.append("case \"$*\" in *--dry-run*) ;; *) %s rm -r '%s';; esac" % (self.after, folder))
        self.path.write_text("\n".join(lines) + "\n")
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        return str(self.path)


@pytest.fixture
def stand_in(tmp_path):
    store = MadeStore(tmp_path / "root")
    store.image("team/app", "x")
    return StandIn(tmp_path, store)


def run(stand_in, check_mode=False, **wish):
    wish.setdefault("storage_root", stand_in.store.root)
    return collect(Wish(argv=[stand_in.write()], config_path="/c.yml", **wish), check_mode, NOW)


def test_check_mode_is_the_dry_run(stand_in):
    result = run(stand_in, check_mode=True)
    assert stand_in.words() == ["--version", "garbage-collect --dry-run /c.yml"]
    assert result["changed"] is True
    assert (result["blobs_eligible"], result["bytes_eligible"]) == (4, 40)
    assert (result["blobs_removed"], result["bytes_freed"]) == (0, 0)


def test_a_dry_run_of_which_a_part_was_lost_limits_nothing(stand_in):
    class Cut(StandIn):
        def write(self):
            program = super().write()
            lines = [line for line in self.path.read_text().splitlines() if self.garbage[-1] not in line]
            self.path.write_text("\n".join(lines) + "\n")
            return program

    cut = Cut(stand_in.path.parent, stand_in.store)
    with pytest.raises(CollectorFailed, match="part of its output was lost"):
        run(cut, max_bytes=1000)
    assert cut.words()[1:] == ["garbage-collect --dry-run /c.yml"]


def test_the_real_run_follows(stand_in):
    result = run(stand_in)
    assert stand_in.words()[1:] == ["garbage-collect --dry-run /c.yml", "garbage-collect /c.yml"]
    assert result["changed"] is True
    assert (result["blobs_removed"], result["bytes_freed"]) == (4, 40)
    assert sorted(result["sample"]) == sorted(stand_in.garbage)


def test_with_nothing_eligible_it_ends_unchanged(stand_in):
    stand_in.garbage = []
    result = run(stand_in)
    assert stand_in.words()[1:] == ["garbage-collect --dry-run /c.yml"]
    assert result["changed"] is False


def test_without_the_store_sizes_are_unknown(stand_in):
    result = run(stand_in, storage_root=None)
    assert (result["blobs_removed"], result["bytes_eligible"], result["bytes_freed"]) == (4, None, None)


@pytest.mark.parametrize(
    "guard, through",
    [
        ({"max_blobs": 3}, {"max_blobs": 4}),
        ({"max_bytes": 39}, {"max_bytes": 40}),
        ({"max_percent": 39.9}, {"max_percent": 40.0}),
    ],
)
def test_guards_hold_and_say_what_would_pass(stand_in, guard, through):
    name = next(iter(guard))
    shown = run(stand_in, check_mode=True, **guard)
    assert shown["changed"] is False
    assert [one["name"] for one in shown["blocked_by"]] == [name]
    assert float(shown["blocked_by"][0]["passes_with"]) == through[name]
    with pytest.raises(GuardHeld, match="%s=%g" % (name, through[name])) as caught:
        run(stand_in, **guard)
    assert caught.value.details["blobs_eligible"] == 4
    assert "garbage-collect /c.yml" not in stand_in.words()
    assert run(stand_in, **through)["blobs_removed"] == 4


def test_what_max_percent_names_does_pass(stand_in):
    stand_in.marked = 3  # 4 of 7: 57.142... percent
    shown = run(stand_in, check_mode=True, max_percent=10.0)
    assert shown["blocked_by"][0]["passes_with"] == "57.2"
    assert run(stand_in, check_mode=True, max_percent=57.2)["blocked_by"] == []


def test_what_is_marked_and_not_there_does_not_widen_max_percent(stand_in):
    """Layers that stay at their maker's place are marked, and so is what is lost; folders without content are no blobs."""
    stand_in.marked = 600
    blobs = os.path.join(stand_in.store.tree, "blobs", "sha256")
    for number in range(40):
        os.makedirs(os.path.join(blobs, "00", "%064x" % number))
    os.makedirs(os.path.join(blobs, "00", "lost+found", "data"))
    shown = run(stand_in, check_mode=True, max_percent=10.0)
    assert shown["blocked_by"][0]["passes_with"] == "40.0"
    assert "4 of 10 blobs" in shown["blocked_by"][0]["message"]


def test_a_collector_that_marks_nothing_is_not_believed(stand_in):
    stand_in.marked = 0
    with pytest.raises(GuardHeld, match="allow_empty=true"):
        run(stand_in)
    assert run(stand_in, allow_empty=True)["blobs_removed"] == 4


def test_what_is_young_is_left_until_something_is_old(stand_in):
    result = run(stand_in, blob_grace=10000.0)
    assert result["changed"] is False
    assert result["blobs_young"] == 4
    assert "younger than blob_grace" in result["message"]
    assert "garbage-collect /c.yml" not in stand_in.words()
    assert run(stand_in, blob_grace=3600.0)["blobs_removed"] == 4


def test_another_store_is_noticed(stand_in, tmp_path):
    MadeStore(tmp_path / "other").image("x", "y")
    with pytest.raises(StoreInvalid, match="different stores"):
        run(stand_in, storage_root=str(tmp_path / "other"))
    assert "garbage-collect /c.yml" not in stand_in.words()


def test_a_collector_that_sees_nothing_in_a_full_store_is_noticed(stand_in):
    path = stand_in.write()
    stand_in.path.write_text(
        "#!/bin/sh\ncase $1 in --version) exit 0;; esac\n"
        "printf 'failed to garbage collect: failed to mark: filesystem: Path not found: /docker/registry/v2/repositories' >&2; exit 1\n"
    )
    with pytest.raises(StoreInvalid, match="does hold blobs"):
        collect(Wish(argv=[path], config_path="/c.yml", storage_root=stand_in.store.root), False, NOW)
    result = collect(Wish(argv=[path], config_path="/c.yml"), False, NOW)
    assert result["changed"] is False
    assert "nothing has ever been pushed" in result["message"]


def test_a_dry_run_that_deletes_is_not_run(stand_in):
    stand_in.version = "registry github.com/distribution/distribution/v3 v3.0.0-beta.1"
    with pytest.raises(CollectorRefused):
        run(stand_in, check_mode=True)
    assert stand_in.words() == ["--version"]


def test_a_failure_half_way_tells_what_went(stand_in):
    stand_in.after = "[ -e '%s/stop' ] && { echo 'failed to delete blob' >&2; exit 1; }; touch '%s/stop';" % (
        stand_in.store.root,
        stand_in.store.root,
    )
    with pytest.raises(CollectorFailed) as caught:
        run(stand_in)
    details = caught.value.details
    assert (details["changed"], details["blobs_removed"], details["bytes_freed"]) == (True, 1, 10)
    assert details["rc"] == 1


def test_the_manifests_are_written_in_check_mode_too(stand_in, tmp_path):
    path = str(tmp_path / "manifests.gz")
    run(stand_in, check_mode=True, manifests_output=path)
    found = read_scan(path)
    assert found.source == GARBAGE_COLLECT
    assert found.scanned_at == NOW
    assert list(found.repositories["team/app"].manifests) == ["sha256:%064x" % 7]


def test_of_a_dry_run_that_fails_nothing_is_written(stand_in, tmp_path):
    path = stand_in.write()
    with open(path, "a", encoding="utf-8") as stream:
        stream.write("exit 1\n")
    with pytest.raises(CollectorFailed):
        collect(Wish(argv=[path], config_path="/c.yml", manifests_output=str(tmp_path / "m.gz")), True, NOW)
    assert not (tmp_path / "m.gz").exists()


@pytest.mark.parametrize(
    "wrong, reason",
    [
        ({"argv": []}, "argv must name"),
        ({"argv": ["registry", ""]}, "argv must name"),
        ({"argv": ["registry", "garbage-collect"]}, "argv must end"),
        ({"config_path": "--delete-untagged"}, "argv must end"),
        ({"timeout": 0.0}, "timeout"),
        ({"max_blobs": -1}, "max_blobs"),
        ({"max_bytes": 5}, "max_bytes needs storage_root"),
        ({"max_bytes": 0}, "max_bytes needs storage_root"),
        ({"blob_grace": 5.0}, "blob_grace needs storage_root, .* or seen_file"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(wrong, reason):
    wish = dict({"argv": ["/nowhere/registry"], "config_path": "/c.yml"}, **wrong)
    with pytest.raises(StorageError, match=reason):
        collect(Wish(**wish), True, NOW)


def test_without_the_store_what_two_dry_runs_name_is_old_enough(stand_in, tmp_path):
    """The dry run names blobs of pushes that are under way, too, and a store on S3 tells no age."""
    wish = {"storage_root": None, "blob_grace": 3600.0, "seen_file": str(tmp_path / "state" / "seen.gz")}

    def at(now, check_mode=True):
        return collect(Wish(argv=[stand_in.write()], config_path="/c.yml", **wish), check_mode, now)

    first = at(NOW)
    assert (first["blobs_young"], first["collection_wanted"], first["changed"]) == (4, False, False)
    assert at(NOW + 3599, check_mode=False)["blobs_removed"] == 0
    stand_in.garbage.append(stand_in.store.blob(b"new"))
    later = at(NOW + 3600)
    assert (later["blobs_young"], later["collection_wanted"], later["changed"]) == (1, True, True)
    # What was not named in between was pushed to its end, and begins anew.
    garbage, stand_in.garbage = stand_in.garbage, []
    at(NOW + 3700)
    stand_in.garbage = garbage
    assert at(NOW + 7200)["collection_wanted"] is False


def test_a_memory_of_dry_runs_that_cannot_be_read_is_none(stand_in, tmp_path):
    path = tmp_path / "seen.gz"
    path.write_bytes(b"no such file")
    result = run(stand_in, True, storage_root=None, blob_grace=1.0, seen_file=str(path))
    assert result["blobs_young"] == 4
