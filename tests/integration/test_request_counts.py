# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests each operation sends, counted by the registry itself, in its access log."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
import requests

LINE = re.compile(r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.[01]" [0-9]{3} ')
KINDS = (
    (re.compile(r"/v2/_catalog"), "catalog"),
    (re.compile(r"/v2/.+/tags/list"), "tags"),
    (re.compile(r"/v2/.+/manifests/(sha256:0{64}|probe-.+)"), "probe"),
    (re.compile(r"/v2/.+/manifests/sha256:"), "digest"),
    (re.compile(r"/v2/.+/manifests/"), "tag"),
    (re.compile(r"/v2/.+/blobs/uploads/"), "upload"),
    (re.compile(r"/v2/.+/blobs/sha256:"), "blob"),
    (re.compile(r"/v2/"), "ping"),
)

# What is asked once before a run's first deletion: which product this is, and whether it deletes, takes pushes and untags.
PROBES = {"GET ping": 1, "DELETE probe": 2, "PUT probe": 1}
LOOK = {"GET catalog": 1, "GET tags": 1}


@pytest.fixture
def counted(registry, run_module):
    """Runs a module, and tells its result and which requests the registry has answered meanwhile, by its access log."""

    def count(name, arguments, **options):
        start = registry.log_path.stat().st_size
        result = run_module(name, arguments, **options)
        end = f"/v2/end-{start}/tags/list"
        requests.get(registry.url + end, timeout=30)
        for _attempt in range(200):
            text = registry.log_path.read_bytes()[start:].decode()
            if end in text:
                break
            time.sleep(0.05)
        assert end in text
        sent = Counter()
        for method, path in LINE.findall(text):
            if end not in path:
                sent[f"{method} {next(name for pattern, name in KINDS if pattern.match(path))}"] += 1
        return result, dict(sent)

    return count


@pytest.fixture
def images(pusher):
    """Seven images with a config each; eight tags, since two share the newest."""
    pushed = [pusher.image("team/app", f"v{n}", created=n) for n in range(6)]
    return [*pushed, pusher.image("team/app", ["v6", "stable"], created=9)]


@pytest.fixture
def pruned(counted, tmp_path):
    """Runs registry_prune over the repository, and tells its requests; KEEP images stay."""

    def prune(keep, *, check=False, strategy="auto"):
        arguments = {
            "policies": [{"name": "newest", "keep_newest": keep}],
            "max_delete_percent": 100,
            "backup_dir": str(tmp_path / "backup"),
            "strategy": strategy,
        }
        return counted("registry_prune", arguments, check=check)

    return prune


def test_a_list_costs_one_request_a_tag_and_one_a_config(images, counted):
    _result, sent = counted("registry_tags_info", {"depth": "digests"})
    assert sent == {**LOOK, "HEAD tag": 8}
    _result, sent = counted("registry_tags_info", {"depth": "manifests"})
    assert sent == {**LOOK, "GET tag": 8}
    result, sent = counted("registry_tags_info", {"depth": "configs", "repositories": ["team/app"]})
    assert sent == {"GET tags": 1, "GET tag": 8, "GET blob": 7}
    assert result["requests_sent"] == 16
    blobs = {digest for image in images for digest in image.blobs}
    assert len(blobs) == 14
    _result, sent = counted("registry_tags_info", {"depth": "blobs"})
    assert sent == {**LOOK, "GET tag": 8, "GET blob": 7 + len(blobs)}


def test_looking_for_hidden_tags_costs_one_request_a_tag_and_at_2_x_one_in_all(images, pusher, counted, registry):
    """2.x is known by what it answers, once and not for each repository: no header is relied on, since a proxy may change it."""
    pusher.image("team/web", "v1", created=3)
    arguments = {"depth": "digests", "find_hidden_tags": True}
    _result, sent = counted("registry_tags_info", arguments)
    asked = 0 if registry.family == "2.x" else 9
    assert sent == {"GET catalog": 1, "GET tags": 2 + 1 + asked, "HEAD tag": 9}


def test_a_plan_costs_a_look_and_nothing_is_asked_where_nothing_is_to_do(images, pruned):
    _result, sent = pruned(4, check=True)
    assert sent == {**LOOK, "GET tag": 8, "GET blob": 7, **PROBES}
    result, sent = pruned(7)
    assert sent == {**LOOK, "GET tag": 8, "GET blob": 7}
    assert result["changed"] is False


def test_by_digest_each_image_costs_a_second_look_at_its_tag_and_a_delete(images, pruned):
    """The list is read twice more: before the first deletion, with a HEAD for each tag that stays, and after the last."""
    result, sent = pruned(4, strategy="digest")
    assert result["deleted"] == {"tags": 3, "untagged": 0, "restored": 0, "manifests": 3}
    assert sent == {
        **LOOK,
        "GET tags": 3,
        "GET tag": 8,
        "GET blob": 7,
        **PROBES,
        "HEAD tag": 5 + 3,
        "DELETE digest": 3,
    }


def test_by_tombstone_each_tag_costs_a_put_more_and_each_batch_a_delete(images, pruned):
    """What stays is looked at twice: before the tags go, and before the manifests do."""
    result, sent = pruned(4, strategy="tombstone")
    assert result["deleted"]["manifests"] == 3
    assert sent == {
        **LOOK,
        "GET tags": 4,
        "GET tag": 8,
        "GET blob": 7,
        **PROBES,
        "HEAD tag": 5 + 3 + 5,
        "PUT tag": 3,
        "DELETE digest": 1 + 3,
    }


def test_by_tag_each_tag_costs_a_delete_more_and_2_x_is_asked_for_none(images, pruned, registry):
    result, sent = pruned(4, strategy="tag")
    if registry.family == "2.x":
        assert "3.0 and later" in result.msg
        assert sent == {**LOOK, "GET tag": 8, "GET blob": 7, **PROBES}
        return
    assert result["deleted"]["manifests"] == 3
    assert sent == {
        **LOOK,
        "GET tags": 4,
        "GET tag": 8,
        "GET blob": 7,
        **PROBES,
        "HEAD tag": 5 + 3 + 5,
        "DELETE tag": 3,
        "DELETE digest": 3,
    }


def test_taking_one_tag_off_reads_its_repository_and_writes_once(images, counted, registry):
    """Without configs, since no date matters; in 2.x by way of a tombstone. A tag that is not listed is asked for by its name, too:
    only the registry's own word makes it absent."""
    result, sent = counted("registry_tag_delete", {"references": ["team/app:stable", "team/app:v1"]})
    assert result["changed"]
    writes = {"DELETE tag": 2} if registry.family == "3.x" else {"PUT tag": 2, "DELETE digest": 1}
    assert sent == {"GET tags": 3, "GET tag": 8, **PROBES, "HEAD tag": 6 + 2, **writes}
    result, sent = counted("registry_tag_delete", {"references": ["team/app:stable"]})
    assert result["changed"] is False
    assert sent == {"GET tags": 1, "GET tag": 6 + 1}


def test_restoring_asks_for_each_manifest_blob_and_tag_before_and_reads_back_after(images, pruned, counted):
    """What is not there is asked for twice, since HEAD has no body that could tell absence from a proxy's 404."""
    result, _sent = pruned(4, strategy="digest")
    result, sent = counted("registry_manifest_restore", {"backup_file": result["backup_file"]})
    assert result["changed"]
    assert sent == {
        "GET blob": 3 * 2,
        "HEAD digest": 3,
        "GET digest": 3 + 3,
        "PUT digest": 3,
        "HEAD tag": 3 + 3,
        "GET tag": 3,
        "PUT tag": 3,
    }
    result, sent = counted("registry_manifest_restore", {"backup_file": _backup(result)})
    assert result["changed"] is False
    assert sent == {"GET blob": 3 * 2, "HEAD digest": 3, "HEAD tag": 3}


def _backup(result):
    return result["invocation"]["module_args"]["backup_file"]
