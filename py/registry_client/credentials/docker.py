"""Credentials where ``docker login`` and ``podman login`` leave them: ``config.json`` and ``auth.json``."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from typing import TYPE_CHECKING, Any

from registry_client.credentials import Credential
from registry_client.credentials.programs import TIME_LIMIT, ProgramFailedError, ask
from registry_client.errors import CredentialError
from registry_client.reference import DOCKER_HUB, DOCKER_HUB_ALIASES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from registry_client.credentials import Target

_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
"""The name that Docker's tools keep the credential of Docker Hub under."""
_TOKEN_USER = "<token>"  # noqa: S105 - the user name that marks an identity token
_NOT_FOUND = "credentials not found"


class DockerConfig:
    """A configuration file of Docker or Podman: ``auths``, ``credHelpers`` and ``credsStore``.

    A more specific name wins over a less specific one, and for one name a helper over what is in the file.
    """

    def __init__(self, path: Path, *, time_limit: float = TIME_LIMIT) -> None:
        """Read nothing yet.

        Args:
            path: The file; it need not exist.
            time_limit: Seconds that a ``docker-credential-…`` program gets.
        """
        self._path = path
        self._time_limit = time_limit
        self._lock = threading.Lock()
        self._config: Mapping[str, Any] | None = None
        self._answers: dict[tuple[str, str], Credential | CredentialError | None] = {}

    def find(self, target: Target) -> Credential | None:
        """See ``Keychain``."""
        with self._lock:
            if self._config is None:
                self._config = self._read()
            config = self._config
            for scope in target.scopes():
                helper = config["credHelpers"].get(scope)
                if helper:
                    return self._ask(str(helper), scope)
                credential = self._from_entry(config["auths"].get(scope))
                if credential is not None:
                    return credential
            store = config["credsStore"]
            return self._ask(store, target.registry) if store else None

    def _read(self) -> Mapping[str, Any]:
        try:
            document = json.loads(self._path.read_bytes())
            auths, helpers = (dict(document.get(key) or {}) for key in ("auths", "credHelpers"))
            store = str(document.get("credsStore") or "")
        except (FileNotFoundError, NotADirectoryError):
            return {"auths": {}, "credHelpers": {}, "credsStore": ""}
        except OSError as error:
            message = f"{self._path} cannot be read: {error.strerror}"
            raise CredentialError(message) from error
        except (ValueError, TypeError, AttributeError):
            message = f"{self._path} is not a Docker configuration: mend it, or run docker login again"
            # the cause would quote the file
            raise CredentialError(message) from None
        return {"auths": _by_scope(auths), "credHelpers": _by_scope(helpers), "credsStore": store}

    def _from_entry(self, entry: object) -> Credential | None:
        """Read an entry of ``auths``; an empty one only says that there is something in the ``credsStore``."""
        if not isinstance(entry, dict):
            return None
        source, text = str(self._path), {key: str(value) for key, value in entry.items() if value}
        if "registrytoken" in text:
            return Credential(source=source, registry_token=text["registrytoken"])
        if "identitytoken" in text:
            return Credential(source=source, identity_token=text["identitytoken"])
        username, password = text.get("username", ""), text.get("password", "")
        if "auth" in text:
            try:
                decoded = base64.b64decode(text["auth"], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                message = f'{self._path} has an "auth" that is not base64: run docker login again'
                raise CredentialError(message) from None
            username, _, password = decoded.rstrip("\0").partition(":")
        return Credential(source=source, username=username, password=password) if username else None

    def _ask(self, helper: str, scope: str) -> Credential | None:
        """Ask a ``docker-credential-…`` program, once for each name (docker-credential-helpers, "get")."""
        key = (helper, scope)
        if key not in self._answers:
            try:
                self._answers[key] = self._run(f"docker-credential-{helper}", scope)
            except CredentialError as error:
                self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, CredentialError):
            raise answer
        return answer

    def _run(self, program: str, scope: str) -> Credential | None:
        question = _DOCKER_HUB_KEY if scope == DOCKER_HUB else scope
        try:
            answer = ask([program, "get"], question, time_limit=self._time_limit)
        except ProgramFailedError as error:
            if _NOT_FOUND in error.output:
                return None
            raise
        username, secret = answer.get("Username"), answer.get("Secret")
        if not isinstance(username, str) or not isinstance(secret, str):
            message = f'the credential helper {program} answered for {question} without a "Username" and a "Secret"'
            raise CredentialError(message)
        if username == _TOKEN_USER:
            return Credential(source=program, identity_token=secret)
        return Credential(source=program, username=username, password=secret) if username else None


def _by_scope(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the keys of a section into one form: no scheme, no version of the API, Docker Hub under its own name."""
    return {_scope(key): value for key, value in entries.items()}


def _scope(key: str) -> str:
    name = key.partition("://")[2] or key
    name = name.rstrip("/")
    for version in ("/v1", "/v2"):
        name = name.removesuffix(version)
    host, slash, path = name.partition("/")
    host = host.lower()
    return (DOCKER_HUB if host in DOCKER_HUB_ALIASES else host) + slash + path
