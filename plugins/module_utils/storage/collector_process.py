# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the collector as a process of its own, and making sure that it has ended when we say so."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
import types
import typing as t

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    CollectorFailed,
    CollectorTimedOut,
)

# Set for the collector, also inside a container, so that it can be found whoever its parent is.
MARKER = "FLEETOPS_REGISTRY_COLLECTION"
# Set for the tasks that work in a maintenance window, so that they can be told from the collectors that they start.
WINDOW_MARKER = "FLEETOPS_REGISTRY_WINDOW"
MAX_LINE_BYTES = 64 * 1024
_CHUNK = 64 * 1024
_TAIL = 8 * 1024
_PATIENCE = 10.0
_ENGINES = ("docker", "podman", "docker-compose", "podman-compose", "nerdctl")
_VERBS = ("exec", "run")
# What is run through these is on another machine, or does not get our environment.
_VEILS = ("kubectl", "oc", "ssh", "sudo", "su", "doas", "runuser")
# Options of an engine's client that lead it to an engine elsewhere.
_REDIRECTIONS = ("--host", "--context", "-c", "--remote", "-r", "--url", "--connection")
_MOST_SETTINGS = 1024 * 1024
# These end the module; the collector must not outlive it.
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class _Interrupted(BaseException):
    """A signal asks the module to end."""


class CollectorProcess:
    """One run of ARGV, whose standard output is read by `lines`.

    RUN_ID marks the process in its environment (see MARKER). TIMEOUT in seconds, None for no limit.
    """

    def __init__(self, argv: t.Sequence[str], run_id: str, timeout: t.Optional[float] = None) -> None:
        self._argv = mark_argv(argv, run_id)
        self._run_id = run_id
        self._timeout = timeout
        self._tail = b""
        self.returncode: t.Optional[int] = None

    @property
    def stderr_tail(self) -> str:
        """The last few kilobytes of what was printed as errors and log."""
        return self._tail.decode("utf-8", "replace").strip()

    def lines(self) -> t.Generator[bytes, None, None]:
        """Start the process, yield its lines without their ends, and set `returncode` when it has ended.

        Lines are cut at MAX_LINE_BYTES. The process and all that it has started has ended when this ends, in whatever way.
        Raises CollectorFailed if it cannot be started, CollectorTimedOut after the time-out.
        """
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        with _signals_raise():
            process = self._start()
            try:
                yield from self._read(process, deadline)
                self.returncode = process.wait()
            except BaseException as error:
                ended = self._end(process)
                if isinstance(error, CollectorTimedOut):
                    raise self._timed_out(ended) from error
                raise
            finally:
                for pipe in (process.stdout, process.stderr):
                    if pipe:
                        pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        environment[MARKER] = self._run_id
        environment.pop(WINDOW_MARKER, None)
        try:
            return subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                # A group of its own: all of it is ended together, and nothing else.
                start_new_session=True,
            )
        except OSError as error:
            raise CollectorFailed(
                "cannot run %s: %s. argv must begin with a program that this host has."
                % (self._argv[0], error.strerror),
                argv=list(self._argv),
            ) from error

    def _read(self, process: subprocess.Popen[bytes], deadline: t.Optional[float]) -> t.Iterator[bytes]:
        pending = b""
        with selectors.DefaultSelector() as selector:
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise CollectorTimedOut("")
                for key, _unused in selector.select(left):
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stderr:
                        self._tail = (self._tail + chunk)[-_TAIL:]
                    else:
                        lines = (pending + chunk).split(b"\n")
                        pending = lines.pop()[:MAX_LINE_BYTES]
                        yield from lines
        if pending:
            yield pending

    def _end(self, process: subprocess.Popen[bytes]) -> bool:
        """End the process, its group, and what carries our mark; whether that is certain."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            _signal_group(process.pid, signum)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                continue
            break
        # A group outlives its leader.
        _signal_group(process.pid, signal.SIGKILL)
        end_marked(self._run_id)
        return is_visible(self._argv, self._run_id) and not find_marked(self._run_id)

    def _timed_out(self, ended: bool) -> CollectorTimedOut:
        certainty = (
            "It has been ended"
            if ended
            else "It could not be made sure that it has ended: look for it (in the container or pod) before anything is"
            " pushed again"
        )
        return CollectorTimedOut(
            "garbage collection took longer than %g s. %s. Raise timeout if the store is that large. %s"
            % (self._timeout or 0.0, certainty, self.stderr_tail[-1000:]),
            argv=list(self._argv),
            collector_ended=ended,
        )


def mark_argv(argv: t.Sequence[str], run_id: str) -> t.List[str]:
    """ARGV with the mark given into the container, where ARGV runs something in a container of an engine on this host."""
    marked = list(argv)
    engine = _engine_position(argv)
    if engine is not None:
        for verb in _VERBS:
            if verb in marked[engine:]:
                position = marked.index(verb, engine) + 1
                mark = "%s=%s" % (MARKER, run_id)
                # A container of its own can be found by its label, too, where its processes are not seen.
                marked[position:position] = ["-e", mark] + (["--label", mark] if verb == "run" else [])
                break
    return marked


def is_visible(argv: t.Sequence[str], run_id: str) -> bool:
    """Whether the process that the marked ARGV (with or without the collector's own words) leads to is seen by `find_marked`.

    For certain so for a program of this host that gets our environment, and, if we are root, for one in a container of an engine on
    this host. What runs on another machine or drops the environment on the way is not seen, and what is not known may do either.
    """
    words = _without_wrappers(argv)
    if not os.path.isdir("/proc/self") or not words:
        return False
    if os.path.basename(words[0]) not in _ENGINES:
        return os.path.basename(words[0]) not in _VEILS and words[1:2] in ([], ["garbage-collect"], ["--version"])
    verbs = [position for position, word in enumerate(words) if word in _VERBS]
    before = words[1 : verbs[0]] if verbs else words
    redirected = any(word.split("=", 1)[0] in _REDIRECTIONS or word.startswith("-H") for word in before)
    return (
        bool(verbs)
        and not redirected
        and _engine_is_here()
        and os.geteuid() == 0
        and "%s=%s" % (MARKER, run_id) in words
    )


def _without_wrappers(argv: t.Sequence[str]) -> t.List[str]:
    """ARGV without what passes our environment on as it is: `env NAME=VALUE`, and `runuser -u USER --`."""
    words = list(argv)
    while words:
        if os.path.basename(words[0]) == "env":
            del words[0]
            while words and "=" in words[0] and not words[0].startswith("-"):
                del words[0]
        elif os.path.basename(words[0]) == "runuser" and words[1:2] == ["-u"] and words[3:4] == ["--"]:
            del words[:4]
        else:
            break
    return words


def _engine_is_here() -> bool:
    """Whether nothing in the environment or in Docker's configuration leads an engine's client to another machine."""
    if any(os.environ.get(name, "unix:").split(":", 1)[0] != "unix" for name in ("DOCKER_HOST", "CONTAINER_HOST")):
        return False
    if os.environ.get("CONTAINER_CONNECTION") or os.environ.get("DOCKER_CONTEXT", "default") not in ("", "default"):
        return False
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    try:
        with open(os.path.join(folder, "config.json"), "rb") as stream:
            settings = json.loads(stream.read(_MOST_SETTINGS).decode("utf-8"))
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    # DOCKER_HOST and DOCKER_CONTEXT beat what `docker context use` has written.
    given = "DOCKER_HOST" in os.environ or os.environ.get("DOCKER_CONTEXT")
    context = settings.get("currentContext") if isinstance(settings, dict) else None
    return bool(given) or context in (None, "", "default")


def _engine_position(argv: t.Sequence[str]) -> t.Optional[int]:
    """Where in ARGV a container engine's client is named (it may come after sudo or env)."""
    for position, word in enumerate(argv[:4]):
        if os.path.basename(word) in _ENGINES:
            return position
    return None


def find_marked(run_id: str, marker: str = MARKER) -> t.List[int]:
    """The processes of this host, those in containers included, that carry RUN_ID as MARKER in their environment; not this one."""
    wanted = ("%s=%s" % (marker, run_id)).encode("utf-8")
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % name, "rb") as stream:
                if wanted in stream.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue  # ended meanwhile, or another user's: a collector of ours runs as us or below us
    return found


def end_marked(run_id: str, patience: float = _PATIENCE, marker: str = MARKER) -> bool:
    """End every process that carries RUN_ID as MARKER, first asking, after PATIENCE seconds by force; whether none is left."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + patience
        for pid in find_marked(run_id, marker):
            try:
                os.kill(pid, signum)
            except OSError:
                continue
        while find_marked(run_id, marker) and time.monotonic() < deadline:
            time.sleep(0.1)
    return not find_marked(run_id, marker)


def _signal_group(group: int, signum: int) -> None:
    try:
        os.killpg(group, signum)
    except OSError:
        return


class _signals_raise:
    """Within it, a signal that would end this process at once raises instead, so that the collector is ended first."""

    def __init__(self) -> None:
        self._before: t.Dict[int, t.Any] = {}

    def __enter__(self) -> None:
        def interrupt(signum: int, frame: t.Optional[types.FrameType]) -> None:
            raise _Interrupted("signal %d" % signum)

        for signum in _ENDING_SIGNALS:
            try:
                self._before[signum] = signal.signal(signum, interrupt)
            except ValueError:
                return  # not the main thread: whoever made the thread handles signals

    def __exit__(self, *_unused: t.Any) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
