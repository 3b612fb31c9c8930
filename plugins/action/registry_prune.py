# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module registry_prune, once and unchanged, and shows how far it is while it works."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
import typing as t

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.audience import NONE, STEPS, audience
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.follower import Follower
from ansible_collections.fleetops.container_registry.plugins.plugin_utils.progress_lines import Lines

OPTION = "progress_file"

# Strategies load this file before they fork. The fork that runs the task has no terminal any more (ansible-core 2.19).
TERMINAL = bool(sys.stdout and sys.stdout.isatty())

display = Display()


class ActionModule(ActionBase):
    """Follows the module where its file is at hand, that is on the controller; elsewhere it only runs it."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: t.Any = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> t.Dict[str, t.Any]:
        """What the module returns."""
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        audience_is = NONE if wrap_async else self._audience()
        if audience_is == NONE:
            done = self._execute_module(task_vars=task_vars, wrap_async=wrap_async)
        else:
            done = self._followed(task_vars, coarse=audience_is == STEPS)
        result = merge_hash(result, done)
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _audience(self) -> str:
        if self._task.no_log or self._connection.transport != "local":
            return NONE
        callback = str(C.DEFAULT_STDOUT_CALLBACK)
        return audience(os.environ, callback, TERMINAL, _shows_ok(callback), context.CLIARGS)

    def _followed(self, task_vars: t.Dict[str, t.Any], coarse: bool) -> t.Dict[str, t.Any]:
        arguments = dict(self._task.args)
        with contextlib.ExitStack() as after:
            path = arguments.get(OPTION)
            own = not path
            if own:
                path = _make_file()
                after.callback(_remove, path)
                arguments[OPTION] = path
            lines = Lines(time.monotonic(), coarse, *_among(task_vars))
            after.enter_context(Follower(str(path), lines, display.display))
            done = self._execute_module(module_args=arguments, task_vars=task_vars)
        if own:
            _forget(done)
        return done


def _make_file() -> str:
    """An empty file in ansible's own directory for this run, which nobody else can enter."""
    handle, path = tempfile.mkstemp(prefix="registry-progress-", dir=C.DEFAULT_LOCAL_TMP)
    os.close(handle)
    return path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _forget(done: t.Dict[str, t.Any]) -> None:
    """Take out of the result what this plugin has put in, so that it is the module's own."""
    arguments = (done.get("invocation") or {}).get("module_args")
    if isinstance(arguments, dict) and arguments.pop(OPTION, None):
        arguments[OPTION] = None  # where the module's argument spec puts it, at the end


def _among(task_vars: t.Mapping[str, t.Any]) -> t.Tuple[str, int]:
    """How this host is called where there are several, and how many run side by side."""
    hosts = len(task_vars.get("ansible_play_batch") or ())
    if hosts <= 1:
        return "", 1
    return str(task_vars.get("inventory_hostname", "")), min(
        hosts, int(context.CLIARGS.get("forks") or C.DEFAULT_FORKS)
    )


def _shows_ok(callback: str) -> bool:
    """Whether hosts are shown on which nothing changed: who has switched that off wants to see little."""
    for name in (callback, callback.rpartition(".")[2], "default"):
        try:
            return bool(C.config.get_config_value("display_ok_hosts", plugin_type="callback", plugin_name=name))
        except (AnsibleError, KeyError):
            continue
    return True
