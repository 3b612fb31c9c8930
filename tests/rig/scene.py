# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry with deletes on and some garbage, for what is done to its window."""

from __future__ import annotations

from ansible_collections.fleetops.container_registry.tests.rig.binaries import registry_binary
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.rig.role_support import Operated, Site, answers


class Scene:
    """A registry with deletes on and some garbage."""

    def __init__(self, home, version: str, environment=None) -> None:
        self.registry = Operated(home / "registry", obtain(lambda: registry_binary(version)), environment)
        try:
            text = self.registry.config.read_text(encoding="utf-8")
            enabled = "    delete: {enabled: true}   # since 2024\nhttp:\n"
            self.registry.config.write_text(text.replace("http:\n", enabled), encoding="utf-8")
            self.registry.stop()
            self.registry.start()
            kept = self.registry.push("team/app", "kept", 1)
            gone = self.registry.push("team/app", "gone", 2)
            with self.registry.client() as client:
                client.delete_manifest("team/app", gone)
            self.tags = {"kept": kept}
            self.config = self.registry.config.read_bytes()
            self.bytes = self.registry.bytes_on_disk()
            self.process = self.registry.process
            self.site = Site(home, {"one": dict(self.registry.inventory(), registry_environment=environment or {})})
        except BaseException:
            self.registry.stop()
            raise

    def collect(self, *options, **settings):
        return self.site.role("garbage_collect", *options, **settings)

    def mark(self, name: str) -> None:
        (self.registry.home / name).touch()

    def unmark(self, name: str) -> None:
        (self.registry.home / name).unlink(missing_ok=True)

    @property
    def state(self) -> set[str]:
        return {path.name for path in self.registry.state.iterdir()} if self.registry.state.exists() else set()

    @property
    def restarts(self) -> int:
        log = self.registry.home / "restarts"
        return log.read_text(encoding="utf-8").count("restart") if log.exists() else 0

    def is_as_it_was(self) -> None:
        """Configuration, deletes, images, and nothing of ours left lying about."""
        assert self.registry.config.read_bytes() == self.config
        assert answers(self.registry.url) == "enabled"
        assert self.registry.tags("team/app") == self.tags
        assert self.state <= {"backups"}
