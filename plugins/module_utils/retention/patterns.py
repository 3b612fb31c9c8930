# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patterns for names of repositories and tags: globs, regular expressions after '~', exclusions after '!'."""

from __future__ import annotations

import re
import typing as t
import warnings
from dataclasses import dataclass

# Long enough for any list of names that somebody writes by hand; keeps compiling and matching within reason.
MAX_PATTERN_LENGTH = 1000

_WILDCARD = re.compile(r"[*?\[]")
# No repository, tag or digest holds one of these, so a glob with one can only be a mistake such as 'a, b'.
_NEVER_IN_A_NAME = re.compile(r"[\s,;\"'`|(){}^$\\]")
_Test = t.Callable[[str], bool]


class PatternInvalid(ValueError):
    """A pattern that cannot be used; the text says why, PATTERN is what was given."""

    def __init__(self, pattern: t.Any, why: str) -> None:
        super().__init__(why)
        self.pattern = pattern


@dataclass(frozen=True)
class Pattern:
    """One pattern: its TEXT as given (with '~', without '!'), and the test of a whole name."""

    text: str
    matches: _Test


@dataclass(frozen=True)
class PatternSet:
    """A name matches if one of INCLUDES does (or there is none) and none of EXCLUDES does, in any order."""

    includes: t.Tuple[Pattern, ...]
    excludes: t.Tuple[Pattern, ...] = ()

    def matches(self, name: str) -> bool:
        """Whether NAME is selected."""
        return self.match(name) is not None

    def match(self, name: str) -> t.Optional[str]:
        """The text of the first pattern that selects NAME ('*' if there are only exclusions), else None."""
        for pattern in self.excludes:
            if pattern.matches(name):
                return None
        if not self.includes:
            return "*"
        for pattern in self.includes:
            if pattern.matches(name):
                return pattern.text
        return None


def compile_patterns(patterns: t.Iterable[str]) -> PatternSet:
    """Compile PATTERNS. Raises PatternInvalid for one that is no text, too long, empty or malformed.

    A glob is matched against the whole name, case-sensitively: '*' stands for any characters ('/' too), '?'
    for one, '[ab]' for one of those. After '~' comes a regular expression that is searched anywhere in the
    name. A leading '!' excludes.
    """
    includes = []
    excludes = []
    for text in patterns:
        if not isinstance(text, str):
            raise PatternInvalid(text, "it is no text")
        if text.startswith("!"):
            excludes.append(_compile(text[1:], text))
        else:
            includes.append(_compile(text, text))
    return PatternSet(tuple(includes), tuple(excludes))


def compile_regex(text: str, given: t.Any = None) -> t.Pattern[str]:
    """Compile the regular expression TEXT; raise PatternInvalid (about GIVEN, if that is more than TEXT)."""
    given = text if given is None else given
    if not text:
        raise PatternInvalid(given, "the regular expression is empty")
    if len(text) > MAX_PATTERN_LENGTH:
        raise PatternInvalid(given, "it has %d characters, a pattern has at most %d" % (len(text), MAX_PATTERN_LENGTH))
    try:
        with warnings.catch_warnings():
            # Python warns of what other dialects read differently, such as [[:digit:]].
            warnings.simplefilter("error", FutureWarning)
            return re.compile(text)
    except FutureWarning as error:
        raise PatternInvalid(given, "Python reads it differently than it looks: %s" % error) from error
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternInvalid(given, "it is no valid regular expression: %s" % error) from error


def _compile(text: str, given: str) -> Pattern:
    if text.startswith("~"):
        search = compile_regex(text[1:], given).search
        return Pattern(text, lambda name: search(name) is not None)
    if not text:
        raise PatternInvalid(given, "the pattern is empty")
    if len(text) > MAX_PATTERN_LENGTH:
        raise PatternInvalid(given, "it has %d characters, a pattern has at most %d" % (len(text), MAX_PATTERN_LENGTH))
    odd = _NEVER_IN_A_NAME.search(text)
    if odd:
        raise PatternInvalid(
            given,
            "no name holds %r: give several patterns as a list, a regular expression after '~'" % odd.group(),
        )
    return Pattern(text, _glob(text, given))


def _glob(text: str, given: str) -> _Test:
    if not _WILDCARD.search(text):
        return text.__eq__
    parts = text.split("*")
    if len(parts) == 1:
        whole = _part(text, given)
        return lambda name: whole.fullmatch(name) is not None
    first, last = _part(parts[0], given), _part(parts[-1], given)
    middle = [_part(part, given) for part in parts[1:-1] if part]
    # Every part without '*' matches a fixed number of characters, so the leftmost fit of each is the best:
    # linear, no backtracking.
    last_length = _length(parts[-1])

    def test(name: str) -> bool:
        start = first.match(name)
        if not start:
            return False
        position, end = start.end(), len(name) - last_length
        for part in middle:
            found = part.search(name, position, max(end, 0))
            if not found:
                return False
            position = found.end()
        return position <= end and last.fullmatch(name, end) is not None

    return test


def _part(text: str, given: str) -> t.Pattern[str]:
    out = []
    for piece in _pieces(text):
        if piece == "?":
            out.append(".")
        elif piece.startswith("[") and len(piece) > 1:
            inner = piece[1:-1]
            if "--" in inner:
                raise PatternInvalid(
                    given, "'--' within [...] can be read in two ways; write a regular expression after '~'"
                )
            negated = inner[:1] == "!"
            members = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[1:] if negated else inner)
            out.append("[%s%s]" % ("^" if negated else "", members))
        elif piece == "[":
            raise PatternInvalid(given, "a '[' is never closed by ']'")
        else:
            out.append(re.escape(piece))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error as error:
        raise PatternInvalid(given, "it is no valid glob: %s" % error) from error


def _length(text: str) -> int:
    return len(_pieces(text))


def _pieces(text: str) -> t.List[str]:
    """TEXT, which has no '*', in pieces that each match one character: '?', '[ab]', or a character."""
    pieces = []
    position = 0
    while position < len(text):
        close = text.find("]", position + 2) if text[position] == "[" else -1
        end = close + 1 if close > 0 else position + 1
        pieces.append(text[position:end])
        position = end
    return pieces
