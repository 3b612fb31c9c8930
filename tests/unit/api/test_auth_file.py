# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins in files: which entry counts, and what a broken file or helper gets."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
import tracemalloc

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import Address
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.auth_file import AuthFile
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credential_helper import ask_helper
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credentials import CredentialSource
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError

HOST = "registry.example.com:5000"


def auth(user, password="pw"):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def write(tmp_path):
    def write_it(document, name="auth.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return str(path)

    return write_it


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Makes a credential helper of its own name; CODE gets the server's name as `server`."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def make(name, code):
        path = directory / f"docker-credential-{name}"
        path.write_text(
            f"#!{sys.executable}\nimport json, sys, time\nserver = sys.stdin.read()\n{code}\n", encoding="utf-8"
        )
        path.chmod(0o755)

    return make


def login(path, repository="", timeout=20.0):
    return AuthFile.read(path, "auth_file", timeout).login(HOST, repository)


@pytest.mark.parametrize(
    "key", [HOST, f"https://{HOST}", f"https://{HOST}/", f"https://{HOST}/v1/", f"http://{HOST}/v2/", HOST.upper()]
)
def test_every_form_of_a_registrys_key_is_found(write, key):
    found = login(write({"auths": {key: auth("me", "p:w")}}), "team/app")
    assert (found.username, found.password) == ("me", "p:w")


def test_the_longest_key_that_fits_the_repository_counts(write):
    path = write({"auths": {HOST: auth("all"), f"{HOST}/team": auth("team"), f"{HOST}/team/app": auth("app")}})
    assert login(path, "team/app").username == "app"
    assert login(path, "team/app/sub").username == "app"
    assert login(path, "team/application").username == "team"
    assert login(path, "other").username == "all"
    assert login(path).username == "all"


def test_another_registrys_login_is_never_used(write):
    path = write(
        {"auths": {"registry.example.com": auth("a"), "example.com:5000": auth("b"), "evil" + HOST: auth("c")}}
    )
    assert login(path, "team/app") is None


@pytest.mark.parametrize("host", ["registry-1.docker.io", "docker.io", "index.docker.io"])
@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "docker.io/library"])
def test_docker_hub_has_the_login_that_docker_or_podman_wrote(write, helper, host, key):
    helper("one", "print(json.dumps({'Username': server, 'Secret': 's'}))")
    found = AuthFile.read(write({"auths": {key: auth("me")}}), "auth_file").login(host, "library/app")
    assert found.username == "me"
    found = AuthFile.read(write({"credHelpers": {key: "one"}}), "auth_file").login(host, "library/app")
    assert found.username == key
    found = AuthFile.read(write({"credsStore": "one"}), "auth_file").login(host, "library/app")
    assert found.username == "https://index.docker.io/v1/"
    elsewhere = AuthFile.read(write({"auths": {key: auth("me")}}), "auth_file")
    assert elsewhere.login("registry.example.com", "library/app") is None


@pytest.mark.parametrize(
    ("url", "key", "found"),
    [
        ("https://r.example", "r.example:443", True),
        ("https://r.example:443", "r.example", True),
        ("http://r.example", "r.example:80", True),
        ("https://r.example", "r.example:443/team", True),
        ("https://r.example", "r.example:80", False),
        ("https://r.example:80", "r.example", False),
        ("http://r.example", "r.example:443", False),
    ],
)
def test_the_port_that_goes_without_saying_may_be_said(write, url, key, found):
    connection = Connection(url, auth_file=write({"auths": {key: auth("me")}}))
    login = CredentialSource(connection, Address.parse(url), {}).find("team/app")
    assert (login is not None) is found


def test_tokens_and_plain_fields(write):
    path = write({"auths": {HOST: {"identitytoken": "refresh", "auth": ""}}})
    assert login(path).identity_token == "refresh"
    path = write({"auths": {HOST: {"registrytoken": "ready"}}})
    assert login(path).registry_token == "ready"
    path = write({"auths": {HOST: {"username": "me", "password": "pw"}}})
    assert login(path).username == "me"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("not json with secret", "no JSON object"),
        ("[]", "no JSON object"),
        ({"auths": ["secret"]}, "'auths' is no JSON object"),
        ({"auths": {HOST: "secret"}}, "is no JSON object"),
        ({"auths": {HOST: {"auth": "secret!"}}}, "not user:password"),
        ({"auths": {HOST: {"auth": base64.b64encode(b"secret").decode()}}}, "not user:password"),
    ],
)
def test_a_broken_file_is_named_and_not_quoted(write, document, says):
    path = write(document)
    with pytest.raises(RegistryError) as refused:
        login(path)
    assert says in refused.value.message
    assert path in refused.value.message
    assert "secret" not in refused.value.message.replace(path, "")


def test_an_empty_file_has_no_logins(write):
    assert login(write("")) is None
    assert login(write({})) is None


def test_a_missing_file_is_named_with_the_option():
    with pytest.raises(RegistryError, match="auth_file: /nowhere/auth.json cannot be read"):
        AuthFile.read("/nowhere/auth.json", "auth_file")


def test_a_helper_for_the_registry_comes_before_an_entry_and_the_store_after(write, helper):
    helper("one", "print(json.dumps({'ServerURL': server, 'Username': 'of-one', 'Secret': 's'}))")
    helper("store", "print(json.dumps({'Username': 'of-store:' + server, 'Secret': 's'}))")
    path = write({"auths": {HOST: auth("entry")}, "credHelpers": {HOST: "one"}, "credsStore": "store"})
    assert login(path).username == "of-one"
    path = write({"auths": {HOST: auth("entry")}, "credsStore": "store"})
    assert login(path).username == "entry"
    path = write({"auths": {f"https://{HOST}": {}}, "credsStore": "store"})
    assert login(path).username == f"of-store:https://{HOST}"
    path = write({"credsStore": "store"})
    assert login(path).username == f"of-store:{HOST}"


def test_a_helper_may_have_an_identity_token_or_nothing(write, helper):
    helper("token", "print(json.dumps({'Username': '<token>', 'Secret': 'refresh'}))")
    assert login(write({"credsStore": "token"})).identity_token == "refresh"
    helper("empty", "print('credentials not found in native keychain'); sys.exit(1)")
    assert login(write({"credsStore": "empty"})) is None


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("print('secret'); sys.exit(3)", "exit status 3"),
        ("print('secret')", "something that is no login"),
        ("print(json.dumps({'Username': 1, 'Secret': 'secret'}))", "something that is no login"),
        ("print(json.dumps({'Username': 'a', 'Secret': 'secret' * 100000}))", "more than a login"),
        ("sys.stderr.write('secret'); sys.exit(1)", "exit status 1"),
    ],
)
def test_a_helper_that_lies_is_named_and_not_quoted(write, helper, code, says):
    helper("odd", code)
    with pytest.raises(RegistryError) as refused:
        login(write({"credsStore": "odd"}))
    assert "docker-credential-odd" in refused.value.message
    assert says in refused.value.message
    assert "secret" not in refused.value.message


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


WITH_A_CHILD = "import subprocess; p = subprocess.Popen(['sleep', '1000']); open({pid!r}, 'w').write(str(p.pid)); "


@pytest.mark.parametrize(
    ("then", "timeout", "says"),
    [
        ("time.sleep(1000)", 4.0, "gave no answer"),
        ("sys.stdout.close(); __import__('os').close(1); time.sleep(1000)", 4.0, "gave no answer"),
        ("[sys.stdout.write('secret' * 10000) for _ in iter(int, 1)]", 60.0, "more than a login"),
    ],
    ids=["says nothing", "closes its output", "says too much"],
)
def test_a_helper_that_does_not_end_is_ended_with_its_children(write, helper, tmp_path, then, timeout, says):
    pid = str(tmp_path / "pid")
    helper("odd", WITH_A_CHILD.format(pid=pid) + then)
    with pytest.raises(RegistryError, match="docker-credential-odd") as refused:
        login(write({"credsStore": "odd"}), timeout=timeout)
    assert says in refused.value.message
    with open(pid, encoding="utf-8") as stream:
        child = stream.read()
    for _attempt in range(100):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)


def test_of_an_endless_answer_only_the_beginning_is_kept(helper):
    helper("endless", "[sys.stdout.write('x' * 1000000) for _ in iter(int, 1)]")
    tracemalloc.start()
    try:
        with pytest.raises(RegistryError, match="more than a login"):
            ask_helper("endless", HOST, 60.0)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_an_agent_that_a_helper_leaves_behind_does_not_hold_us_up(write, helper, tmp_path):
    pid = str(tmp_path / "pid")
    helper("agent", WITH_A_CHILD.format(pid=pid) + "print(json.dumps({'Username': 'user', 'Secret': 's'}))")
    try:
        assert login(write({"credsStore": "agent"}), timeout=60.0).username == "user"
        with open(pid, encoding="utf-8") as stream:
            assert is_running(stream.read())
    finally:
        with open(pid, encoding="utf-8") as stream:
            os.kill(int(stream.read()), signal.SIGKILL)


def test_a_helper_that_does_not_listen_may_answer(write, helper, tmp_path):
    program = tmp_path / "bin" / "docker-credential-deaf"
    program.write_text('#!/bin/sh\nexec <&-\necho \'{"Username": "user", "Secret": "s"}\'\n', encoding="utf-8")
    program.chmod(0o755)
    assert login(write({"credsStore": "deaf"})).username == "user"


def test_a_helper_is_asked_once_for_each_registry(write, helper, tmp_path):
    asked = tmp_path / "asked"
    helper("one", f"open({str(asked)!r}, 'a').write('x'); print(json.dumps({{'Username': 'user', 'Secret': 's'}}))")
    helper("bad", f"open({str(asked)!r}, 'a').write('x'); sys.exit(1)")
    file = AuthFile.read(write({"credsStore": "one"}), "auth_file", 20.0)
    assert {file.login(HOST, f"team/app{number}").username for number in range(3)} == {"user"}
    assert asked.read_text(encoding="utf-8") == "x"
    file = AuthFile.read(write({"credsStore": "bad"}), "auth_file", 20.0)
    for number in range(3):
        with pytest.raises(RegistryError, match="exit status 1"):
            file.login(HOST, f"team/app{number}")
    assert asked.read_text(encoding="utf-8") == "xx"


@pytest.mark.parametrize("name", ["missing-one", "../sh", "a b", ""])
def test_a_helper_that_is_not_there_is_named(write, name):
    path = write({"credHelpers": {HOST: name}})
    with pytest.raises(RegistryError, match="credential helper"):
        login(path)


def source(environment=None, **options):
    options = {"url": f"https://{HOST}", **options}
    connection = Connection(**options)
    return CredentialSource(connection, Address.parse(connection.url), environment or {})


def test_the_order_is_token_password_auth_file_and_the_tools_variables(write, tmp_path):
    named = write({"auths": {HOST: auth("named")}}, "named.json")
    other = write({"auths": {HOST: auth("other")}}, "other.json")
    write({"auths": {HOST: auth("docker")}}, "config.json")
    environment = {"REGISTRY_AUTH_FILE": other, "DOCKER_CONFIG": str(tmp_path)}
    assert source(environment, token="t", auth_file=named).find().registry_token == "t"
    assert source(environment, username="me", password="pw", auth_file=named).find().username == "me"
    assert source(environment, auth_file=named).find().username == "named"
    assert source(environment).find().username == "other"
    assert source({"DOCKER_CONFIG": str(tmp_path)}).find().username == "docker"
    assert source({"REGISTRY_AUTH_FILE": str(tmp_path / "none")}).find() is None


def test_nothing_given_is_anonymous_and_no_home_directory_is_read(monkeypatch, tmp_path, write):
    (tmp_path / ".docker").mkdir()
    write({"auths": {HOST: auth("home")}}, ".docker/config.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = source()
    assert not found.given
    assert found.find() is None


def test_what_no_header_can_carry_is_refused_without_being_quoted():
    with pytest.raises(RegistryError) as refused:
        source(token="secret\r\nX-Evil: 1")
    assert "secret" not in refused.value.message
    with pytest.raises(RegistryError, match="colon"):
        source(username="a:b", password="c")


def test_secrets_are_not_shown_by_their_objects(write):
    found = source(username="me", password="secret").find()
    assert "secret" not in repr(found)
    assert "secret" not in repr(Connection("https://x", password="secret", token="secret"))
    assert "secret" not in repr(login(write({"auths": {HOST: auth("me", "secret")}})))
