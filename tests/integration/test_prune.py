# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_prune on real registries: the right things go, everything kept still pulls, and a second run changes nothing."""

from __future__ import annotations

import datetime
import shutil

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store

KEEP_3 = [{"name": "all", "keep_newest": 3}]


@pytest.fixture
def prune(run_module, tmp_path):
    """Runs registry_prune with a backup directory and without a limit on how much may go."""

    def run(policies=None, **options):
        how = {name: options.pop(name) for name in ("check", "diff") if name in options}
        arguments = {"policies": policies or KEEP_3, "backup_dir": str(tmp_path / "backup"), "max_delete_percent": 100}
        return run_module("registry_prune", dict(arguments, **options), **how)

    return run


def test_keep_newest_leaves_exactly_the_newest_by_created(registry, pusher, prune):
    images = {f"v{n}": pusher.image("team/app", f"v{n}", created=(7 * n) % 10) for n in range(10)}
    newest = sorted(images, key=lambda tag: (7 * int(tag[1:])) % 10)[-3:]
    planned = prune(check=True)
    assert sorted(store.listed(registry.url, "team/app")) == sorted(images)
    done = prune()
    assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == sorted(newest)
    assert store.revisions(registry.store_root, "team/app") == {images[tag].digest for tag in newest}
    assert (planned["plan_id"], planned["totals"], planned["repositories"]) == (
        done["plan_id"],
        done["totals"],
        done["repositories"],
    )
    again = prune()
    assert again["changed"] is False
    assert again["totals"]["tags_deleted"] == 0


def test_a_tag_that_shares_a_kept_manifest_goes_alone(registry, pusher, prune):
    for n in range(5):
        pusher.image("team/app", f"v{n}", created=n)
    kept = pusher.image("team/app", ["v5", "stable"], created=0, words="old but wanted")
    done = prune([{"name": "all", "keep_newest": 1, "keep_tags": ["stable"]}])
    assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == ["stable", "v4"]
    assert store.digest(registry.url, "team/app", "stable") == kept.digest
    assert store.pull(registry.url, "team/app", kept.digest)
    (planned,) = [tag for tag in done["repositories"][0]["tags"] if tag["name"] == "v5"]
    assert planned["action"] == "untag"


@pytest.mark.parametrize("media", ["oci", "docker"])
def test_kept_indexes_pull_on_every_platform_after_prune_and_collection(registry, pusher, prune, tmp_path, media):
    for n in range(4):
        pusher.multi("team/multi", f"m{n}", created=n, media=media)
    shared = pusher.image("team/multi", "tagged-child", created=9, words="m3 amd64", media=media)
    nested, _children = pusher.multi("team/nested", None, created=1, media="oci")
    pusher.index("team/nested", "outer", [nested, pusher.image("team/nested", None, created=2)])
    before = store.blob_bytes(registry.store_root)
    done = prune([{"name": "all", "keep_newest": 2}])
    assert not done.failed, done.msg
    registry.stop()
    registry.collect()
    registry.start()
    assert store.blob_bytes(registry.store_root) < before
    assert store.listed(registry.url, "team/multi") == ["m3", "tagged-child"]
    for repository, tag in (("team/multi", "m3"), ("team/multi", "tagged-child"), ("team/nested", "outer")):
        assert store.pull(registry.url, repository, tag)
    store.skopeo_copy_all(registry.url, "team/multi", "m3", tmp_path / "pulled")
    assert store.digest(registry.url, "team/multi", "tagged-child") == shared.digest
    # The children of the indexes that went have gone with them: m3, its two children, and the tagged one.
    assert len(store.revisions(registry.store_root, "team/multi")) == 4


def test_signatures_and_artifacts_follow_their_subject(registry, pusher, prune):
    images = [pusher.image("team/app", f"v{n}", created=n) for n in range(4)]
    signatures = [pusher.cosign("team/app", image) for image in images]
    artifacts = [pusher.artifact("team/app", f"sbom{n}", subject=image) for n, image in enumerate(images)]
    done = prune([{"name": "all", "tags": ["v*"], "keep_newest": 2}])
    assert not done.failed, done.msg
    tags = store.pull_all(registry.url, "team/app")
    assert {"v2", "v3"} <= set(tags)
    assert {"v0", "v1"}.isdisjoint(tags)
    for n in (2, 3):
        assert signatures[n].digest in tags.values()
        assert store.digest(registry.url, "team/app", artifacts[n].digest)
    for n in (0, 1):
        assert signatures[n].digest not in tags.values()


def test_bytes_come_back_as_foretold(registry, pusher, prune):
    for n in range(6):
        pusher.image("team/app", f"v{n}", created=n, size=5000, shared=["base"])
    pusher.image("team/other", "v0", created=0, words="team/app v0 0 ('linux', 'amd64')", size=5000, shared=["base"])
    done = prune([{"name": "app", "repositories": ["team/app"], "keep_newest": 2}])
    assert not done.failed, done.msg
    before = store.blob_bytes(registry.store_root)
    registry.collect()
    assert before - store.blob_bytes(registry.store_root) == done["totals"]["bytes_freed"]


def test_a_repository_with_something_unreadable_is_left_alone(registry, pusher, prune):
    for n in range(5):
        pusher.image("team/broken", f"v{n}", created=n)
        pusher.image("team/fine", f"v{n}", created=n)
    link = registry.store_root / "docker/registry/v2/repositories/team/broken/_manifests/tags/v1/current/link"
    link.write_bytes(b"")
    done = prune()
    assert store.listed(registry.url, "team/fine") == ["v2", "v3", "v4"]
    assert len(store.revisions(registry.store_root, "team/broken")) == 5
    (held,) = [entry for entry in done["repositories"] if entry["name"] == "team/broken"]
    assert "v1" in held["problem"] or "500" in held["problem"]


def test_a_limit_of_the_run_deletes_nothing_and_names_the_value_that_passes(registry, pusher, prune):
    for n in range(10):
        pusher.image("team/app", f"v{n}", created=n)
    held = prune(max_delete_percent=50)
    assert held.failed
    assert len(store.listed(registry.url, "team/app")) == 10
    (guard,) = held["blocked_by"]
    assert guard["name"] == "max_delete_percent"
    assert str(guard["passes_with"]) in held.msg
    assert held["totals"]["tags_deleted"] == 7
    passed = prune(max_delete_percent=guard["passes_with"])
    assert not passed.failed, passed.msg
    assert len(store.listed(registry.url, "team/app")) == 3


def test_deletes_that_are_off_are_named_with_the_setting(registry, pusher, prune):
    for n in range(5):
        pusher.image("team/app", f"v{n}", created=n)
    registry.restart(delete=False)
    held = prune()
    assert held.failed
    assert "storage.delete.enabled: true" in held.msg
    assert len(store.listed(registry.url, "team/app")) == 5
    planned = prune(check=True, assume_delete_enabled=True)
    assert planned["blocked_by"] == []
    assert planned["totals"]["tags_deleted"] == 2
    registry.restart(delete=True, readonly=True)
    assert "registry is read-only" in prune().msg


def test_nothing_is_deleted_where_the_backup_cannot_be_written(registry, pusher, prune, tmp_path):
    for n in range(5):
        pusher.image("team/app", f"v{n}", created=n)
    (tmp_path / "file").write_text("")
    refused = prune(backup_dir=str(tmp_path / "file" / "backup"))
    assert refused.failed
    assert "Nothing was deleted" in refused.msg
    assert prune(backup_dir=None).msg.startswith("backup_dir is needed")
    assert len(store.revisions(registry.store_root, "team/app")) == 5


def test_policies_are_checked_before_the_first_request(prune):
    refused = prune([{"name": "broken", "keep_newest": 0}], url="http://127.0.0.1:1", retries=0)
    assert refused.failed
    assert "broken" in refused.msg and "keep_newest" in refused.msg


def test_diff_shows_tags_before_and_after(registry, pusher, prune):
    for n in range(4):
        pusher.image("team/app", f"v{n}", created=n)
    planned = prune(check=True, diff=True)
    assert "v0" in planned["diff"]["before"]
    assert "v0" not in planned["diff"]["after"]
    assert "v3" in planned["diff"]["after"]


def test_a_saved_plan_is_carried_out_less_what_has_moved(registry, pusher, prune, tmp_path):
    images = [pusher.image("team/app", f"v{n}", created=n) for n in range(6)]
    plan_file = str(tmp_path / "plan.jsonl.gz")
    planned = prune(check=True, plan_file=plan_file)
    pusher.tag(images[0], "rescued")
    fresh = pusher.image("team/app", "v1", created=99, words="pushed since")
    done = prune(plan_file=plan_file, apply_plan=True, plan_id=planned["plan_id"], max_delete_percent=1)
    assert not done.failed, done.msg
    tags = store.pull_all(registry.url, "team/app")
    assert set(tags) == {"rescued", "v1", "v3", "v4", "v5"}
    assert tags["v1"] == fresh.digest
    assert tags["rescued"] == images[0].digest
    assert {entry["name"] for entry in done["drifted"]} >= {"v1", images[0].digest}
    assert prune(plan_file=plan_file, apply_plan=True, plan_id="0" * 64).failed


def test_what_is_protected_by_now_stays_out_of_an_approved_plan(registry, pusher, prune, tmp_path):
    images = [pusher.image("team/app", f"v{n}", created=n) for n in range(5)]
    plan_file = str(tmp_path / "plan.jsonl.gz")
    prune(check=True, plan_file=plan_file)
    done = prune(plan_file=plan_file, apply_plan=True, protected=[images[0].digest])
    assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == ["v0", "v2", "v3", "v4"]


def test_a_run_that_is_out_of_time_says_so_and_the_next_one_finishes(registry, pusher, prune):
    for n in range(30):
        pusher.image("team/app", f"v{n:02}", created=n)
    # At this rate it takes 9 seconds; where it has come to by the deadline is a matter of the machine.
    ended = prune(rate_limit=15, deadline=6.5, workers=2)
    assert ended.failed
    assert "deadline" in ended.msg
    left = store.listed(registry.url, "team/app")
    assert set(left) >= {"v27", "v28", "v29"}
    done = prune()
    assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == ["v27", "v28", "v29"]
    assert len(store.revisions(registry.store_root, "team/app")) == 3


def test_clauses_that_keep_by_age_version_and_label(registry, pusher, prune):
    """Images are created from 2025 on, a day after each other, so the ages differ by days and the limit by half of them."""
    first = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    days = (datetime.datetime.now(datetime.UTC) - first).days
    for n in (0, 100):
        pusher.image("team/aged", f"v{n}", created=n)
    for tag in ("1.9", "2.0", "v2.1.0", "2.0-rc1", "nightly"):
        pusher.image("team/versioned", tag, created=1, words=tag)
    for tag, label in (("gone", "2w"), ("valid", "100y"), ("unlabelled", "")):
        labels = {"quay.expires-after": label} if label else {}
        pusher.image("team/labelled", tag, created=1, words=tag, labels=labels)
    policies = [
        {"name": "age", "repositories": ["team/aged"], "keep_younger_than": f"{days - 50}d"},
        {"name": "version", "repositories": ["team/versioned"], "keep_at_least_version": "2.0"},
        {"name": "label", "repositories": ["team/labelled"], "keep_unexpired": "quay.expires-after"},
    ]
    planned = prune(policies, check=True)
    done = prune(policies)
    assert not done.failed, done.msg
    assert planned["plan_id"] == done["plan_id"]
    assert store.listed(registry.url, "team/aged") == ["v100"]
    assert store.listed(registry.url, "team/versioned") == ["2.0", "nightly", "v2.1.0"]
    assert store.listed(registry.url, "team/labelled") == ["unlabelled", "valid"]
    assert prune(policies)["changed"] is False


def test_orphans_and_dangling_tags_go_where_that_is_asked_for(registry, pusher, prune):
    image = pusher.image("team/app", "v1", created=1)
    pusher.image("team/app", "v2", created=2)
    orphan = pusher.cosign("team/app", pusher.image("team/app", "v0", created=0))
    link = registry.store_root / "docker/registry/v2/repositories/team/app/_manifests/revisions/sha256"
    shutil.rmtree(link / store.digest(registry.url, "team/app", "v0").partition(":")[2])
    shutil.rmtree(link / image.digest.partition(":")[2])
    registry.restart()
    keep = [{"name": "two", "keep_newest": 2}]
    seen = prune(keep)
    assert not seen.failed, seen.msg
    assert seen["changed"] is False
    assert seen["totals"]["tags_dangling"] == 2
    limited = prune(keep, remove_dangling_tags=True, remove_orphans=True, max_delete_tags=0)
    assert limited.failed
    assert limited["blocked_by"][0]["passes_with"] == 1  # tags that dangle hold no image, and do not count
    done = prune(keep, remove_dangling_tags=True, remove_orphans=True, max_delete_tags=1)
    assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == ["v2"]
    assert orphan.digest not in store.revisions(registry.store_root, "team/app")


def test_what_is_protected_stays_however_it_is_named(registry, pusher, prune):
    images = [pusher.image("team/app", f"v{n}", created=n) for n in range(7)]
    index, children = pusher.multi("team/multi", "old", created=0)
    pusher.multi("team/multi", "new", created=1)
    covered = pusher.image("team/multi", "new", created=1, words="pushed over at once")
    pusher.multi("team/multi", "new", created=1, words="again")
    protected = [
        covered.blobs[0],  # of an image that no tag names any more
        "team/app:v0",
        images[1].digest,
        f"team/app@{images[2].digest}",
        registry.url.partition("://")[2] + "/team/app:v3",
        images[4].blobs[0],  # the id that docker shows: its config
        children[0].digest,
    ]
    done = prune([{"name": "newest", "keep_newest": 1}], protected=protected)
    assert not done.failed, done.msg
    tags = store.pull_all(registry.url, "team/app")
    assert set(tags) == {"v0", "v1", "v2", "v3", "v4", "v6"}, str(done["repositories"])
    # A protected child keeps the index that leads to it, with its other children.
    assert set(store.pull_all(registry.url, "team/multi")) == {"old", "new"}
    assert {index.digest, *(child.digest for child in children)} <= store.revisions(registry.store_root, "team/multi")


def test_limits_of_one_repository_hold_that_one_and_name_what_passes(registry, pusher, prune):
    for n in range(4):
        pusher.image("team/emptied", f"v{n}", created=n)
        pusher.image("team/half", f"v{n}", created=n)
        pusher.image("team/fine", f"v{n}", created=n)
    policies = [
        {"name": "all of it", "repositories": ["team/emptied"], "delete": "all"},
        {"name": "three of four", "repositories": ["team/half"], "keep_newest": 1},
        {"name": "one of four", "keep_newest": 3},
    ]
    held = prune(policies, max_delete_percent_per_repository=50)
    assert not held.failed, held.msg
    rows = [(row["name"], guard) for row in held["repositories"] for guard in row["blocked_by"]]
    blocked = {(name, guard["name"]): guard["passes_with"] for name, guard in rows}
    assert set(blocked) == {
        ("team/emptied", "allow_empty_repository"),
        ("team/emptied", "max_delete_percent_per_repository"),
        ("team/half", "max_delete_percent_per_repository"),
    }
    assert len(store.listed(registry.url, "team/emptied")) == len(store.listed(registry.url, "team/half")) == 4
    assert store.listed(registry.url, "team/fine") == ["v1", "v2", "v3"]
    passing = blocked["team/half", "max_delete_percent_per_repository"]
    again = prune(policies, max_delete_percent_per_repository=passing)
    assert store.listed(registry.url, "team/half") == ["v3"]
    assert len(store.listed(registry.url, "team/emptied")) == 4
    done = prune(policies, allow_empty_repository=True, max_delete_percent_per_repository=100)
    assert not done.failed, (again.msg, done.msg)
    assert store.revisions(registry.store_root, "team/emptied") == set()
