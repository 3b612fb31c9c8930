# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry protocol (OCI distribution specification) as methods that return data or raise a typed error."""

from __future__ import annotations

import threading
import typing as t
import uuid
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.address import (
    Address,
    AddressInvalid,
    is_loopback,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer, failure_of
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.authentication import Authentication
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.credentials import CredentialSource
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    DeleteDisabled,
    Forbidden,
    InsufficientScope,
    LoginRenewed,
    NotARegistry,
    NotFound,
    ReadOnly,
    RegistryError,
    ResponseInvalid,
    Truncated,
    Unsupported,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.hidden_tags import (
    BEYOND_ALL,
    TooManyTags,
    behind,
    hides_none,
    with_hidden,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.paging import Pages
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.products import Product, recognise
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.redirects import Redirects
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.scope import (
    CATALOG,
    DELETE,
    NOTHING,
    PULL,
    PUSH,
    Scope,
    repository_scope,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.transport import Transport
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.manifest import MAX_MANIFEST_BYTES
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import (
    ACCEPT,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import (
    digest_of,
    has_digest,
    is_digest,
    is_repository,
    is_tag,
    require_digest,
    require_repository,
    require_tag,
)
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.untrusted import printable

FAMILY_2 = "2.x"
FAMILY_3 = "3.x"
OTHER = "other"

ENABLED = "enabled"
DISABLED = "disabled"
READ_ONLY = "read_only"
PROXY = "proxy"
UNSUPPORTED = "unsupported"
UNKNOWN = "unknown"

NATIVE = "native"
TOMBSTONE = "tombstone"
NONE = "none"

ALLOWED = "allowed"
DENIED = "denied"

PROBE_REPOSITORY = "fleetops-probe/none"
# No content can be expected to have this digest, so deleting it deletes nothing.
PROBE_DIGEST = "sha256:" + "0" * 64

# Nor this one, which no manifest has either: what a registry says of a push with it is about the push, not about the thing.
_ABSENT_CHILD = b"sha256:" + b"0" * 63 + b"1"
_REFUSED_FOR_ITSELF = frozenset(
    (
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "BLOB_UNKNOWN",
        "MANIFEST_UNVERIFIED",
        "DIGEST_INVALID",
    )
)

_MOST_LIST_BYTES = 64 * 1024 * 1024
_MOST_SHORT_BYTES = 1024 * 1024
# Distribution refuses more than catalog.maxentries, which is 1000 unless configured.
_CATALOG_PAGE = 1000


@dataclass(frozen=True)
class Ping:
    """FAMILY is a hint only (FAMILY_2, FAMILY_3, OTHER), never to be relied on before a deletion. API_VERSION as the server says."""

    family: str
    api_version: str


@dataclass(frozen=True)
class ManifestHead:
    """What HEAD says of a manifest. SIZE in bytes, None where the server does not say."""

    digest: str
    media_type: str
    size: t.Optional[int]


@dataclass(frozen=True)
class ManifestContent:
    """A manifest whose BODY hashes to DIGEST."""

    digest: str
    media_type: str
    body: bytes


@dataclass(frozen=True)
class DeleteAnswer:
    """A deletion that the registry accepted; ERRORS as (code, message) where it could not do all of it (3.x can say both)."""

    status: int
    errors: t.Tuple[t.Tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Abilities:
    """What may be done here. DELETE: ENABLED, DISABLED, READ_ONLY, PROXY, UNSUPPORTED, UNKNOWN. UNTAG: NATIVE, TOMBSTONE, NONE,
    UNKNOWN. PUSH: ALLOWED, DENIED, READ_ONLY, PROXY, UNKNOWN. PRODUCT: what it was recognised as, None for CNCF Distribution and
    for whatever is unknown.
    """

    delete: str
    untag: str
    push: str
    product: t.Optional[Product] = None


class RegistryClient:
    """One registry. Thread-safe; a context manager that closes its connections.

    Every method raises a RegistryError of the fitting kind: ConnectionFailed, AuthenticationFailed, Forbidden, NotFound,
    RateLimited, ServerFailed, ResponseInvalid, NotARegistry, DeadlineExceeded; names that the protocol forbids raise
    ReferenceInvalid before anything is sent.
    """

    def __init__(self, connection: Connection, environment: t.Optional[t.Mapping[str, str]] = None) -> None:
        self.connection = connection
        try:
            self.address = Address.parse(connection.url)
        except AddressInvalid as error:
            raise RegistryError("%s." % error) from error
        source = CredentialSource(connection, self.address, environment)
        self._transport = Transport(connection, environment)
        self._authentication = Authentication(source, self._transport, self.address)
        self._redirects = Redirects(self.address.origin, self._transport)
        self.warnings: t.List[str] = []
        self._greetings: t.List[Answer] = []
        self._lists_all: t.Optional[bool] = None
        self._asking = threading.Lock()
        # Logins that were renewed after a 401 and have not been accepted yet for this scope.
        self._renewed: t.Set[t.Tuple[Scope, str]] = set()
        host = self.address.origin.host
        if self.address.origin.scheme == "http" and not is_loopback(host) and source.given:
            self.warnings.append("Credentials for %s travel without TLS, and anybody in between can read them." % host)
        if not connection.validate_certs:
            self.warnings.append(
                "No certificate is checked (validate_certs is false), neither that of %s nor that of a token server or object store"
                " that it names: anybody in between can read the credentials and change every answer. Set ca_path instead."
                % host
            )

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(self, *_details: t.Any) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    @property
    def requests_sent(self) -> int:
        """How many requests were sent, repetitions and the token server's included."""
        return self._transport.requests_sent

    @property
    def auth_scheme(self) -> str:
        """'none' (nothing was asked for so far), 'basic', 'bearer' or 'token'."""
        return self._authentication.scheme

    def product(self) -> t.Optional[Product]:
        """Which product this is, by its public signs; None for CNCF Distribution and wherever there is doubt.

        Asks with GET /v2/ if that was not asked before. Raises ConnectionFailed and its like; a refusal says enough.
        """
        if not self._greetings:
            try:
                self._request("GET", "/v2/", NOTHING, "Looking for a registry", limit=_MOST_SHORT_BYTES)
            except (AuthenticationFailed, Forbidden):
                pass
        return recognise(self.address.origin.host, self._greetings)

    # Reading

    def ping(self) -> Ping:
        """Prove that a registry answers here (GET /v2/). Raises NotARegistry saying what to do where something else does."""
        what = "Looking for a registry"
        answer = self._request("GET", "/v2/", NOTHING, what, limit=_MOST_SHORT_BYTES)
        if answer.status == 404:
            raise self._no_registry(answer)
        if answer.status != 200:
            raise failure_of(answer, what)
        version = answer.header("docker-distribution-api-version") or ""
        if answer.body.strip():
            answer.json(what)
        elif answer.media_type == "text/html":
            raise NotARegistry("%s answers with a web page. Check url." % answer.url, *answer.where)
        # Observed: Distribution answers with an empty object, 2.x declares its charset and 3.x does not.
        family = OTHER
        if version.strip() == "registry/2.0" and answer.body.strip() == b"{}":
            kind = (answer.header("content-type") or "").replace(" ", "").lower()
            family = {"application/json;charset=utf-8": FAMILY_2, "application/json": FAMILY_3}.get(kind, OTHER)
        return Ping(family, printable(version, 100))

    def catalog(self) -> t.Iterator[str]:
        """The names of all repositories that this user may see, in the registry's order, each once."""
        what = "Listing the repositories"
        pages = Pages(self.address, what)
        query: t.Optional[str] = "n=%d" % _CATALOG_PAGE
        while query is not None:
            try:
                answer = self._request("GET", "/v2/_catalog?" + query, CATALOG, what, limit=_MOST_LIST_BYTES)
            except InsufficientScope as error:
                raise _without_catalog(error) from error
            if answer.status == 400 and answer.code == "PAGINATION_NUMBER_INVALID" and query == "n=%d" % _CATALOG_PAGE:
                query = "n=100"  # an administrator has lowered catalog.maxentries; 100 is the server's own page
                continue
            if answer.status != 200:
                raise _catalog_failure(answer, what)
            for name in pages.take(_names(answer, "repositories", what)):
                if not is_repository(name):
                    raise ResponseInvalid(
                        "%s: the registry lists %r, which the protocol does not allow as a name. Name the repositories instead of"
                        " listing them, or look for a stray directory in the store." % (what, name[:300]),
                        *answer.where,
                    )
                yield name
            query = pages.next_query(answer)

    def tags(self, repository: str) -> t.List[str]:
        """All tags of REPOSITORY, sorted. Empty for one that has none; NotFound for one that does not exist.

        Never asks for pages: 3.x on S3 drops tags between them. 3.1.0 and 3.1.1 drop some of the one list without them, too: see
        hidden_tags, and the connection's FIND_HIDDEN_TAGS.
        """
        found = self._listed_tags(repository)
        if not self.connection.find_hidden_tags or self.lists_all(repository, found):
            return found
        try:
            return with_hidden(found, lambda tag, first: self._tags_behind(repository, tag, first))
        except TooManyTags as error:
            raise ResponseInvalid("Listing the tags of %s: there is no end of tags." % repository) from error

    def lists_all(self, repository: str, listed: t.Sequence[str]) -> bool:
        """Whether this registry is none that hides tags, as far as the tags that REPOSITORY has LISTED can tell.

        Those that do start their list where they are told to; 2.x gives all of it, wherever that is. Told by what it does, since a
        proxy may change every header. Asked once, of the first repository that has tags. Raises ConnectionFailed and its like.
        """
        if hides_none(listed):
            return True
        if not listed:
            return bool(self._lists_all)
        with self._asking:
            if self._lists_all is None:
                what = "Looking whether the registry lists all tags of %s" % repository
                try:
                    answer = self._tags_from(repository, BEYOND_ALL, True, what)
                    self._lists_all = answer.status == 200 and set(listed) <= set(_names(answer, "tags", what))
                except (AuthenticationFailed, Forbidden, NotARegistry, ResponseInvalid):
                    self._lists_all = False
        return self._lists_all

    def _tags_behind(self, repository: str, tag: str, first: bool) -> t.List[str]:
        what = "Looking for tags of %s that are not listed" % repository
        answer = self._tags_from(repository, behind(tag), first, what)
        if answer.status != 200:
            raise failure_of(answer, what)
        listed = _names(answer, "tags", what)
        _require_tags(listed, what, answer)
        return listed

    def _tags_from(self, repository: str, last: str, first: bool, what: str) -> Answer:
        """The list of tags behind LAST; FIRST: one of them is enough."""
        query = urlencode(dict({"n": 1} if first else {}, last=last))
        path = "/v2/%s/tags/list?%s" % (require_repository(repository), query)
        return self._request("GET", path, repository_scope(repository, PULL), what, limit=_MOST_LIST_BYTES)

    def _listed_tags(self, repository: str) -> t.List[str]:
        what = "Listing the tags of %s" % repository
        pages = Pages(self.address, what)
        path = "/v2/%s/tags/list" % require_repository(repository)
        found: t.List[str] = []
        query: t.Optional[str] = ""
        while query is not None:
            url = path + ("?" + query if query else "")
            answer = self._request("GET", url, repository_scope(repository, PULL), what, limit=_MOST_LIST_BYTES)
            if answer.status != 200:
                raise failure_of(answer, what)
            listed = _names(answer, "tags", what)
            _require_tags(listed, what, answer)
            found.extend(pages.take(listed))
            query = pages.next_query(answer)
        return sorted(found)

    def head_manifest(self, repository: str, reference: str) -> ManifestHead:
        """Digest, type and size of the manifest that REFERENCE (a tag or digest) names, without reading it."""
        what = "Looking at %s" % _full_name(repository, reference)
        path = _manifest_path(repository, reference)
        answer = self._request(
            "HEAD", path, repository_scope(repository, PULL), what, headers={"Accept": ACCEPT}, limit=_MOST_SHORT_BYTES
        )
        if answer.status == 200:
            digest = answer.header("docker-content-digest")
            if digest is not None:
                self._check_manifest_answer(answer, what, reference, digest)
                length = answer.header("content-length") or ""
                return ManifestHead(digest, answer.media_type, int(length) if length.isdigit() else None)
        elif answer.status not in (404, 405):
            raise failure_of(answer, what)
        # An answer to HEAD has no body: the code that tells absence from a proxy's 404 comes with GET only.
        content = self.get_manifest(repository, reference)
        return ManifestHead(content.digest, content.media_type, len(content.body))

    def get_manifest(self, repository: str, reference: str) -> ManifestContent:
        """The manifest that REFERENCE (a tag or digest) names; its bytes hash to its digest. At most MAX_MANIFEST_BYTES."""
        what = "Reading %s" % _full_name(repository, reference)
        path = _manifest_path(repository, reference)
        answer = self._request(
            "GET", path, repository_scope(repository, PULL), what, headers={"Accept": ACCEPT}, limit=MAX_MANIFEST_BYTES
        )
        if answer.status != 200:
            raise failure_of(answer, what)
        said = answer.header("docker-content-digest")
        expected = reference if is_digest(reference) else said
        digest = digest_of(answer.body) if expected is None else expected
        self._check_manifest_answer(answer, what, reference, said or digest)
        if not has_digest(answer.body, digest):
            raise ResponseInvalid(
                "%s: the registry's content does not have the digest %s. It was changed on its way, or is damaged in the store."
                % (what, digest),
                *answer.where,
            )
        return ManifestContent(digest, answer.media_type, answer.body)

    def get_blob(self, repository: str, digest: str, limit: int) -> bytes:
        """The blob DIGEST, verified; raises ResponseInvalid if it has more than LIMIT bytes. Meant for configs, not layers."""
        what = "Reading the blob %s@%s" % (repository, digest)
        answer = self._blob(repository, digest, what, {}, limit, first_bytes=False)
        if answer.status != 200:
            raise failure_of(answer, what)
        if not has_digest(answer.body, digest):
            raise ResponseInvalid("%s: the registry's content does not have that digest." % what, *answer.where)
        return answer.body

    def blob_range(self, repository: str, digest: str) -> bool:
        """Whether the blob's content is there, by reading its first byte. HEAD is answered from a cache, also after collection."""
        what = "Looking for the blob %s@%s" % (repository, digest)
        try:
            answer = self._blob(repository, digest, what, {"Range": "bytes=0-0"}, 1, first_bytes=True)
        except Truncated as error:
            # From a cache it says 200 for what is gone, and then has nothing to send. Of an error's text this tells nothing.
            if error.status not in (None, 200, 206):
                raise
            return False
        if answer.status in (200, 206):
            return bool(answer.body) or has_digest(b"", digest)
        if answer.status == 416:  # nothing to have a range of
            return has_digest(b"", digest)
        failure = failure_of(answer, what)
        if isinstance(failure, NotFound):
            return False
        raise failure

    # Writing: none of these is repeated when it is not known whether it was carried out

    def prepare_push(self, repository: str) -> None:
        """Have the token at hand that put_manifest needs: asking for it must not come between a look at a tag and its write."""
        self._authentication.authorization(repository_scope(repository, PULL, PUSH))

    def prepare_delete(self, repository: str) -> None:
        """Have the token at hand that delete_manifest needs, see prepare_push."""
        self._authentication.authorization(repository_scope(repository, PULL, self._deleting_action()))

    def delete_manifest(self, repository: str, reference: str) -> DeleteAnswer:
        """Delete by digest, or (3.x only, else Unsupported) by tag.

        Raises NotFound, DeleteDisabled, ReadOnly. After ConnectionFailed and ServerFailed it is not known what was done: look. After
        RateLimited, LoginRenewed, and where a busy registry says so (503), a tag is not tried again: it may name something else by now.
        """
        return self._delete_manifest(repository, reference, again=is_digest(reference))

    def _delete_manifest(self, repository: str, reference: str, again: bool) -> DeleteAnswer:
        what = "Deleting %s" % _full_name(repository, reference)
        scope = repository_scope(repository, PULL, self._deleting_action())
        answer = self._request(
            "DELETE", _manifest_path(repository, reference), scope, what, limit=_MOST_SHORT_BYTES, again=again
        )
        if answer.status in (200, 202, 204):
            return DeleteAnswer(answer.status, answer.errors)
        if answer.status == 400 and not is_digest(reference) and answer.code in ("DIGEST_INVALID", "UNSUPPORTED"):
            raise Unsupported(
                "%s failed: this registry cannot delete a tag, only a manifest by digest." % what,
                *answer.where,
                answer.code,
            )
        raise failure_of(answer, what)

    def put_manifest(self, repository: str, reference: str, body: bytes, media_type: str) -> str:
        """Store BODY under REFERENCE (a tag or its digest) and return its digest. A tag is not tried again, see delete_manifest."""
        what = "Writing %s" % _full_name(repository, reference)
        digest = digest_of(body, reference.split(":", 1)[0]) if is_digest(reference) else digest_of(body)
        if is_digest(reference) and digest != reference:
            raise ResponseInvalid("%s: the content to be written does not have that digest." % what)
        answer = self._request(
            "PUT",
            _manifest_path(repository, reference),
            repository_scope(repository, PULL, PUSH),
            what,
            headers={"Content-Type": media_type},
            body=body,
            limit=_MOST_SHORT_BYTES,
            again=is_digest(reference),
        )
        if answer.status not in (200, 201, 202):
            raise failure_of(answer, what)
        said = answer.header("docker-content-digest")
        if said is not None and said != digest:
            raise ResponseInvalid(
                "%s: the registry stored %s instead of %s." % (what, printable(said, 200), digest), *answer.where
            )
        return digest

    def upload_blob(self, repository: str, content: bytes, digest: str) -> None:
        """Store CONTENT, which hashes to DIGEST, as a blob of REPOSITORY in one piece."""
        what = "Uploading the blob %s@%s" % (repository, require_digest(digest))
        if not has_digest(content, digest):
            raise ResponseInvalid("%s: the content to be written does not have that digest." % what)
        scope = repository_scope(repository, PULL, PUSH)
        path = "/v2/%s/blobs/uploads/" % require_repository(repository)
        begun = self._request("POST", path, scope, what, body=b"", limit=_MOST_SHORT_BYTES)
        if begun.status != 202:
            raise failure_of(begun, what)
        target = self._upload_target(begun, what)
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True) + [("digest", digest)]
        answer = self._request(
            "PUT",
            urlunsplit(parts._replace(query=urlencode(query))),
            scope,
            what,
            headers={"Content-Type": "application/octet-stream"},
            body=content,
            limit=_MOST_SHORT_BYTES,
        )
        if answer.status not in (201, 204):
            raise failure_of(answer, what)

    def mount_blob(self, repository: str, digest: str, from_repository: str) -> bool:
        """Let REPOSITORY have the blob DIGEST that FROM_REPOSITORY has; False where the registry would rather get an upload."""
        what = "Mounting the blob %s from %s in %s" % (require_digest(digest), from_repository, repository)
        query = urlencode([("mount", digest), ("from", require_repository(from_repository))])
        path = "/v2/%s/blobs/uploads/?%s" % (require_repository(repository), query)
        scope = repository_scope(repository, PULL, PUSH, also=str(repository_scope(from_repository, PULL)))
        answer = self._request("POST", path, scope, what, body=b"", limit=_MOST_SHORT_BYTES)
        if answer.status == 201:
            return True
        if answer.status != 202:
            raise failure_of(answer, what)
        try:  # the registry has begun an upload instead: end it, so that it leaves no file behind
            target = self._upload_target(answer, what)
            self._request("DELETE", target, scope, what, limit=_MOST_SHORT_BYTES)
        except RegistryError:
            pass  # it is purged by the registry itself after a week
        return False

    # Probing: nothing is changed by any of these

    def probe(self, repository: str = PROBE_REPOSITORY) -> Abilities:
        """What may be done, by requests that cannot change anything: a digest and a tag that nobody has are deleted, and an index
        is pushed under a digest that it does not have, with a child that does not exist. A product that is known not to delete
        is asked nothing. Raises ConnectionFailed and its like; a refusal is an answer."""
        product = self.product()
        if product is not None and not product.deletes:
            return Abilities(UNSUPPORTED, NONE, UNKNOWN, product)
        try:
            self.delete_manifest(repository, PROBE_DIGEST)
            delete = UNKNOWN  # it cannot have been there
        except NotFound:
            delete = ENABLED
        except DeleteDisabled:
            delete = DISABLED if product is None else UNSUPPORTED
        except ReadOnly:
            delete = READ_ONLY
        except (ConnectionFailed, NotARegistry):
            raise
        except RegistryError as error:
            delete = DENIED if isinstance(error, (AuthenticationFailed, Forbidden)) else UNKNOWN
            if error.status == 400 and error.code == "NAME_UNKNOWN":
                delete = ENABLED  # so zot says that there is no such repository, after it has checked the rights
        push = self._probe_push(repository, told_from_proxy=delete == DISABLED)
        if push == PROXY and delete == DISABLED:
            delete = PROXY
        untag = UNKNOWN
        if delete in (DISABLED, READ_ONLY, PROXY, UNSUPPORTED):
            untag = NONE
        elif delete == ENABLED:
            untag = self._probe_untag(repository)
            if untag == TOMBSTONE and product is not None:
                untag = NONE  # what a tombstone does there is not known
            elif untag == TOMBSTONE and push != ALLOWED:
                untag = NONE if push in (DENIED, READ_ONLY, PROXY) else UNKNOWN
        return Abilities(UNKNOWN if delete == DENIED else delete, untag, push, product)

    def _probe_untag(self, repository: str) -> str:
        try:
            self._delete_manifest(repository, "probe-%s" % uuid.uuid4().hex, again=True)
        except NotFound:
            return NATIVE
        except Unsupported:
            return TOMBSTONE
        except (ConnectionFailed, NotARegistry):
            raise
        except RegistryError as error:
            return NATIVE if error.status == 400 and error.code == "NAME_UNKNOWN" else UNKNOWN
        return UNKNOWN

    def _probe_push(self, repository: str, told_from_proxy: bool) -> str:
        """Whether this user may push, by an index that no registry can take: it has a child that does not exist, and it is pushed
        under a digest that is not its own. (Some take an image whose config does not exist, as crane's registry does.)

        TOLD_FROM_PROXY: where that is CNCF Distribution with deletes disabled, a second one is pushed whose only fault is its
        missing config, since a pull-through cache looks at the digest before it says that it takes nothing.
        """
        child = b'{"mediaType":"%s","digest":"%s","size":1}' % (OCI_MANIFEST.encode("ascii"), _ABSENT_CHILD)
        body = b'{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' % (OCI_INDEX.encode("ascii"), child)
        push, codes = self._try_push(repository, PROBE_DIGEST, body, OCI_INDEX)
        if told_from_proxy and "DIGEST_INVALID" in codes:
            body = (
                b'{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s",'
                b'"size":1},"layers":[]}' % (OCI_MANIFEST.encode("ascii"), PROBE_DIGEST.encode("ascii"))
            )
            push, codes = self._try_push(repository, "probe-%s" % uuid.uuid4().hex, body, OCI_MANIFEST)
        return push

    def _try_push(
        self, repository: str, reference: str, body: bytes, media_type: str
    ) -> t.Tuple[str, t.AbstractSet[str]]:
        """What an impossible push tells of the right to push, and the registry's codes for it."""
        what = "Probing whether %s can be pushed to" % repository
        try:
            answer = self._request(
                "PUT",
                _manifest_path(repository, reference),
                repository_scope(repository, PULL, PUSH),
                what,
                headers={"Content-Type": media_type},
                body=body,
                limit=_MOST_SHORT_BYTES,
            )
        except (AuthenticationFailed, Forbidden):
            return DENIED, frozenset()
        codes = frozenset(code for code, _message in answer.errors)
        if codes & _REFUSED_FOR_ITSELF:
            return ALLOWED, codes
        failure = failure_of(answer, what)
        if isinstance(failure, ReadOnly):
            return READ_ONLY, codes
        if answer.status == 405 and "UNSUPPORTED" in codes:
            return PROXY, codes
        return DENIED if isinstance(failure, Forbidden) else UNKNOWN, codes

    def _deleting_action(self) -> str:
        """The action that deleting needs, as the token server names it."""
        if self._authentication.undecided:
            self._learn()
        product = recognise(self.address.origin.host, self._greetings)
        return PUSH if product is not None and product.push_to_delete else DELETE

    # How

    def _request(
        self,
        method: str,
        path: str,
        scope: Scope,
        what: str,
        *,
        limit: int,
        headers: t.Optional[t.Mapping[str, str]] = None,
        body: t.Optional[bytes] = None,
        first_bytes: bool = False,
        redirected: bool = False,
        again: bool = True,
    ) -> Answer:
        """Send a request to this registry, logging in as it asks for; raises only for what has no answer and for 401 and 403."""
        url = self.address.base + path
        if self._authentication.undecided and scope is not NOTHING:
            self._learn()
        used = self._authentication.authorization(scope)
        # Without a header the first challenge tells how to log in; after that, a 401 is worth one more try.
        tries = 1 if used else 2
        while True:
            sent = dict(headers or {})
            if used:
                sent["Authorization"] = used
            answer = self._transport.exchange(
                method, url, sent, limit=limit, body=body, first_bytes=first_bytes, again=again
            )
            if path == "/v2/":
                self._greetings.append(answer)
            if answer.status == 401 and tries:
                tries -= 1
                better = self._authentication.renewed(answer, scope, used)
                if better and better != used:
                    if not again:
                        if (scope, used) in self._renewed:
                            break
                        self._renewed.add((scope, better))
                        raise LoginRenewed(
                            "%s was refused for want of a valid login; there is a new one now. Run again." % what,
                            *answer.where,
                        )
                    used = better
                    continue
            break
        if answer.status != 401:
            self._renewed.discard((scope, used))
        else:
            raise self._authentication.refusal(answer, scope, what)
        if redirected and method in ("GET", "HEAD") and answer.status in (301, 302, 303, 307, 308):
            return self._redirects.follow(answer, sent, limit, first_bytes, what)
        return answer

    def _learn(self) -> None:
        """Ask without credentials how to log in, once: a list that is shown to anybody may be shorter than the user's own."""
        answer = self._transport.exchange("GET", self.address.base + "/v2/", {}, limit=_MOST_SHORT_BYTES)
        self._greetings.append(answer)
        if answer.status == 401:
            self._authentication.renewed(answer, NOTHING, "")
        self._authentication.settle()

    def _blob(
        self, repository: str, digest: str, what: str, headers: t.Mapping[str, str], limit: int, first_bytes: bool
    ) -> Answer:
        path = "/v2/%s/blobs/%s" % (require_repository(repository), require_digest(digest))
        scope = repository_scope(repository, PULL)
        return self._request(
            "GET", path, scope, what, headers=headers, limit=limit, first_bytes=first_bytes, redirected=True
        )

    def _upload_target(self, answer: Answer, what: str) -> str:
        """The path and query that an upload goes on at; never another host, and never outside of the API."""
        location = answer.header("location") or ""
        try:
            parts = urlsplit(urljoin(answer.url, location))
        except ValueError:
            parts = urlsplit("")
        at = parts.path.find("/v2/")
        if not location or (parts.hostname or "").lower() != self.address.origin.host or at < 0:
            raise ResponseInvalid(
                "%s: the registry sends the upload to another place, which is not followed." % what, *answer.where
            )
        return parts.path[at:] + ("?" + parts.query if parts.query else "")

    def _no_registry(self, answer: Answer) -> NotARegistry:
        """Why GET /v2/ may be a 404: an old registry that speaks version 1 only, or something else altogether."""
        old = False
        try:
            old = (
                self._transport.exchange("GET", self.address.base + "/v1/_ping", {}, limit=_MOST_SHORT_BYTES).status
                == 200
            )
        except RegistryError:
            pass
        if old:
            return NotARegistry(
                "%s speaks version 1 of the registry protocol only. Upgrade it to a registry with the v2 API (registry:2 or newer)."
                % self.address.base,
                *answer.where,
            )
        return NotARegistry(
            "There is no registry at %s: it answers 404 for /v2/. Check url, above all port and path prefix."
            % self.address.base,
            *answer.where,
        )

    @staticmethod
    def _check_manifest_answer(answer: Answer, what: str, reference: str, digest: str) -> None:
        """Digest and type must be ones that we asked for, or a child or a conversion would pass for the manifest."""
        if not is_digest(digest):
            raise ResponseInvalid("%s: the registry gives %r as the digest." % (what, digest[:200]), *answer.where)
        if is_digest(reference) and digest != reference and digest.split(":", 1)[0] == reference.split(":", 1)[0]:
            raise ResponseInvalid(
                "%s: the registry answers with the manifest %s instead." % (what, digest), *answer.where
            )
        if answer.media_type not in MANIFEST_TYPES:
            if answer.media_type == "text/html":
                raise NotARegistry(
                    "%s: %s answers with a web page instead of a manifest. Check url, and any proxy."
                    % (what, answer.url),
                    *answer.where,
                )
            raise ResponseInvalid(
                "%s: it is of media type %r, which this collection does not understand%s."
                % (
                    what,
                    answer.media_type[:100],
                    " (schema 1, long obsolete: push the image again)" if "manifest.v1" in answer.media_type else "",
                ),
                *answer.where,
            )


def _manifest_path(repository: str, reference: str) -> str:
    name = require_digest(reference) if ":" in reference else require_tag(reference)
    return "/v2/%s/manifests/%s" % (require_repository(repository), name)


def _full_name(repository: str, reference: str) -> str:
    return "%s%s%s" % (repository, "@" if ":" in reference else ":", reference)


def _names(answer: Answer, key: str, what: str) -> t.List[str]:
    """The list KEY of a JSON object; null counts as empty (Distribution gives it for a repository without tags)."""
    document = answer.json(what)
    listed = document.get(key) if isinstance(document, dict) else document
    if isinstance(document, dict) and key in document and listed is None:
        return []
    if (
        not isinstance(listed, list)
        or not isinstance(document, dict)
        or not all(isinstance(one, str) for one in listed)
    ):
        raise ResponseInvalid("%s: the answer of %s has no list %r." % (what, answer.url, key), *answer.where)
    return listed


def _require_tags(listed: t.Sequence[str], what: str, answer: Answer) -> None:
    for tag in listed:
        if not is_tag(tag):
            raise ResponseInvalid(
                "%s: the registry lists %r, which the protocol does not allow as a tag. Look for a stray file in the store."
                % (what, tag[:300]),
                *answer.where,
            )


def _catalog_failure(answer: Answer, what: str) -> RegistryError:
    failure = failure_of(answer, what)
    return _without_catalog(failure) if isinstance(failure, (Forbidden, Unsupported, NotARegistry)) else failure


def _without_catalog(failure: RegistryError) -> RegistryError:
    """FAILURE with the way around it."""
    return type(failure)(
        failure.message
        + " Not every registry lets everybody list all repositories: name them in the option repositories.",
        failure.method,
        failure.url,
        failure.status,
        failure.code,
    )
