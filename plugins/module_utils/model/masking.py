# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible puts in the place of secrets, and why no name may hold it.

Ansible replaces a secret wherever it occurs in a module's result, so a password that is part of a repository's name turns
'team/app' into '********/app', and one that is the whole name into a word. Given to a next task, the first is a pattern that
matches every 'app', and the second may name a tag.
"""

from __future__ import annotations

import typing as t

# ansible.module_utils.common.parameters, remove_values(): for a part of a text, and for a whole text or a number.
MASK = "********"
WHOLE_MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

REMEDY = (
    "Ansible has masked a secret there, so this is not the real name. Read the names again without password and token as"
    " options or variables, by auth_file, or choose a password that is no part of a name"
)


def is_masked(text: str) -> bool:
    """Whether TEXT holds what Ansible masks secrets with. No name of the protocol has it, and no sensible pattern."""
    return MASK in text or WHOLE_MASK in text


def masked_place(value: t.Any, place: str = "") -> str:
    """Where in VALUE (texts in dictionaries, keys included, and lists) something is masked, such as 'policies[0].tags[1]'.

    PLACE names VALUE itself. Empty where nothing is masked.
    """
    return _place(value, place, is_masked, keys=True)


def secret_place(value: t.Any, secrets: t.Iterable[str]) -> str:
    """Where in the result VALUE Ansible will mask one of SECRETS; empty if nowhere. It leaves keys, booleans and None alone."""
    hidden = tuple(secret for secret in secrets if secret)
    return _place(value, "", lambda text: any(secret in text for secret in hidden), keys=False) if hidden else ""


def _place(value: t.Any, place: str, test: t.Callable[[str], bool], keys: bool) -> str:
    waiting: t.List[t.Tuple[t.Any, str]] = [(value, place)]
    while waiting:
        item, where = waiting.pop()
        if isinstance(item, dict):
            if keys and any(isinstance(key, str) and test(key) for key in item):
                return where or "a key"
            found = [(inner, "%s.%s" % (where, key) if where else str(key)) for key, inner in item.items()]
            waiting.extend(reversed(found))
        elif isinstance(item, (list, tuple)):
            waiting.extend(reversed([(inner, "%s[%d]" % (where, number)) for number, inner in enumerate(item)]))
        elif isinstance(item, str):
            if test(item):
                return where or "it"
        elif isinstance(item, (int, float)) and not isinstance(item, bool) and test(str(item)):
            return where or "it"
    return ""
