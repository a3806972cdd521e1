"""Google's registries, with Application Default Credentials of all kinds: a real registry, and google-auth."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from integration.certificates import Authority
from integration.connect_proxy import ConnectProxy
from integration.google_server import EMAIL, HOSTS, IMPERSONATOR, SCOPE, GoogleServer
from integration.images import push, single
from integration.program import run_python, run_registry
from integration.servers import PASSWORD, htpasswd, serve_distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration.tool import Result

IMAGE = single("at Google's")
REGISTRY = "gcr.io"
_SUBJECT_TOKEN = "subject-0123456789"  # noqa: S105 - of nobody
_REFRESH_TOKEN = "1//refresh-0123456789"  # noqa: S105 - of nobody
_IMPERSONATION = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

FIND = """
import json, sys
from registry_client.credentials import Target
from registry_client.google import GoogleKeychain
found = GoogleKeychain().find(Target.at("gcr.io", "a/b", "https://gcr.io/v2/a/b/manifests/1"))
print(json.dumps([found.username, found.password, found.expires]))
"""
RESOLVE = """
import sys
from registry_client import Client, default_keychain
with Client(credentials=default_keychain({})) as client:
    try:
        print(client.resolve(sys.argv[1]).digest)
    except Exception as error:
        print(error)
print(*[name for name in sys.modules if name == "google.auth" or name.startswith("google.auth.")])
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[str]:
    """A registry that looks like Google's from outside: its name, and the access token as a password."""
    folder = tmp_path_factory.mktemp("registry")
    with serve_distribution(folder) as address:
        push(address, "team/app", "1", IMAGE)
    certificate, key = authority.issue(REGISTRY)
    tls = f'tls: {{certificate: "{certificate}", key: "{key}"}}'
    with serve_distribution(folder, htpasswd(folder, "oauth2accesstoken"), http=tls) as address:
        yield address


@pytest.fixture
def google() -> GoogleServer:
    return GoogleServer(PASSWORD)


@pytest.fixture
def proxy(authority: Authority, registry: str, google: GoogleServer) -> Iterator[ConnectProxy]:
    """The way to Google's hosts, which are on loopback."""
    with google.serving(authority.issue(*HOSTS)) as address:
        yield ConnectProxy({f"{host}:443": address for host in HOSTS} | {f"{REGISTRY}:443": registry})


@pytest.fixture
def environment(proxy: ConnectProxy, authority: Authority, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a machine without credentials, that can reach Google's hosts by the proxy and nothing else."""
    with proxy.serving() as variables:
        home = {"HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"), "NO_GCE_CHECK": "true"}
        yield variables | home | {"REQUESTS_CA_BUNDLE": str(authority.bundle)}
    assert proxy.refused == []


def service_account(_folder: Path) -> dict[str, object]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": key.private_bytes(encoding, kind, serialization.NoEncryption()).decode(),
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def authorized_user(_folder: Path) -> dict[str, object]:
    client = {"client_id": "me.apps.example", "client_secret": "not-so-secret"}
    return {"type": "authorized_user", **client, "refresh_token": _REFRESH_TOKEN}


def workload_identity(folder: Path) -> dict[str, object]:
    (folder / "subject-token").write_text(_SUBJECT_TOKEN, encoding="utf-8")
    provider = "projects/1/locations/global/workloadIdentityPools/pool/providers/ci"
    return {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{provider}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(folder / "subject-token")},
    }


def workload_identity_as_service_account(folder: Path) -> dict[str, object]:
    token_url = f"https://sts.googleapis.com/v1/{IMPERSONATOR}"
    return workload_identity(folder) | {"token_url": token_url, "service_account_impersonation_url": _IMPERSONATION}


def user_as_service_account(folder: Path) -> dict[str, object]:
    source = authorized_user(folder) | {"client_id": IMPERSONATOR}
    kind = "impersonated_service_account"
    return {"type": kind, "source_credentials": source, "service_account_impersonation_url": _IMPERSONATION}


GRANTS = {
    service_account: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    authorized_user: "refresh_token",
    workload_identity: _EXCHANGE,
    workload_identity_as_service_account: _EXCHANGE,
    user_as_service_account: "refresh_token",
}
"""The kinds of credentials in a file, and what each is a grant of (RFC 6749, RFC 7523, RFC 8693)."""


@pytest.mark.parametrize("kind", GRANTS, ids=lambda kind: kind.__name__)
def test_credentials_in_a_file_open_googles_registries(
    kind: Callable[[Path], dict[str, object]], environment: dict[str, str], google: GoogleServer, tmp_path: Path
) -> None:
    environment |= in_file(tmp_path, kind(tmp_path))
    assert_token(run_python("-c", FIND, environment=environment))
    assert google.questions[0]["grant_type"] == GRANTS[kind]
    assert_resolved(environment)


def test_a_workload_shows_its_own_token_and_becomes_a_service_account(
    environment: dict[str, str], google: GoogleServer, tmp_path: Path
) -> None:
    environment |= in_file(tmp_path, workload_identity_as_service_account(tmp_path))
    assert_token(run_python("-c", FIND, environment=environment))
    assert google.questions[0]["subject_token"] == _SUBJECT_TOKEN
    assert google.questions[1]["scope"] == [SCOPE]
    assert len(google.questions) == 2


def test_the_credentials_of_gcloud_open_googles_registries(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gcloud").mkdir()
    path = tmp_path / "gcloud/application_default_credentials.json"
    path.write_text(json.dumps(authorized_user(tmp_path)), encoding="utf-8")
    assert_resolved(environment)


def test_the_metadata_server_opens_googles_registries(environment: dict[str, str], google: GoogleServer) -> None:
    with google.serving() as address:
        environment |= {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, "NO_GCE_CHECK": "false"}
        assert_token(run_python("-c", FIND, environment=environment))
        assert_resolved(environment)


def test_credentials_that_were_revoked_are_reported_without_a_secret(
    environment: dict[str, str], google: GoogleServer, tmp_path: Path
) -> None:
    google.revoked = True
    environment |= in_file(tmp_path, authorized_user(tmp_path))
    result = resolve(environment)
    assert result.code == 1
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "Token has been revoked" in warnings[0]
    assert "gcloud auth application-default login" in warnings[0]
    assert "HTTP 401" in result.complaints[0]
    assert not any(secret in result.stderr for secret in (_REFRESH_TOKEN, "not-so-secret"))


def test_where_there_are_no_credentials_is_nothing_to_report(environment: dict[str, str]) -> None:
    result = resolve(environment)
    assert result.code == 1
    assert "HTTP 401" in result.complaints[0]
    assert "warning" not in result.stderr


def test_google_auth_is_imported_for_googles_registries_only(
    environment: dict[str, str], registry: str, tmp_path: Path
) -> None:
    environment |= in_file(tmp_path, authorized_user(tmp_path))
    said, modules = run_python("-c", RESOLVE, f"{registry}/team/app:1", environment=environment).stdout.split("\n")[:2]
    assert registry in said
    assert modules == ""
    said, modules = run_python("-c", RESOLVE, "gcr.io/team/app:1", environment=environment).stdout.split("\n")[:2]
    assert said == IMAGE.digest
    assert "google.auth" in modules.split()


def in_file(folder: Path, credentials: dict[str, object]) -> dict[str, str]:
    path = folder / "credentials.json"
    path.write_text(json.dumps(credentials), encoding="utf-8")
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def resolve(environment: dict[str, str]) -> Result:
    bundle = environment["REQUESTS_CA_BUNDLE"]
    return run_registry("resolve", f"{REGISTRY}/team/app:1", "--ca-file", bundle, environment=environment)


def assert_resolved(environment: dict[str, str]) -> None:
    result = resolve(environment)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == f"{REGISTRY}/team/app@{IMAGE.digest}\n"


def assert_token(result: Result) -> None:
    """Check that the keychain found the access token, and for how long."""
    assert (result.code, result.stderr) == (0, "")
    username, password, expires = json.loads(result.stdout)
    assert (username, password) == ("oauth2accesstoken", PASSWORD)
    assert expires > time.time() + 3000
