# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.fleetops.container_registry.plugins.filter import registry_config as module
from ansible_collections.fleetops.container_registry.plugins.filter.registry_config import (
    FilterModule,
    registry_config,
)

DELETE = {"storage": {"delete": {"enabled": True}}}
READ_ONLY = {"storage": {"maintenance": {"readonly": {"enabled": True}}}}

DEBIAN = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/docker-registry
  delete:
    enabled: true
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  htpasswd:
    realm: basic-realm
    path: /etc/docker/registry
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""


def test_what_is_in_force_already_returns_the_input_itself():
    assert registry_config(DEBIAN, DELETE) is DEBIAN


def test_missing_parents_come_at_the_end_of_their_mapping_with_the_files_own_indent():
    assert registry_config(DEBIAN, READ_ONLY) == DEBIAN.replace(
        "  delete:\n    enabled: true\n",
        "  delete:\n    enabled: true\n  maintenance:\n    readonly:\n      enabled: true\n",
    )


def test_a_value_is_changed_in_its_place_and_comments_and_quotes_stay():
    text = (
        "# ours\nstorage:   # where images live\n    delete: # wiki\n        enabled:   false   # not\n"
        "    'filesystem': {rootdirectory: \"/x\"}\n"
    )
    assert registry_config(text, DELETE) == text.replace("false ", "true ")


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"])
@pytest.mark.parametrize("start", ["", "---\n", "%YAML 1.1\n---\n"])
def test_what_the_server_reads_as_true_stays(start, word):
    text = f"{start}storage:\n  delete:\n    enabled: {word}\n"
    assert registry_config(text, DELETE) is text


@pytest.mark.parametrize(
    "word", ['"true"', "'true'", "1", "'yes'", "y", "t", "!!str true", "no", "off", "0", "''", "tRue"]
)
def test_what_silently_disables_deletes_is_replaced_by_a_real_boolean(word):
    text = f"storage:\n  delete:\n    enabled: {word} # c\n"
    assert registry_config(text, DELETE) == "storage:\n  delete:\n    enabled: true # c\n"


@pytest.mark.parametrize("word", ["false", "no", "Off"])
def test_false_is_known_in_its_forms_too(word):
    text = f"storage: {{delete: {{enabled: {word}}}}}\n"
    assert registry_config(text, {"storage": {"delete": {"enabled": False}}}) is text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("storage: {filesystem: {}}\n", "storage: {filesystem: {}, delete: {enabled: true}}\n"),
        ("storage: {filesystem: {},}\n", "storage: {filesystem: {}, delete: {enabled: true},}\n"),
        ("storage: {}\n", "storage: {delete: {enabled: true}}\n"),
        ("{storage: {filesystem: }}", "{storage: {filesystem: , delete: {enabled: true}}}"),
        ("{storage: }\n", "{storage: {delete: {enabled: true}} }\n"),
        (
            '{\n  "storage": {\n    "a": 1  # one, two\n  }\n}\n',
            '{\n  "storage": {\n    "a": 1, delete: {enabled: true}  # one, two\n  }\n}\n',
        ),
        ("storage:\n  delete: {}\n", "storage:\n  delete: {enabled: true}\n"),
        ("storage: ~\nhttp: {}\n", "storage: {delete: {enabled: true}}\nhttp: {}\n"),
        ("storage: null # c\n", "storage: {delete: {enabled: true}} # c\n"),
    ],
)
def test_flow_mappings(text, expected):
    assert registry_config(text, DELETE) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("storage:\n  delete:\nhttp:\n", "storage:\n  delete:\n    enabled: true\nhttp:\n"),
        (
            "storage:\n  delete:   # c\n    # d\n\nhttp: {}\n",
            "storage:\n  delete:   # c\n    # d\n    enabled: true\n\nhttp: {}\n",
        ),
        ("storage:\n  delete:\n    enabled:\n", "storage:\n  delete:\n    enabled: true\n"),
        (
            "storage:\n  delete:\n    enabled: # c\nb: 1\n",
            "storage:\n  delete:\n    enabled: true # c\nb: 1\n",
        ),
        ("storage:", "storage:\n  delete:\n    enabled: true"),
        ("a:\n   b: 1\nstorage:\n   c: 2", "a:\n   b: 1\nstorage:\n   c: 2\n   delete:\n      enabled: true"),
        ("version: 0.1", "version: 0.1\nstorage:\n  delete:\n    enabled: true"),
        ("", "storage:\n  delete:\n    enabled: true\n"),
        ("# nothing yet\n", "# nothing yet\nstorage:\n  delete:\n    enabled: true\n"),
        ("---\nversion: 0.1\n...\n", "---\nversion: 0.1\nstorage:\n  delete:\n    enabled: true\n...\n"),
        (
            "storage:\n  a:\n    b: /x\n    # c: 1\n  # d:\n# next\nhttp: {}\n",
            "storage:\n  a:\n    b: /x\n    # c: 1\n  # d:\n  delete:\n    enabled: true\n# next\nhttp: {}\n",
        ),
        (
            "storage:\n  # first\n  note: |\n    some\n    text\n\nhttp: {}\n",
            "storage:\n  delete:\n    enabled: true\n  # first\n  note: |\n    some\n    text\n\nhttp: {}\n",
        ),
        ("note: |\n  some\n\n", "storage:\n  delete:\n    enabled: true\nnote: |\n  some\n\n"),
        (
            "storage:\n  list:\n  - a\n  - b: c\n    d: e # f\n",
            "storage:\n  list:\n  - a\n  - b: c\n    d: e # f\n  delete:\n    enabled: true\n",
        ),
        (
            "storage:\n  text: one\n    two\n",
            "storage:\n  text: one\n    two\n  delete:\n    enabled: true\n",
        ),
        (
            "x: &x\n  a: 1\nstorage:\n  b: 2\n",
            "x: &x\n  a: 1\nstorage:\n  b: 2\n  delete:\n    enabled: true\n",
        ),
        (
            "x: &x {a: 1}\nstorage:\n  b: *x\n",
            "x: &x {a: 1}\nstorage:\n  delete:\n    enabled: true\n  b: *x\n",
        ),
        ("\ufeffversion: 0.1\n", "\ufeffversion: 0.1\nstorage:\n  delete:\n    enabled: true\n"),
    ],
)
def test_block_mappings(text, expected):
    assert registry_config(text, DELETE) == expected


def test_windows_line_breaks_stay_and_new_lines_get_them():
    text = DEBIAN.replace("\n", "\r\n")
    changed = registry_config(text, READ_ONLY)
    assert changed.replace("\r\n", "") == changed.replace("\r\n", "\n").replace("\n", "")
    assert changed.replace("\r\n", "\n") == registry_config(DEBIAN, READ_ONLY)


def test_several_values_of_several_kinds_at_once():
    settings = {
        "storage": {"delete": {"enabled": True}, "maintenance": {"uploadpurging": {"age": "168h"}}},
        "catalog": {"maxentries": 5},
    }
    text = "version: 0.1\nstorage:\n  filesystem: {}\ncatalog: {maxentries: 1000}\n"
    assert registry_config(text, settings) == (
        "version: 0.1\nstorage:\n  filesystem: {}\n  delete:\n    enabled: true\n"
        '  maintenance:\n    uploadpurging:\n      age: "168h"\ncatalog: {maxentries: 5}\n'
    )


@pytest.mark.parametrize(
    "value, text",
    [
        ("abc/def", "abc/def"),
        ("yes", '"yes"'),
        ("y", '"y"'),
        ("null", '"null"'),
        ("168h", '"168h"'),
        ("", '""'),
        ('a"b: c#\n', '"a\\"b: c#\\n"'),
        ("é", '"é"'),
        (-3, "-3"),
        (0, "0"),
    ],
)
def test_strings_are_quoted_where_the_server_would_read_something_else(value, text):
    written = registry_config("a: {}\n", {"a": {"b": value}})
    assert written == f"a: {{b: {text}}}\n"
    assert registry_config(written, {"a": {"b": value}}) is written


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "storage: &s\n  delete:\n    enabled: false\nother: *s\n",
            "shared through the YAML anchor &s (line 1)",
        ),
        (
            "x: &s {delete: {enabled: false}}\nstorage: *s\n",
            "storage is shared through the YAML anchor &s (line 1)",
        ),
        (
            "x: &f false\nstorage: {delete: {enabled: *f}}\n",
            "storage.delete.enabled is shared through the YAML anchor &f",
        ),
        ("x: &d {delete: {enabled: false}}\nstorage:\n  <<: *d\n", "YAML merge key << (line 3)"),
        (
            "storage: {}\nstorage: {}\n",
            'the key "storage" occurs twice in one mapping (again in line 2)',
        ),
        ("storage: {}\nhttp:\n  a: 1\n  'a': 2\n", 'the key "a" occurs twice'),
        ("a: 1\n---\nb: 2\n", "several YAML documents"),
        ("storage: [\n", "not valid YAML"),
        ("storage: {}\nhttp: {secret: *secret}\n", "not valid YAML (line 2)"),
        ("a: \x07\n", "not valid YAML"),
        ("storage:\n\tdelete: 1\n", "not valid YAML"),
        ("- a\n", "the document is not a mapping (line 1)"),
        ("storage: inmemory\n", "storage is not a mapping (line 1), so delete cannot be set in it"),
        ("storage:\n  delete: true\n", "storage.delete is not a mapping (line 2)"),
        (
            "storage:\n  delete:\n    enabled: [true]\n",
            "storage.delete.enabled is a mapping or a list (line 3)",
        ),
        ("storage:\n  delete:\n    enabled: |\n      true\n", "written as a block of text (line 3)"),
        ("? storage\n", 'the key "storage" (line 1) is not followed by a colon'),
        ("[" * 3000 + "]" * 3000, "nested too deeply"),
    ],
)
def test_what_cannot_be_changed_at_one_place_is_refused_by_name(text, message):
    with pytest.raises(AnsibleFilterError) as refusal:
        registry_config(text, DELETE)
    assert message in str(refusal.value)
    assert "was not changed" in str(refusal.value)
    assert "*secret" not in str(refusal.value)
    assert "alias" not in str(refusal.value)


@pytest.mark.parametrize(
    "settings", [{}, {"a": {}}, {"a": None}, {"a": 1.5}, {"a": [1]}, {1: True}, {"": True}, True, None, [1]]
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(AnsibleFilterError):
        registry_config("a: 1\n", settings)


@pytest.mark.parametrize("text", [None, b"a: 1\n", {"a": 1}, 3])
def test_only_text_is_taken(text):
    with pytest.raises(AnsibleFilterError, match="works on the text"):
        registry_config(text, DELETE)


def test_without_ruamel_the_message_says_where_to_install_it(monkeypatch):
    monkeypatch.setattr(module, "RUAMEL_IMPORT_ERROR", ImportError("No module named 'ruamel'"))
    with pytest.raises(AnsibleFilterError, match="ruamel.yaml on the controller"):
        registry_config("a: 1\n", DELETE)


def test_ansible_finds_it_by_its_name():
    assert FilterModule().filters() == {"registry_config": registry_config}
