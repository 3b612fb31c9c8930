# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a collector: what counts as success, and that nothing is left running."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage import collector_process
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector import (
    Collector,
    StoreEmpty,
    parse_version,
    refuse_deleting_dry_run,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_output import (
    CollectorOutput,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_process import (
    MARKER,
    CollectorProcess,
    end_marked,
    find_marked,
    is_visible,
    mark_argv,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    CollectorFailed,
    CollectorRefused,
    CollectorTimedOut,
)

# Collectors are ended by the mark of their run, so that other tests on this machine must have another one.
RUN = f"run-{os.getpid()}"

SUMMARY = "printf '\\n1 blobs marked, 0 blobs and 0 manifests eligible for deletion\\n'"


@pytest.fixture
def program(tmp_path):
    """Writes a shell script to stand in for a collector that does what a real one cannot be made to do."""

    def write(body, name="registry"):
        path = tmp_path / name
        path.write_text("#!/bin/sh\n" + body + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


def collect(path, dry_run=True, timeout=None, run_id=RUN):
    output = CollectorOutput()
    return output, list(Collector([path], "/etc/config.yml", run_id, timeout).run(output, dry_run))


def test_the_words_of_a_dry_run_and_of_a_real_run(program, tmp_path):
    path = program("echo \"$@\" >> '%s/words'\n%s" % (tmp_path, SUMMARY))
    collect(path, dry_run=True)
    collect(path, dry_run=False)
    assert (tmp_path / "words").read_text().splitlines() == [
        "garbage-collect --dry-run /etc/config.yml",
        "garbage-collect /etc/config.yml",
    ]


def test_status_0_without_the_summary_is_a_failure(program):
    path = program("echo 'Error: unknown flag: --dry-run' >&2; exit 0")
    with pytest.raises(CollectorFailed, match="status 0 and without its summary.*2.7 or newer"):
        collect(path)


def test_the_summary_with_another_status_is_a_failure(program):
    path = program(SUMMARY + "; echo 'failed to delete blob: permission denied' >&2; exit 1")
    with pytest.raises(CollectorFailed, match=r"(?s)status 1.*become.*permission denied") as caught:
        collect(path)
    assert caught.value.details["rc"] == 1


def test_a_collector_ended_by_a_signal_is_a_failure(program):
    with pytest.raises(CollectorFailed, match="ended by signal 9"):
        collect(program(SUMMARY + "; kill -9 $$"))


@pytest.mark.parametrize(
    "said, remedy",
    [
        (
            "failed to garbage collect: failed to mark: invalid checksum digest format",
            "registry_storage_info",
        ),
        (
            "failed to mark: x: filesystem: Path not found: /docker/registry/v2/repositories/a/_layers",
            "_layers there",
        ),
        ("failed to mark: team/app: unrecognized manifest schema version 1", "schema 1"),
        ("failed to mark: unexpected end of JSON input", "manifest in the store is damaged"),
        ("failed to retrieve tags unknown repository name=a", "folder tags"),
        (
            "configuration error: open /etc/config.yml: no such file or directory",
            "/etc/distribution/config.yml",
        ),
        ("Error: No such container: registry", "no such container"),
        ("Error response from daemon: Container 0abc is not running", "docker run --rm --volumes-from"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "engine cannot be reached"),
        ('OCI runtime exec failed: exec: "regstry": executable file not found in $PATH', "in /bin"),
        ("something that nobody has seen", "something that nobody has seen"),
    ],
)
def test_a_failure_says_what_to_do(program, said, remedy):
    with pytest.raises(CollectorFailed) as caught:
        collect(program("echo team/app; echo '%s' >&2; exit 1" % said))
    assert remedy in caught.value.message
    assert "in or after repository team/app" in caught.value.message
    assert said in caught.value.details["stderr_tail"]


@pytest.mark.parametrize("where", ["repositories", "repositories\n"])
def test_an_empty_store_is_told_from_a_broken_one(program, where):
    said = "failed to garbage collect: failed to mark: filesystem: Path not found: /docker/registry/v2/" + where
    path = program("printf '%s' >&2; exit 1" % said.replace("\n", "\\n"))
    with pytest.raises(StoreEmpty):
        collect(path)
    path = program("echo team/app; printf '%s' >&2; exit 1" % said.replace("\n", "\\n"))
    with pytest.raises(CollectorFailed):
        collect(path)


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(CollectorFailed, match="cannot run .*No such file"):
        collect(str(tmp_path / "nothing"))


def test_an_endless_line_is_cut(program):
    path = program("head -c 1000000 /dev/zero | tr '\\0' x; echo; " + SUMMARY)
    lengths = [len(line) for line in CollectorProcess([path], RUN).lines()]
    assert max(lengths) <= 2 * collector_process.MAX_LINE_BYTES
    assert collect(path)[0].complete


def test_of_the_errors_only_the_end_is_kept(program):
    path = program("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo the end >&2")
    process = CollectorProcess([path], RUN)
    assert list(process.lines()) == []
    assert process.returncode == 0
    assert process.stderr_tail.endswith("the end")
    assert len(process.stderr_tail) < 10000


def test_what_a_terminal_would_obey_is_not_quoted(program):
    with pytest.raises(CollectorFailed) as caught:
        collect(program("printf 'a\\033[2Jb\\nc' >&2; exit 1"))
    assert "a [2Jb\nc" in caught.value.message


def test_it_reads_nothing_from_us(program):
    assert collect(program("cat; " + SUMMARY))[0].complete


def gone(pid_file):
    pid = int(pid_file.read_text())
    try:
        with open("/proc/%d/stat" % pid) as stream:
            return stream.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_time_out_ends_the_collector_and_its_children(program, tmp_path, monkeypatch):
    monkeypatch.setattr(collector_process, "_PATIENCE", 0.5)
    path = program("sleep 300 & echo $! > '%s/child'; echo $$ > '%s/self'; echo a; wait" % (tmp_path, tmp_path))
    with pytest.raises(CollectorTimedOut, match="longer than 1 s. It has been ended. Raise timeout") as caught:
        collect(path, timeout=1)
    assert caught.value.details["collector_ended"] is True
    assert gone(tmp_path / "child")
    assert gone(tmp_path / "self")


def test_a_collector_that_ignores_being_asked_is_ended_by_force(program, tmp_path, monkeypatch):
    monkeypatch.setattr(collector_process, "_PATIENCE", 0.5)
    path = program("trap '' TERM; echo $$ > '%s/self'; while :; do sleep 0.2; done" % tmp_path)
    with pytest.raises(CollectorTimedOut) as caught:
        collect(path, timeout=1)
    assert caught.value.details["collector_ended"] is True
    assert gone(tmp_path / "self")


@pytest.mark.skipif(os.geteuid() != 0, reason="a container's processes are seen by root only")
def test_a_collector_in_a_container_is_ended_with_its_client(program, tmp_path, monkeypatch):
    """The client of an engine does not have the collector as its child: it is found by the mark it was given with -e."""
    monkeypatch.setattr(collector_process, "_PATIENCE", 0.5)
    path = program(
        "shift; shift; mark=$1; shift; shift\n"
        "env -i \"$mark\" setsid sh -c 'echo $$ > %s/inside; exec sleep 300' </dev/null >/dev/null 2>&1 &\n"
        "sleep 300" % tmp_path,
        name="docker",
    )
    output = CollectorOutput()
    with pytest.raises(CollectorTimedOut) as caught:
        list(Collector([path, "exec", "box", "registry"], "/c.yml", RUN, 1.5).run(output, True))
    assert caught.value.details["collector_ended"] is True
    assert gone(tmp_path / "inside")


def test_where_nobody_can_look_the_message_says_so(program, monkeypatch):
    monkeypatch.setattr(collector_process, "_PATIENCE", 0.2)
    path = program("sleep 300", name="kubectl")
    with pytest.raises(CollectorTimedOut, match="could not be made sure that it has ended") as caught:
        collect(path, timeout=0.5)
    assert caught.value.details["collector_ended"] is False


def test_a_consumer_that_fails_ends_the_collector(program, tmp_path):
    path = program("echo $$ > '%s/self'; echo a; exec sleep 300" % tmp_path)
    lines = CollectorProcess([path], RUN).lines()
    assert next(lines) == b"a"
    lines.close()
    assert gone(tmp_path / "self")


def test_the_collector_has_ended_when_an_error_in_between_arrives(program, tmp_path):
    path = program(
        "echo $$ > '%s/self'; echo 'blob eligible for deletion: sha256:%064x'; exec sleep 300" % (tmp_path, 1)
    )

    def refuse(digest):
        raise KeyError(digest)

    try:
        list(Collector([path], "/c.yml", RUN).run(CollectorOutput(refuse), True))
    except KeyError:
        assert gone(tmp_path / "self")
    else:
        pytest.fail("no error")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ending_the_module_ends_the_collector(program, tmp_path, signum):
    path = program("echo $$ > '%s/self'; echo a; exec sleep 300" % tmp_path)
    code = (
        "import sys; sys.path[:0] = %r\n"
        "from %s import CollectorProcess\n"
        "print('started', flush=True)\n"
        "for line in CollectorProcess([%r], 'run').lines(): print(line, flush=True)"
        % (sys.path, collector_process.__name__, path)
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as module:
        assert module.stdout.readline() == b"started\n"
        assert module.stdout.readline() == b"b'a'\n"
        module.send_signal(signum)
        assert module.wait(20) != 0
    assert gone(tmp_path / "self")


def test_marked_processes_are_found_and_ended(program):
    process = subprocess.Popen(["sleep", "300"], env=dict(os.environ, **{MARKER: "mine"}))
    other = subprocess.Popen(["sleep", "300"], env=dict(os.environ, **{MARKER: "mine-too"}))
    try:
        deadline = time.monotonic() + 10
        while find_marked("mine") != [process.pid] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert find_marked("mine") == [process.pid]
        # A child that nobody has waited for yet has no environment any more.
        assert end_marked("mine", 5)
        assert process.wait(5) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for one in (process, other):
            one.kill()
            one.wait()


@pytest.mark.parametrize(
    "argv, marked",
    [
        (["registry"], ["registry"]),
        (["docker", "exec", "box", "registry"], ["docker", "exec", "-e", MARKER + "=id", "box", "registry"]),
        (
            ["/usr/bin/podman", "--root", "/x", "run", "--rm", "image"],
            [
                "/usr/bin/podman",
                "--root",
                "/x",
                "run",
                "-e",
                MARKER + "=id",
                "--label",
                MARKER + "=id",
                "--rm",
                "image",
            ],
        ),
        (
            ["sudo", "docker", "compose", "exec", "-T", "registry", "registry"],
            ["sudo", "docker", "compose", "exec", "-e", MARKER + "=id", "-T", "registry", "registry"],
        ),
        (["kubectl", "exec", "pod", "--", "registry"], ["kubectl", "exec", "pod", "--", "registry"]),
        (["/opt/exec/registry"], ["/opt/exec/registry"]),
    ],
)
def test_the_mark_goes_into_a_container(argv, marked):
    assert mark_argv(argv, "id") == marked


@pytest.mark.parametrize(
    ("argv", "seen"),
    [
        (["/usr/bin/registry"], True),
        (["env", "A=1", "B=2", "registry"], True),
        (["runuser", "-u", "registry", "--", "/usr/bin/registry"], True),
        (["docker", "exec", "box", "registry"], True),
        (["docker", "compose", "-p", "shop", "exec", "-T", "registry", "registry"], True),
        (["podman", "run", "image"], True),
        (["env", "-i", "registry"], False),
        (["env", "A=1", "B=2", "ssh", "host", "registry"], False),
        (["runuser", "-l", "registry", "-c", "registry"], False),
        (["docker", "-H", "tcp://elsewhere", "exec", "box", "registry"], False),
        (["docker", "-Htcp://elsewhere", "exec", "box", "registry"], False),
        (["docker", "--context=other", "exec", "box", "registry"], False),
        (["docker", "--context", "other", "exec", "box", "registry"], False),
        (["podman", "--remote", "exec", "box", "registry"], False),
        (["sudo", "docker", "exec", "box", "registry"], False),
        (["crictl", "exec", "box", "registry"], False),
        (["systemd-run", "registry"], False),
        (["kubectl"], False),
    ],
)
def test_only_what_is_known_to_run_here_is_seen(monkeypatch, tmp_path, argv, seen):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    assert is_visible(mark_argv(argv, "id"), "id") is seen


@pytest.mark.parametrize("how", ["variable", "configuration", "unreadable"])
def test_a_context_may_lead_elsewhere(monkeypatch, tmp_path, how):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    argv = mark_argv(["docker", "exec", "box", "registry"], "id")
    (tmp_path / "config.json").write_text('{"currentContext": "default"}')
    assert is_visible(argv, "id")
    if how == "variable":
        monkeypatch.setenv("DOCKER_CONTEXT", "other")
    else:
        (tmp_path / "config.json").write_text('{"currentContext": "other"}' if how == "configuration" else "{")
    assert not is_visible(argv, "id")


def test_a_remote_engine_is_not_seen(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    assert not is_visible(mark_argv(["docker", "exec", "box", "registry"], "id"), "id")
    assert is_visible(["registry"], "id")


@pytest.mark.parametrize(
    "said, family, version, deletes",
    [
        ("registry github.com/docker/distribution 2.8.2+ds1", "2.x", "2.8.2+ds1", False),
        ("/bin/registry github.com/docker/distribution v2.7.1", "2.x", "v2.7.1", False),
        ("registry github.com/docker/distribution v2.8.3-12-g0123abc", "2.x", "v2.8.3-12-g0123abc", False),
        ("registry github.com/distribution/distribution/v3 v3.1.1", "3.x", "v3.1.1", False),
        ("registry github.com/distribution/distribution/v3 v3.0.0", "3.x", "v3.0.0", False),
        ("registry github.com/distribution/distribution/v3 v3.0.0-rc.1", "3.x", "v3.0.0-rc.1", False),
        (
            "registry github.com/distribution/distribution/v3 v3.0.0-rc.4-7-gabc",
            "3.x",
            "v3.0.0-rc.4-7-gabc",
            False,
        ),
        ("registry github.com/distribution/distribution/v3 v3.0.0-beta.1", "3.x", "v3.0.0-beta.1", True),
        (
            "registry github.com/distribution/distribution/v3 v3.0.0-alpha.1.m+unknown",
            "3.x",
            "v3.0.0-alpha.1.m+unknown",
            True,
        ),
        (
            "registry github.com/distribution/distribution/v3 v2.7.0-1993-g8857a194",
            "3.x",
            "v2.7.0-1993-g8857a194",
            True,
        ),
        ("registry github.com/distribution/distribution/v3 v3.1.0-rc.1", "3.x", "v3.1.0-rc.1", False),
        ("registry something else 1.2.3", "unknown", "", False),
        ("", "unknown", "", False),
    ],
)
def test_versions(said, family, version, deletes):
    parsed = parse_version(said)
    assert (parsed.family, parsed.version, parsed.dry_run_deletes) == (family, version, deletes)
    if deletes:
        with pytest.raises(CollectorRefused, match="deletes layer links for real"):
            refuse_deleting_dry_run(parsed)
    else:
        refuse_deleting_dry_run(parsed)
