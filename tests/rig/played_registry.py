# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NOT A REAL REGISTRY: plays how other products are documented, or were reported, to deviate from CNCF Distribution.

For products that cannot be had as a package. What is played here is what docs/registries.md calls "played": it shows that this
collection copes with such answers, not that the product gives them. Sources are named at each part.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .content import OCI, day, digest_of

USER, PASSWORD = "robot", "played-password"
ACCEPTED, ABSENT, BAD, FORBIDDEN, REFUSED = 202, 404, 400, 403, 405


@dataclass(frozen=True)
class Product:
    """How one product answers.

    HEADERS of every answer. CHALLENGE: WWW-Authenticate of a 401, with {url} and {host}; empty: nobody is asked. ACTIONS: what its
    token server knows, and DELETING which of them a DELETE needs. CATALOG: 'list', 'basic' (a token is refused), 'forbidden' or
    'absent'. PAGE: tags in one answer, with a Link to the next. TAG, DIGEST: status of a DELETE, with the code. TAGGED_ONLY: a digest
    without tags is not found. KEEPS_TAGS: a digest's DELETE leaves its tags. TAGS_FIRST: a digest cannot go before its tags.
    CHILDREN_STAY: a child of an index is refused. UNKNOWN_NAME: status for a DELETE in a repository that does not exist.
    """

    headers: dict[str, str] = field(default_factory=lambda: {"Docker-Distribution-Api-Version": "registry/2.0"})
    challenge: str = ""
    actions: tuple[str, ...] = ("pull", "push", "delete", "*")
    deleting: str = "delete"
    catalog: str = "list"
    page: int = 0
    tag: tuple[int, str] = (ACCEPTED, "")
    digest: tuple[int, str] = (ACCEPTED, "")
    tagged_only: bool = False
    keeps_tags: bool = False
    tags_first: bool = False
    children_stay: bool = False
    unknown_name: tuple[int, str] = (ABSENT, "NAME_UNKNOWN")
    host: str = ""


VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
UNSUPPORTED = (REFUSED, "UNSUPPORTED")

PRODUCTS = {
    # goharbor/harbor c50c7ddd: src/server/middleware/v2auth/auth.go, src/server/registry/manifest.go; issues 12192 and 22118
    "harbor": Product(
        challenge='Bearer realm="{url}/service/token",service="harbor-registry"',
        catalog="basic",
        page=2,
        tag=(BAD, "UNSUPPORTED"),
    ),
    # quay/quay ffba0c70: endpoints/v2/v2auth.py (SCOPE_REGEX_TEMPLATE), endpoints/v2/manifest.py
    "quay": Product(
        challenge='Bearer realm="{url}/v2/auth",service="{host}"',
        actions=("pull", "push", "*"),
        deleting="push",
        page=2,
        tagged_only=True,
    ),
    # gitlab-org/container-registry: docs/ (custom headers on GET /v2/), tag delete since 2023-08 (a72ecc08)
    "gitlab": Product(
        headers={**VERSION, "Gitlab-Container-Registry-Version": "4.30.0"},
        challenge='Bearer realm="{url}/jwt/auth",service="container_registry"',
        catalog="forbidden",
        page=2,
    ),
    # go-gitea/gitea: routers/api/packages/container/container.go; issue 37326 shows both challenges
    "gitea": Product(
        challenge='Bearer realm="{url}/v2/token",service="container_registry",scope="*", Basic realm="Gitea Container Registry"',
    ),
    # skopeo issue 1880, fluxcd/pkg issue 328
    "github": Product(headers={}, host="ghcr.io", catalog="absent", page=2, tag=UNSUPPORTED, digest=UNSUPPORTED),
    # docker/hub-feedback issues 2360 and 1759
    "docker_hub": Product(host="registry-1.docker.io", catalog="absent", page=2, tag=UNSUPPORTED, digest=UNSUPPORTED),
    # fluxcd/pkg issue 328
    "ecr": Product(
        host="123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        page=2,
        tag=(ABSENT, "UNSUPPORTED"),
        digest=(ABSENT, "UNSUPPORTED"),
    ),
    "acr": Product(host="shop.azurecr.io", page=2, tag=UNSUPPORTED),
    # GOOGLE_MANIFEST_DANGLING_TAG, as reported to several clients
    "google": Product(host="europe-docker.pkg.dev", headers={}, page=2, tags_first=True),
    # sonatype/nexus-public issue 925
    "nexus": Product(headers={**VERSION, "Server": "Nexus/3.89.0-09 (COMMUNITY)"}, keeps_tags=True),
    # project-zot/zot 6d19b445: pkg/api/routes.go
    "zot": Product(children_stay=True, unknown_name=(BAD, "NAME_UNKNOWN"), page=2),
}


class PlayedRegistry:
    """Plays PRODUCT on loopback until the context ends. REPOSITORIES: name -> its manifests and tags. SEEN: (method, path).

    Products that are known by their host are reached as that host, with this server as the HTTP proxy (environment).
    """

    def __init__(self, product: Product) -> None:
        self.product = product
        self.repositories: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.seen: list[tuple[str, str]] = []
        self.scopes: list[str] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                with outer._lock:
                    outer.seen.append((self.command, parts.path))
                    status, headers, answer = outer._answer(self, parts.path, parse_qs(parts.query), body)
                self.send_response_only(status)
                for name, value in {**outer.product.headers, **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> PlayedRegistry:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def place(self) -> str:
        """Where it listens."""
        return "http://127.0.0.1:%d" % self._server.server_address[1]

    @property
    def url(self) -> str:
        """What a client is told."""
        return "http://" + self.product.host if self.product.host else self.place

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment to get here by url."""
        return {"HTTP_PROXY": self.place, "http_proxy": self.place} if self.product.host else {}

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Requests that could change something, impossible probes excepted."""
        probe = re.compile(r"/manifests/(probe-[0-9a-f]+|sha256:0{64})\Z")
        return [(method, path) for method, path in self.seen if method in ("PUT", "DELETE") and not probe.search(path)]

    def tags(self, repository: str) -> set[str]:
        """The tags that it has."""
        return set(self.repositories[repository]["tags"])

    def image(self, repository: str, *tags: str, created: float = 0) -> str:
        """Put an image there, and return its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "created": day(created), "config": {}}).encode()
        self.blobs[digest_of(config)] = config
        document = {
            "schemaVersion": 2,
            "mediaType": OCI["manifest"],
            "config": {"mediaType": OCI["config"], "digest": digest_of(config), "size": len(config)},
            "layers": [],
        }
        return self._put(repository, document, tags)

    def index(self, repository: str, *tags: str, children: tuple[str, ...]) -> str:
        """Put an index of CHILDREN there, and return its digest."""
        manifests = self.repositories[repository]["manifests"]
        entries = [
            {"mediaType": OCI["manifest"], "digest": child, "size": len(manifests[child][1])} for child in children
        ]
        return self._put(repository, {"schemaVersion": 2, "mediaType": OCI["index"], "manifests": entries}, tags)

    def _put(self, repository: str, document: dict[str, Any], tags: tuple[str, ...]) -> str:
        body = json.dumps(document).encode()
        held = self.repositories.setdefault(repository, {"manifests": {}, "tags": {}, "kept": {}})
        held["manifests"][digest_of(body)] = (document["mediaType"], body)
        held["tags"].update(dict.fromkeys(tags, digest_of(body)))
        return digest_of(body)

    # Answers: (status, headers, body)

    def _answer(
        self, request: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        realm = re.search(r'realm="\{url\}([^"]*)"', self.product.challenge)
        if realm and path == realm[1]:
            return self._token(request, query)
        if self.product.challenge:
            refusal = self._refusal(request, path)
            if refusal is not None:
                return refusal
        if path == "/v2/":
            return 200, {"Content-Type": "application/json"}, b"{}"
        if path == "/v2/_catalog":
            if self.product.catalog == "absent":
                return ABSENT, {"Content-Type": "text/plain"}, b"404 page not found\n"
            if self.product.catalog == "forbidden":
                return _error(FORBIDDEN, "DENIED")
            return _json({"repositories": sorted(self.repositories)})
        for pattern, answer in self._routes():
            match = re.fullmatch(pattern, path)
            if match:
                return answer(request, match[1], match[2], query, body)
        return ABSENT, {}, b"404 page not found\n"

    def _routes(self) -> list[tuple[str, Callable[..., tuple[int, dict[str, str], bytes]]]]:
        return [
            (r"/v2/(.+)/tags/(list)", self._list),
            (r"/v2/(.+)/manifests/([^/]+)", self._manifest),
            (r"/v2/(.+)/blobs/([^/]+)", self._blob),
        ]

    def _refusal(self, request: BaseHTTPRequestHandler, path: str) -> tuple[int, dict[str, str], bytes] | None:
        given = request.headers.get("Authorization") or ""
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        challenge = self.product.challenge.replace("{url}", self.url).replace("{host}", urlsplit(self.url).netloc)
        if self.product.catalog == "basic" and path == "/v2/_catalog":
            return None if given == basic else _challenge('Basic realm="harbor"')
        if given == basic and "Basic" in challenge:
            return None
        if not given.startswith("Bearer "):
            return _challenge(challenge)
        name = re.match(r"/v2/(.+)/(?:manifests|blobs|tags)/", path)
        if not name:
            return None
        action = {"DELETE": self.product.deleting, "PUT": "push", "POST": "push"}.get(request.command, "pull")
        granted = given.partition(" ")[2].split("|")
        if any(one in ("*", f"{name[1]}:{action}", f"{name[1]}:*") for one in granted):
            return None
        return _challenge(f'{challenge},scope="repository:{name[1]}:{action}",error="insufficient_scope"')

    def _token(self, request: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != basic:
            return _error(401, "UNAUTHORIZED")
        granted = []
        for scope in " ".join(query.get("scope", [])).split():
            self.scopes.append(scope)
            if scope == "*":
                granted.append("*")
                continue
            _kind, name, actions = scope.split(":", 2)
            if not set(actions.split(",")) <= set(self.product.actions):
                return _error(BAD, "INVALID_REQUEST")  # Quay's pattern does not match such a scope
            granted += [f"{name}:{action}" for action in actions.split(",")]
        if "Gitea" in self.product.challenge:
            granted = ["*"]
        return _json({"token": "|".join(granted) or "nothing", "expires_in": 300})

    def _list(
        self, request: BaseHTTPRequestHandler, name: str, _list: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if name not in self.repositories:
            return _error(ABSENT, "NAME_UNKNOWN")
        held = self.repositories[name]
        tags = sorted({*held["tags"], *held["kept"]})
        last = query.get("last", [""])[0]
        rest = [tag for tag in tags if tag > last]
        if not self.product.page or len(rest) <= self.product.page:
            return _json({"name": name, "tags": rest})
        rest = rest[: self.product.page]
        status, headers, answer = _json({"name": name, "tags": rest})
        headers["Link"] = f'</v2/{name}/tags/list?n={self.product.page}&last={rest[-1]}>; rel="next"'
        return status, headers, answer

    def _manifest(
        self, request: BaseHTTPRequestHandler, name: str, reference: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if request.command == "DELETE":
            return self._delete(name, reference)
        if request.command == "PUT":
            if ":" in reference and digest_of(body) != reference:
                return _error(BAD, "DIGEST_INVALID")
            self._put(name, json.loads(body), () if ":" in reference else (reference,))
            return 201, {"Docker-Content-Digest": digest_of(body)}, b""
        held = self.repositories.get(name, {"manifests": {}, "tags": {}, "kept": {}})
        found = held["manifests"].get(held["tags"].get(reference, reference)) or held["kept"].get(reference)
        if found is None or (self.product.tagged_only and not _alive(held, digest_of(found[1]))):
            return _error(ABSENT, "MANIFEST_UNKNOWN")
        return 200, {"Content-Type": found[0], "Docker-Content-Digest": digest_of(found[1])}, found[1]

    def _delete(self, name: str, reference: str) -> tuple[int, dict[str, str], bytes]:
        status, code = self.product.digest if ":" in reference else self.product.tag
        if status != ACCEPTED:
            return _error(status, code)
        if name not in self.repositories:
            return _error(*self.product.unknown_name)
        held = self.repositories[name]
        if ":" not in reference:
            known = held["tags"].pop(reference, None) or held["kept"].pop(reference, None)
            return (ACCEPTED, {}, b"") if known else _error(ABSENT, "MANIFEST_UNKNOWN")
        on = [tag for tag, digest in held["tags"].items() if digest == reference]
        if reference not in held["manifests"] or (self.product.tagged_only and not on):
            return _error(ABSENT, "MANIFEST_UNKNOWN")
        if self.product.tags_first and on:
            return _error(BAD, "GOOGLE_MANIFEST_DANGLING_TAG")
        if self.product.children_stay and any(reference in str(one[1]) for one in held["manifests"].values()):
            return _error(REFUSED, "DENIED")
        gone = held["manifests"].pop(reference)
        for tag in on:
            del held["tags"][tag]
            if self.product.keeps_tags:
                held["kept"][tag] = gone
        return ACCEPTED, {}, b""

    def _blob(
        self, request: BaseHTTPRequestHandler, name: str, digest: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        content = self.blobs.get(digest)
        if content is None or hashlib.sha256(content).hexdigest() != digest.partition(":")[2]:
            return _error(ABSENT, "BLOB_UNKNOWN")
        return 200, {"Content-Type": "application/octet-stream"}, content


def _alive(held: dict[str, Any], digest: str) -> bool:
    """Whether a tag names DIGEST, or an index that has it."""
    tagged = set(held["tags"].values())
    return digest in tagged or any(digest in str(held["manifests"][one][1]) for one in tagged)


def _json(document: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"errors": [{"code": code, "message": "played", "detail": None}]}).encode()
    return status, {"Content-Type": "application/json"}, body


def _challenge(text: str) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = _error(401, "UNAUTHORIZED")
    return status, {**headers, "WWW-Authenticate": text}, body
