# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import (
    AUTO,
    DIGEST,
    TAG,
    TOMBSTONE,
    Abilities,
    Strategy,
    StrategyUnavailable,
    choose_strategy,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.plan import (
    DELETE,
    KEEP,
    UNTAG,
    PlannedManifest,
    PlannedTag,
    RepositoryPlan,
)

NATIVE = Abilities(native_untag=True)
OLD = Abilities(native_untag=False)
OLD_WITHOUT_PUSH = Abilities(native_untag=False, may_push=False)


def plan(manifests, tags, untag=0):
    doomed = tuple(PlannedManifest("sha256:%064d" % n, "", "image", 1, DELETE, "") for n in range(manifests))
    going = tuple(PlannedTag("t%d" % n, "sha256:%064d" % n, DELETE, "") for n in range(manifests))
    shared = tuple(PlannedTag("s%d" % n, "sha256:" + "f" * 64, UNTAG, "") for n in range(untag))
    kept = tuple(PlannedTag("k%d" % n, "sha256:" + "f" * 64, KEEP, "") for n in range(tags - manifests - untag))
    return RepositoryPlan("team/app", going + shared + kept, doomed)


@pytest.mark.parametrize(
    ("abilities", "size", "expected"),
    [
        (NATIVE, (10, 100), Strategy(TAG, all=False)),
        (OLD, (10, 100), Strategy(TOMBSTONE, all=False)),
        (OLD_WITHOUT_PUSH, (10, 100), Strategy("", all=False)),
        (NATIVE, (900, 1000), Strategy(TAG, all=True)),
        (OLD, (900, 1000), Strategy(TOMBSTONE, all=True)),
        (OLD_WITHOUT_PUSH, (900, 1000), Strategy("", all=False)),
    ],
)
def test_auto_goes_by_tag_only_above_a_size(abilities, size, expected):
    assert choose_strategy(AUTO, plan(*size), abilities, journalled=True) == expected


def test_without_a_journal_manifests_never_go_by_way_of_their_tags():
    assert choose_strategy(AUTO, plan(900, 1000), NATIVE, journalled=False).move == TOMBSTONE
    assert choose_strategy(AUTO, plan(0, 10, untag=3), NATIVE, journalled=False).move == TAG


def test_digest_never_goes_by_tag():
    assert choose_strategy(DIGEST, plan(900, 1000, untag=3), NATIVE, journalled=True) == Strategy("", all=False)


def test_what_cannot_be_followed_is_refused_with_the_way_out():
    with pytest.raises(StrategyUnavailable, match="3.0 and later"):
        choose_strategy(TAG, plan(1, 2), OLD, journalled=True)
    with pytest.raises(StrategyUnavailable, match="needs a backup_dir"):
        choose_strategy(TAG, plan(1, 2), NATIVE, journalled=False)
    with pytest.raises(StrategyUnavailable, match="right to push"):
        choose_strategy(TOMBSTONE, plan(1, 2), OLD_WITHOUT_PUSH, journalled=True)
