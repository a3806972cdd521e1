"""Authentication as registries ask for it (distribution, "Token Authentication" and "OAuth 2.0 Token"; RFC 7617).

Nothing is sent before a registry has asked for it. What it asks for is remembered for each origin, and what is got for
each scope, so that all threads share one handshake and one token.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from requests.auth import AuthBase

from registry_client.access import may_push
from registry_client.challenge import Challenge, parse_challenges
from registry_client.credentials import Credential, Target
from registry_client.errors import BadRegistryResponseError, CredentialError, RegistryClientError
from registry_client.messages import display_url, joined_url, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import requests

    from registry_client.credentials import Keychain

_REPOSITORY = re.compile(r"/v2/(?P<repository>.+)/(?:manifests|blobs|tags|referrers)/")
_ACTIONS = {"PUT": "pull,push", "POST": "pull,push", "PATCH": "pull,push", "DELETE": "pull,delete"}
"""What a method does to a repository; all others only read."""
_TOKEN = re.compile(r"[\x21-\x7e]+")
_CLIENT = "registry_rules"
_DEFAULT_LIFETIME = 60.0
_MARGIN = 10.0
"""Seconds before its end from which on a token counts as expired; less for one that lives but shortly."""
_FAILURE_LIFETIME = 5.0
"""Seconds for which a token server that failed is not asked again for the same."""
_MIN_SECRET = 4
"""Characters; what is shorter would be found by chance in any text."""


class Scope(NamedTuple):
    """What an authorization is for: actions on a repository of an origin."""

    origin: str
    repository: str
    actions: str
    mounted: str = ""
    """A repository that blobs are mounted from, which must be readable too."""

    @property
    def names(self) -> list[str]:
        """As a token server wants it (distribution, "Token Scope Documentation")."""
        names = [f"repository:{self.repository}:{self.actions}"] if self.repository else []
        return [*names, f"repository:{self.mounted}:pull"] if self.mounted else names


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRequest:
    """What to ask a token server.

    Attributes:
        url: Where, with the query.
        headers: The headers to send.
        body: A form to send by POST; None for GET.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Grant:
    """The headers that open a scope; its ``repr`` does not show them."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: float = float("inf")
    """On the monotonic clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    """Why there is no grant for a scope: all who wait for it learn it from the one who tried."""

    error: RegistryClientError
    expires: float


class RegistryAuth(AuthBase):
    """Adds to each request what its registry asked for: a token, a password, or the headers of a credential helper."""

    def __init__(
        self,
        keychain: Keychain | None,
        get_token: Callable[[TokenRequest], bytes],
        *,
        may_be_http: Callable[[str], bool],
        trusted_realms: frozenset[str] = frozenset(),
    ) -> None:
        """Ask nobody yet.

        Args:
            keychain: Where credentials are; None to be nobody.
            get_token: Sends a request to a token server, and returns the body.
            may_be_http: Tells whether a host may be talked to without TLS.
            trusted_realms: Hosts of token servers that get the credentials of whatever registry sends there.
        """
        self._keychain = keychain
        self._get_token = get_token
        self._may_be_http = may_be_http
        self._trusted_realms = trusted_realms
        self._challenges: dict[str, Sequence[Challenge]] = {}
        self._stated: dict[Scope, str] = {}
        self._grants: dict[Scope, _Grant | _Failure] = {}
        self._locks: defaultdict[Scope, threading.Lock] = defaultdict(threading.Lock)
        self._secrets: set[str] = set()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the authorization, if the registry has asked for one before."""
        scope = _scope(request)
        if scope.origin in self._challenges:
            request.headers.update(self._grant(scope, request).headers)
        return request

    def refused(self, request: requests.PreparedRequest, header: str) -> bool:
        """Learn from an answer with status 401.

        Args:
            request: What was answered, with the authorization that was not good enough.
            header: The ``WWW-Authenticate`` header of the answer.

        Returns:
            Whether there is another authorization now, so that it is worth to try once more.
        """
        scope = _scope(request)
        self.learn(scope.origin, header)
        for challenge in self._challenges[scope.origin]:
            if challenge.parameters.get("scope"):
                self._stated[scope] = challenge.parameters["scope"]
        grant = self._grant(scope, request, refused=True)
        return any(request.headers.get(name) != value for name, value in grant.headers.items())

    def is_challenged(self, home: str) -> bool:
        """Tell whether a registry, by its origin, is known to ask for an authorization."""
        return home in self._challenges

    def learn(self, home: str, header: str) -> None:
        """Take note of what a registry asks for, without getting it.

        Args:
            home: The registry's origin.
            header: The ``WWW-Authenticate`` header of its answer.
        """
        # Bazel's credential helpers serve registries that ask for something else, or do not say for what
        self._challenges[home] = [each for each in parse_challenges(header) if each.scheme in {"basic", "bearer"}]

    def check_push(self, request: requests.PreparedRequest) -> None:
        """Get the authorization for a request that writes, if its registry is known to want one.

        Args:
            request: The request, which is not sent.

        Raises:
            CredentialError: What there is to be had does not allow it.
            RegistryClientError: There is nothing to be had.
        """
        scope = _scope(request)
        if scope.origin not in self._challenges:
            return
        headers = {name.lower(): value for name, value in self._grant(scope, request).headers.items()}
        is_nobody = not headers and any(each.scheme == "basic" for each in self._challenges[scope.origin])
        token = headers.get("authorization", "").partition(" ")[2]
        if is_nobody or not may_push(token, scope.repository):
            registry = Target.at(urlsplit(scope.origin).netloc, scope.repository, "").registry
            message = (
                f"no credential for {registry} that may push to {scope.repository}; log in with docker login, "
                "or name a credential that may do it by --docker-config"
            )
            raise CredentialError(message)

    def redact(self, data: bytes) -> bytes:
        """Blot out every secret that was ever sent, in what a server says."""
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be a part of another
            data = data.replace(secret.encode(), b"...")
        return data

    def _grant(self, scope: Scope, request: requests.PreparedRequest, *, refused: bool = False) -> _Grant:
        """The grant for a scope; a new one if there is none, or it has expired, or it is the one that was refused."""
        with self._locks[scope]:
            grant = self._grants.get(scope)
            if isinstance(grant, _Grant) and refused:
                used = all(request.headers.get(name) == value for name, value in grant.headers.items())
                grant = None if used else grant
            if grant is None or grant.expires <= time.monotonic():
                grant = self._attempt(scope, request)
                self._grants[scope] = grant
        if isinstance(grant, _Failure):
            raise grant.error
        return grant

    def _attempt(self, scope: Scope, request: requests.PreparedRequest) -> _Grant | _Failure:
        try:
            return self._obtain(scope, display_url(str(request.url)))
        except RegistryClientError as error:
            return _Failure(error=error, expires=time.monotonic() + _FAILURE_LIFETIME)

    def _obtain(self, scope: Scope, url: str) -> _Grant:
        target = Target.at(urlsplit(scope.origin).netloc, scope.repository, url)
        credential = self._keychain.find(target) if self._keychain else None
        if credential is not None:
            self._note_secrets(credential)
            if credential.headers:
                return _Grant(headers=credential.headers, expires=_monotonic(credential.expires))
            if credential.registry_token:
                return self._bearer(credential.registry_token, credential.expires)
        for challenge in self._challenges[scope.origin]:
            if challenge.scheme == "bearer":
                return self._exchange_token(scope, challenge, credential)
            if credential is not None and credential.username:
                return _Grant(headers={"Authorization": _basic(credential)}, expires=_monotonic(credential.expires))
        return _Grant()

    def _exchange_token(self, scope: Scope, challenge: Challenge, credential: Credential | None) -> _Grant:
        realm = challenge.parameters.get("realm", "")
        self._check_realm(realm, scope.origin, credential)
        # registries seldom name the repository that is mounted from among what they want
        stated = self._stated[scope].split() if scope in self._stated else scope.names
        scopes = list(dict.fromkeys([*stated, *scope.names[1:]])) if scope.mounted else stated
        body = self._get_token(_token_request(realm, challenge.parameters.get("service", ""), scopes, credential))
        try:
            answer = json.loads(body)
            token = _TOKEN.fullmatch(answer.get("token") or answer["access_token"])
            lifetime = float(answer.get("expires_in") or _DEFAULT_LIFETIME)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            token = None
        if token is None:
            message = f"{display_url(realm)} did not answer with a token for {scope.origin}"
            raise BadRegistryResponseError(message)
        return self._bearer(token[0], time.time() + lifetime)

    def _bearer(self, token: str, expires: float | None) -> _Grant:
        self._secrets.add(token)
        return _Grant(headers={"Authorization": f"Bearer {token}"}, expires=_monotonic(expires))

    def _note_secrets(self, credential: Credential) -> None:
        found = {credential.password, credential.identity_token, credential.registry_token, _basic(credential)}
        found |= set(credential.headers.values())
        # the scheme in front of a secret is none
        self._secrets |= {word for text in found for word in (text, text.partition(" ")[2]) if len(word) >= _MIN_SECRET}

    def _check_realm(self, realm: str, registry: str, credential: Credential | None) -> None:
        """Refuse to ask for a token where anybody may read along, or where a credential is none of their business.

        Raises:
            BadRegistryResponseError: The realm is not such as its registry may name.
        """
        name = display_url(realm)
        joined_url(registry, realm)  # raises for what cannot even be taken apart
        url, home = urlsplit(realm), urlsplit(registry)
        if url.scheme != "https" and not (
            url.scheme == home.scheme == "http" and self._may_be_http(url.netloc.rpartition("@")[2])
        ):
            message = f'{registry} sends for a token to "{name}", which is not https'
            raise BadRegistryResponseError(message)
        host, registry_host = url.hostname or "", home.hostname or ""
        if host in self._trusted_realms:
            return
        if _is_internal(host) and host != registry_host:
            message = f'{registry} sends for a token to "{name}", an address that is not public'
            raise BadRegistryResponseError(message)
        if credential is not None and not _same_site(host, registry_host):
            message = (
                f'{registry} sends for a token to "{name}", which is not to see the credential of {credential.source}: '
                f"if it is, add --trust-realm {host}"
            )
            raise BadRegistryResponseError(message)


def _token_request(realm: str, service: str, scopes: Sequence[str], credential: Credential | None) -> TokenRequest:
    query = [("service", service)] if service else []
    if credential is not None and credential.identity_token:
        # in a form, all scopes are one field
        form = [*query, *([("scope", " ".join(scopes))] if scopes else [])]
        form += [
            ("grant_type", "refresh_token"),
            ("client_id", _CLIENT),
            ("refresh_token", credential.identity_token),
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return TokenRequest(url=realm, headers=headers, body=urlencode(form).encode())
    query += [("scope", scope) for scope in scopes]
    headers = {"Authorization": _basic(credential)} if credential is not None and credential.username else {}
    separator = "&" if urlsplit(realm).query else "?"
    return TokenRequest(url=realm + separator + urlencode(query) if query else realm, headers=headers)


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _monotonic(expires: float | None) -> float:
    """The monotonic time from which on something counts as expired; its end is in seconds since the epoch."""
    if expires is None:
        return float("inf")
    lifetime = expires - time.time()
    return time.monotonic() + lifetime - min(_MARGIN, lifetime / 5)


def _scope(request: requests.PreparedRequest) -> Scope:
    url = str(request.url)
    parts = urlsplit(url)
    match = _REPOSITORY.match(parts.path)
    mounted = parse_qs(parts.query).get("from", [""])[0] if request.method == "POST" else ""
    return Scope(origin(url), match["repository"] if match else "", _ACTIONS.get(str(request.method), "pull"), mounted)


def _same_site(host: str, registry: str) -> bool:
    """Whether two hosts are one site: equal, or next to each other below a domain that is somebody's own.

    So ``auth.docker.io`` may have what is meant for ``registry-1.docker.io``, and ``gitlab.com`` for
    ``registry.gitlab.com``; but no site below ``co.uk`` that for another.
    """
    if host == registry:
        return True
    if _address(host) or _address(registry):
        return False
    pairs = zip(reversed(host.split(".")), reversed(registry.split(".")), strict=False)
    common: list[str] = []
    for ours, theirs in pairs:
        if ours != theirs:
            break
        common.append(ours)
    is_public = len(common) == 2 and len(common[0]) == 2 and len(common[1]) <= 3
    return len(common) >= 2 and not is_public


def _is_internal(host: str) -> bool:
    address = _address(host)
    return address is not None and not address.is_global


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
