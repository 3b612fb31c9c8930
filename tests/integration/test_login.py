# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doors of real registries: users and passwords, tokens, certificates on both sides."""

from __future__ import annotations

import base64
import datetime
import gzip
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.client import RegistryClient
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.connection import Connection
from ansible_collections.fleetops.container_registry.plugins.module_utils.api.errors import InsufficientScope
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.media_types import OCI_MANIFEST
from ansible_collections.fleetops.container_registry.plugins.module_utils.model.reference import digest_of
from ansible_collections.fleetops.container_registry.tests.rig import modules
from ansible_collections.fleetops.container_registry.tests.rig.binaries import (
    debian_program,
    token_server,
    unpacked_debian_program,
)
from ansible_collections.fleetops.container_registry.tests.rig.certificates import make_certificates, openssl
from ansible_collections.fleetops.container_registry.tests.rig.daemon import Daemon
from ansible_collections.fleetops.container_registry.tests.rig.registry import free_port
from ansible_collections.fleetops.container_registry.tests.rig.require import obtain
from ansible_collections.fleetops.container_registry.tests.unit.api.faulty_server import Reply, as_json, serving
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

USER, PASSWORD = "robot", "correct horse: battery"
# What every token server here issues begins like this: the base64 of {" twice.
ISSUED_TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an authority, and what it has signed for a server on loopback and for a client."""
    return obtain(lambda: make_certificates(tmp_path_factory.mktemp("certificates")))


def ask(registry, module="registry_catalog_info", env=None, **options):
    result = modules.run_module(module, {"url": registry.url, "retries": 0, **options}, env=env)
    assert PASSWORD not in result.output
    assert not ISSUED_TOKEN.search(result.output.encode())
    return result


class TestPasswords:
    """The registry's own htpasswd."""

    @pytest.fixture
    def guarded(self, registry_factory, tmp_path):
        program = str(obtain(lambda: debian_program("apache2-utils", "htpasswd")))
        file = tmp_path / "htpasswd"
        made = subprocess.run([program, "-Bbn", USER, PASSWORD], check=True, capture_output=True)
        file.write_bytes(made.stdout)
        return registry_factory(extra={"auth": {"htpasswd": {"realm": "the realm", "path": str(file)}}})

    def test_options_variables_and_login_files_all_open_it(self, guarded, tmp_path):
        login = tmp_path / "auth.json"
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        login.write_text(json.dumps({"auths": {guarded.url.partition("://")[2]: {"auth": pair}}}), encoding="utf-8")
        names = {"CONTAINER_REGISTRY_USERNAME": USER, "CONTAINER_REGISTRY_PASSWORD": PASSWORD}
        for options in (
            {"username": USER, "password": PASSWORD},
            {"env": names},
            {"auth_file": str(login)},
            {"env": {"REGISTRY_AUTH_FILE": str(login)}},
        ):
            result = ask(guarded, "registry_info", **options)
            assert not result.failed, result.msg
            assert (result["auth"], result["delete"]) == ("basic", "enabled")

    def test_without_and_with_wrong_ones_it_stays_shut(self, guarded):
        nameless = ask(guarded)
        assert nameless.failed
        assert "Set username and password" in nameless.msg
        assert nameless["error"]["status"] == 401
        wrong = ask(guarded, username=USER, password="wrong password")
        assert wrong.failed
        assert "are refused" in wrong.msg
        assert "wrong password" not in wrong.output


class TestCertificates:
    """TLS with an authority of our own, and a registry that wants a certificate of the client."""

    @pytest.fixture
    def secure(self, registry_factory, certificates):
        def start(**tls):
            files = {"certificate": str(certificates / "server.pem"), "key": str(certificates / "server.key"), **tls}
            registry = registry_factory(extra={"http": {"tls": files}})
            registry.url = registry.url.replace("http:", "https:")
            return registry

        return start

    def test_only_the_right_authority_is_believed(self, secure, certificates):
        registry = secure()
        assert not ask(registry, ca_path=str(certificates / "ca.pem")).failed
        for options in ({}, {"ca_path": str(certificates / "other.pem")}):
            refused = ask(registry, **options)
            assert refused.failed
            assert "is not trusted" in refused.msg
            assert "ca_path" in refused.msg

    def test_unchecked_works_and_is_warned_of(self, secure):
        result = ask(secure(), validate_certs=False)
        assert not result.failed, result.msg
        assert "validate_certs is false" in result.output

    def test_a_client_needs_its_certificate(self, secure, certificates):
        registry = secure(clientcas=[str(certificates / "ca.pem")])
        trusting = {"ca_path": str(certificates / "ca.pem")}
        client = {"client_cert": str(certificates / "client.pem"), "client_key": str(certificates / "client.key")}
        assert not ask(registry, **trusting, **client).failed
        without = ask(registry, **trusting)
        assert without.failed
        assert "client_cert" in without.msg

    def test_files_that_do_not_fit_are_named(self, secure, certificates, tmp_path):
        registry = secure()
        junk = tmp_path / "junk.pem"
        junk.write_text("junk", encoding="utf-8")
        for options, says in (
            ({"ca_path": str(junk)}, "ca_path"),
            ({"ca_path": "/nowhere.pem"}, "ca_path"),
            ({"client_cert": "/nowhere.pem"}, "client_cert"),
            (
                {"client_cert": str(certificates / "client.pem"), "client_key": str(certificates / "ca.key")},
                "client_key",
            ),
        ):
            refused = ask(registry, **options)
            assert refused.failed
            assert says in refused.msg

    def test_plain_http_to_a_registry_with_tls_is_told(self, secure):
        registry = secure()
        registry.url = registry.url.replace("https:", "http:")
        refused = ask(registry, "registry_info")
        assert refused.failed
        assert "https://" in refused.msg


class TokenServer:
    """A small token server that real registries trust: it grants what GRANTS has for a repository, to USER alone.

    LIFETIME: seconds for which a registry takes its tokens; SAID: for how long it says that they last.
    """

    def __init__(self, folder, grants):
        self.grants = grants
        self.lifetime = self.said = 300
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "token server")])
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .sign(self.key, hashes.SHA256())
        )
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.bundle = folder / "token-server.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.asked = []

    def __call__(self, request):
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return Reply(401, b"{}")
        query = parse_qs(urlsplit(request.path).query)
        access = []
        for scope in query.get("scope", ()):
            self.asked.append(scope)
            kind, name, actions = scope.split(":")
            allowed = sorted(set(actions.split(",")) & set(self.grants.get(name, ())))
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {
            "iss": "issuer",
            "sub": USER,
            "aud": query["service"][0],
            # Registries take a token for a minute longer than it says (auth/token/token.go, Leeway).
            "exp": now + self.lifetime - 60,
            "nbf": now - 100,
            "iat": now - 100,
        }
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self.der).decode()]}
        parts = [json.dumps(part).encode() for part in (header, {**claims, "jti": "1", "access": access})]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        token = signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")
        return as_json({"token": token.decode(), "expires_in": self.said})


def fill(registry, repository, count, **login):
    """Push COUNT small manifests, v0, v1 and so on."""
    with RegistryClient(Connection(registry.url, **login)) as client:
        client.upload_blob(repository, b"{}", digest_of(b"{}"))
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"{}"), "size": 2}
        for number in range(count):
            manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
            body = json.dumps({**manifest, "annotations": {"number": str(number)}}).encode()
            client.put_manifest(repository, f"v{number}", body, OCI_MANIFEST)


class TestTokens:
    """The distribution token protocol, with the registry's own check of the tokens."""

    @pytest.fixture
    def guarded(self, registry_factory, tmp_path):
        grants = {"team/app": ["pull", "push", "delete"], "team/read": ["pull"], "catalog": ["*"]}
        tokens = TokenServer(tmp_path, grants)
        with serving(tokens) as server:
            realm = {"realm": server.url + "/token", "service": "registry", "issuer": "issuer"}
            yield registry_factory(extra={"auth": {"token": {**realm, "rootcertbundle": str(tokens.bundle)}}}), tokens

    def test_each_repository_by_its_own_rights(self, guarded):
        registry, tokens = guarded
        login = {"username": USER, "password": PASSWORD}
        for repository, ability in (("team/app", "enabled"), ("team/read", "unknown")):
            found = ask(registry, "registry_info", repository=repository, **login)
            assert not found.failed, found.msg
            assert (found["auth"], found["delete"]) == ("bearer", ability)
        assert "repository:team/app:delete,pull" in tokens.asked
        assert not ask(registry, **login).failed
        assert "registry:catalog:*" in tokens.asked

    def test_a_right_that_is_missing_is_named(self, guarded):
        registry, tokens = guarded
        del tokens.grants["catalog"]
        refused = ask(registry, username=USER, password=PASSWORD)
        assert refused.failed
        assert "registry:catalog:*" in refused.msg

    @pytest.mark.parametrize("said", [3, 300], ids=["honest", "lying"])
    def test_a_run_outlives_its_tokens(self, guarded, tmp_path, said):
        """Renewed before they expire where the token server says when, and after the registry's 401 where it lies."""
        registry, tokens = guarded
        login = {"username": USER, "password": PASSWORD}
        fill(registry, "team/app", 12, **login)
        tokens.lifetime, tokens.said = 3, said
        tokens.asked.clear()
        options = {"policies": [{"name": "all", "keep_newest": 2, "order_by": "version"}], "repositories": ["team/app"]}
        arguments = {**options, "backup_dir": str(tmp_path / "backup"), "max_delete_percent": 100, "rate_limit": 10}
        native = ask(registry, "registry_info", repository="team/app", **login)["can_untag"] == "native"
        pruned = ask(registry, "registry_prune", strategy="tag" if native else "tombstone", **login, **arguments)
        assert not pruned.failed, pruned.msg
        assert (pruned["errors"], pruned["deleted"]["tags"]) == ([], 10)
        assert len([scope for scope in tokens.asked if scope.startswith("repository:team/app:")]) > 2
        tokens.lifetime = tokens.said = 300
        left = ask(registry, "registry_tags_info", repositories=["team/app"], **login)
        assert [tag["name"] for tag in left["tags"]] == ["v10", "v11"]

    def test_a_token_that_somebody_else_has_got(self, guarded):
        registry, _tokens = guarded
        fill(registry, "team/app", 2, username=USER, password=PASSWORD)
        challenge = requests.get(registry.url + "/v2/", timeout=10).headers["WWW-Authenticate"]
        realm = re.search('realm="([^"]+)"', challenge)[1]
        scope = {"service": "registry", "scope": "repository:team/app:pull,delete"}
        token = requests.get(realm, params=scope, auth=(USER, PASSWORD), timeout=10).json()["token"]
        found = ask(registry, "registry_tags_info", repositories=["team/app"], token=token)
        assert not found.failed, found.msg
        assert [tag["name"] for tag in found["tags"]] == ["v0", "v1"]
        gone = ask(registry, "registry_manifest_delete", references=["team/app:v0"], token=token)
        assert gone["changed"], gone.msg
        for repositories in (["team/read"], []):
            refused = ask(registry, "registry_tags_info" if repositories else "registry_catalog_info", token=token)
            assert refused.failed
            assert "The token from the option token is refused" in refused.msg
            assert token not in refused.output

    def test_the_token_server_refuses_a_wrong_password(self, guarded):
        registry, _tokens = guarded
        refused = ask(registry, username=USER, password="wrong password")
        assert refused.failed
        assert "are refused" in refused.msg
        assert "wrong password" not in refused.output


def libtrust_id(certificate):
    """The id that the token server's library gives a key (SHA-256 of its DER, cut to 240 bits, in groups of four in base 32)."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b32encode(hashlib.sha256(key).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


class TestTheRealTokenServer:
    """The distribution project's own token server: a user may do everything below the path of that name, and list all."""

    @pytest.fixture
    def guarded(self, registry_version, registry_factory, tmp_path):
        program = obtain(token_server)
        obtain(
            lambda: openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
                *("-subj", "/CN=token server", "-keyout", "signing.key", "-out", "signing.pem"),
                cwd=tmp_path,
            )
        )
        # Its library knows no PKCS #8.
        openssl("ec", "-in", "signing.key", "-out", "signing.key", cwd=tmp_path)
        certificate = x509.load_pem_x509_certificate((tmp_path / "signing.pem").read_bytes())
        numbers = certificate.public_key().public_numbers()
        x, y = (
            base64.urlsafe_b64encode(part.to_bytes(32, "big")).rstrip(b"=").decode() for part in (numbers.x, numbers.y)
        )
        key = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": libtrust_id(certificate)}
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key]}), encoding="utf-8")
        htpasswd = str(obtain(lambda: debian_program("apache2-utils", "htpasswd")))
        made = subprocess.run([htpasswd, "-Bbn", USER, PASSWORD], check=True, capture_output=True)
        (tmp_path / "htpasswd").write_bytes(made.stdout)
        port = free_port()
        command = [str(program), "-addr", f"127.0.0.1:{port}", "-issuer", "issuer", "-realm", "the realm"]
        command += ["-key", str(tmp_path / "signing.key"), "-passwd", str(tmp_path / "htpasswd")]
        # 2.x finds the key by its certificate, 3.x by the id that the token names it with.
        trusted = {"rootcertbundle": str(tmp_path / "signing.pem")}
        if registry_version != "2.8":
            trusted["jwks"] = str(tmp_path / "jwks.json")
        realm = {"realm": f"http://127.0.0.1:{port}/token/", "service": "registry", "issuer": "issuer"}
        with Daemon(command, port, tmp_path / "token-server.log"):
            yield registry_factory(extra={"auth": {"token": {**realm, **trusted}}})

    def test_what_it_grants_can_be_done_and_the_rest_is_named(self, guarded, tmp_path):
        login = {"username": USER, "password": PASSWORD}
        own, foreign = f"{USER}/app", "others/app"
        fill(guarded, own, 2, **login)
        with RegistryClient(Connection(guarded.url, **login)) as client:
            assert list(client.catalog()) == [own]
            with pytest.raises(InsufficientScope, match=f"repository:{foreign}:pull"):
                client.tags(foreign)
            # One token for each scope, whatever the number of requests.
            client.tags(own)
            before = client.requests_sent
            for _time in range(5):
                client.tags(own)
            assert client.requests_sent == before + 5
        left = tmp_path / "left"
        policy = {"name": "all", "keep_newest": 1, "order_by": "version"}
        arguments = {"policies": [policy], "backup_dir": str(left), "max_delete_percent": 100}
        arguments["plan_file"] = str(left / "plan.jsonl.gz")
        pruned = ask(guarded, "registry_prune", **login, **arguments)
        assert not pruned.failed, pruned.msg
        listed = ask(guarded, "registry_tags_info", **login)
        assert [tag["name"] for tag in listed["tags"]] == ["v1"]
        challenge = requests.get(guarded.url + "/v2/", timeout=10).headers["WWW-Authenticate"]
        realm = re.search('realm="([^"]+)"', challenge)[1]
        issued = requests.get(realm, params={"service": "registry"}, auth=(USER, PASSWORD), timeout=10).content
        assert ISSUED_TOKEN.search(issued)
        files = [path for path in left.rglob("*") if path.is_file()]
        assert {".gz", ".jsonl"} <= {path.suffix for path in files}
        for path in files:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert PASSWORD.encode() not in content
            assert not ISSUED_TOKEN.search(content)
        refused = ask(guarded, "registry_manifest_delete", references=[f"{foreign}:v1"], **login)
        assert refused.failed
        assert f"repository:{foreign}:" in refused.msg

    def test_an_identity_token_of_docker_login_is_exchanged(self, guarded, tmp_path):
        """docker asks for one (offline_token), keeps it instead of the password, and so do we."""
        entry = docker_login(guarded, tmp_path)
        assert entry["identitytoken"]
        assert PASSWORD not in base64.b64decode(entry.get("auth", "")).decode()
        result = ask(
            guarded, "registry_info", repository=f"{USER}/app", env={"DOCKER_CONFIG": str(tmp_path / "docker")}
        )
        assert not result.failed, result.msg
        assert (result["auth"], result["delete"]) == ("bearer", "enabled")
        assert entry["identitytoken"] not in result.output


def docker_login(registry, folder, **env):
    """Log in by the real program, without an engine; its config is then in FOLDER/docker."""
    docker = str(obtain(lambda: debian_program("docker.io", "docker")))
    config = folder / "docker" / "config.json"
    if not config.exists():
        # An entry keeps docker from looking for a store of its own accord.
        config.parent.mkdir()
        config.write_text(json.dumps({"auths": {"registry.example.com": {}}}), encoding="utf-8")
    host = registry.url.partition("://")[2]
    command = [docker, "--config", str(config.parent), "-H", f"unix://{folder}/no.sock", "login", host]
    done = subprocess.run(
        [*command, "-u", USER, "--password-stdin"],
        input=PASSWORD,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return json.loads(config.read_text(encoding="utf-8"))["auths"][host]


class TestRealLogins:
    """What the container tools write when they log in, read by us."""

    @pytest.fixture
    def guarded(self, registry_factory, tmp_path):
        program = str(obtain(lambda: debian_program("apache2-utils", "htpasswd")))
        made = subprocess.run([program, "-Bbn", USER, PASSWORD], check=True, capture_output=True)
        (tmp_path / "htpasswd").write_bytes(made.stdout)
        return registry_factory(extra={"auth": {"htpasswd": {"realm": "r", "path": str(tmp_path / "htpasswd")}}})

    def test_docker_and_skopeo(self, guarded, tmp_path):
        docker_login(guarded, tmp_path)
        skopeo = str(obtain(lambda: debian_program("skopeo", "skopeo")))
        login, host = tmp_path / "auth.json", guarded.url.partition("://")[2]
        subprocess.run(
            [skopeo, "login", "--tls-verify=false", "--authfile", str(login), "-u", USER, "--password-stdin", host],
            input=PASSWORD.encode(),
            check=True,
            capture_output=True,
        )
        for options in (
            {"auth_file": str(tmp_path / "docker" / "config.json")},
            {"env": {"DOCKER_CONFIG": str(tmp_path / "docker")}},
            {"auth_file": str(login)},
            {"env": {"CONTAINER_REGISTRY_AUTH_FILE": str(login)}},
        ):
            result = ask(guarded, **options)
            assert not result.failed, result.msg

    def test_a_password_that_only_a_credential_helper_knows(self, guarded, tmp_path, monkeypatch):
        """docker-credential-pass, with pass and gpg behind it, in a home of its own."""
        helper = obtain(
            lambda: unpacked_debian_program("golang-docker-credential-helpers", "usr/bin/docker-credential-pass")
        )
        store = obtain(lambda: unpacked_debian_program("pass", "usr/bin/pass"))
        gpg = obtain(lambda: debian_program("gpg", "gpg"))
        obtain(lambda: debian_program("gpg-agent", "gpg-agent"))
        # A socket's path is short, and pytest's folders are not.
        with tempfile.TemporaryDirectory(prefix="gpg") as home:
            env = {
                "GNUPGHOME": home,
                "PASSWORD_STORE_DIR": str(tmp_path / "store"),
                "PATH": f"{helper.parent}:{store.parent}:{gpg.parent}:{os.environ['PATH']}",
            }

            def run(*command):
                subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)

            try:
                run(
                    str(gpg),
                    "--batch",
                    "--passphrase",
                    "",
                    "--quick-generate-key",
                    "tests@example.com",
                    "rsa2048",
                    "encr",
                    "never",
                )
                run(str(store), "init", "tests@example.com")
                (tmp_path / "docker").mkdir()
                config = tmp_path / "docker" / "config.json"
                config.write_text(json.dumps({"credsStore": "pass"}), encoding="utf-8")
                assert docker_login(guarded, tmp_path, **env) == {}
                result = ask(guarded, auth_file=str(config), env=env)
                assert not result.failed, result.msg
                # For a registry that it does not know, the helper says so, which is no failure of it.
                config.write_text(json.dumps({"credHelpers": {"127.0.0.1:1": "pass"}}), encoding="utf-8")
                for variable, value in env.items():
                    monkeypatch.setenv(variable, value)
                with RegistryClient(Connection("http://127.0.0.1:1", auth_file=str(config))) as client:
                    assert client.auth_scheme == "none"
                other = ask(guarded, auth_file=str(config), env=env)
                assert other.failed
                assert "no entry for" in other.msg
            finally:
                subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], env={**os.environ, **env}, check=False)
