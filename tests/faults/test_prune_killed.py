# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed at any write is finished by the next one, which decides the same; kept tags never move in between."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.tripwire import Tripwire

COUNT = 8
# Pushed in an order of its own, so that order_by: pushed keeps others than order_by: created would.
PUSH_ORDER = (5, 0, 7, 2, 1, 6, 3, 4)

POLICIES = {
    "created": {"keep_newest": 2, "group_by": r"^(odd|even)-"},
    "pushed": {"keep_newest": 3, "order_by": "pushed"},
    "labels": {"labels": {"env": "ci"}, "keep_newest": 2},
}


def name_of(number):
    return f"{'odd' if number % 2 else 'even'}-{number}"


def fill(registry, pusher, repository):
    """Eight images, a shared tag, and an index; returns what each way of counting keeps, and every digest by tag."""
    digests = {}
    for number in PUSH_ORDER:
        labels = {"env": "ci" if number < 6 else "prod"}
        image = pusher.image(repository, name_of(number), created=number, words=f"{repository} {number}", labels=labels)
        digests[name_of(number)] = image.digest
    base = registry.store_root / "docker/registry/v2/repositories" / repository / "_manifests/tags"
    for hour, number in enumerate(PUSH_ORDER):
        link = base / name_of(number) / "current" / "link"
        os.utime(link, (1_760_000_000 + hour * 3600,) * 2)
    return digests


def kept_by(kind):
    if kind == "created":
        return {"odd-7", "odd-5", "even-6", "even-4"}
    if kind == "pushed":
        return {name_of(number) for number in PUSH_ORDER[-3:]}
    return {"odd-5", "even-4", "even-6", "odd-7"}


class Run:
    """registry_prune through the wire, on one repository, with a fresh scan of the store where push times matter."""

    def __init__(self, registry, wire, tmp_path, kind, strategy, repository):
        self.registry, self.repository, self.kind = registry, repository, kind
        self.scan = tmp_path / f"{repository}.scan"
        self.arguments = {
            "url": wire.url,
            "repositories": [repository],
            "policies": [dict(POLICIES[kind], name="p")],
            "backup_dir": str(tmp_path / f"backup-{repository}"),
            "max_delete_percent": 100,
            "strategy": strategy,
            "workers": 2,
            "retries": 0,
        }

    def start(self):
        if self.kind == "pushed":
            scanned = modules.run_module(
                "registry_storage_info", {"storage_root": str(self.registry.store_root), "output": str(self.scan)}
            )
            assert not scanned.failed, scanned.msg
            self.arguments["store_scan"] = str(self.scan)
        return modules.start_module("registry_prune", self.arguments)

    def finish(self):
        return modules.finish_module(self.start())

    def hold(self, digests):
        """Every kept tag names what it did, and is whole."""
        for tag in kept_by(self.kind):
            assert store.digest(self.registry.url, self.repository, tag) == digests[tag]
            store.pull(self.registry.url, self.repository, tag)


def moments(writes, kind):
    """(write, after it?) spread over a run of so many writes, others for each KIND. The first three writes are the probe's."""
    first = {"created": 4, "labels": 5, "pushed": 6}[kind]
    chosen = sorted({first, first + 2, (first + writes) // 2, writes - first % 3, writes})
    return [(write, (number + first) % 2 == 0) for number, write in enumerate(chosen)]


def strategies(registry):
    return ["digest", "tombstone"] + (["tag"] if registry.family == "3.x" else [])


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_killed_at_any_write_the_next_run_finishes_and_decides_the_same(registry, pusher, tmp_path, kind):
    left = {}
    with Tripwire(registry.url) as wire:
        for strategy in strategies(registry):
            repository = f"{strategy}-whole"
            fill(registry, pusher, repository)
            wire.disarm()
            done = Run(registry, wire, tmp_path, kind, strategy, repository).finish()
            assert not done.failed, done.msg
            writes = wire.writes
            assert set(store.tags(registry.store_root, repository)) == kept_by(kind)
            for write, after in moments(writes, kind):
                repository = f"{strategy}-{write}-{int(after)}"
                digests = fill(registry, pusher, repository)
                run = Run(registry, wire, tmp_path, kind, strategy, repository)
                process = run.start()
                wire.trip_at(write, after, lambda process=process: process.send_signal(signal.SIGKILL))
                modules.finish_module(process)
                wire.disarm()
                run.hold(digests)
                done = run.finish()
                assert not done.failed, f"{repository}: {done.msg}"
                run.hold(digests)
                assert set(store.tags(registry.store_root, repository)) == kept_by(kind), repository
                left[repository] = {digests[tag] for tag in kept_by(kind)}
            assert run.finish()["changed"] is False, repository
    registry.stop()
    registry.collect()
    registry.start()
    for repository, digests in left.items():
        assert store.revisions(registry.store_root, repository) == digests, repository
        store.pull_all(registry.url, repository)


def test_the_registry_killed_inside_a_deletion_is_finished_after_its_restart(registry, pusher, tmp_path):
    """The manifest may be gone while its tags are still listed: they dangle until the next run sweeps them."""
    tags = [f"t{n}" for n in range(1000)]
    with Tripwire(registry.url) as wire:
        pusher.image("big/app", "keep", created=9)
        image = pusher.image("big/app", "t0", created=1, words="doomed")
        source = registry.store_root / "docker/registry/v2/repositories/big/app/_manifests/tags/t0"
        for tag in tags[1:]:
            os.makedirs(source.parent / tag / "current")
            (source.parent / tag / "current" / "link").write_text(image.digest)
        arguments = {
            "url": wire.url,
            "policies": [{"name": "p", "keep_newest": 1}],
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
            "strategy": "digest",
            "retries": 0,
        }
        process = modules.start_module("registry_prune", arguments)
        revision = registry.store_root / "docker/registry/v2/repositories/big/app/_manifests/revisions/sha256"
        link = revision / image.digest.partition(":")[2] / "link"
        while link.exists() and process.poll() is None:
            pass
        registry.kill()
        first = modules.finish_module(process)
        assert first.failed
        assert first["interrupted"] or first["errors"], first.data
        registry.start()
        dangling = len(store.listed(registry.url, "big/app")) - 1
        skipped = modules.run_module("registry_prune", arguments)
        assert len(skipped["skipped"]) in (0, dangling), skipped.data  # strategy: digest writes under no tag
        done = modules.run_module("registry_prune", dict(arguments, strategy="auto"))
        assert not done.failed, f"{dangling} were left dangling: {done.msg}"
    assert store.listed(registry.url, "big/app") == ["keep"]
    assert store.pull_all(registry.url, "big/app")
    assert len(store.revisions(registry.store_root, "big/app")) == 1


def test_a_read_only_window_ends_a_run_cleanly(registry, pusher, tmp_path):
    for number in range(8):
        pusher.image("team/app", f"v{number}", created=number)
    with Tripwire(registry.url) as wire:
        arguments = {
            "url": wire.url,
            "policies": [{"name": "p", "keep_newest": 2}],
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
            "retries": 0,
        }
        wire.trip_at(6, False, lambda: registry.restart(readonly=True))
        first = modules.run_module("registry_prune", arguments)
        assert first.failed and first["interrupted"], first.data
        assert first["deleted"]["manifests"] < 6
        registry.restart(readonly=False)
        wire.disarm()
        done = modules.run_module("registry_prune", arguments)
        assert not done.failed, done.msg
    assert store.listed(registry.url, "team/app") == ["v6", "v7"]
