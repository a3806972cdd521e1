"""Registries with TLS, and an authority that only some know: a real one, on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from integration.certificates import Authority
from integration.images import push, single
from integration.program import run_registry
from integration.servers import serve_distribution
from registry_client import Client, ClientOptions, TransportOptions
from registry_client.errors import RegistryUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = single("with TLS")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a registry that has an image."""
    folder = tmp_path_factory.mktemp("registry")
    with serve_distribution(folder) as address:
        push(address, "team/app", "1", IMAGE)
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> str:
    """The entries of the certificate in the registry's configuration."""
    certificate, key = authority.issue("127.0.0.1")
    return f'certificate: "{certificate}", key: "{key}"'


@pytest.fixture(scope="module")
def registry(folder: Path, tls: str) -> Iterator[str]:
    with serve_distribution(folder, http=f"tls: {{{tls}}}") as address:
        yield address


@pytest.fixture(scope="module")
def strict_registry(folder: Path, tls: str, authority: Authority) -> Iterator[str]:
    """A registry that talks to those only who show a certificate."""
    with serve_distribution(folder, http=f'tls: {{{tls}, clientcas: ["{authority.bundle}"]}}') as address:
        yield address


def test_an_authority_that_is_named_is_trusted(registry: str, authority: Authority) -> None:
    with client(ca_file=str(authority.bundle)) as registries:
        for _ in range(2):
            assert registries.resolve(f"{registry}/team/app:1").digest == IMAGE.digest


def test_the_program_trusts_an_authority_that_is_named(registry: str, authority: Authority) -> None:
    result = run_registry("resolve", f"{registry}/team/app:1", "--ca-file", str(authority.bundle))
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == f"{registry}/team/app@{IMAGE.digest}\n"


def test_the_program_trusts_an_authority_of_the_environment(registry: str, authority: Authority) -> None:
    environment = {"REQUESTS_CA_BUNDLE": str(authority.bundle)}
    result = run_registry("resolve", f"{registry}/team/app:1", environment=environment)
    assert (result.code, result.stderr) == (0, "")


def test_an_authority_that_nobody_knows_is_named_as_the_reason(registry: str) -> None:
    with client() as registries, pytest.raises(RegistryUnreachableError) as raised:
        registries.resolve(f"{registry}/team/app:1")
    assert_sentence(raised.value, registry)


def test_a_certificate_for_another_host_is_named_as_the_reason(folder: Path, authority: Authority) -> None:
    certificate, key = authority.issue("registry.example.com")
    tls = f'tls: {{certificate: "{certificate}", key: "{key}"}}'
    with (
        serve_distribution(folder, http=tls) as address,
        client(ca_file=str(authority.bundle)) as registries,
        pytest.raises(RegistryUnreachableError) as raised,
    ):
        registries.resolve(f"{address}/team/app:1")
    assert_sentence(raised.value, address)


def test_a_client_certificate_opens_a_registry_that_wants_one(strict_registry: str, authority: Authority) -> None:
    certificate = authority.issue("client.example.com")
    with client(ca_file=str(authority.bundle), client_certificate=certificate) as registries:
        assert registries.resolve(f"{strict_registry}/team/app:1").digest == IMAGE.digest


def test_the_program_takes_a_client_certificate(strict_registry: str, authority: Authority) -> None:
    certificate, key = authority.issue("client.example.com")
    options = ["--ca-file", str(authority.bundle), "--client-cert", certificate, "--client-key", key]
    result = run_registry("resolve", f"{strict_registry}/team/app:1", *options)
    assert (result.code, result.stderr) == (0, "")


def test_without_a_client_certificate_it_stays_closed_and_says_why(strict_registry: str, authority: Authority) -> None:
    with client(ca_file=str(authority.bundle)) as registries, pytest.raises(RegistryUnreachableError) as raised:
        registries.resolve(f"{strict_registry}/team/app:1")
    assert_sentence(raised.value, strict_registry)


def client(ca_file: str | None = None, client_certificate: tuple[str, str] | None = None) -> Client:
    options = TransportOptions(ca_file=ca_file, client_certificate=client_certificate, retries=0)
    return Client(options=ClientOptions(transport=options))


def assert_sentence(error: RegistryUnreachableError, registry: str) -> None:
    """Check that an error is one sentence for people, which says that a certificate is the reason."""
    text = str(error)
    assert text.startswith(f"{registry} does not answer: ")
    assert "certificate" in text
    assert "\n" not in text
    assert not any(word in text for word in ("HTTPSConnectionPool", "Max retries", "SSLError(", "]"))
