"""Registries that want to know who one is: a real one with ``htpasswd``, and credentials wherever they may be."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest
from integration.images import push, single
from integration.program import run_registry
from integration.servers import PASSWORD, USER, htpasswd, serve_distribution
from registry_client import Client, RegistryError
from registry_client.credentials import Chain
from registry_client.credentials.bazel import BazelCredentialHelper
from registry_client.credentials.docker import DockerConfig
from registry_client.keychains import default_keychain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
IMAGE = single("private")

DOCKER_HELPER = """\
#!/bin/sh
if [ "$1" = get ] && [ "$(cat)" = "{registry}" ]; then
  echo '{{"ServerURL": "{registry}", "Username": "{user}", "Secret": "{password}"}}'
else
  echo "credentials not found in native keychain"
  exit 1
fi
"""
BAZEL_HELPER = """\
#!/bin/sh
case "$1 $(cat)" in
  'get {{"uri": "http://{registry}/v2/team/app/'*) echo '{{"headers": {{"Authorization": ["Basic {basic}"]}}}}' ;;
  *) echo '{{}}' ;;
esac
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with an image, that lets nobody in without a password."""
    folder = tmp_path_factory.mktemp("registry")
    with serve_distribution(folder) as address:
        push(address, "team/app", "1", IMAGE)
    with serve_distribution(folder, htpasswd(folder)) as address:
        yield address


@pytest.fixture(scope="module")
def public_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_distribution(tmp_path_factory.mktemp("public")) as address:
        push(address, "team/app", "1", IMAGE)
        yield address


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for credential helpers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    return folder


def in_docker_config(folder: Path, registry: str) -> dict[str, str]:
    write_config(folder, auths={registry: {"auth": BASIC}})
    return {"DOCKER_CONFIG": str(folder)}


def in_docker_config_at_home(folder: Path, registry: str) -> dict[str, str]:
    (folder / ".docker").mkdir()
    write_config(folder / ".docker", auths={f"https://{registry}/v2/": {"auth": BASIC}})
    return {"HOME": str(folder)}


def in_podmans_file_for_a_repository(folder: Path, registry: str) -> dict[str, str]:
    wrong = base64.b64encode(b"somebody:else").decode()
    auths = {registry: {"auth": wrong}, f"{registry}/team": {"auth": BASIC}, f"{registry}/te": {"auth": wrong}}
    return {"REGISTRY_AUTH_FILE": str(write_config(folder, auths=auths))}


def in_netrc(folder: Path, registry: str) -> dict[str, str]:
    host = registry.partition(":")[0]
    (folder / "netrc").write_text(f"machine {host}\nlogin {USER}\npassword {PASSWORD}\n", encoding="utf-8")
    return {"NETRC": str(folder / "netrc")}


PLACES = [in_docker_config, in_docker_config_at_home, in_podmans_file_for_a_repository, in_netrc]


@pytest.mark.parametrize("put", PLACES, ids=lambda put: put.__name__)
def test_a_credential_opens_the_registry(
    put: Callable[[Path, str], dict[str, str]], registry: str, tmp_path: Path
) -> None:
    assert resolve(registry, put(tmp_path, registry)) == IMAGE.digest


@pytest.mark.parametrize("section", ["credsStore", "credHelpers"])
def test_a_docker_credential_helper_opens_the_registry(
    section: str, registry: str, programs: Path, tmp_path: Path
) -> None:
    text = DOCKER_HELPER.format(registry=registry, user=USER, password=PASSWORD)
    write_program(programs / "docker-credential-test", text)
    write_config(tmp_path, **{section: "test" if section == "credsStore" else {registry: "test"}})
    assert resolve(registry, {"DOCKER_CONFIG": str(tmp_path)}) == IMAGE.digest


@pytest.mark.parametrize("hosts", ["", "127.0.0.1:*=", "{registry}="])
def test_a_bazel_credential_helper_opens_the_registry(hosts: str, registry: str, programs: Path) -> None:
    text = BAZEL_HELPER.format(registry=registry, basic=BASIC)
    helper = write_program(programs / "helper", text)
    assert resolve(registry, {}, helpers=[hosts.format(registry=registry) + str(helper)]) == IMAGE.digest


def test_a_bazel_credential_helper_for_another_host_is_not_asked(registry: str, programs: Path) -> None:
    helper = write_program(programs / "helper", BAZEL_HELPER.format(registry=registry, basic=BASIC))
    with pytest.raises(RegistryError, match="HTTP 401"):
        resolve(registry, {}, helpers=[f"*.example.com={helper}"])


def test_a_wrong_password_is_refused_and_not_told(registry: str, tmp_path: Path) -> None:
    wrong = base64.b64encode(f"{USER}:wrong-horse-8".encode()).decode()
    write_config(tmp_path, auths={registry: {"auth": wrong}})
    with pytest.raises(RegistryError) as raised:
        resolve(registry, {"DOCKER_CONFIG": str(tmp_path)})
    assert raised.value.status_code == 401
    result = run_registry("resolve", f"{registry}/team/app:1", environment={"DOCKER_CONFIG": str(tmp_path)})
    assert result.code == 1
    assert "docker login" in result.complaints[0]
    for text in (str(raised.value), repr(raised.value), raised.value.raw_error, result.stderr):
        assert not any(secret in text for secret in ("wrong-horse-8", wrong))


def test_without_a_credential_the_registry_is_closed(registry: str) -> None:
    with pytest.raises(RegistryError, match="HTTP 401"):
        resolve(registry, {})


BROKEN = {
    "missing": (None, "cannot be run"),
    "nonsense": ("#!/bin/sh\necho my password is tr0ub4dor\n", "printed something else than a JSON object"),
    "failing": (
        "#!/bin/sh\necho the keyring is locked >&2\nexit 3\n",
        "failed with exit code 3: the keyring is locked",
    ),
    "hanging": ("#!/bin/sh\nexec sleep 20\n", "gave no answer within 0.3 seconds"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("of", ["docker", "bazel"])
def test_a_broken_helper_is_reported_once_and_passed_over(
    kind: str, of: str, registry: str, programs: Path, tmp_path: Path
) -> None:
    script, complaint = BROKEN[kind]
    name = "docker-credential-broken" if of == "docker" else "broken"
    if script:
        write_program(programs / name, script)
    config = write_config(tmp_path, credHelpers={registry: "broken"})
    (tmp_path / "good").mkdir()
    good = DockerConfig(write_config(tmp_path / "good", auths={registry: {"auth": BASIC}}))
    broken = DockerConfig(config, time_limit=0.3) if of == "docker" else BazelCredentialHelper(name, time_limit=0.3)
    said: list[str] = []
    with Client(credentials=Chain([broken, good], said.append)) as client:
        for _ in range(2):
            assert client.resolve(f"{registry}/team/app:1").digest == IMAGE.digest
    assert len(said) == 1
    assert f"the credential helper {name} {complaint}" in said[0]
    assert "tr0ub4dor" not in said[0]


def test_the_program_warns_of_a_broken_helper(registry: str, tmp_path: Path) -> None:
    write_config(tmp_path, credsStore="is-not-there")
    result = run_registry("resolve", f"{registry}/team/app:1", environment={"DOCKER_CONFIG": str(tmp_path)})
    assert result.code == 1
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "docker-credential-is-not-there" in warnings[0]
    assert "HTTP 401" in result.complaints[0]


def test_a_public_registry_works_with_a_broken_helper_and_without_a_word(public_registry: str, tmp_path: Path) -> None:
    write_config(tmp_path, credsStore="is-not-there")
    reference = f"{public_registry}/team/app:1"
    arguments = ("resolve", reference, "--credential-helper", str(tmp_path / "is-not-there"))
    result = run_registry(*arguments, environment={"DOCKER_CONFIG": str(tmp_path)})
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == f"{public_registry}/team/app@{IMAGE.digest}\n"


def resolve(registry: str, environment: dict[str, str], helpers: list[str] | None = None) -> str:
    """The digest of the image, with the credentials of an environment; complaints about these are failures."""
    keychain = default_keychain(environment, credential_helpers=helpers or [], report=pytest.fail)
    with Client(credentials=keychain) as client:
        return client.resolve(f"{registry}/team/app:1").digest


def write_config(folder: Path, **sections: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(sections), encoding="utf-8")
    return path


def write_program(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
