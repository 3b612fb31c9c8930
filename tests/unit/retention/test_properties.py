# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for every plan, whatever the registry looks like and whatever the policies say."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    TOMBSTONE,
    Descriptor,
    Manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import OCI_INDEX
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import DELETE, KEEP, UNTAG, Plan
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan_records import (
    plan_from_records,
    plan_to_records,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.snapshot import (
    Repository,
    Revision,
    Snapshot,
    Tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.approved import confirm_approved
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.confirm import confirm
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.plan import (
    Guards,
    Options,
    make_plan,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.policy import (
    _CHECKS,
    _NEED_TAGS,
    compile_policies,
)
from ansible_collections.fleetops.container_registry.tests.unit.retention.building import NOW, digest, image, index
from ansible_collections.fleetops.container_registry.tests.unit.retention.generated import (
    KEEP_CLAUSES,
    one_more_clause,
    policies,
    protections,
    pulls,
    repositories,
    snapshots,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NO_LIMITS = Guards(max_delete_percent=None, allow_empty_repository=True)
OPTIONS = st.builds(
    Options, guards=st.just(NO_LIMITS), remove_dangling_tags=st.booleans(), remove_orphans=st.booleans()
)


def cases(number):
    return settings(
        max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


def needed_by(repository, roots):
    """Everything that ROOTS need or that refers to something they need, worked out in the plainest way."""
    needed = {root for root in roots if root in repository.manifests}
    while True:
        more = set()
        for entry in needed:
            more |= {child.digest for child in repository.manifests[entry].children}
        for manifest in repository.manifests.values():
            if manifest.subject in needed:
                more.add(manifest.digest)
        for tag in repository.tags:
            for entry in needed:
                if tag.digest and tag.name.startswith("sha256-" + entry.partition(":")[2]):
                    more.add(tag.digest)
        more = {entry for entry in more if entry in repository.manifests} - needed
        if not more:
            return needed
        needed |= more


def applied(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """What the registry holds once PLAN has been carried out."""
    after = []
    for repository, planned in zip(sorted(snapshot.repositories, key=lambda entry: entry.name), plan.repositories):
        if planned.held:
            after.append(repository)
            continue
        gone = {manifest.digest for manifest in planned.doomed_manifests}
        dropped = {tag.name for tag in planned.doomed_tags}
        manifests = {entry: manifest for entry, manifest in repository.manifests.items() if entry not in gone}
        tags = tuple(tag for tag in repository.tags if tag.name not in dropped)
        revisions = None
        if repository.revisions is not None:
            tagged = {tag.digest for tag in tags}
            revisions = {
                entry: revision
                if entry in tagged or revision.untagged_since is not None
                else Revision(entry, revision.pushed, NOW)
                for entry, revision in repository.revisions.items()
                if entry not in gone
            }
        after.append(
            dataclasses.replace(
                repository,
                tags=tags,
                manifests=manifests,
                revisions=revisions,
                missing=repository.missing | gone,
                unfinished={entry: why for entry, why in repository.unfinished.items() if entry not in gone},
            )
        )
    return Snapshot(snapshot.taken_at, tuple(after))


def deeds(plan: Plan):
    tags = {(entry.name, tag.name) for entry in plan.repositories for tag in entry.doomed_tags}
    manifests = {(entry.name, manifest.digest) for entry in plan.repositories for manifest in entry.doomed_manifests}
    return tags, manifests


@cases(1200)
@given(snapshots(), policies(), protections(), OPTIONS)
def test_nothing_that_is_kept_or_needed_ever_goes(snapshot, raw, protected, options):
    plan = make_plan(snapshot, compile_policies(raw, protected), options)
    for repository, planned in zip(sorted(snapshot.repositories, key=lambda entry: entry.name), plan.repositories):
        assert planned.problem == ""
        gone = {manifest.digest for manifest in planned.doomed_manifests}
        assert {manifest.digest for manifest in planned.manifests} == set(repository.manifests)
        assert {tag.name for tag in planned.tags} == {tag.name for tag in repository.tags}
        kept_tags = {tag.digest for tag in planned.tags if tag.action == KEEP and tag.digest}
        shielded = set()
        for entry, manifest in repository.manifests.items():
            config = manifest.config_descriptor.digest if manifest.config_descriptor else ""
            names = (entry, config, repository.name + "@" + entry)
            if any(name in protected for name in names):
                shielded.add(entry)
        while True:
            above = {
                entry
                for entry, manifest in repository.manifests.items()
                if any(child.digest in shielded for child in manifest.children)
            }
            if above <= shielded:
                break
            shielded |= above
        assert not gone & needed_by(repository, kept_tags)
        assert not gone & needed_by(repository, shielded)
        # whatever stays, for whatever reason, has all that it needs
        assert not gone & needed_by(repository, set(repository.manifests) - gone)
        for tag in repository.tags:
            action = next(entry.action for entry in planned.tags if entry.name == tag.name)
            if tag.hold or repository.name + ":" + tag.name in protected or tag.digest in shielded:
                assert action == KEEP
            if tag.digest is not None:
                assert (action == DELETE) == (tag.digest in gone)
                assert action != UNTAG or tag.digest in repository.manifests
            if repository.manifests.get(tag.digest) and repository.manifests[tag.digest].kind == TOMBSTONE:
                assert action == KEEP
        assert all(entry.reason for entry in planned.tags + planned.manifests)
        assert all(entry.reason.startswith("kept") == (entry.action == KEEP) for entry in planned.tags)


@cases(600)
@given(snapshots(), policies(), protections(), OPTIONS)
def test_applying_a_plan_and_planning_again_changes_nothing(snapshot, raw, protected, options):
    compiled = compile_policies(raw, protected)
    after = applied(snapshot, make_plan(snapshot, compiled, options))
    assert deeds(make_plan(after, compiled, options)) == (set(), set())


def test_every_keep_clause_is_among_those_that_are_tried():
    keys = {key for key in _CHECKS if key.startswith("keep_")}
    assert {key for key, _untagged in KEEP_CLAUSES} == keys
    assert {key for key, untagged in KEEP_CLAUSES if untagged} == keys - set(_NEED_TAGS)


@pytest.mark.parametrize(("key", "untagged"), KEEP_CLAUSES)
def test_one_more_keep_clause_never_deletes_more(key, untagged):
    """In one policy of several or in more of them, over two repositories that share manifests."""
    spared = []

    @cases(300)
    @given(
        st.tuples(repositories("team/app"), repositories("other")),
        one_more_clause(key, untagged),
        protections(),
        OPTIONS,
        pulls(),
    )
    def never(seen, both, protected, options, pulled):
        options = dataclasses.replace(options, pulls=pulled)
        fewer, more = (deeds(make_plan(Snapshot(NOW, seen), compile_policies(raw, protected), options)) for raw in both)
        assert more[0] <= fewer[0]
        assert more[1] <= fewer[1]
        spared.append(more != fewer)

    never()
    assert any(spared)


@cases(400)
@given(snapshots(), policies(), OPTIONS, st.sampled_from(range(9)))
def test_one_more_protected_digest_never_deletes_more(snapshot, raw, options, number):
    protected = [digest("team/app %d" % number), digest("shared %d" % number)]
    fewer_tags, fewer_manifests = deeds(make_plan(snapshot, compile_policies(raw, protected), options))
    tags, manifests = deeds(make_plan(snapshot, compile_policies(raw), options))
    assert fewer_tags <= tags
    assert fewer_manifests <= manifests


@cases(450)
@given(snapshots(), policies(), protections(), OPTIONS, st.integers())
def test_any_order_of_arrival_gives_the_same_plan(snapshot, raw, protected, options, seed):
    compiled = compile_policies(raw, protected)
    chance = random.Random(seed)

    def shuffled(values):
        values = list(values)
        chance.shuffle(values)
        return values

    def other(repository: Repository) -> Repository:
        return dataclasses.replace(
            repository,
            tags=tuple(shuffled(repository.tags)),
            manifests=dict(shuffled(repository.manifests.items())),
            revisions=None if repository.revisions is None else dict(shuffled(repository.revisions.items())),
        )

    again = Snapshot(snapshot.taken_at, tuple(shuffled(other(entry) for entry in snapshot.repositories)))
    assert make_plan(again, compiled, options) == make_plan(snapshot, compiled, options)


@cases(400)
@given(repositories(), repositories("other"), policies(), OPTIONS, st.data())
def test_one_unreadable_manifest_leaves_its_repository_alone_and_no_other(first, second, raw, options, data):
    compiled = compile_policies(raw)
    unread = data.draw(st.sampled_from(sorted(first.manifests)))
    manifests = {entry: manifest for entry, manifest in first.manifests.items() if entry != unread}
    named = {tag.digest for tag in first.tags} | set(first.revisions or ())
    named |= {child.digest for manifest in manifests.values() for child in manifest.children}
    if unread not in named:
        return
    damaged = dataclasses.replace(first, manifests=manifests)
    plan = make_plan(Snapshot(NOW, (damaged, second)), compiled, options)
    assert plan.repositories[1].problem
    assert plan.repositories[1].is_noop
    assert not plan.repositories[1].doomed_tags
    assert not plan.repositories[1].doomed_manifests
    alone = make_plan(Snapshot(NOW, (second,)), compiled, options)
    if options.remove_orphans:
        # What is not known of the first one may be what the second one's orphans are about.
        assert {tag.name for tag in plan.repositories[0].doomed_tags} <= {
            tag.name for tag in alone.repositories[0].doomed_tags
        }
        return
    assert plan.repositories[0].tags == alone.repositories[0].tags
    assert plan.repositories[0].manifests == alone.repositories[0].manifests


@cases(450)
@given(snapshots(), policies(), OPTIONS, st.sampled_from((None, 0, 30, 60)), st.booleans())
def test_bytes_freed_are_what_is_there_before_less_what_is_there_after(snapshot, raw, options, percent, empty):
    guards = Guards(None, None, empty, percent)
    plan = make_plan(snapshot, compile_policies(raw), dataclasses.replace(options, guards=guards))
    sizes: dict[str, int] = {}
    for repository in snapshot.repositories:
        for manifest in repository.manifests.values():
            sizes[manifest.digest] = manifest.size
            sizes.update({blob.digest: blob.size for blob in manifest.blobs})
    # manifests of one digest in two repositories may differ in what the generator drew: leave those cases out
    first, *rest = snapshot.repositories
    for other in rest:
        if any(
            other.manifests[entry] != first.manifests[entry] for entry in set(first.manifests) & set(other.manifests)
        ):
            return

    def stored(entries):
        return {
            name
            for repository in entries
            for manifest in repository.manifests.values()
            for name in (manifest.digest, *(blob.digest for blob in manifest.blobs))
        }

    after = stored(applied(snapshot, plan).repositories)
    assert plan.bytes_freed == sum(sizes[name] for name in stored(snapshot.repositories) - after)
    if not any(entry.held for entry in plan.repositories) and len(plan.repositories) == 1:
        assert plan.repositories[0].bytes_own == plan.bytes_freed


@cases(450)
@given(snapshots(), policies(), OPTIONS, st.sampled_from((None, 0, 40)))
def test_a_plan_survives_its_file_exactly(snapshot, raw, options, percent):
    guards = Guards(percent, percent, False, percent)
    plan = make_plan(snapshot, compile_policies(raw), dataclasses.replace(options, guards=guards))
    records = [json.loads(json.dumps(record)) for record in plan_to_records(plan)]
    assert plan_from_records(records) == plan


@cases(400)
@given(snapshots(), policies(), OPTIONS)
def test_what_goes_goes_in_an_order_that_any_registry_accepts(snapshot, raw, options):
    plan = make_plan(snapshot, compile_policies(raw), options)
    for repository, planned in zip(sorted(snapshot.repositories, key=lambda entry: entry.name), plan.repositories):
        order = [manifest.digest for manifest in planned.doomed_manifests]
        place = {entry: number for number, entry in enumerate(order)}
        assert len(place) == len(order)
        below: dict[str, set[str]] = {}
        for entry in order:
            after = {child.digest for child in repository.manifests[entry].children}
            after |= {other for other in order if repository.manifests[other].subject == entry}
            for tag in repository.tags:
                if tag.name.startswith("sha256-" + entry.partition(":")[2]):
                    after.add(tag.digest)
            below[entry] = after & set(order)

        def reaches(start, below=below):  # pylint: disable=dangerous-default-value
            seen, waiting = set(), [start]
            while waiting:
                for entry in below[waiting.pop()]:
                    if entry not in seen:
                        seen.add(entry)
                        waiting.append(entry)
            return seen

        for entry in order:
            for other in below[entry]:
                if entry not in reaches(other):
                    assert place[entry] < place[other]


_MOVES = ("drop", "move", "move", "new tag", "new tag", "new index", "new image", "come back")


@st.composite
def moved(draw: st.DrawFn, repository: Repository) -> Repository:
    """REPOSITORY after others have pushed to it, with everything read that a tag leads to."""
    tags = {tag.name: tag for tag in repository.tags}
    manifests = dict(repository.manifests)
    missing = set(repository.missing)
    for number in range(draw(st.integers(1, 4))):
        what = draw(st.sampled_from(_MOVES))
        targets = sorted(manifests)
        if what == "drop" and tags:
            tags.pop(draw(st.sampled_from(sorted(tags))))
        elif what == "move" and tags:
            name = draw(st.sampled_from(sorted(tags)))
            tags[name] = Tag(name, draw(st.sampled_from([*targets, None])))
        elif what == "new tag":
            name = "new-%d" % number
            tags[name] = Tag(name, draw(st.sampled_from(targets)))
        elif what == "come back" and missing:
            entry = draw(st.sampled_from(sorted(missing)))
            missing.discard(entry)
            manifests[entry] = dataclasses.replace(image("back"), digest=entry)
            tags["back-%d" % number] = Tag("back-%d" % number, entry)
        else:
            pushed = image("pushed %d" % number)
            if what == "new index":
                children = draw(st.lists(st.sampled_from(targets), max_size=3))
                below = tuple(Descriptor(child, "", 1) for child in children)
                pushed = dataclasses.replace(index("pushed %d" % number, []), children=below)
            manifests[pushed.digest] = pushed
            tags["pushed-%d" % number] = Tag("pushed-%d" % number, pushed.digest)
    return dataclasses.replace(repository, tags=tuple(tags.values()), manifests=manifests, missing=frozenset(missing))


@cases(700)
@given(repositories(), policies(), protections(), OPTIONS, st.data())
def test_whatever_moved_nothing_that_a_staying_tag_needs_goes(repository, raw, protected, options, data):
    plan = make_plan(Snapshot(NOW, (repository,)), compile_policies(raw, protected), options).repositories[0]
    now = data.draw(moved(repository))
    confirmed = confirm(plan, now)
    gone = {manifest.digest for manifest in confirmed.plan.doomed_manifests}
    going = {tag.name: tag for tag in confirmed.plan.doomed_tags}
    assert confirmed.plan.problem == ""
    assert gone <= {manifest.digest for manifest in plan.doomed_manifests}
    assert set(going) <= {tag.name for tag in plan.doomed_tags}
    before = {tag.name: tag.digest for tag in repository.tags}
    staying = set()
    for tag in now.tags:
        if tag.name not in going:
            staying.add(tag.digest)
        else:
            assert tag.digest in (before[tag.name], None)
            assert going[tag.name].action == DELETE or tag.digest not in gone
    assert not gone & needed_by(now, staying)
    for tag in confirmed.plan.tags:
        assert tag.action == DELETE or tag.digest not in gone
    # asked again, it says the same
    again = confirm(confirmed.plan, now).plan
    assert deeds(Plan(NOW, (again,))) == deeds(Plan(NOW, (confirmed.plan,)))


@cases(300)
@given(repositories(), policies(), OPTIONS, protections(), st.data())
def test_what_is_protected_by_now_does_not_go_with_an_approved_plan(repository, raw, options, protected, data):
    saved = make_plan(Snapshot(NOW, (repository,)), compile_policies(raw), options)
    now = data.draw(moved(repository))
    shield = compile_policies([], protected).protected
    plan = confirm_approved(saved, Snapshot(NOW, (now,)), shield)[0].repositories[0]
    gone = {manifest.digest for manifest in plan.doomed_manifests}
    safe = {
        entry
        for entry, manifest in now.manifests.items()
        if shield.covers_digest(now.name, entry)
        or (manifest.config_descriptor and shield.covers_digest(now.name, manifest.config_descriptor.digest))
    }
    safe |= {tag.digest for tag in now.tags if shield.covers_tag(now.name, tag.name)}
    assert not gone & needed_by(now, safe)
    for entry in set(now.manifests) - gone:
        if any(child.digest in safe for child in now.manifests[entry].children):
            assert entry not in gone
    assert not any(shield.covers_tag(now.name, tag.name) for tag in plan.doomed_tags)
    assert deeds(Plan(NOW, (plan,)))[0] <= deeds(saved)[0]
    assert deeds(Plan(NOW, (plan,)))[1] <= deeds(saved)[1]


@cases(250)
@given(repositories(), policies(), protections(), OPTIONS, st.data())
def test_parked_tags_are_decided_as_if_they_had_never_moved(repository, raw, protected, options, data):
    compiled = compile_policies(raw, protected)
    stone = Manifest(digest("another tombstone"), OCI_INDEX, 99, TOMBSTONE)
    names = data.draw(st.sets(st.sampled_from(sorted(tag.name for tag in repository.tags))))
    parked = dataclasses.replace(
        repository,
        tags=tuple(
            dataclasses.replace(tag, parked=stone.digest) if tag.name in names and tag.digest else tag
            for tag in repository.tags
        ),
        manifests={**repository.manifests, stone.digest: stone},
        revisions=None
        if repository.revisions is None
        else {**repository.revisions, stone.digest: Revision(stone.digest)},
    )
    plain = make_plan(Snapshot(NOW, (repository,)), compiled, options)
    other = make_plan(Snapshot(NOW, (parked,)), compiled, options)
    assert deeds(other) == deeds(plain)
    assert {tag.name for tag in other.repositories[0].stranded_tags} == {
        tag.name for tag in parked.tags if tag.parked and (repository.name, tag.name) not in deeds(plain)[0]
    }
