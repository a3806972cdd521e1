"""Credentials: what a registry can be told, and where that is looked for.

A keychain is asked for a target, a repository on a registry, and knows a credential for it or does not. Each kind of
place has a keychain of its own in a module beside this one; ``Chain`` asks several in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from registry_client.errors import CredentialError
from registry_client.reference import DOCKER_HUB, DOCKER_HUB_API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a credential is wanted for.

    Attributes:
        registry: Host with optional port; ``docker.io`` for Docker Hub.
        repository: The path on the registry; empty if none is meant.
        url: What is to be requested, without a query.
    """

    registry: str
    repository: str
    url: str

    @classmethod
    def at(cls, host: str, repository: str, url: str) -> Target:
        """Make the target for a host that is talked to, which for Docker Hub is not the one that people write."""
        return cls(registry=DOCKER_HUB if host == DOCKER_HUB_API else host, repository=repository, url=url)

    def scopes(self) -> Iterator[str]:
        """The names that a credential may be under, the most specific first: ``host/a/b``, ``host/a``, ``host``."""
        name = f"{self.registry}/{self.repository}".rstrip("/")
        while name:
            yield name
            name = name.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """A way to be somebody; its ``repr`` shows no secret. One of the four kinds is set.

    Attributes:
        source: Where it comes from, for messages: as ``~/.docker/config.json``.
        username: A user's name, with ``password``.
        password: The password, or what is used as one.
        identity_token: A refresh token, to be exchanged for an access token (distribution, "OAuth 2.0 Token").
        registry_token: A bearer token, to be sent as it is.
        headers: Headers to add to each request, as a Bazel credential helper gives them.
        expires: Seconds since the epoch; None if that is not known.
    """

    source: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: float | None = None


class Keychain(Protocol):
    """A place where credentials are kept."""

    def find(self, target: Target) -> Credential | None:
        """Look for a credential.

        Args:
            target: What it is for.

        Returns:
            The credential, None if there is none here.

        Raises:
            CredentialError: The place cannot be read.
        """


class Chain:
    """Asks keychains in turn. One that fails is reported once and passed over: most images are public."""

    def __init__(self, keychains: Sequence[Keychain], report: Callable[[str], None] = lambda _: None) -> None:
        """Ask nobody yet.

        Args:
            keychains: Whom to ask, in this order.
            report: Takes what is wrong with a keychain, as a sentence for people.
        """
        self._keychains = keychains
        self._report = report
        self._reported: set[str] = set()

    def find(self, target: Target) -> Credential | None:
        """Return the first credential that a keychain knows, None if none does."""
        for keychain in self._keychains:
            try:
                credential = keychain.find(target)
            except CredentialError as error:
                self._report_once(str(error))
                continue
            if credential is not None:
                return credential
        return None

    def _report_once(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            self._report(message)
