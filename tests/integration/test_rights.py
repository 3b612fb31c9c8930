# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags that cannot be taken off alone, as strategy: digest does not, or as credentials may delete and not push: told, and left alone.

Check mode says what the real run does, and a run that can do nothing leaves nothing behind.
"""

from __future__ import annotations

import pytest
from ansible_collections.fleetops.container_registry.tests.rig import modules, store
from ansible_collections.fleetops.container_registry.tests.rig.nginx import nginx
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port

# htpasswd knows no rights, so nginx refuses what a token without push is refused: here everywhere, there for one repository.
SERVERS = """\
  server {{
    listen 127.0.0.1:{here};
    location / {{
      limit_except GET DELETE {{ deny all; }}
      proxy_pass {registry};
    }}
  }}
  server {{
    listen 127.0.0.1:{there};
    location / {{ proxy_pass {registry}; }}
    location /v2/team/there/ {{
      limit_except GET DELETE {{ deny all; }}
      proxy_pass {registry};
    }}
  }}
"""
POLICY = {"name": "all", "tags": ["v*"], "keep_newest": 1}
NO_PUSH = "needs the right to push, which these credentials do not have"
BY_DIGEST = "strategy: digest takes no tag off alone, auto does"


@pytest.fixture
def no_push(registry, tmp_path):
    """Ways to the registry: here nothing can be pushed, there not into team/there."""
    home = tmp_path / "nginx"
    home.mkdir()
    ports = {"here": free_port(), "there": free_port()}
    with nginx(home, SERVERS.format(registry=registry.url, **ports), ports["there"]):
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


@pytest.fixture
def journals(tmp_path):
    """How many journals there are, and how many of them a later run would finish."""

    def count():
        texts = [path.read_text() for path in (tmp_path / "backup").glob("*.backup.jsonl")]
        return len(texts), sum('"type":"finished"' not in text for text in texts)

    return count


@pytest.fixture
def prune(registry, tmp_path):
    def run(*, check=False, **options):
        arguments = {
            "url": registry.url,
            "policies": [POLICY],
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
            "details": "all",
        }
        done = modules.run_module("registry_prune", {**arguments, **options}, check=check)
        assert not done.failed, done.msg
        return done

    return run


def shared(pusher, repository, old=2):
    """OLD images and a new one, and one more whose tag v-shared goes while stable keeps it: that one."""
    for number in range(old):
        pusher.image(repository, f"v{number}", created=number + 10)
    pusher.image(repository, "v9", created=90)
    return pusher.image(repository, ["v-shared", "stable"], created=1)


def told(result):
    """What a run says of its tags and of what it leaves alone."""
    tags = {
        (entry["name"], tag["name"]): (tag["action"], tag["reason"])
        for entry in result["repositories"]
        for tag in entry["tags"]
    }
    return result["changed"], result["totals"], result["skipped"], result["plan_id"], tags


def judge(registry, prune, journals, repository, says, **options):
    """Check mode and the real run say the same, one journal is written and finished, and after that nothing happens any more."""
    planned = prune(check=True, **options)
    done = prune(**options)
    assert told(planned) == told(done)
    (skipped,) = [text for text in done["skipped"] if text.startswith(repository + ": ")]
    assert "v-shared" in skipped and says in skipped
    action, reason = told(done)[-1][repository, "v-shared"]
    assert action == "keep" and says in reason
    assert store.listed(registry.url, repository) == ["stable", "v-shared", "v9"]
    assert journals() == (1, 0)
    for check in (True, False):
        again = prune(check=check, **options)
        assert again["changed"] is False
        assert again["skipped"] == done["skipped"]
        assert again["totals"]["tags_untagged"] == 0
    assert journals() == (1, 0)
    return done


def test_strategy_digest_tells_the_tag_that_stays_and_leaves_no_journal_to_finish(registry, pusher, prune, journals):
    shared(pusher, "team/app")
    judge(registry, prune, journals, "team/app", BY_DIGEST, strategy="digest")
    # Nothing stands in the way of a run that can.
    assert prune()["deleted"]["untagged"] == 1
    assert store.listed(registry.url, "team/app") == ["stable", "v9"]


def test_where_only_such_tags_would_go_nothing_is_written_at_all(registry, pusher, prune, journals):
    shared(pusher, "team/app", old=0)
    for check in (True, False):
        done = prune(check=check, strategy="digest")
        assert (done["changed"], len(done["skipped"])) == (False, 1)
    assert journals() == (0, 0)
    assert "backup_file" not in done.data


def test_without_the_right_to_push_2x_tells_and_3x_needs_none(registry, pusher, prune, journals, no_push):
    image = shared(pusher, "team/app")
    if registry.family == "3.x":
        planned, done = prune(check=True, url=no_push["here"]), prune(url=no_push["here"])
        assert planned["skipped"] == done["skipped"] == []
        assert store.listed(registry.url, "team/app") == ["stable", "v9"]
    else:
        judge(registry, prune, journals, "team/app", NO_PUSH, url=no_push["here"])
    assert store.digest(registry.url, "team/app", "stable") == image.digest


def test_a_single_repository_that_takes_no_push_is_told_for_itself(registry, pusher, prune, journals, no_push):
    for name in ("team/app", "team/there"):
        shared(pusher, name)
    if registry.family == "3.x":
        assert prune(url=no_push["there"])["skipped"] == []
        return
    done = judge(registry, prune, journals, "team/there", NO_PUSH, url=no_push["there"])
    assert len(done["skipped"]) == 1
    assert store.listed(registry.url, "team/app") == ["stable", "v9"]


@pytest.mark.parametrize("check", [True, False])
def test_a_named_tag_that_cannot_go_alone_fails_in_check_mode_too(registry, pusher, no_push, check):
    image = shared(pusher, "team/app")
    arguments = {"url": no_push["here"], "references": ["team/app:v-shared"]}
    done = modules.run_module("registry_tag_delete", arguments, check=check)
    assert done.failed == (registry.family == "2.x"), done.msg
    if registry.family == "2.x":
        assert NO_PUSH in done.msg
    gone = registry.family == "3.x" and not check
    assert store.digest(registry.url, "team/app", "v-shared") == (None if gone else image.digest)
    assert store.digest(registry.url, "team/app", "stable") == image.digest


def test_while_deletes_are_off_a_plan_with_a_grace_can_be_seen(registry, pusher, prune):
    """Nothing can tell how tags go then."""
    shared(pusher, "team/app")
    registry.restart(delete=False)
    planned = prune(check=True, delete_grace="7d", assume_delete_enabled=True)
    assert (planned["blocked_by"], planned["skipped"]) == ([], [])
    assert planned["totals"]["tags_untagged"] == 3
