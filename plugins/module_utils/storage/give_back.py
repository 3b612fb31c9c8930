# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a watchdog does when nobody else closes a window: no collector is left, then the config, then the registry."""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.collector_process import (
    MARKER,
    WINDOW_MARKER,
    end_marked,
    find_marked,
    is_visible,
    mark_argv,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.config_place import (
    ConfigElsewhere,
    ConfigFile,
    ConfigPlace,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import (
    StorageError,
    WatchdogUnable,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.host_command import (
    CommandFailed,
    is_there,
    run_command,
)

_COMMAND_SECONDS = 300.0
# A client that was ended a moment ago may have asked its engine for a process that only now appears.
_SETTLED_SECONDS = 2.0


@dataclass(frozen=True)
class Orders:
    """How the registry of one window is given back.

    RUN_ID: what the window's processes carry as WINDOW_MARKER and MARKER. COLLECTOR_ARGV: what leads to the collector's program.
    END_COLLECTOR: commands that end the collector where it is no process that this host sees; each must succeed.
    RESTART_ENDS_COLLECTOR: whether GIVE_BACK ends it before the registry serves again. GIVE_BACK: commands that restart or start
    the registry; they are all run, and the last one must succeed. Commands have this process's environment.
    CONFIG: as it must be again, None if the window does not change it. CONFIG_IN_WINDOW: as the window has it. CONFIG_PATH: the file on
    this host, or else CONFIG_FETCH and CONFIG_PUT, see ConfigElsewhere. CLEAR_CACHE: takes out of a cache what
    it knows of blobs that are gone, or raises StorageError. WATCHED: whether there is to be a watchdog at all. INSTANCES: how further
    registries on the same store are given back; of their orders only GIVE_BACK and CONFIG* count.
    """

    run_id: str
    collector_argv: t.Sequence[str] = ()
    give_back: t.Sequence[t.Sequence[str]] = ()
    end_collector: t.Sequence[t.Sequence[str]] = ()
    restart_ends_collector: bool = False
    config: t.Optional[bytes] = None
    config_in_window: t.Optional[bytes] = None
    config_path: t.Optional[str] = None
    config_fetch: t.Sequence[str] = ()
    config_put: t.Sequence[str] = ()
    clear_cache: t.Optional[t.Callable[[], None]] = None
    watched: bool = True
    instances: t.Sequence[Orders] = ()


class ConfigChanged(StorageError):
    """Somebody has changed the configuration in the window, so that it is not overwritten."""


def check_orders(orders: Orders, scratch: str) -> None:
    """Raise WatchdogUnable, with what to do about it, if ORDERS could not be carried out on this host.

    SCRATCH is a folder for temporary files.
    """
    if not os.path.isdir("/proc/self"):
        raise WatchdogUnable("a watchdog needs Linux, and this host has no /proc")
    if not all(one.give_back for one in [orders, *orders.instances]):
        raise WatchdogUnable(
            "a watchdog needs the commands that start or restart the registry, and this deployment gives none"
        )
    for one in [orders, *orders.instances]:
        for argv in [*one.give_back, *one.end_collector]:
            if not is_there(argv):
                raise WatchdogUnable("a watchdog would have to run %s, which this host does not have" % " ".join(argv))
    if not can_end_collector(orders):
        raise WatchdogUnable(
            "a watchdog on this host could not see that the collector has ended, which %s leads to: it runs on another machine, as"
            " another user, or in a container and this is not root. Work as root on the registry's host (become)"
            % " ".join(orders.collector_argv)
        )
    if any(one.config is not None and _read(one, scratch) != one.config for one in [orders, *orders.instances]):
        raise WatchdogUnable("the registry's configuration is not what it was a moment ago: somebody else works on it")


def can_end_collector(orders: Orders) -> bool:
    """Whether it can be made sure that the collector of ORDERS has ended before anybody writes."""
    if orders.end_collector or orders.restart_ends_collector:
        return True
    return is_visible(mark_argv(orders.collector_argv, orders.run_id), orders.run_id)


def end_window_processes(orders: Orders) -> bool:
    """End whatever works in the window: first what could start a collector, then collectors. Whether it is certain that none is left."""
    for argv in orders.end_collector:
        run_command(argv, _COMMAND_SECONDS)
    for _try in range(3):
        if not works_in_window(orders.run_id):
            return can_end_collector(orders)
        # In this order, since a module that is asked to end takes its collector with it.
        end_marked(orders.run_id, marker=WINDOW_MARKER)
        end_marked(orders.run_id)
        time.sleep(_SETTLED_SECONDS)
    return False


def works_in_window(run_id: str) -> t.List[int]:
    """The processes of this host that work in the window of RUN_ID."""
    return sorted({*find_marked(run_id, WINDOW_MARKER), *find_marked(run_id, MARKER)})


def give_back(orders: Orders, scratch: str) -> t.Dict[str, t.Any]:
    """Carry ORDERS out, and return what was done. Raises StorageError or OSError, and then nobody can write yet, unless they could.

    ConfigChanged is final; all else may be tried again.
    """
    if not end_window_processes(orders):
        raise StorageError(
            "the collector could not be ended, so nobody may write to the registry yet. Its processes: %s"
            % (", ".join(str(pid) for pid in works_in_window(orders.run_id)) or "not to be seen from this host")
        )
    if orders.clear_cache:
        # A cache outside of the registry survives its restart, and vouches for blobs that were collected.
        orders.clear_cache()
    config, problems = "as it was", []
    # The first registry before the others: its restart may be what ends a collector that nobody can see.
    for one in [orders, *orders.instances]:
        try:
            done = _serve(one, scratch)
            config = done if one is orders else config
        except (StorageError, OSError) as error:
            problems.append(error)
            if one is orders and orders.restart_ends_collector:
                break
    # What may be tried again comes first.
    for problem in sorted(problems, key=lambda error: isinstance(error, ConfigChanged)):
        raise problem
    return {"collector_ended": True, "config": config}


def _serve(orders: Orders, scratch: str) -> str:
    """Have one registry serve as it did, and return what became of its configuration."""
    done = "as it was"
    if orders.config is not None:
        found = _read(orders, scratch)
        if found == orders.config_in_window and found != orders.config:
            _place(orders, scratch).write(orders.config)
            found = _read(orders, scratch)
            done = "written back"
        if found != orders.config:
            raise ConfigChanged(
                "the registry's configuration was changed by somebody while the window was open, so it was left as it is and the"
                " registry was not restarted"
            )
    _run_all(orders)
    return done


def _run_all(orders: Orders) -> None:
    for position, argv in enumerate(orders.give_back, 1):
        try:
            run_command(argv, _COMMAND_SECONDS)
        except CommandFailed:
            # Stopping what does not run fails, and starting it is what counts.
            if position == len(orders.give_back):
                raise


def _place(orders: Orders, scratch: str) -> ConfigPlace:
    if orders.config_path:
        return ConfigFile(orders.config_path)
    return ConfigElsewhere(orders.config_fetch, orders.config_put, scratch)


def _read(orders: Orders, scratch: str) -> bytes:
    return _place(orders, scratch).read()
