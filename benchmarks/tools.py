# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each tool is told, so that it does the same job in the best way that it has.

A job is ``list`` (every tag with digest and creation date, a line each) or ``prune`` (all but the newest go, manifest and tag).
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.fleetops.container_registry.tests.rig.binaries import Unavailable, go_install

HERE = Path(__file__).resolve().parent
LIST = "list"
PRUNE = "prune"

CRANE = "github.com/google/go-containerregistry/cmd/crane@v0.22.1"
REGCTL = "github.com/regclient/regclient/cmd/regctl@v0.11.7"
REGBOT = "github.com/regclient/regclient/cmd/regbot@v0.11.7"
DECKSCHRUBBER = "github.com/fraunhoferfokus/deckschrubber@v0.8.0"

# Three or four at once are the fastest on two cores: a process for each tag costs more than its request.
SIDE_BY_SIDE = 4


@dataclass(frozen=True)
class Job:
    """What is to be done. FAMILY: 2.x or 3.x. HOME: a folder for the tool's own files. OUTPUT: where a list goes."""

    kind: str
    url: str
    repository: str
    family: str
    keep: int
    home: Path

    @property
    def output(self) -> Path:
        """The list that is made, also on the way to pruning."""
        return self.home / "listed"

    @property
    def image(self) -> str:
        """Host and repository, as container tools write it."""
        return f"{self.url.partition('://')[2]}/{self.repository}"


class Tool:
    """One of the contestants. PROGRAM is found, or built, before anything is measured."""

    name = ""
    source = ""
    jobs = (LIST, PRUNE)

    def __init__(self) -> None:
        self.program = os.environ.get(f"BENCH_{self.name.upper()}") or str(go_install(self.source))

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.source.partition('@')[2]}".strip()

    def command(self, job: Job) -> list[str]:
        """What is run for JOB."""
        raise NotImplementedError

    def done(self, job: Job) -> int:
        """How many tags a list that was cut short has got to."""
        return len(job.output.read_text(encoding="utf-8").splitlines()) if job.output.exists() else 0


class Playbook(Tool):
    """A playbook in a whole ansible-playbook of its own, with everything that starting it costs."""

    playbook = ""

    def __init__(self) -> None:
        self.program = str(Path(sys.executable).with_name("ansible-playbook"))

    def command(self, job: Job) -> list[str]:
        wanted = {
            "url": job.url,
            "repository": job.repository,
            "job": job.kind,
            "keep": job.keep,
            "output": job.output,
        }
        options = [part for name, value in wanted.items() for part in ("-e", f"benchmark_{name}={value}")]
        here = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
        return [self.program, *here, str(HERE / "playbooks" / self.playbook), *options]


class Collection(Playbook):
    """This collection."""

    name = "this collection"
    playbook = "collection.yml"


class Uri(Playbook):
    """Loops over ansible.builtin.uri: three requests for each tag, each a task of its own."""

    name = "uri loops"
    playbook = "uri.yml"

    def done(self, job: Job) -> int:
        """Requests that were answered, of which a list needs two for each tag: the loop's results are shown one by one."""
        return (job.home / "output").read_text(encoding="utf-8").count("ok: [localhost] => (item=") // 2


class _Shell(Tool):
    """A tool that is called once for each tag, from a shell script around xargs."""

    def each(self, job: Job) -> str:
        """The commands that print digest and creation date of the tag in $1."""
        raise NotImplementedError

    def delete(self, job: Job) -> str:
        """The pipeline that deletes: it reads lines of tag and digest."""
        raise NotImplementedError

    def begin(self, job: Job) -> str:
        """What comes first."""
        return ""

    def names(self, job: Job) -> str:
        """The command that prints the tags."""
        raise NotImplementedError

    def command(self, job: Job) -> list[str]:
        each = f'echo "$1 $({self.each(job)})"'
        lines = [
            "set -e",
            self.begin(job),
            f"{self.names(job)} | xargs -P {SIDE_BY_SIDE} -n 1 sh -c {shlex.quote(each)} sh > {job.output}",
        ]
        if job.kind == PRUNE:
            lines.append(f"sort -k 3 {job.output} | head -n -{job.keep} | cut -d ' ' -f 1,2 > {job.output}.doomed")
            lines.append(self.delete(job))
        return ["sh", "-c", "\n".join(lines)]


class Crane(_Shell):
    """crane of go-containerregistry."""

    name = "crane"
    source = CRANE

    def names(self, job: Job) -> str:
        return f"{self.program} ls {job.image}"

    def each(self, job: Job) -> str:
        config = f"{self.program} config {job.image}:$1"
        return (
            f'{self.program} digest {job.image}:$1) $({config} | sed "s/.*\\"created\\": *\\"\\([^\\"]*\\)\\".*/\\1/"'
        )

    def delete(self, job: Job) -> str:
        delete = f"{self.program} delete {job.image}@{{}}"
        return f"cut -d ' ' -f 2 {job.output}.doomed | xargs -P {SIDE_BY_SIDE} -I {{}} {delete}"


class Regctl(_Shell):
    """regctl of regclient. On 3.x tags go first, since that leaves the registry less to read for each manifest."""

    name = "regctl"
    source = REGCTL

    def begin(self, job: Job) -> str:
        return f"{self.program} registry set --tls disabled {job.image.partition('/')[0]}"

    def names(self, job: Job) -> str:
        return f"{self.program} tag ls {job.image}"

    def each(self, job: Job) -> str:
        created = '"{{.Created.UTC.Format \\"2006-01-02T15:04:05Z\\"}}"'
        return f"{self.program} image digest {job.image}:$1) $({self.program} image inspect --format {created} {job.image}:$1"

    def delete(self, job: Job) -> str:
        delete = f"xargs -P {SIDE_BY_SIDE} -I {{}} {self.program}"
        manifests = f"cut -d ' ' -f 2 {job.output}.doomed | {delete} manifest delete {job.image}@{{}}"
        if job.family == "2.x":
            return manifests
        return f"cut -d ' ' -f 1 {job.output}.doomed | {delete} tag delete {job.image}:{{}}\n{manifests}"


class Regbot(Tool):
    """regbot of regclient: one process that runs a script. Its scripts cannot see a manifest's digest, so its list lacks it."""

    name = "regbot"
    source = REGBOT

    def command(self, job: Job) -> list[str]:
        host = job.image.partition("/")[0]
        script = f"""\
version: 1
creds:
  - registry: {host}
    tls: disabled
scripts:
  - name: benchmark
    timeout: 3600s
    script: |
      local image_of = reference.new("{job.image}")
      local found = {{}}
      for _, name in ipairs(tag.ls(image_of)) do
        image_of:tag(name)
        local m = manifest.get(image_of)
        local created = image.config(m).created
        table.insert(found, {{name = name, created = created, manifest = m}})
        log("listed " .. name .. " " .. created)
      end
"""
        if job.kind == PRUNE:
            script += f"""\
      table.sort(found, function(a, b) return a.created < b.created end)
      for place = 1, #found - {job.keep} do
        found[place].manifest:delete()
      end
"""
        (job.home / "regbot.yml").write_text(script, encoding="utf-8")
        return [self.program, "-c", str(job.home / "regbot.yml"), "once"]

    def done(self, job: Job) -> int:
        return (job.home / "errors").read_text(encoding="utf-8").count("listed ")


class Deckschrubber(Tool):
    """deckschrubber: one process, one request at a time. It only prunes."""

    name = "deckschrubber"
    source = DECKSCHRUBBER
    jobs = (PRUNE,)

    def command(self, job: Job) -> list[str]:
        return [self.program, "-registry", job.url, "-repos", "1000", "-latest", str(job.keep)]


PEERS = (Crane, Regctl, Regbot, Deckschrubber, Uri)


def contestants(names: list[str]) -> tuple[list[Tool], dict[str, str]]:
    """This collection and those of the peers that NAMES (empty: all) has and that can be had; and why the others cannot."""
    found: list[Tool] = [Collection()]
    missing = {}
    for kind in PEERS:
        if names and kind.name.split()[0] not in names:
            continue
        try:
            found.append(kind())
        except Unavailable as error:
            missing[kind.name] = str(error)
    return found, missing
