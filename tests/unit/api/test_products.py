# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Products are recognised by what they say of themselves, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.answer import Answer
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.products import PRODUCTS, recognise

DOCUMENTED = (Path(__file__).resolve().parents[3] / "docs" / "registries.md").read_text(encoding="utf-8")


def greeting(status=200, **headers):
    return Answer("GET", "https://r/v2/", status, {name.replace("_", "-"): value for name, value in headers.items()})


def asking(challenge):
    return greeting(401, www_authenticate=challenge)


@pytest.mark.parametrize(
    ("host", "greetings", "expected"),
    [
        ("docker.io", [], "docker_hub"),
        ("registry-1.docker.io", [], "docker_hub"),
        ("GHCR.io", [], "github"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", [], "ecr"),
        ("shop.azurecr.io", [], "acr"),
        ("eu.gcr.io", [], "google"),
        ("europe-west1-docker.pkg.dev", [], "google"),
        ("quay.io", [], "quay"),
        ("r.lan", [greeting(gitlab_container_registry_version="4.1.0")], "gitlab"),
        ("r.lan", [greeting(x_jfrog_version="Artifactory/7.98.9 79809900")], "artifactory"),
        ("r.lan", [greeting(server="Nexus/3.70.1-02 (OSS)")], "nexus"),
        ("r.lan", [asking('Bearer realm="https://r.lan/service/token",service="harbor-registry"')], "harbor"),
        ("r.lan", [asking('Bearer realm="https://r.lan/v2/auth",service="r.lan"')], "quay"),
        ("r.lan", [asking('Bearer realm="https://r.lan/v2/token",service="container_registry",scope="*"')], "gitea"),
        ("r.lan", [asking('Bearer realm="https://git.lan/jwt/auth",service="container_registry"')], "gitlab"),
        ("r.lan", [asking('Basic realm="Sonatype Nexus Repository Manager"')], "nexus"),
        # Nothing of these says which product it is.
        ("r.lan", [], ""),
        ("r.lan", [greeting(server="nginx/1.22.1", docker_distribution_api_version="registry/2.0")], ""),
        ("r.lan", [asking('Bearer realm="https://auth.lan/auth",service="registry"')], ""),
        ("r.lan", [asking('Bearer realm="https://auth.lan/v2/auth",service="registry"')], ""),
        ("r.lan", [asking('Basic realm="Registry"')], ""),
        ("r.lan", [asking("Bearer realm=\"https://[\",service='container_registry'")], ""),
        ("r.lan", [greeting(server="Not Nexus/3")], ""),
        ("ghcr.io.example.com", [], ""),
        ("myghcr.io", [], ""),
        ("fakedocker.io", [], ""),
        # Two signs that contradict each other.
        ("quay.io", [greeting(server="Nexus/3.70.1-02 (OSS)")], ""),
    ],
)
def test_recognised_or_unknown(host, greetings, expected):
    found = recognise(host, greetings)
    assert (found.key if found else "") == expected


def test_every_product_has_a_page_of_its_own():
    assert all(product.page.startswith("https://") for product in PRODUCTS.values())
    assert len({product.page for product in PRODUCTS.values()}) == len(PRODUCTS)
    for product in PRODUCTS.values():
        assert product.page in product.pointer
        assert product.page in DOCUMENTED
        assert product.name in product.pointer
