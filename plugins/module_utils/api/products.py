# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which product a registry is, by what it says of itself in public: its host name, its headers, how it asks for a login.

Only signs that the product documents, or that its source sets for every installation, count. Anything else is unknown.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.challenge import (
    Challenge,
    parse_challenges,
)


@dataclass(frozen=True)
class Product:
    """A product that is not CNCF Distribution.

    KEY is the word for results, NAME the one for people. RETENTION and PAGE are its own way to remove old images, and where that is
    documented. DELETES: whether its registry API may delete at all. PUSH_TO_DELETE: its token server knows no action 'delete', and
    deleting needs the right to push.
    """

    key: str
    name: str
    retention: str
    page: str
    deletes: bool = True
    push_to_delete: bool = False

    @property
    def pointer(self) -> str:
        """What to use instead of this collection, as a sentence."""
        return "Use %s of %s: %s" % (self.retention, self.name, self.page)


_ALL = (
    Product(
        "docker_hub",
        "Docker Hub",
        "the Image Management and the deletion API",
        "https://docs.docker.com/docker-hub/repos/manage/hub-images/manage/",
        deletes=False,
    ),
    Product(
        "github",
        "the GitHub Container Registry",
        "the Packages API or the action actions/delete-package-versions",
        "https://docs.github.com/en/packages/learn-github-packages/deleting-and-restoring-a-package",
        deletes=False,
    ),
    Product(
        "ecr",
        "Amazon ECR",
        "the lifecycle policies",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html",
        deletes=False,
    ),
    Product(
        "google",
        "Google Artifact Registry",
        "the cleanup policies",
        "https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy",
        deletes=False,
    ),
    Product(
        "acr",
        "Azure Container Registry",
        "acr purge and the retention policy",
        "https://learn.microsoft.com/en-us/azure/container-registry/container-registry-auto-purge",
    ),
    Product(
        "gitlab",
        "the GitLab container registry",
        "the cleanup policy",
        "https://docs.gitlab.com/user/packages/container_registry/reduce_container_registry_storage/",
    ),
    Product(
        "harbor",
        "Harbor",
        "the tag retention rules",
        "https://goharbor.io/docs/latest/working-with-projects/working-with-images/create-tag-retention-rules/",
    ),
    Product(
        "quay",
        "Quay",
        "auto-pruning and tag expiration",
        "https://docs.redhat.com/en/documentation/red_hat_quay/3/html/manage_red_hat_quay/red-hat-quay-namespace-auto-pruning-overview",
        push_to_delete=True,
    ),
    Product(
        "gitea",
        "Gitea and Forgejo",
        "the package cleanup rules",
        "https://docs.gitea.com/usage/packages/storage",
    ),
    Product(
        "nexus",
        "Sonatype Nexus Repository",
        "the cleanup policies",
        "https://help.sonatype.com/en/cleanup-policies.html",
    ),
    Product(
        "artifactory",
        "JFrog Artifactory",
        "the cleanup policies",
        "https://jfrog.com/help/r/jfrog-platform-administration-documentation/cleanup-policies",
    ),
)
PRODUCTS: t.Mapping[str, Product] = {product.key: product for product in _ALL}

_HOSTS = (
    (re.compile(r"(?:registry-1\.|index\.|registry\.)?docker\.io\Z|registry\.hub\.docker\.com\Z"), "docker_hub"),
    (re.compile(r"ghcr\.io\Z"), "github"),
    (re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?\Z|public\.ecr\.aws\Z"), "ecr"),
    (re.compile(r"(?:[a-z0-9-]+\.)?gcr\.io\Z|[a-z0-9-]+-docker\.pkg\.dev\Z"), "google"),
    (re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)?\.azurecr\.(?:io|cn|us)\Z"), "acr"),
    (re.compile(r"quay\.io\Z"), "quay"),
    (re.compile(r"registry\.gitlab\.com\Z"), "gitlab"),
)


def recognise(host: str, greetings: t.Sequence[Answer]) -> t.Optional[Product]:
    """The product at HOST that gave GREETINGS (its answers to GET /v2/), None where nothing says so without doubt.

    Signs that contradict each other are doubt.
    """
    found = {key for pattern, key in _HOSTS if pattern.match(host.lower())}
    for answer in greetings:
        found.update(_by_headers(answer))
        for challenge in parse_challenges(answer.header("www-authenticate")):
            found.add(_by_challenge(challenge))
    found.discard("")
    return PRODUCTS[found.pop()] if len(found) == 1 else None


def _by_headers(answer: Answer) -> t.Iterator[str]:
    # docs/spec/gitlab of its container registry; jfrog.com and every client that tells it apart; Nexus's own Server header.
    if answer.header("gitlab-container-registry-version"):
        yield "gitlab"
    if (answer.header("x-jfrog-version") or "").startswith("Artifactory/"):
        yield "artifactory"
    if (answer.header("server") or "").startswith("Nexus/"):
        yield "nexus"


def _by_challenge(challenge: Challenge) -> str:
    realm = challenge.parameters.get("realm", "")
    service = challenge.parameters.get("service", "")
    if challenge.scheme == "basic":
        if realm == "Sonatype Nexus Repository Manager":
            return "nexus"
        return "gitea" if realm in ("Gitea Container Registry", "Forgejo Container Registry") else ""
    if challenge.scheme != "bearer":
        return ""
    try:
        parts = urlsplit(realm)
        path, place = parts.path, parts.netloc
    except ValueError:
        return ""
    if service == "harbor-registry" and path.endswith("/service/token"):
        return "harbor"
    if service == "container_registry":
        # GitLab and Gitea have the same name for it; the token server's place tells them apart.
        return "gitlab" if path.endswith("/jwt/auth") else "gitea" if path.endswith("/v2/token") else ""
    if path.endswith("/v2/auth") and service and service == place:
        return "quay"  # generate_registry_jwt of quay/endpoints/v2/v2auth.py
    if service == "registry.docker.io" and place == "auth.docker.io":
        return "docker_hub"
    return ""
