"""Which keychains a command asks, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.credentials import Chain
from registry_client.credentials.bazel import BazelCredentialHelper
from registry_client.credentials.docker import DockerConfig
from registry_client.credentials.netrc import Netrc
from registry_client.google import GoogleKeychain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from registry_client.credentials import Keychain

_LEADS_TO_GOOGLE = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "HOME", "USERPROFILE", "GCE_METADATA_HOST")
"""Where google-auth looks beside the metadata server that every machine of Google's has."""


def default_keychain(
    environment: Mapping[str, str],
    *,
    docker_config: Path | None = None,
    credential_helpers: Sequence[str] = (),
    report: Callable[[str], None] = lambda _: None,
    explicit: bool = False,
) -> Chain:
    """Put together the usual keychains: what was asked for, then the environment, then the home directory.

    Args:
        environment: The environment variables.
        docker_config: A configuration of Docker's, the file or its directory, instead of ``DOCKER_CONFIG`` and those
            at home.
        credential_helpers: Bazel credential helpers, as ``PROGRAM`` or ``HOST=PROGRAM``.
        report: Takes what is wrong with a keychain, as a sentence for people.
        explicit: Look at nothing that no variable leads to, as Google's metadata server: in a Bazel action, what finds
            a credential must be what was passed to it.

    Returns:
        The chain.
    """
    home = Path(environment.get("HOME") or environment.get("USERPROFILE") or "/nonexistent")
    keychains: list[Keychain] = [_bazel_helper(text) for text in credential_helpers]
    keychains += map(DockerConfig, _config_files(environment, home, docker_config))
    keychains.append(Netrc(Path(environment.get("NETRC") or home / ".netrc")))
    if not explicit or any(environment.get(variable) for variable in _LEADS_TO_GOOGLE):
        keychains.append(GoogleKeychain())
    return Chain(keychains, report)


def _bazel_helper(text: str) -> BazelCredentialHelper:
    hosts, equals, program = text.partition("=")
    return BazelCredentialHelper(program, hosts=hosts) if equals else BazelCredentialHelper(text)


def _config_files(environment: Mapping[str, str], home: Path, docker_config: Path | None) -> list[Path]:
    if docker_config is not None:
        return [docker_config if docker_config.is_file() else docker_config / "config.json"]
    files = []
    if environment.get("REGISTRY_AUTH_FILE"):
        files.append(Path(environment["REGISTRY_AUTH_FILE"]))
    files.append(Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json")
    if environment.get("XDG_RUNTIME_DIR"):
        files.append(Path(environment["XDG_RUNTIME_DIR"]) / "containers/auth.json")
    files.append(Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json")
    return files
