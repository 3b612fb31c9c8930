# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registry_delete_grace and registry_restore_hold over three weeks: what goes when, and what nobody may touch in between."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import store
from ansible_collections.fleetops.container_registry.tests.rig.binaries import VERSIONS, registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.clock import clock_ahead
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site

REPOSITORY = "team/app"
SETTINGS = {
    "registry_policies": [
        {"name": "everything", "keep_newest": 1},
        # Would take at once what is in its grace, if that did not protect it.
        {"name": "pushed over", "untagged": True, "delete": "all"},
    ],
    "registry_max_delete_percent": 90,
    "registry_delete_grace": "7d",
    "registry_details": "all",
}

# Day, entry point and settings of each run, one after the other.
RUNS = {
    "taken off": (0, "prune", {}),
    "put back": (0, "restore", {"registry_restore_tags": ["v1"], "registry_restore_hold": "7d"}),
    "within both": (6, "prune", {}),
    "after both": (8, "prune", {}),
    "after the second grace": (16, "prune", {}),
    "nothing left to do": (16, "prune", {}),
}


def let_delete(registry):
    """Switch deletes on, as an operator does."""
    config = registry.config.read_text(encoding="utf-8")
    registry.config.write_text(
        config.replace("    cache:", "    delete: {enabled: true}\n    cache:"), encoding="utf-8"
    )
    registry.stop()
    registry.start()


def collect(registry):
    """Run the registry's own collector while nobody uses the registry."""
    registry.stop()
    subprocess.run([registry.program, "garbage-collect", registry.config], check=True, stdout=subprocess.DEVNULL)
    registry.start()


class LaterSite(Site):
    """A site on which it is some days later."""

    days = 0.0

    def environment(self):
        return dict(super().environment(), **clock_ahead(self.home, self.days))


class Moment:
    """One registry after a run."""

    def __init__(self, registry, result):
        self.tags = set(registry.tags(REPOSITORY))
        self.manifests = store.revisions(registry.home / "data", REPOSITORY)
        self.result = result


class Weeks:
    """All runs, one after the other, on a registry of each version."""

    def __init__(self, home):
        self.registries, self.digests, self.moments, self.output = {}, {}, {}, {}
        try:
            for version in VERSIONS:
                program = obtain(lambda version=version: registry_binary(version))
                registry = Operated(home / version, program)
                self.registries[version] = registry
                let_delete(registry)
                self.digests[version] = {f"v{day}": registry.push(REPOSITORY, f"v{day}", day) for day in range(3)}
            site = LaterSite(
                home, {f"r{version}": registry.inventory() for version, registry in self.registries.items()}
            )
            for name, (day, entry, settings) in RUNS.items():
                site.days = day
                play = site.role(entry, **dict(SETTINGS, **settings))
                assert play.status == 0, f"{name}: {play.output[-6000:]}"
                for version, registry in self.registries.items():
                    result = play.result(f"r{version}", entry)
                    self.moments[name, version] = Moment(registry, dict(result, recap=play.recap(f"r{version}")))
                    if name == "within both":
                        collect(registry)
                        self.moments["collected within both", version] = Moment(registry, {})
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for registry in self.registries.values():
            registry.stop()


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    passed = Weeks(tmp_path_factory.mktemp("weeks"))
    yield passed
    passed.stop()


@pytest.fixture(params=VERSIONS)
def at(request, weeks):
    """The moment after the run of that name, on this version."""
    return lambda name: weeks.moments[name, request.param]


@pytest.fixture
def digests(request, weeks, at):
    return weeks.digests[request.node.callspec.params["at"]]


def reasons(moment):
    (repository,) = moment.result["repositories"]
    return {tag["name"]: (tag["action"], tag["reason"]) for tag in repository["tags"]}


def test_a_run_with_a_grace_takes_off_tags_and_leaves_manifests(at, digests):
    after = at("taken off")
    assert after.tags == {"v2"}
    assert after.manifests == set(digests.values())
    assert (after.result["deleted"]["untagged"], after.result["deleted"]["manifests"]) == (2, 0)


def test_within_the_grace_a_tag_comes_back_by_itself(at, digests):
    after = at("put back")
    assert after.tags == {"v1", "v2"}  # each of them pulled in full
    assert after.manifests == set(digests.values())


def test_within_grace_and_hold_nothing_more_goes_and_collection_takes_nothing_of_it(at, digests):
    for name in ("within both", "collected within both"):
        after = at(name)
        assert after.tags == {"v1", "v2"}
        assert after.manifests == set(digests.values())
    assert at("within both").result["changed"] is False
    assert reasons(at("within both"))["v1"][0] == "keep"
    assert "restored, and held from pruning until" in reasons(at("within both"))["v1"][1]


def test_after_the_grace_manifests_go_and_after_the_hold_tags(at, digests):
    after = at("after both")
    assert after.tags == {"v2"}
    # v0 was taken off eight days ago; v1 was held, and is in a grace of its own from now on
    assert after.manifests == {digests["v1"], digests["v2"]}
    assert (after.result["deleted"]["untagged"], after.result["deleted"]["manifests"]) == (1, 1)


def test_what_was_held_goes_after_its_own_grace(at, digests):
    after = at("after the second grace")
    assert after.tags == {"v2"}
    assert after.manifests == {digests["v2"]}


def test_in_the_end_nothing_is_left_to_do(at, digests):
    after = at("nothing left to do")
    assert after.result["changed"] is False
    assert after.result["recap"]["changed"] == 0
    assert after.manifests == {digests["v2"]}
