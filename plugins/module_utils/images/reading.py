# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading manifests of many repositories at once: what is there, what is missing, and what must be left alone."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import (
    ManifestContent,
    RegistryClient,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    DeadlineExceeded,
    NotFound,
    RegistryError,
    ResponseInvalid,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.parallel import run_parallel
from ansible_collections.fleetops.container_registry.plugins.module_utils.images.bodies import Bodies
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import (
    MAX_CONFIG_BYTES,
    ImageConfig,
    Manifest,
    ManifestInvalid,
    parse_image_config,
    parse_manifest,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.progress import (
    CONFIGS,
    MANIFESTS,
    Progress,
    Step,
)

# Indexes nest once or twice; deeper than this somebody is playing with us.
MOST_LEVELS = 50

Y = t.TypeVar("Y")


@dataclass
class Reading:
    """One repository while it is read. WANTED: digests to be read next. NAMED: those of them that may be blobs.
    PROBLEM: why nothing there can be relied on.

    MISSING, MISSING_BLOBS: digests of manifests and of blobs that are named and not there. TAG_ERRORS: tags that cannot be read, with
    the reason. STOPPED: the problem is such that asking on would only take time.
    """

    name: str
    listed: t.List[str] = field(default_factory=list)
    tags: t.Dict[str, t.Optional[str]] = field(default_factory=dict)
    manifests: t.Dict[str, Manifest] = field(default_factory=dict)
    missing: t.Set[str] = field(default_factory=set)
    missing_blobs: t.Set[str] = field(default_factory=set)
    wanted: t.Set[str] = field(default_factory=set)
    named: t.Set[str] = field(default_factory=set)
    tag_errors: t.Dict[str, str] = field(default_factory=dict)
    problem: str = ""
    stopped: bool = False

    def fail(self, error: t.Union[str, RegistryError]) -> None:
        """Note the first problem. After one odd manifest the others are still read, since a report may want them."""
        text = error.message if isinstance(error, RegistryError) else error
        self.problem = self.problem or text
        if isinstance(error, RegistryError) and not isinstance(error, ResponseInvalid):
            self.stopped = True

    def want(self, digests: t.Iterable[str]) -> None:
        """Let DIGESTS be read, as far as nobody knows about them yet."""
        self.wanted.update(digest for digest in digests if digest not in self.manifests and digest not in self.missing)

    def want_named(self, digests: t.Iterable[str]) -> None:
        """Let DIGESTS be read that somebody named without saying of what: what is the blob of a manifest here needs no reading."""
        blobs = {blob.digest for manifest in self.manifests.values() for blob in manifest.blobs}
        named = [digest for digest in digests if digest not in blobs]
        self.named.update(named)
        self.want(named)

    def need(self, manifest: Manifest) -> None:
        """Let be read what MANIFEST names: its children, and what it refers to."""
        self.want(child.digest for child in manifest.children)
        if manifest.subject:
            self.want((manifest.subject,))


class Reader:
    """Reads for all repositories of a look, each digest once, and parses each manifest once."""

    def __init__(
        self,
        client: RegistryClient,
        bodies: Bodies,
        progress: t.Optional[Progress] = None,
        names: t.Sequence[str] = (),
    ) -> None:
        """PROGRESS is told of what is done in the repositories NAMES, from the calling thread."""
        self._client = client
        self._bodies = bodies
        self._progress = progress
        self._numbers = {name: number for number, name in enumerate(names, 1)}
        self._workers = client.connection.workers
        self._parsed: t.Dict[t.Tuple[str, str], Manifest] = {}

    def each(
        self, work: t.Callable[[Reading, str], Y], items: t.Sequence[t.Tuple[Reading, str]], stage: str = ""
    ) -> t.Iterator[t.Tuple[Reading, str, t.Union[Y, RegistryError, None]]]:
        """Do WORK for each (repository, name), and give back its result or error; None where the repository is no longer asked.

        STAGE: what this is, for whoever follows; without it nobody is told. Only the end of the run (DeadlineExceeded) is raised.
        """

        def attempt(item: t.Tuple[Reading, str]) -> t.Union[Y, RegistryError, None]:
            reading, name = item
            if reading.stopped:
                return None
            try:
                return work(reading, name)
            except DeadlineExceeded:
                raise
            except RegistryError as error:
                return error

        for done, ((reading, name), outcome) in enumerate(run_parallel(attempt, items, self._workers), 1):
            if stage and self._progress is not None:
                number = self._numbers.get(reading.name, 0)
                self._progress(Step(stage, number, len(self._numbers), reading.name, done, len(items)))
            yield reading, name, outcome

    def add(self, reading: Reading, what: str, content: ManifestContent) -> t.Optional[Manifest]:
        """Note the manifest CONTENT of READING; one that cannot be understood is a problem of the whole repository."""
        key = (content.digest, content.media_type)
        manifest = self._parsed.get(key)
        if manifest is None:
            try:
                manifest = parse_manifest(content.body, content.media_type, content.digest)
            except ManifestInvalid as error:
                reading.fail("%s cannot be understood: %s" % (what, error))
                return None
            self._parsed[key] = manifest
            self._bodies.keep(content.digest, content.media_type, content.body)
        reading.manifests[content.digest] = manifest
        reading.need(manifest)
        return manifest

    def read_wanted(self, readings: t.Sequence[Reading]) -> None:
        """Read what is wanted, and what that names, until nothing is. A digest that the registry does not have is missing."""
        for _level in range(MOST_LEVELS):
            items: t.List[t.Tuple[Reading, str]] = []
            for reading in readings:
                reading.want(reading.wanted)
                wanted = sorted(digest for digest in reading.wanted if digest not in reading.manifests)
                reading.wanted = set()
                if not reading.stopped:
                    items.extend((reading, digest) for digest in wanted)
            if not items:
                return
            for reading, digest, outcome in self.each(
                lambda one, name: self._client.get_manifest(one.name, name), items, MANIFESTS
            ):
                if isinstance(outcome, NotFound):
                    reading.missing.add(digest)
                elif isinstance(outcome, RegistryError):
                    if digest not in reading.named or not self._is_blob(reading.name, digest):
                        reading.fail(outcome)
                elif outcome is not None:
                    self.add(reading, "the manifest %s" % digest, outcome)
        for reading in readings:
            if reading.wanted:
                reading.fail("its indexes are nested more than %d deep" % MOST_LEVELS)

    def _is_blob(self, repository: str, digest: str) -> bool:
        """Whether DIGEST is a blob of REPOSITORY. Distribution answers 500 where it is asked for one as a manifest."""
        try:
            return self._client.blob_range(repository, digest)
        except DeadlineExceeded:
            raise
        except RegistryError:
            return False

    def read_configs(self, readings: t.Sequence[Reading]) -> None:
        """Read the config of every image, each once for the whole registry.

        Where one repository does not have it, the next that names it is asked. One that is gone from all, too large or no JSON
        leaves the image without date and labels, which keeps it.
        """
        users: t.Dict[str, t.List[t.Tuple[Reading, str]]] = {}
        for reading in readings:
            for digest, manifest in reading.manifests.items():
                descriptor = manifest.config_descriptor
                if (
                    not reading.stopped
                    and manifest.has_image_config
                    and descriptor
                    and descriptor.size <= MAX_CONFIG_BYTES
                    and descriptor.digest not in reading.missing_blobs
                ):
                    users.setdefault(descriptor.digest, []).append((reading, digest))
        waiting = {config: _once(reading for reading, _digest in used) for config, used in users.items()}
        configs: t.Dict[str, Manifest] = {}
        while waiting:
            items = [(readings_of[0], config) for config, readings_of in waiting.items()]
            waiting = {config: readings_of[1:] for config, readings_of in waiting.items() if readings_of[1:]}
            for _reading, config, outcome in self.each(
                lambda one, name: self._client.get_blob(one.name, name, MAX_CONFIG_BYTES), items, CONFIGS
            ):
                if isinstance(outcome, NotFound) or outcome is None:
                    continue
                waiting.pop(config, None)
                if isinstance(outcome, RegistryError):
                    for user, _digest in users[config]:
                        user.fail(outcome)
                    continue
                parsed = _config(outcome)
                if parsed is None:
                    continue
                self._bodies.keep(config, "", outcome)
                for user, digest in users[config]:
                    if digest not in configs:
                        configs[digest] = replace(user.manifests[digest], config=parsed)
                    user.manifests[digest] = configs[digest]

    def find_blobs(self, readings: t.Sequence[Reading]) -> None:
        """Ask for every config and layer that was named, each once for each repository: one that is not served is missing."""
        items: t.List[t.Tuple[Reading, str]] = []
        for reading in readings:
            if not reading.stopped:
                named = {
                    blob.digest
                    for manifest in reading.manifests.values()
                    for blob in manifest.blobs
                    if not blob.is_foreign
                }
                items.extend((reading, digest) for digest in sorted(named))
        for reading, digest, outcome in self.each(lambda one, name: self._client.blob_range(one.name, name), items):
            if isinstance(outcome, RegistryError):
                reading.fail(outcome)
            elif outcome is False:
                reading.missing_blobs.add(digest)


def _once(readings: t.Iterable[Reading]) -> t.List[Reading]:
    """READINGS without those that are in it before."""
    return list({reading.name: reading for reading in readings}.values())


def _config(body: bytes) -> t.Optional[ImageConfig]:
    try:
        return parse_image_config(body)
    except ManifestInvalid:
        return None
