# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of repositories, tags and digests, by the grammar of the OCI distribution specification."""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass

MAX_REPOSITORY_LENGTH = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(r"%s(?:/%s)*\Z" % (_COMPONENT, _COMPONENT))
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
# cosign's tags (sha256-<hex>.sig, .att, .sbom) and the referrers fallback tag of the OCI distribution specification.
_COMPANION = re.compile(r"(sha256)-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?\Z")
_DIGESTS = (re.compile(r"sha256:[0-9a-f]{64}\Z"), re.compile(r"sha512:[0-9a-f]{128}\Z"))


class ReferenceInvalid(ValueError):
    """A repository, tag or digest that the protocol forbids; the text says which and why."""


def is_digest(text: str) -> bool:
    """Whether TEXT is a digest that Distribution can store: sha256 or sha512 with the right number of hex digits."""
    return any(pattern.match(text) for pattern in _DIGESTS)


def is_tag(text: str) -> bool:
    """Whether TEXT may name a tag."""
    return bool(_TAG.match(text))


def companion_subject(tag: str) -> t.Optional[str]:
    """The digest that a companion tag is about; None if TAG is no companion's name."""
    match = _COMPANION.match(tag)
    return "%s:%s" % match.groups() if match else None


def is_repository(text: str) -> bool:
    """Whether TEXT may name a repository."""
    return len(text) <= MAX_REPOSITORY_LENGTH and bool(_REPOSITORY.match(text))


def require_repository(text: str) -> str:
    """Return TEXT, or raise ReferenceInvalid with what a repository's name may hold."""
    if not is_repository(text):
        raise ReferenceInvalid(
            "%r is not a repository name: lower-case letters and digits, separated by '.', '_', '__' or '-', "
            "in parts joined by '/', at most %d characters" % (text, MAX_REPOSITORY_LENGTH)
        )
    return text


def require_tag(text: str) -> str:
    """Return TEXT, or raise ReferenceInvalid with what a tag may hold."""
    if not is_tag(text):
        raise ReferenceInvalid(
            "%r is not a tag: letters, digits, '_', '.' and '-', not starting with '.' or '-', at most 128 characters"
            % text
        )
    return text


def require_digest(text: str) -> str:
    """Return TEXT, or raise ReferenceInvalid with what a digest looks like."""
    if not is_digest(text):
        raise ReferenceInvalid(
            "%r is not a digest: 'sha256:' and 64 lower-case hex digits, or 'sha512:' and 128 of them" % text
        )
    return text


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """The digest of CONTENT, as 'ALGORITHM:hex'."""
    return "%s:%s" % (algorithm, hashlib.new(algorithm, content).hexdigest())


def has_digest(content: bytes, digest: str) -> bool:
    """Whether CONTENT hashes to DIGEST (a valid digest, with its own algorithm)."""
    return digest_of(content, digest.split(":", 1)[0]) == digest


@dataclass(frozen=True)
class Reference:
    """A manifest's name: a repository with either a tag or a digest."""

    repository: str
    tag: t.Optional[str] = None
    digest: t.Optional[str] = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read 'repository:tag' or 'repository@digest'; raise ReferenceInvalid for anything else."""
        repository, at, digest = text.partition("@")
        if at:
            if ":" in repository:
                raise ReferenceInvalid("%r names both a tag and a digest: give one of them" % text)
            return cls(require_repository(repository), digest=require_digest(digest))
        repository, colon, tag = text.rpartition(":")
        if not colon:
            raise ReferenceInvalid(
                "%r names no tag and no digest: write repository:tag or repository@sha256:..." % text
            )
        return cls(require_repository(repository), tag=require_tag(tag))

    @property
    def name(self) -> str:
        """The tag or the digest: what the manifests endpoint calls a reference."""
        return self.digest or self.tag or ""

    def __str__(self) -> str:
        return "%s@%s" % (self.repository, self.digest) if self.digest else "%s:%s" % (self.repository, self.tag)
