# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on registries that are controlled by commands: the main job, three times, on both versions at once."""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_page import ROWS, of_other_types, typed
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site, answers

POLICIES = [
    {"name": "releases", "repositories": ["shop/*"], "tags": ["v*"], "keep_newest": 2},
    {"name": "the rest", "keep_newest": 1, "keep_tags": ["latest"]},
    {"name": "pushed over", "untagged": True, "delete": "all"},
]
LEFT = ("configure", "prune", "garbage_collect", "repair")
REPOSITORIES = ("shop/api", "shop/web", "tools")


class Moment:
    """A registry as it is between two runs."""

    def __init__(self, registry: Operated) -> None:
        self.process = registry.process
        self.config = registry.config.read_bytes()
        self.tags = {name: registry.tags(name) for name in REPOSITORIES}
        self.bytes = registry.bytes_on_disk()
        self.delete = answers(registry.url)
        self.state = registry.state.exists()
        self.restarts = (
            (registry.home / "restarts").read_text().count("restart") if (registry.home / "restarts").exists() else 0
        )


class Story:
    """Check mode, a real run and a second one, on registries whose deletes are off."""

    def __init__(self, home) -> None:
        self.registries = {}
        try:
            for version in VERSIONS:
                registry = Operated(home / version, obtain(lambda version=version: registry_binary(version)))
                self.registries[version] = registry
                for day in range(6):
                    registry.push("shop/api", f"v1.{day}", day)
                    registry.push("shop/web", "latest", day)
                registry.push("shop/web", "v0.1", 1)
                registry.push("tools", "nightly-1", 1)
                registry.push("tools", "nightly-2", 2)
            hosts = {f"r{version}": registry.inventory() for version, registry in self.registries.items()}
            self.site = Site(home, hosts)
            self.moments = [self.now()]
            self.plays = []
            self.pruned = []
            self.left = []
            for options in (["--check", "--diff"], [], []):
                play = self.site.role("main", *options, registry_policies=POLICIES, registry_max_delete_percent=90)
                assert play.status == 0, play.output[-6000:]
                self.plays.append(play)
                self.pruned.append({host: play.result(host, "prune") for host in hosts})
                self.left.append({host: {name: play.result(host, name) for name in LEFT} for host in hosts})
                self.moments.append(self.now())
        except BaseException:
            self.stop()
            raise

    def now(self):
        return {version: Moment(registry) for version, registry in self.registries.items()}

    def stop(self) -> None:
        for registry in self.registries.values():
            registry.stop()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    told = Story(tmp_path_factory.mktemp("story"))
    yield told
    told.stop()


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


def test_check_mode_touches_nothing(story, version):
    before, after = story.moments[0][version], story.moments[1][version]
    assert before.delete == after.delete == "disabled"
    assert (after.process, after.config, after.tags, after.bytes) == (
        before.process,
        before.config,
        before.tags,
        before.bytes,
    )
    assert not after.state


def test_check_mode_shows_the_whole_plan_although_deletes_are_off(story, version):
    play = story.plays[0]
    assert play.recap(f"r{version}")["changed"] >= 2
    assert "-  - v1.0" in play.output


def test_the_right_tags_are_left_and_every_image_is_whole(story, version):
    before, after = story.moments[0][version].tags, story.moments[2][version].tags
    assert sorted(after["shop/api"]) == ["v1.4", "v1.5"]
    assert sorted(after["shop/web"]) == ["latest", "v0.1"]
    assert sorted(after["tools"]) == ["nightly-2"]
    for repository, tags in after.items():
        assert tags == {name: before[repository][name] for name in tags}


def test_space_comes_back_also_that_of_images_pushed_over(story, version):
    before, after = story.moments[0][version].bytes, story.moments[2][version].bytes
    left = 5  # images of one layer each, plus their small manifests and configs
    assert after < before * left / 15 * 1.2


def test_the_configuration_has_the_one_change_and_the_registry_runs_with_it(story, version):
    before, after = story.moments[0][version], story.moments[2][version]
    text = before.config.decode()
    assert after.config.decode() == text.replace("http:\n", "    delete:\n        enabled: true\nhttp:\n")
    assert after.delete == "enabled"


def test_a_registry_is_restarted_only_for_a_reason(story, version):
    # with deletes, into the read-only window, and out of it
    assert story.moments[2][version].restarts == 3


def test_the_second_run_changes_nothing_and_restarts_nothing(story, version):
    after, again = story.moments[2][version], story.moments[3][version]
    assert story.plays[2].recap(f"r{version}")["changed"] == 0
    assert again.process == after.process
    assert (again.config, again.tags, again.bytes) == (after.config, after.tags, after.bytes)


def test_the_plan_is_the_same_in_check_mode(story, version):
    host = f"r{version}"
    checked, done = story.pruned[0][host], story.pruned[1][host]
    assert checked["plan_id"] == done["plan_id"]
    assert checked["totals"] == done["totals"]
    assert done["totals"]["tags_deleted"] == 5


def test_nothing_is_left_behind_but_backups(story, version):
    state = story.registries[version].state
    assert [path.name for path in state.iterdir()] == ["backups"]
    assert len(list((state / "backups").glob("*.backup.jsonl*"))) == 1


def test_the_backup_brings_back_a_tag_before_its_blobs_are_collected(story):
    gone = {
        version: registry.push("shop/api", "v0.9", 0, b"a layer of its own" * 100)
        for version, registry in story.registries.items()
    }
    pruned = story.site.role("prune", registry_policies=POLICIES, registry_max_delete_percent=90)
    assert pruned.status == 0, pruned.output[-4000:]
    assert [version for version in gone if "v0.9" in story.registries[version].tags("shop/api")] == []
    restored = story.site.role("restore")
    assert restored.status == 0, restored.output[-4000:]
    assert {version: story.registries[version].tags("shop/api")["v0.9"] for version in gone} == gone


def test_what_the_role_leaves_is_what_its_page_says(story, version):
    for left in story.left:
        for name, value in left[f"r{version}"].items():
            assert of_other_types(f"registry_{name}_result", value) == {}, name
    checked, real, _again = (left[f"r{version}"] for left in story.left)
    for left in (checked, real):
        assert set(left["configure"]) == set(typed(ROWS["registry_configure_result"]))
    assert (checked["configure"]["would_enable"], real["configure"]["restarted"]) == (True, True)
    assert checked["garbage_collect"]["predicted_after_prune"] > checked["garbage_collect"]["eligible_now"]
    assert "window_seconds" in real["garbage_collect"]
    assert real["repair"] == {}
