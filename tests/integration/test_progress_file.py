# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module alone tells of its progress, on real registries: true numbers in the end, and no secret in between."""

from __future__ import annotations

import json


def test_the_last_record_is_what_was_done_and_secrets_are_masked(pusher, run_module, tmp_path):
    for number in range(5):
        pusher.image("hunter22/app", f"v{number}", created=number)
    path = tmp_path / "progress"
    done = run_module(
        "registry_prune",
        {
            "policies": [{"name": "all", "keep_newest": 2}],
            "backup_dir": str(tmp_path / "backup"),
            "max_delete_percent": 100,
            "username": "somebody",
            "password": "hunter22",
            "progress_file": str(path),
        },
    )
    assert not done.failed, done.msg
    text = path.read_text(encoding="utf-8")
    assert "hunter22" not in text
    assert json.loads(text) == {
        "stage": "apply",
        "number": 1,
        "repositories": 1,
        "repository": "********/app",
        "done": 6,
        "total": 6,
        "deleted": 3,
        "kept": 2,
        "to_go": 0,
    }
