"""Google's registries: the token of Application Default Credentials, in the one process of the tests.

The other kinds of credentials are in the integration tests, each in a process of its own.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from faults import FaultyRegistry, Reply, serving
from registry_client.credentials import Target
from registry_client.errors import CredentialError
from registry_client.google import GoogleKeychain

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Reply(200, {"Content-Type": "application/json"}, b'{"access_token": "ya29.secret", "expires_in": 3600}')


def target(registry: str) -> Target:
    return Target(registry=registry, repository="a/b", url=f"https://{registry}/v2/a/b/manifests/1")


def use_service_account(folder: Path, monkeypatch: pytest.MonkeyPatch, tokens: FaultyRegistry) -> None:
    """Let a key of a service account be the default credentials."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    account = {
        "type": "service_account",
        "client_email": "me@project.iam.example",
        "private_key": key.private_bytes(encoding, kind, serialization.NoEncryption()).decode(),
        "private_key_id": "1",
        "project_id": "project",
        "token_uri": f"http://{tokens.address}/token",
    }
    path = folder / "account.json"
    path.write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))


def test_other_registries_are_none_of_googles_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    for registry in ("ghcr.io", "gcr.io.example", "gcr.io:5000", "notgcr.io"):
        assert GoogleKeychain().find(target(registry)) is None


@pytest.mark.parametrize("registry", ["gcr.io", "eu.gcr.io", "europe-docker.pkg.dev"])
def test_the_token_is_a_password_and_got_once(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(GOOD) as tokens:
        use_service_account(tmp_path, monkeypatch, tokens)
        keychain = GoogleKeychain()
        for _ in range(2):
            credential = keychain.find(target(registry))
            assert credential is not None
            assert (credential.username, credential.password) == ("oauth2accesstoken", "ya29.secret")
            assert credential.expires == pytest.approx(time.time() + 3600, abs=60)
            assert "ya29" not in repr(credential)
    assert tokens.seen == ["POST /token"]


def test_a_token_that_is_about_to_expire_is_got_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = GOOD._replace(body=b'{"access_token": "ya29.secret", "expires_in": 30}')
    with serving(soon) as tokens:
        use_service_account(tmp_path, monkeypatch, tokens)
        keychain = GoogleKeychain()
        keychain.find(target("gcr.io"))
        keychain.find(target("gcr.io"))
    assert len(tokens.seen) == 2


def test_an_account_that_is_refused_is_said_and_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Reply(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}')
    with serving(refusal) as tokens:
        use_service_account(tmp_path, monkeypatch, tokens)
        keychain = GoogleKeychain()
        for _ in range(2):
            with pytest.raises(CredentialError, match=r"cannot be used: invalid_grant.*; run gcloud auth"):
                keychain.find(target("gcr.io"))
    assert len(tokens.seen) == 1


def test_a_file_that_is_no_credential_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "account.json"
    path.write_text('{"type": "nonsense"}', encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(CredentialError, match="Google's Application Default Credentials cannot be used: "):
        GoogleKeychain().find(target("gcr.io"))


def test_without_any_credentials_google_is_talked_to_as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    keychain = GoogleKeychain()
    assert keychain.find(target("gcr.io")) is None
    assert keychain.find(target("gcr.io")) is None
