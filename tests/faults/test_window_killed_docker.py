# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A play that is killed while its collector works inside a container, where no client that is ended takes it along."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.tests.rig.docker_support import (
    CONFIG_INSIDE,
    Contained,
    Engine,
)
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import (
    PLAYBOOKS,
    Site,
    answers,
    push_image,
    tags_of,
)
from ansible_collections.fleetops.container_registry.tests.rig.window_support import (
    Hold,
    Writer,
    add_garbage,
    held_program,
    kill_play,
    run_out,
    until,
    watchdog_of,
    working_for,
)

# by host: version, whether the configuration is mounted, mode
CASES = {
    "mounted": ("3.1", True, "readonly"),
    "inside": ("2.8", False, "readonly"),
    "stopped": ("2.8", False, "stopped"),
}
DOCKERFILE = """\
FROM {image}
COPY root /
ENTRYPOINT ["held"]
CMD ["serve", "{config}"]
"""

# One play works on many registries, and a busy machine takes its time.
pytestmark = pytest.mark.timeout(1800)


def held_image(engine: Engine, version: str) -> str:
    """The rig's image of a registry with a shell, and a program before the registry's that can hold its collections."""
    name = f"rig-held:{version}"
    image = engine.image(version)
    context = engine.home / f"held-{version}"
    programs = context / "root/bin"
    programs.mkdir(parents=True)
    shell = os.path.realpath("/bin/sh")
    shutil.copy2(shell, programs / "sh")
    listed = subprocess.run(["ldd", shell], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+)", listed):
        target = context / "root" / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(library), target)
    (programs / "held").write_text(held_program(Path("/hold"), "/bin/registry"), encoding="utf-8")
    (programs / "held").chmod(0o755)
    (context / "Dockerfile").write_text(DOCKERFILE.format(image=image, config=CONFIG_INSIDE), encoding="utf-8")
    engine.docker("build", "-q", "-t", name, str(context))
    return name


class Story:
    """Three containers, the play that is killed, and the one after it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "engine").mkdir()
        self.engine = obtain(lambda: Engine(home / "engine"))
        self.registries: dict[str, Contained] = {}
        self.holds: dict[str, Hold] = {}
        self.writers: dict[str, Writer] = {}

    def tell(self) -> None:
        hosts = {}
        images = {version: held_image(self.engine, version) for version in ("2.8", "3.1")}
        for name, (version, mounted, mode) in CASES.items():
            self.holds[name] = Hold(self.home / name / "holding")
            made = Contained(
                self.engine,
                name,
                version,
                self.home / name,
                mounted=mounted,
                env={"REGISTRY_STORAGE_DELETE_ENABLED": "true"},
                image=images[version],
                volumes=(f"{self.holds[name].home}:/hold",),
            )
            self.registries[name] = made
            until(lambda made=made: answers(made.url) == "enabled", f"{name} does not start")
            push_image(made.url, "team/app", "kept", 1)
            add_garbage(made.data)
            hosts[name] = {
                **made.inventory(),
                "registry_garbage_collect_mode": mode,
                "registry_window_lease": "10m",
                "registry_window_quiet": "0s",
            }
        self.before = self.now()
        site = Site(self.home, hosts)
        play = site.begin(str(PLAYBOOKS / "role.yml"), test_entry="garbage_collect")
        log = site.home / "background.log"
        try:
            for name, hold in self.holds.items():
                until(lambda hold=hold: hold.reached, lambda name=name: name + log.read_text()[-4000:])
            self.in_window = {name: answers(made.url) for name, made in self.registries.items()}
        finally:
            kill_play(play)
        for name, made in self.registries.items():
            self.kill_on_host(made)
            self.writers[name] = Writer(made.port, made.state)
        self.inside = {name: working_for(made.state) for name, made in self.registries.items()}
        for made in self.registries.values():
            run_out(made.state)
        for name, made in self.registries.items():
            until(lambda made=made: answers(made.url) == "enabled", f"{name} does not come back")
            until(lambda name=name: self.writers[name].accepted, f"{name} accepts no write again")
            self.writers[name].stop()
        self.given_back = self.now()
        for hold in self.holds.values():
            hold.off()
        self.next = site.role("garbage_collect")

    def kill_on_host(self, made: Contained) -> None:
        """The module and the engine's client, too, so that nothing is left but what is in the container."""
        for pid in working_for(made.state):
            if Path(f"/proc/{pid}/ns/pid").resolve() == Path("/proc/self/ns/pid").resolve():
                os.kill(pid, signal.SIGKILL)

    def now(self) -> dict[str, tuple]:
        return {
            name: (made.inspect(".Id"), made.config_file(), tags_of(made.url, "team/app"))
            for name, made in self.registries.items()
        }

    def end(self) -> None:
        for writer in self.writers.values():
            writer.stop()
        for made in self.registries.values():
            if (made.state / "lease/watchdog.json").exists():
                watchdog = watchdog_of(made.state)["pid"]
                if Path(f"/proc/{watchdog}").exists():
                    os.kill(watchdog, signal.SIGKILL)
        self.engine.stop()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        told = Story(tmp_path_factory.mktemp("docker"))
        patch.setenv("DOCKER_HOST", told.engine.host)
        try:
            told.tell()
            yield told
        finally:
            told.end()


@pytest.mark.parametrize("name", CASES)
def test_a_collector_was_left_in_its_container(story, name):
    assert story.inside[name]
    assert story.in_window[name] == ("down" if name == "stopped" else "read_only")


@pytest.mark.parametrize("name", CASES)
def test_no_write_is_accepted_before_that_collector_has_ended(story, name):
    assert story.writers[name].accepted > 0
    assert story.writers[name].accepted_beside == []


@pytest.mark.parametrize("name", CASES)
def test_container_configuration_and_images_are_as_they_were(story, name):
    assert story.given_back[name] == story.before[name]


def test_the_next_run_says_so_and_succeeds(story):
    assert story.next.status == 0, story.next.output[-6000:]
    for name, made in story.registries.items():
        assert story.next.result(name, "repair")["watchdog"]["gave_back"]
        assert {path.name for path in made.state.iterdir()} <= {"backups"}
    assert story.now() == story.before
    names = story.engine.docker("ps", "-a", "--format", "{{.Names}}").split()
    assert sorted(names) == sorted(CASES)
