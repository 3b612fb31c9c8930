# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store's files that its registry replaced by what never answers or never ends hold nobody up."""

from __future__ import annotations

import os

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.findings import DIGEST_UNVERIFIED
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.layout import blob_path
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.regular_file import (
    NotRegular,
    open_regular,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.upload_scan import read_uploads
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.verify import verify_digests

pytestmark = pytest.mark.timeout(20)

DIGEST = "sha256:" + "a" * 64


def pipe(path):
    os.mkfifo(path)


def endless(path):
    os.symlink("/dev/zero", path)


def folder(path):
    os.mkdir(path)


@pytest.fixture(params=[pipe, endless, folder], ids=["pipe", "endless", "folder"])
def put(request):
    return request.param


def test_what_is_no_file_is_not_opened(tmp_path, put):
    put(tmp_path / "data")
    with pytest.raises(NotRegular, match="no regular file"):
        open_regular(str(tmp_path / "data"))


def test_a_file_is_read_to_its_end_also_through_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with open_regular(str(tmp_path / "link")) as stream:
        assert stream.read(100) == b"content"


def test_an_upload_without_a_usable_start_still_counts(tmp_path, put):
    (tmp_path / "one").mkdir()
    put(tmp_path / "one" / "startedat")
    assert [upload.name for upload in read_uploads(str(tmp_path))] == ["one"]


def test_a_blob_that_is_no_file_is_a_finding(tmp_path, put):
    path = blob_path(str(tmp_path), DIGEST)
    os.makedirs(os.path.dirname(path))
    put(path)
    [(digest, finding)] = verify_digests(str(tmp_path), [DIGEST], 1)
    assert (digest, finding.kind, finding.detail) == (DIGEST, DIGEST_UNVERIFIED, "it is no regular file")
