# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only place that knows AnsibleModule: connection options, one way to fail, the shape of results."""

from __future__ import annotations

import contextlib
import os
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import env_fallback, remove_values
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import secrets_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import RegistryError
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.libraries import (
    REQUESTS_IMPORT_ERROR,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.journal import JournalError
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.plan_file import PlanFileError
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.progress_file import ProgressFile
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.report import failure_of, warnings_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.request import OptionInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.state import StateError
from ansible_collections.fleetops.container_registry.plugins.module_utils.changes.strategy import StrategyUnavailable
from ansible_collections.fleetops.container_registry.plugins.module_utils.model import masking
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import ReferenceInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.patterns import PatternInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.retention.validation import PolicyInvalid
from ansible_collections.fleetops.container_registry.plugins.module_utils.storage.errors import StorageError

Spec = t.Dict[str, t.Any]
Result = t.Dict[str, t.Any]

# Errors whose text already says what is wrong and what to do.
CLEAR_ERRORS = (
    JournalError,
    OptionInvalid,
    PatternInvalid,
    PlanFileError,
    PolicyInvalid,
    ReferenceInvalid,
    StateError,
    StorageError,
    StrategyUnavailable,
)


class ModuleFailure(Exception):
    """A job's way to fail: MESSAGE for the user, RESULT with whatever was found or done until then."""

    def __init__(self, message: str, result: t.Optional[Result] = None) -> None:
        super().__init__(message)
        self.message = message
        self.result: Result = result or {}


def connection_argument_spec() -> Spec:
    """The options of the doc fragment 'connection', one to one."""

    def setting(name: str, **spec: t.Any) -> Spec:
        return dict(spec, fallback=(env_fallback, ["CONTAINER_REGISTRY_" + name]))

    return {
        "url": setting("URL", type="str", required=True),
        "username": setting("USERNAME", type="str"),
        "password": setting("PASSWORD", type="str", no_log=True),
        "token": setting("TOKEN", type="str", no_log=True),
        "auth_file": setting("AUTH_FILE", type="path"),
        "validate_certs": setting("VALIDATE_CERTS", type="bool", default=True),
        "ca_path": setting("CA_PATH", type="path"),
        "client_cert": setting("CLIENT_CERT", type="path"),
        "client_key": setting("CLIENT_KEY", type="path"),
        "timeout": {"type": "float", "default": 30.0},
        "deadline": {"type": "float"},
        "retries": {"type": "int", "default": 3},
        "workers": {"type": "int", "default": 8},
        "rate_limit": {"type": "float"},
        "find_hidden_tags": {"type": "bool"},
    }


class RegistryModule:
    """An AnsibleModule that talks to one registry. Jobs read `params`, raise, and return a result."""

    def __init__(self, argument_spec: Spec, **options: t.Any) -> None:
        spec = connection_argument_spec()
        spec.update(argument_spec)
        options["required_together"] = [*options.get("required_together", ()), ("username", "password")]
        options["mutually_exclusive"] = [*options.get("mutually_exclusive", ()), ("password", "token")]
        options["required_by"] = dict(options.get("required_by", {}), client_key="client_cert")
        self._module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **options)
        hide_secrets(self._module)
        self.params: t.Dict[str, t.Any] = self._module.params
        self.check_mode: bool = self._module.check_mode
        self.wants_diff: bool = bool(self._module._diff)

    def warn(self, text: str) -> None:
        """Show TEXT as a warning of this task."""
        self._module.warn(text)

    @contextlib.contextmanager
    def progress(self) -> t.Iterator[t.Optional[ProgressFile]]:
        """What the option progress_file asks for, closed in the end; None without it."""
        path = self.params["progress_file"]
        if not path:
            yield None
            return
        with contextlib.closing(ProgressFile(path, self._masked)) as progress:
            yield progress

    def _masked(self, text: str) -> str:
        return str(remove_values(text, self._module.no_log_values))

    def judge(self, report: Result) -> Result:
        """REPORT, unless it says that the task has failed. Raises ModuleFailure with it then."""
        for warning in warnings_of(report, self.check_mode):
            self.warn(warning)
        reason = failure_of(report, self.check_mode)
        if reason:
            raise ModuleFailure(reason, report)
        return report

    def connection(self) -> Connection:
        """The connection that the options describe."""
        given = {name: self.params[name] for name in connection_argument_spec() if self.params[name] is not None}
        return Connection(**given)

    def run(self, job: t.Callable[[RegistryModule, RegistryClient], Result]) -> None:
        """Carry out JOB with a client and leave: its result, or one clear failure."""
        if REQUESTS_IMPORT_ERROR is not None:
            self._module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
        for name in ("timeout", "deadline", "rate_limit", "workers"):
            if self.params[name] is not None and self.params[name] <= 0:
                self._module.fail_json(msg="%s must be above 0, not %s" % (name, self.params[name]))
        if self.params["retries"] < 0:
            self._module.fail_json(msg="retries must be 0 or more, not %d" % self.params["retries"])
        refuse_masked(self._module)
        try:
            with RegistryClient(self.connection()) as client:
                for warning in client.warnings:
                    self.warn(warning)
                result = job(self, client)
        except ModuleFailure as failure:
            self._leave(dict({"changed": False}, **failure.result), failure.message)
        except RegistryError as error:
            asked = {"error": error.as_dict()} if error.method else {}
            self._leave(dict({"changed": False}, **asked), error.message)
        except CLEAR_ERRORS as error:
            self._leave({"changed": False}, str(error))
        except Exception as error:  # the one place that turns anything unforeseen into a failed task
            self._module.fail_json(
                msg="unexpected %s: %s" % (type(error).__name__, error), exception=traceback.format_exc(), changed=False
            )
        else:
            self._leave(result)

    def _leave(self, result: Result, failure: t.Optional[str] = None) -> t.NoReturn:
        self._warn_of_masking(dict(result, msg=failure or ""))
        if failure is not None:
            self._module.fail_json(msg=failure, **result)
        self._module.exit_json(**result)
        raise SystemExit(0)  # exit_json does not return

    def _warn_of_masking(self, result: Result) -> None:
        """Ansible replaces a secret wherever it occurs in a result: say so before a next task acts on such a name."""
        place = masking.secret_place(result, self._module.no_log_values)
        if place:
            self.warn(
                "The password or token occurs in this result, first in %s, and Ansible masks it there. Do not use this result's"
                " names in a later task; give the credentials by auth_file instead, which is not masked." % place
            )


class StoreModule:
    """An AnsibleModule that works on the registry's host with the standard library alone."""

    def __init__(self, argument_spec: Spec, **options: t.Any) -> None:
        self._module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True, **options)
        hide_secrets(self._module)
        self.params: t.Dict[str, t.Any] = self._module.params
        self.check_mode: bool = self._module.check_mode
        self.wants_diff: bool = bool(self._module._diff)

    def warn(self, text: str) -> None:
        """Show TEXT as a warning of this task."""
        self._module.warn(text)

    def run(self, job: t.Callable[[StoreModule], Result]) -> None:
        """Carry out JOB and leave: its result, or one clear failure.

        The option secret_environment, where a module has it, goes into this process's environment, and jobs do not see it.
        """
        refuse_masked(self._module)
        secrets = self.params.pop("secret_environment", None) or {}
        os.environ.update({name: str(value) for name, value in secrets.items()})
        try:
            result = job(self)
        except ModuleFailure as failure:
            self._module.fail_json(msg=failure.message, **dict({"changed": False}, **failure.result))
        except (StorageError, OSError) as error:
            self._module.fail_json(msg=str(error), **dict({"changed": False}, **getattr(error, "details", {})))
        except Exception as error:  # the one place that turns anything unforeseen into a failed task
            self._module.fail_json(
                msg="unexpected %s: %s" % (type(error).__name__, error), exception=traceback.format_exc(), changed=False
            )
        else:
            self._module.exit_json(**result)


def hide_secrets(module: AnsibleModule) -> None:
    """Mask a password in the option url, which is refused, where the result shows how the module was called."""
    if module.params.get("url"):
        module.no_log_values.update(secrets_of(module.params["url"]))


def refuse_masked(module: AnsibleModule) -> None:
    """Fail if an option, secrets excepted, has what Ansible masked in an earlier result: as a pattern it would match anything."""
    options = _without_secrets(module.params, module.argument_spec)
    place = masking.masked_place(options)
    if place:
        module.fail_json(msg="%s holds a masked name. %s." % (place, masking.REMEDY), changed=False)


def _without_secrets(options: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """OPTIONS without those that SPEC has as no_log: a secret may look as it likes."""
    kept = {}
    for name, value in options.items():
        own = spec.get(name, {})
        if own.get("no_log"):
            continue
        inner = own.get("options")
        if inner and isinstance(value, dict):
            value = _without_secrets(value, inner)
        elif inner and isinstance(value, list):
            value = [_without_secrets(item, inner) for item in value if isinstance(item, dict)]
        kept[name] = value
    return kept
