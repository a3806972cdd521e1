"""Credentials: where they are looked for, which one wins, and what is said of a place that cannot be read."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_client.credentials import Chain, Credential, Target
from registry_client.credentials.bazel import BazelCredentialHelper
from registry_client.credentials.docker import DockerConfig
from registry_client.credentials.netrc import Netrc
from registry_client.errors import CredentialError
from registry_client.keychains import default_keychain

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-s3cret"  # noqa: S105 - it opens nothing


def target(registry: str = "ghcr.io", repository: str = "team/app") -> Target:
    return Target(registry=registry, repository=repository, url=f"https://{registry}/v2/{repository}/manifests/1")


def auth(user: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def config(folder: Path, **sections: object) -> DockerConfig:
    path = folder / "config.json"
    path.write_text(json.dumps(sections), encoding="utf-8")
    return DockerConfig(path, time_limit=5)


def program(folder: Path, name: str, body: str) -> str:
    """An executable, on PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


class TestTarget:
    """What a credential is wanted for."""

    def test_names_go_from_the_most_specific_to_the_host(self) -> None:
        assert list(target("host:5000", "a/b").scopes()) == ["host:5000/a/b", "host:5000/a", "host:5000"]

    def test_docker_hub_has_the_name_that_people_write(self) -> None:
        assert Target.at("registry-1.docker.io", "library/redis", "").registry == "docker.io"
        assert Target.at("ghcr.io", "a", "").registry == "ghcr.io"


class TestDockerConfig:
    """config.json and auth.json."""

    def test_the_most_specific_entry_wins(self, tmp_path: Path) -> None:
        entries = {"ghcr.io": auth("host"), "ghcr.io/team": auth("team"), "ghcr.io/te": auth("other")}
        keychain = config(tmp_path, auths=entries)
        assert found(keychain, target()).username == "team"
        assert found(keychain, target(repository="tea/app")).username == "host"

    @pytest.mark.parametrize(
        "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/"]
    )
    def test_docker_hub_is_known_under_all_its_names(self, tmp_path: Path, key: str) -> None:
        keychain = config(tmp_path, auths={key: auth("me")})
        assert found(keychain, target("docker.io", "library/redis")).password == SECRET

    @given(user=st.text(min_size=1).filter(lambda text: ":" not in text and "\0" not in text), password=st.text())
    def test_user_and_password_are_what_was_encoded(
        self, tmp_path_factory: pytest.TempPathFactory, user: str, password: str
    ) -> None:
        password = password.rstrip("\0")
        keychain = config(tmp_path_factory.mktemp("docker"), auths={"ghcr.io": auth(user, password)})
        credential = found(keychain, target())
        assert (credential.username, credential.password) == (user, password)

    @pytest.mark.parametrize(
        ("entry", "kind"),
        [
            ({"identitytoken": SECRET, **auth("me")}, "identity_token"),
            ({"registrytoken": SECRET, **auth("me")}, "registry_token"),
            ({"username": "me", "password": SECRET}, "password"),
        ],
    )
    def test_every_kind_of_entry_is_read(self, tmp_path: Path, entry: dict[str, str], kind: str) -> None:
        assert getattr(found(config(tmp_path, auths={"ghcr.io": entry}), target()), kind) == SECRET

    def test_a_missing_file_and_an_empty_entry_are_no_credential(self, tmp_path: Path) -> None:
        assert DockerConfig(tmp_path / "none.json").find(target()) is None
        assert config(tmp_path, auths={"ghcr.io": {}, "x": 1}).find(target()) is None
        assert config(tmp_path, auths=None, credHelpers={}).find(target("x")) is None

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"auths": [1]}', '{"auths": "x"}'])
    def test_a_broken_file_is_named(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "config.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CredentialError, match=r"config\.json is not a Docker configuration"):
            DockerConfig(path).find(target())

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CredentialError, match="cannot be read: Is a directory"):
            DockerConfig(tmp_path).find(target())

    def test_an_auth_that_is_not_base64_is_named_without_it(self, tmp_path: Path) -> None:
        with pytest.raises(CredentialError, match="not base64") as raised:
            config(tmp_path, auths={"ghcr.io": {"auth": SECRET}}).find(target())
        assert SECRET not in str(raised.value)

    def test_a_helper_is_asked_once_for_its_host(self, tmp_path: Path, on_path: Path) -> None:
        body = f'read -r host; echo "$host" >>{tmp_path}/calls; echo \'{{"Username": "me", "Secret": "{SECRET}"}}\''
        program(on_path, "docker-credential-one", body)
        keychain = config(tmp_path, credHelpers={"ghcr.io": "one"}, auths={"ghcr.io": auth("file")})
        for repository in ("a", "b"):
            credential = found(keychain, target(repository=repository))
            assert (credential.username, credential.password) == ("me", SECRET)
        assert (tmp_path / "calls").read_text() == "ghcr.io\n"

    def test_the_store_is_asked_for_what_is_not_in_the_file(self, tmp_path: Path, on_path: Path) -> None:
        body = f'read -r host; echo "{{\\"Username\\": \\"<token>\\", \\"Secret\\": \\"$host\\"}}" # {SECRET}'
        program(on_path, "docker-credential-all", body)
        keychain = config(tmp_path, credsStore="all", auths={"quay.io": auth("file"), "ghcr.io": {}})
        assert found(keychain, target("quay.io")).username == "file"
        assert found(keychain, target("docker.io")).identity_token == "https://index.docker.io/v1/"  # noqa: S105
        assert found(keychain, target()).identity_token == "ghcr.io"  # noqa: S105

    def test_a_store_that_has_none_is_no_failure(self, tmp_path: Path, on_path: Path) -> None:
        program(on_path, "docker-credential-all", "echo credentials not found in native keychain; exit 1")
        assert config(tmp_path, credsStore="all").find(target()) is None

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("echo the vault is locked >&2; exit 2", "failed with exit code 2: the vault is locked"),
            ("echo oops", "printed something else than a JSON object: oops"),
            (f'echo \'{{"Username": "me", "Secret": "{SECRET}\'', "printed something else than a JSON object"),
            (f"echo {SECRET}", "printed something else than a JSON object: …"),
            (f'echo \'{{"Secret": "{SECRET}"}}\'', 'without a "Username"'),
            (f"echo token {SECRET} >&2; exit 1", "exit code 1: token…"),
            ("exit 1", "failed with exit code 1"),
        ],
    )
    def test_a_helper_that_fails_is_named_without_its_secret(
        self, tmp_path: Path, on_path: Path, body: str, said: str
    ) -> None:
        program(on_path, "docker-credential-bad", body)
        keychain = config(tmp_path, credHelpers={"ghcr.io": "bad"})
        for _ in range(2):
            with pytest.raises(CredentialError) as raised:
                keychain.find(target())
            assert said in str(raised.value)
            assert "docker-credential-bad" in str(raised.value)
            assert SECRET not in repr(raised.value)

    def test_a_helper_that_is_missing_or_hangs_is_named(self, tmp_path: Path, on_path: Path) -> None:
        with pytest.raises(CredentialError, match="docker-credential-none cannot be run: No such file"):
            config(tmp_path, credHelpers={"ghcr.io": "none"}).find(target())
        program(on_path, "docker-credential-slow", "exec sleep 60")
        path = tmp_path / "config.json"
        path.write_text('{"credsStore": "slow"}', encoding="utf-8")
        with pytest.raises(CredentialError, match=r"no answer within 0\.2 seconds"):
            DockerConfig(path, time_limit=0.2).find(target())


class TestBazelHelper:
    """Bazel's credential helpers."""

    def test_its_headers_are_kept_for_the_repository(self, tmp_path: Path) -> None:
        body = (
            f'cat >>{tmp_path}/calls; echo \'{{"headers": {{"Authorization": ["Bearer {SECRET}"], "X": ["1", "2"]}}}}\''
        )
        helper = BazelCredentialHelper(program(tmp_path, "helper", body))
        for _ in range(2):
            credential = found(helper, target())
            assert credential.headers == {"Authorization": f"Bearer {SECRET}", "X": "1, 2"}
            assert credential.expires is None
        assert (tmp_path / "calls").read_text() == '{"uri": "https://ghcr.io/v2/team/app/manifests/1"}'

    def test_it_is_asked_again_when_its_answer_has_expired(self, tmp_path: Path) -> None:
        body = f'cat >>{tmp_path}/calls; echo \'{{"headers": {{"A": ["b"]}}, "expires": "2020-01-02T03:04:05.5Z"}}\''
        helper = BazelCredentialHelper(program(tmp_path, "helper", body))
        for _ in range(2):
            assert found(helper, target()).expires == 1577934245
        assert (tmp_path / "calls").read_text().count("uri") == 2

    def test_it_is_for_its_hosts_only(self, tmp_path: Path) -> None:
        helper = BazelCredentialHelper(str(tmp_path / "none"), hosts="*.example.com")
        assert helper.find(target("example.com")) is None
        with pytest.raises(CredentialError):
            helper.find(target("a.example.com"))

    def test_no_headers_are_no_credential(self, tmp_path: Path) -> None:
        assert BazelCredentialHelper(program(tmp_path, "helper", "echo '{}'")).find(target()) is None

    @pytest.mark.parametrize(
        "answer",
        [
            '{"headers": 1}',
            '{"headers": {"A": 1}}',
            '{"headers": {"A": ["b\\nc: d"]}}',
            '{"headers": {"A b": ["c"]}}',
            '{"headers": {"A": ["b"]}, "expires": "soon"}',
            '{"headers": {"A": ["b"]}, "expires": 1}',
        ],
    )
    def test_nonsense_is_named(self, tmp_path: Path, answer: str) -> None:
        helper = BazelCredentialHelper(program(tmp_path, "helper", f"printf %s '{answer}'"))
        with pytest.raises(CredentialError, match='"headers" or "expires" that are none'):
            helper.find(target())


class TestNetrc:
    """~/.netrc."""

    def test_a_machine_is_found_with_and_without_its_port(self, tmp_path: Path) -> None:
        path = tmp_path / ".netrc"
        path.write_text(f"machine ghcr.io login me password {SECRET}\ndefault login all password p\n")
        path.chmod(0o600)
        keychain = Netrc(path)
        assert found(keychain, target()).password == SECRET
        assert found(keychain, target("ghcr.io:5000")).username == "me"
        assert keychain.find(target("quay.io")) is None

    def test_a_missing_file_is_no_failure_and_a_broken_one_is(self, tmp_path: Path) -> None:
        assert Netrc(tmp_path / "none").find(target()) is None
        with pytest.raises(CredentialError, match="cannot be read"):
            Netrc(tmp_path).find(target())
        path = tmp_path / ".netrc"
        path.write_text(f"machine ghcr.io login me {SECRET} x\n")
        with pytest.raises(CredentialError, match="not a netrc file") as raised:
            Netrc(path).find(target())
        assert SECRET not in str(raised.value)


class TestChain:
    """Several places."""

    def test_the_first_that_knows_wins_and_a_failure_is_told_once(self) -> None:
        told: list[str] = []
        chain = Chain([_Broken(), _Fixed(None), _Fixed("first"), _Fixed("second")], told.append)
        for _ in range(2):
            assert found(chain, target()).source == "first"
        assert told == ["broken"]
        assert Chain([_Broken()]).find(target()) is None

    def test_files_are_asked_in_the_order_of_how_near_they_are(self, tmp_path: Path) -> None:
        places = {
            "auth": tmp_path / "auth.json",
            "docker": tmp_path / "docker/config.json",
            "run": tmp_path / "run/containers/auth.json",
            "home": tmp_path / ".config/containers/auth.json",
        }
        for name, path in places.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"auths": {"ghcr.io": auth(name)}}))
        (tmp_path / ".netrc").write_text("machine ghcr.io login netrc password p\n")
        (tmp_path / ".netrc").chmod(0o600)
        environment = {
            "HOME": str(tmp_path),
            "REGISTRY_AUTH_FILE": str(places["auth"]),
            "DOCKER_CONFIG": str(tmp_path / "docker"),
            "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        }
        seen = []
        for path in [*places.values(), tmp_path / ".netrc"]:
            seen.append(found(default_keychain(environment), target()).username)
            path.unlink()
        assert seen == [*places, "netrc"]
        assert default_keychain(environment).find(target()) is None

    def test_what_is_named_on_the_command_line_comes_first(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": auth("file")}}))
        helper = program(tmp_path, "helper", 'echo \'{"headers": {"A": ["b"]}}\'')
        environment = {"HOME": str(tmp_path / "none")}
        for path in (tmp_path, tmp_path / "config.json"):
            assert found(default_keychain(environment, docker_config=path), target()).username == "file"
        chain = default_keychain(environment, docker_config=tmp_path, credential_helpers=[f"quay.io={helper}"])
        assert found(chain, target()).username == "file"
        assert found(chain, target("quay.io")).headers == {"A": "b"}
        chain = default_keychain(environment, docker_config=tmp_path, credential_helpers=[helper])
        assert found(chain, target()).headers == {"A": "b"}

    @pytest.mark.parametrize(("explicit", "asked"), [(False, True), (True, False)])
    def test_google_is_asked_unless_only_what_variables_lead_to_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, explicit: bool, asked: bool
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
        said: list[str] = []
        chain = default_keychain({"NETRC": str(tmp_path / "none")}, report=said.append, explicit=explicit)
        assert chain.find(target("gcr.io")) is None
        assert any("Google" in text for text in said) == asked


def test_no_secret_is_in_a_repr() -> None:
    credential = Credential(
        source="s",
        username="me",
        password=SECRET,
        identity_token=SECRET,
        registry_token=SECRET,
        headers={"A": SECRET},
        expires=time.time(),
    )
    assert SECRET not in repr(credential)


def found(keychain: Chain | DockerConfig | BazelCredentialHelper | Netrc, wanted: Target) -> Credential:
    credential = keychain.find(wanted)
    assert credential is not None
    return credential


class _Broken:
    def find(self, _: Target) -> Credential | None:
        message = "broken"
        raise CredentialError(message)


class _Fixed:
    def __init__(self, source: str | None) -> None:
        self._source = source

    def find(self, _: Target) -> Credential | None:
        return Credential(source=self._source, username="me") if self._source else None
