#!/usr/bin/python
# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold, renew, take over and release the lease on a registry's maintenance window."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_window_lease
short_description: Hold the lease on a registry's maintenance window, with a watchdog that gives the registry back if it runs out
version_added: 0.1.0
author:
  - fleetops.container_registry contributors (@fleetops)
description:
  - A registry that was stopped or made read-only must not stay so because the play that did it was killed. Before the window opens, the
    play takes a lease on the registry's host. It renews the lease while it works, and releases it when it has given the registry back.
  - With O(orders), a watchdog is started on that host as a process of its own (C(registry-lease) in C(ps)). Neither the end of the play
    nor that of its connection ends it. It ends by itself as soon as the lease is released.
  - If the lease runs out, the watchdog takes it, so that nothing more can be done in that window. It ends the collector, also inside a
    container, makes sure that none is left, writes the configuration back byte for byte, and restarts or starts the registry. Where
    one of these fails, none that comes after it is done, and it tries again for a day, at growing intervals.
  - What it has done is kept beside the lease, and returned by O(state=taken_over) and O(state=released) of the next run.
  - This is a part of the role P(fleetops.container_registry.registry#role). The module runs on the registry's host with Python's
    standard library alone, and needs Linux. Only O(orders.cache) needs a library.
extends_documentation_fragment:
  - fleetops.container_registry.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - A lease is held, quiet, handed back or released only once, but O(state=renewed) and O(state=taken_over) move its end each time.
options:
  path:
    description:
      - A directory for the lease on the registry's host. It is made by O(state=held) and removed by O(state=released).
      - The directory above it must be one that nobody else can write to.
    type: path
    required: true
  state:
    description:
      - V(held) begins a lease and starts the watchdog. It fails, and nothing is begun, if O(orders) name something that a watchdog could
        not do on this host.
      - V(renewed) holds it on for O(duration). It fails if this run holds it no more. Nothing may be done in the window then.
      - V(quiet) makes sure that nothing works in the window of O(run_id) any more, neither a module nor a collector, by ending it. It needs
        no lease.
      - V(taken_over) lets this play give the registry back in place of the watchdog, also that of an earlier run, after waiting for the
        attempt that the watchdog is at. The watchdog looks on, and goes on trying when O(duration) has passed without this state being
        asked for again. Nothing else may be done in the window any more.
      - V(handed_back) lets the watchdog go on at once, where the play that has taken over could not give the registry back.
      - V(released) ends the lease and its watchdog, after waiting for what the watchdog is at. It is for when the registry was given back.
    type: str
    choices: [held, renewed, quiet, taken_over, handed_back, released]
    required: true
  run_id:
    description:
      - The name of the window, which its processes carry in their environment, collectors as C(FLEETOPS_REGISTRY_COLLECTION) and tasks
        that may start one as C(FLEETOPS_REGISTRY_WINDOW).
      - It is required with O(state=held), O(state=renewed) and O(state=quiet).
    type: str
  duration:
    description:
      - Seconds that the lease is held for without being renewed, or that it is taken over for. It must be longer than anything that is
        done between two renewals.
    type: float
    default: 300.0
  limit:
    description:
      - Seconds from the beginning after which the lease runs out however often it is renewed.
    type: float
    default: 14400.0
  job_file:
    description:
      - The C(results_file) of a task with C(async) that works in the window. With O(state=renewed), the module waits for it up to
        O(wait) seconds, and RV(job_finished) says whether it has ended.
    type: path
  wait:
    description:
      - Seconds to wait for O(job_file). It is cut to a third of the lease.
    type: float
    default: 60.0
  patience:
    description:
      - Seconds that O(state=taken_over) and O(state=released) wait for a watchdog that is giving the registry back.
    type: float
    default: 600.0
  secret_environment:
    description:
      - Variables that are added to the environment of this task, and so of everything that it starts, without being shown. What stands in
        the keyword C(environment) of a task is part of a command line, where every user of the host can read it, and is shown
        with C(-vvv).
    type: dict
  orders:
    description:
      - What the watchdog has to do. Its commands run without a shell and with the environment of this task.
      - Without it there is a lease, but no watchdog.
      - O(state=quiet) uses what it says of the collector.
    type: dict
    suboptions:
      collector_argv:
        description:
          - The O(fleetops.container_registry.registry_garbage_collect#module:argv) of the collections in this window. Where a collector
            that it leads to cannot be seen from this host, O(orders.end_collector) or O(orders.restart_ends_collector) is needed.
        type: list
        elements: str
        default: []
      end_collector:
        description:
          - Commands that end the collector and succeed if none is left. They are for collectors that are no processes of this host.
        type: list
        elements: list
        default: []
      restart_ends_collector:
        description:
          - Whether O(orders.give_back) ends every collector before the registry serves again, as the restart of the container does that a
            collector runs in.
        type: bool
        default: false
      give_back:
        description:
          - Commands that restart the registry, or start it. All are run, and the last one must succeed. If stopping fails, starting is
            still tried.
        type: list
        elements: list
        default: []
      config:
        description:
          - The configuration as it was before the window, in Base64. Leave it out if the window does not change it.
        type: str
      config_in_window:
        description:
          - The configuration as it is in the window, in Base64. A configuration that is neither of the two was changed by somebody and is
            not overwritten.
        type: str
      config_path:
        description:
          - The configuration file on this host.
        type: path
      config_fetch:
        description:
          - A command that copies the configuration to a file on this host, where that is not O(orders.config_path). The word
            V({}) stands for that file.
        type: list
        elements: str
        default: []
      config_put:
        description:
          - A command that copies the file V({}) to where the configuration is, with its owner and mode.
        type: list
        elements: str
        default: []
      instances:
        description:
          - Further registries that serve the same store and are in the same window.
        type: list
        elements: dict
        default: []
        suboptions:
          give_back:
            description:
              - As O(orders.give_back).
            type: list
            elements: list
            default: []
          config:
            description:
              - As O(orders.config).
            type: str
          config_in_window:
            description:
              - As O(orders.config_in_window).
            type: str
          config_path:
            description:
              - As O(orders.config_path).
            type: path
          config_fetch:
            description:
              - As O(orders.config_fetch).
            type: list
            elements: str
            default: []
          config_put:
            description:
              - As O(orders.config_put).
            type: list
            elements: str
            default: []
      cache:
        description:
          - The registry's cache in Redis, with the options of M(fleetops.container_registry.registry_cache_clear). The watchdog clears it
            before the registry serves again, since it survives a restart and vouches for blobs that were collected.
          - It needs the Python library C(redis) on the registry's host.
        type: dict
        suboptions:
          host:
            description:
              - The host.
            type: str
            required: true
          port:
            description:
              - The port.
            type: int
            default: 6379
          database:
            description:
              - The number of the database.
            type: int
            default: 0
          username:
            description:
              - The user to log in as.
            type: str
          password:
            description:
              - The password.
            type: str
          tls:
            description:
              - Whether to speak TLS.
            type: bool
            default: false
          ca_path:
            description:
              - Certificates of authorities (PEM) to be trusted.
            type: path
          client_cert:
            description:
              - A certificate (PEM) to show.
            type: path
          client_key:
            description:
              - The key of that certificate.
            type: path
          validate_certs:
            description:
              - Whether the server's certificate must be valid.
            type: bool
            default: true
notes:
  - A host that ends what a user has left running when that user logs out (C(KillUserProcesses=yes) of systemd's C(logind)) ends a
    watchdog of that user, too. Work as root there, who is exempt by default.
  - After a restart of the host there is no watchdog. The role then gives the registry back in its next run.
seealso:
  - module: fleetops.container_registry.registry_garbage_collect
"""

EXAMPLES = r"""
- name: Read the configuration as it is before the window
  ansible.builtin.slurp:
    src: /srv/registry/config.yml
  register: config

- name: Take the lease
  fleetops.container_registry.registry_window_lease:
    path: "/var/lib/container-registry/{{ inventory_hostname }}/lease"
    state: held
    run_id: "4711"
    duration: 300
    orders:
      collector_argv: [docker, exec, registry, registry]
      restart_ends_collector: true
      give_back:
        - [docker, restart, registry]
      config: "{{ config.content }}"
      config_in_window: "{{ config.content | b64decode | fleetops.container_registry.registry_config(read_only) | b64encode }}"
      config_path: /srv/registry/config.yml
  vars:
    read_only: {storage: {maintenance: {readonly: {enabled: true}}}}

# Here the registry is made read-only and restarted.

- name: Start the collector
  fleetops.container_registry.registry_garbage_collect:
    argv: [docker, exec, registry, registry]
    config_path: /etc/docker/registry/config.yml
    run_id: "4711"
    lease: "/var/lib/container-registry/{{ inventory_hostname }}/lease"
  environment:
    FLEETOPS_REGISTRY_WINDOW: "4711"
  async: 14400
  poll: 0
  register: job

- name: Hold the lease while the collector works
  fleetops.container_registry.registry_window_lease:
    path: "/var/lib/container-registry/{{ inventory_hostname }}/lease"
    state: renewed
    run_id: "4711"
    job_file: "{{ job.results_file }}"
  register: lease
  until: lease is failed or lease.job_finished
  retries: 2000
  delay: 0

- name: See what has come of it
  ansible.builtin.async_status:
    jid: "{{ job.ansible_job_id }}"
  register: collected

# Here the registry is given back: the configuration as it was, and another restart.

- name: Release the lease
  fleetops.container_registry.registry_window_lease:
    path: "/var/lib/container-registry/{{ inventory_hostname }}/lease"
    state: released
"""

RETURN = r"""
held:
  description: Whether the lease is held now, by this run.
  returned: success
  type: bool
  sample: true
seconds_left:
  description: Seconds until the lease runs out unless it is renewed.
  returned: with O(state=held), O(state=renewed) and O(state=taken_over)
  type: float
  sample: 300.0
watchdog_pid:
  description: The watchdog's process, V(null) without one.
  returned: with O(state=held)
  type: int
  sample: 4711
boot_id:
  description: The name of this run of the host's system. After a restart of the host there is another.
  returned: with O(state=held)
  type: str
  sample: 0f2a4b9e-8b1e-4d4b-9c75-2d5b1c3f7a10
job_finished:
  description: Whether the task of O(job_file) has ended, V(false) without one.
  returned: with O(state=renewed)
  type: bool
  sample: false
watched:
  description: Whether there is a watchdog that goes on trying.
  returned: with O(state=handed_back)
  type: bool
  sample: true
certain:
  description: Whether it is certain that no collector is left. Where it is not, one could still run where this host does not see it.
  returned: with O(state=quiet)
  type: bool
  sample: true
ended_processes:
  description: The processes that had to be ended.
  returned: with O(state=quiet)
  type: list
  elements: int
  sample: []
seconds_held:
  description: Seconds since the lease was taken, V(null) if there was none or the host was restarted since.
  returned: with O(state=released)
  type: float
  sample: 14.2
watchdog_report:
  description: What a watchdog has done, V(null) if it had nothing to do.
  returned: with O(state=taken_over) and O(state=released)
  type: dict
  contains:
    opened:
      description: When the window was opened.
      type: str
      sample: "2026-03-01T12:00:00Z"
    ended:
      description: When the lease ran out.
      type: str
      sample: "2026-03-01T12:07:00Z"
    finished:
      description: When the registry was given back. Only there if it was.
      type: str
      sample: "2026-03-01T12:07:12Z"
    reason:
      description: Why the lease ran out.
      type: str
      sample: the run that had opened the window gave no sign of life for 300 s
    gave_back:
      description: Whether the registry was given back.
      type: bool
      sample: true
    config:
      description: What was done to the configuration, V(written back) or V(as it was). Only there if the registry was given back.
      type: str
      sample: written back
    attempts:
      description: How often it was tried.
      type: int
      sample: 1
    error:
      description: What went wrong in the last attempt.
      type: str
      sample: ""
"""

import base64
import binascii
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.fleetops.container_registry.plugins.module_utils.cache import server
from ansible_collections.fleetops.container_registry.plugins.module_utils.module import (
    ModuleFailure,
    Result,
    StoreModule,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.give_back import Orders
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.window import (
    hand_back,
    hold,
    quiet,
    release,
    renew,
    take_over,
)


def job(module: StoreModule) -> Result:
    """Bring the lease into the state that is asked for."""
    given = module.params
    if given["state"] == "held":
        return hold(given["path"], orders_of(given), given["duration"], given["limit"], module.check_mode)
    if given["state"] == "renewed":
        return renew(given["path"], given["run_id"], given["job_file"], given["wait"], module.check_mode)
    if given["state"] == "quiet":
        return quiet(orders_of(given), module.check_mode)
    if given["state"] == "taken_over":
        return take_over(given["path"], given["duration"], given["patience"], module.check_mode)
    if given["state"] == "handed_back":
        return hand_back(given["path"], module.check_mode)
    return release(given["path"], given["patience"], module.check_mode)


def orders_of(given: t.Mapping[str, t.Any]) -> Orders:
    """The options as the watchdog takes them."""
    orders = dict(given["orders"] or {})
    orders["end_collector"] = commands_of(orders.get("end_collector"))
    orders["clear_cache"] = cache_clearing(orders.pop("cache", None))
    orders["instances"] = [
        Orders(run_id=given["run_id"], **serving(dict(one))) for one in orders.get("instances") or []
    ]
    return Orders(run_id=given["run_id"], watched=given["orders"] is not None, **serving(orders))


def serving(orders: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """ORDERS with commands and contents as the watchdog takes them."""
    orders["give_back"] = commands_of(orders.get("give_back"))
    for name in ("config", "config_in_window"):
        orders[name] = content_of(name, orders.get(name))
    return orders


def commands_of(given: t.Optional[t.List[t.List[t.Any]]]) -> t.List[t.List[str]]:
    """Commands whose words are text, whatever YAML made of them."""
    return [[str(word) for word in argv] for argv in given or []]


def cache_clearing(cache: t.Optional[t.Dict[str, t.Any]]) -> t.Optional[t.Callable[[], None]]:
    """What clears CACHE. Raises ModuleFailure where this host cannot."""
    if cache is None:
        return None
    if server.REDIS_IMPORT_ERROR is not None:
        raise ModuleFailure("a watchdog would have to clear the cache in Redis. %s" % missing_required_lib("redis"))
    try:
        address = server.CacheAddress(**cache)
    except server.CacheError as error:
        raise ModuleFailure(str(error)) from error

    def clear() -> None:
        try:
            server.clear(address, remove=True)
        except server.CacheError as error:
            raise StorageError(str(error)) from error

    return clear


def content_of(name: str, text: t.Optional[str]) -> t.Optional[bytes]:
    """The bytes that TEXT stands for."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ModuleFailure("orders.%s is not Base64" % name) from error


def main() -> None:
    """Run as a module."""
    words: t.Dict[str, t.Any] = {"type": "list", "elements": "str", "default": []}
    commands: t.Dict[str, t.Any] = {"type": "list", "elements": "list", "default": []}
    one_registry: t.Dict[str, t.Any] = {
        "give_back": commands,
        "config": {"type": "str", "no_log": True},
        "config_in_window": {"type": "str", "no_log": True},
        "config_path": {"type": "path"},
        "config_fetch": words,
        "config_put": words,
    }
    module = StoreModule(
        {
            "path": {"type": "path", "required": True},
            "state": {
                "type": "str",
                "choices": ["held", "renewed", "quiet", "taken_over", "handed_back", "released"],
                "required": True,
            },
            "run_id": {"type": "str"},
            "duration": {"type": "float", "default": 300.0},
            "limit": {"type": "float", "default": 14400.0},
            "job_file": {"type": "path"},
            "wait": {"type": "float", "default": 60.0},
            "patience": {"type": "float", "default": 600.0},
            "secret_environment": {"type": "dict", "no_log": True},
            "orders": {
                "type": "dict",
                "options": {
                    **one_registry,
                    "collector_argv": words,
                    "end_collector": commands,
                    "restart_ends_collector": {"type": "bool", "default": False},
                    "instances": {"type": "list", "elements": "dict", "default": [], "options": one_registry},
                    "cache": {
                        "type": "dict",
                        "options": server.CACHE_OPTIONS,
                    },
                },
            },
        },
        required_if=[("state", name, ("run_id",)) for name in ("held", "renewed", "quiet")],
    )
    module.run(job)


if __name__ == "__main__":
    main()
