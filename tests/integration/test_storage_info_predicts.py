# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scan says a collection would free, or where it would abort, held against what the real collectors do."""

from __future__ import annotations

import os
import random
import subprocess

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import media_types
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.scan import StoreScan
from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.unit.storage.made_store import MadeStore

FAMILY = {"2.8": "2.x", "3.1": "3.x"}


@pytest.fixture
def version(registry_version):
    return registry_version


@pytest.fixture
def store(tmp_path):
    (tmp_path / "root").mkdir()
    return MadeStore(tmp_path / "root")


def real_collection(store, version, *flags):
    config = os.path.join(os.path.dirname(store.root), "config.yml")
    with open(config, "w", encoding="utf-8") as stream:
        stream.write("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: :0\n" % store.root)
    program = registry_binary(version)
    return subprocess.run(
        [str(program), "garbage-collect", *flags, config],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )


def scan_of(store):
    scan = StoreScan(store.tree)
    contents = {one.name: one for one in scan.repositories()}
    return scan, contents


def hold_to_it(store, version):
    """The prediction must come true, whatever it is; returns the scan and the blobs that went."""
    scan, _contents = scan_of(store)
    family = FAMILY[version]
    foretold = scan.would_free(family)
    collectable = {digest for digest, _size, _written in scan.collectable(family)}
    before = store.blobs()
    done = real_collection(store, version)
    gone = before - store.blobs()
    if foretold.aborts is not None:
        assert done.returncode != 0, done.stdout.decode()[-2000:]
        # Some are only met in the sweep, half-way.
        assert gone <= collectable
    else:
        assert done.returncode == 0, done.stdout.decode()[-2000:]
        assert gone == collectable
        assert foretold.blobs == len(gone)
    return scan, foretold, gone


def fill(store):
    """A bit of everything that is in order."""
    kept = store.image("team/app", "1.0", layers=2)
    store.image("team/app", "2.0", layers=[store.unique(), "sha256:" + "0" * 64])
    for _unused in range(3):
        store.image("team/app", "latest")
    child = store.image("team/app/sub", None)
    nested = store.index("team/app/sub", [child])
    store.index("team/app/sub", [nested, "sha256:" + "1" * 64], "multi")
    store.image("team/app", None, subject=kept)
    store.image("docker", "v1", layers=3, media_type=media_types.DOCKER_MANIFEST, foreign=["sha256:" + "2" * 64])
    inner = store.image("docker", None, media_type=media_types.DOCKER_MANIFEST)
    store.index("docker", [inner], "list", media_type=media_types.DOCKER_LIST)
    store.blob(b"nobody's")
    store.layer("other", b"uploaded and left")
    store.layer("team/app", b"uploaded here and left")
    shared = store.layer("one", b"shared layer")
    store.image("one", "x", layers=[shared])
    gone = store.image("two", "x", layers=[shared])
    store.delete("two", gone)
    store.upload("team/app")
    store.upload("only/upload")
    return kept


def test_a_store_in_order(store, version):
    fill(store)
    scan, foretold, gone = hold_to_it(store, version)
    assert len(gone) >= 4
    assert foretold.is_safe
    assert scan.findings.stops == {"2.x": 0, "3.x": 0}


@pytest.mark.parametrize("seed", range(6))
def test_generated_stores(store, version, seed):
    chance = random.Random(seed)
    names = ["a", "a/b", "a/b/c", "team-x/app", "0zero", "z_z/y.y"]
    manifests, layers = {}, [b"common %d" % number for number in range(4)]
    for _unused in range(60):
        name = chance.choice(names)
        had = manifests.setdefault(name, [])
        tag = chance.choice([None, "latest", "v%d" % chance.randrange(9)])
        deed = chance.randrange(8)
        if deed < 4 or not had:
            content = [chance.choice(layers) if chance.random() < 0.5 else store.unique() for _again in range(2)]
            had.append(
                store.image(name, tag, content, subject=chance.choice(had) if had and chance.random() < 0.2 else None)
            )
        elif deed == 4:
            had.append(store.index(name, chance.sample(had, min(len(had), 2)), tag))
        elif deed == 5:
            victim = had.pop(chance.randrange(len(had)))
            if os.path.exists(store.revision_link(name, victim)):
                store.delete(name, victim)
        elif deed == 6:
            store.layer(name, store.unique())
        else:
            store.blob(store.unique())
    _scan, foretold, gone = hold_to_it(store, version)
    assert foretold.aborts is None
    assert gone


def link_of(store, name="team/app"):
    """A revision's link of a repository, the first in the collector's order."""
    folder = os.path.join(store.repository(name), "_manifests", "revisions", "sha256")
    return os.path.join(folder, sorted(os.listdir(folder))[0], "link")


def overwrite(path, content):
    with open(path, "wb") as stream:
        stream.write(content)


def remove_folder(store, name, part):
    MadeStore.remove(os.path.join(store.repository(name), part))


def stray(store, *parts, content=b"x"):
    path = os.path.join(store.tree, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    overwrite(path, content)


HEX = "ab" * 32


def sign(store, signature):
    """Put a signature where 2.0 and 2.1 put those of schema 1 manifests; without content, its link is empty."""
    folder = os.path.join(os.path.dirname(store.revision_link("docker", store.schema1("docker", "old"))), "signatures")
    if signature is None:
        stray(store, os.path.relpath(folder, store.tree), "sha256", HEX, "link", content=b"")
    else:
        store.link(folder, store.blob(signature))


# What is done to a store in order; then for 2.x and for 3.x whether it aborts, and the code of the finding that must name it.
DAMAGES = {
    "empty link": (lambda store, kept: overwrite(link_of(store), b""), True, True, "link_broken"),
    "garbage link": (lambda store, kept: overwrite(link_of(store), b"nonsense"), True, True, "link_broken"),
    "link with a line end": (
        lambda store, kept: overwrite(store.revision_link("team/app", kept), kept.encode() + b"\n"),
        True,
        True,
        "link_broken",
    ),
    "link with capitals": (
        lambda store, kept: overwrite(
            store.revision_link("team/app", kept), kept.encode().upper().replace(b"SHA", b"sha")
        ),
        True,
        True,
        "link_broken",
    ),
    "empty layer link": (
        lambda store, kept: overwrite(
            os.path.join(
                store.repository("one"),
                "_layers/sha256",
                sorted(os.listdir(store.repository("one") + "/_layers/sha256"))[0],
                "link",
            ),
            b"",
        ),
        False,
        True,
        "layer_link_broken",
    ),
    "link to another manifest": (
        lambda store, kept: overwrite(link_of(store, "docker"), store.image("docker", None).encode()),
        False,
        False,
        "link_misplaced",
    ),
    "link to a manifest of another repository": (
        lambda store, kept: overwrite(link_of(store, "docker"), kept.encode()),
        False,
        False,
        "link_misplaced",
    ),
    "empty tag link": (
        lambda store, kept: overwrite(os.path.join(store.repository("docker"), "_manifests/tags/v1/current/link"), b""),
        False,
        False,
        "tag_link_broken",
    ),
    "tag without current": (
        lambda store, kept: MadeStore.remove(os.path.join(store.repository("docker"), "_manifests/tags/v1/current")),
        False,
        False,
        "tag_link_broken",
    ),
    "dangling tag": (
        lambda store, kept: os.unlink(store.revision_link("team/app", kept)),
        False,
        False,
        "tag_dangling",
    ),
    "empty manifest": (
        lambda store, kept: overwrite(store.blob_path(kept), b""),
        True,
        True,
        "manifest_unreadable",
    ),
    "manifest of zero bytes": (
        lambda store, kept: overwrite(store.blob_path(kept), bytes(300)),
        True,
        True,
        "manifest_unreadable",
    ),
    "half a manifest": (
        lambda store, kept: os.truncate(store.blob_path(kept), 100),
        True,
        True,
        "manifest_unreadable",
    ),
    "manifest of another type": (
        lambda store, kept: store.manifest("docker", {"schemaVersion": 2, "mediaType": "text/plain"}, "odd"),
        True,
        True,
        "manifest_unreadable",
    ),
    "manifest of no version": (
        lambda store, kept: store.manifest("docker", {"mediaType": media_types.OCI_MANIFEST}, "odd"),
        True,
        True,
        "manifest_unreadable",
    ),
    "manifest with odd types": (
        lambda store, kept: store.manifest(
            "docker",
            {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [{"digest": 5}]},
            "odd",
        ),
        True,
        True,
        "manifest_unreadable",
    ),
    "schema 1": (lambda store, kept: store.schema1("docker", "old"), False, True, "manifest_schema1"),
    "manifest without its content": (
        lambda store, kept: os.unlink(store.blob_path(kept)),
        False,
        False,
        "manifest_missing",
    ),
    "index alone": (lambda store, kept: store.index("just/index", [], "x"), False, True, "layers_missing"),
    "no _layers": (
        lambda store, kept: remove_folder(store, "docker", "_layers"),
        False,
        True,
        "layers_missing",
    ),
    "no _manifests": (lambda store, kept: remove_folder(store, "docker", "_manifests"), False, False, None),
    "no tags": (
        lambda store, kept: remove_folder(store, "docker", "_manifests/tags"),
        False,
        False,
        "tags_missing",
    ),
    "no revisions": (
        lambda store, kept: remove_folder(store, "docker", "_manifests/revisions"),
        False,
        False,
        "tag_dangling",
    ),
    "revisions is a file": (
        lambda store, kept: (
            remove_folder(store, "docker", "_manifests/revisions"),
            stray(store, "repositories/docker/_manifests/revisions"),
        ),
        True,
        True,
        "folder_unreadable",
    ),
    "a file hides repositories from 2.x": (
        lambda store, kept: stray(store, "repositories/_note"),
        False,
        False,
        "repository_hidden",
    ),
    "a file hides nothing": (lambda store, kept: stray(store, "repositories/note"), False, False, None),
    "a name that is none": (
        lambda store, kept: os.rename(store.repository("docker"), store.repository("Docker backup")),
        True,
        True,
        "repository_name",
    ),
    "a file among the blobs": (
        lambda store, kept: stray(store, "blobs", "sha256", "ab", "README"),
        False,
        False,
        "blobs_stray",
    ),
    "a folder among the blobs": (
        lambda store, kept: stray(store, "blobs", "sha256", "lost+found", "x"),
        False,
        False,
        "blobs_stray",
    ),
    "data where no digest leads": (
        lambda store, kept: stray(store, "blobs", "sha256", "ab", HEX + ".bak", "data"),
        True,
        True,
        "blobs_stray_data",
    ),
    "data in the wrong folder": (
        lambda store, kept: stray(store, "blobs", "sha256", "cd", HEX, "data"),
        True,
        True,
        "blobs_stray_data",
    ),
    "data without its middle folder": (
        lambda store, kept: stray(store, "blobs", "sha256", HEX, "data"),
        True,
        True,
        "blobs_stray_data",
    ),
    "data at the top": (lambda store, kept: stray(store, "blobs", "data"), True, True, "blobs_stray_data"),
    "data is a folder": (
        lambda store, kept: os.makedirs(os.path.join(store.tree, "blobs", "sha256", "ab", HEX, "data")),
        False,
        False,
        "blobs_stray",
    ),
    "a blob's folder without content": (
        lambda store, kept: os.makedirs(os.path.join(store.tree, "blobs", "sha256", "ab", HEX)),
        False,
        False,
        "blob_no_content",
    ),
    "a link that leads nowhere": (
        lambda store, kept: os.symlink("/nowhere", os.path.join(store.tree, "repositories", "_gone")),
        False,
        False,
        None,
    ),
    "old signatures": (lambda store, kept: sign(store, b"signature"), False, True, "manifest_schema1"),
    "an empty old signature": (lambda store, kept: sign(store, None), True, True, "link_broken"),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damaged_stores(store, version, damage):
    spoil, aborts_2, aborts_3, code = DAMAGES[damage]
    kept = fill(store)
    spoil(store, kept)
    scan, foretold, gone = hold_to_it(store, version)
    assert (foretold.aborts is not None) == (aborts_2 if version == "2.8" else aborts_3)
    codes = {finding.kind.code for finding in scan.findings.kept}
    if code:
        assert code in codes
    else:
        assert not codes & {
            "link_broken",
            "folder_unreadable",
            "repository_hidden",
            "repository_name",
            "blobs_stray_data",
        }


@pytest.mark.parametrize("damage, families", [("no _layers", ["2.x"]), ("a file hides repositories from 2.x", ["2.x"])])
def test_what_eats_images_is_never_called_safe(store, damage, families):
    kept = fill(store)
    assert scan_of(store)[0].would_free("2.x").is_safe
    DAMAGES[damage][0](store, kept)
    for family in families:
        assert not scan_of(store)[0].would_free(family).is_safe


def test_an_empty_store(tmp_path):
    store = MadeStore(tmp_path)
    os.makedirs(os.path.join(store.tree, "repositories"))
    scan, contents = scan_of(store)
    assert contents == {}
    assert scan.would_free("2.x").blobs == 0
