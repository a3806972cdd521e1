"""Tokens for whoever asks for one: anonymous Bearer authentication (distribution, "Token Authentication").

Most public registries want a token even of those who have no account. Nothing secret is sent to get one.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from requests.auth import AuthBase

from registry_client.challenge import Challenge, parse_challenges
from registry_client.errors import BadRegistryResponseError
from registry_client.reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

_REPOSITORY = re.compile(r"/v2/(?P<repository>.+)/(?:manifests|blobs|tags|referrers)/")
_READING = frozenset({"GET", "HEAD"})
_DEFAULT_LIFETIME = 60
_MARGIN = 10
"""Seconds before its end from which on a token counts as expired."""
_MAX_ERROR_SIZE = 8 * 1024


class Scope(NamedTuple):
    """What a token is for."""

    origin: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    """A token; its ``repr`` does not show it."""

    header: str = field(repr=False)
    expires: float


class BearerAuth(AuthBase):
    """Gets the tokens that registries ask for: one a scope, shared by all threads, renewed before it expires."""

    def __init__(self, get: Callable[[str], bytes]) -> None:
        """Get nothing yet.

        Args:
            get: Sends a GET request without any authorization, and returns the body.
        """
        self._get = get
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[Scope, _Token] = {}
        self._locks: defaultdict[Scope, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to a request to a registry that has asked for one before."""
        scope = _scope(request)
        challenge = self._challenges.get(scope.origin)
        if challenge is not None:
            request.headers["Authorization"] = self._token(scope, challenge).header
        request.hooks["response"].append(self._answered)
        return request

    def _answered(self, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401 - as requests calls it
        """Get a token for a request that was answered by 401, and send it once more."""
        if response.status_code != 401:
            return response
        request = response.request
        request.hooks["response"].remove(self._answered)
        offered = parse_challenges(response.headers.get("WWW-Authenticate", ""))
        challenge = next((each for each in offered if each.scheme == "bearer"), None)
        if challenge is None:
            return response
        scope = _scope(request)
        self._challenges[scope.origin] = challenge
        token = self._token(scope, challenge, refused=request.headers.get("Authorization"))
        response.raw.read(_MAX_ERROR_SIZE)
        response.close()
        again = request.copy()
        again.headers["Authorization"] = token.header
        answer: requests.Response = response.connection.send(again, **options)
        answer.history.append(response)
        answer.request = again
        return answer

    def _token(self, scope: Scope, challenge: Challenge, refused: str | None = None) -> _Token:
        """The token for a scope; a new one if there is none, or the one there was refused or has expired."""
        with self._locks[scope]:
            token = self._tokens.get(scope)
            if token is None or token.header == refused or token.expires <= time.monotonic():
                token = self._fetch(scope, challenge)
                self._tokens[scope] = token
            return token

    def _fetch(self, scope: Scope, challenge: Challenge) -> _Token:
        realm = challenge.parameters.get("realm", "")
        _check_realm(realm, scope.origin)
        query = {"service": challenge.parameters.get("service", ""), "scope": scope.name}
        separator = "&" if urlsplit(realm).query else "?"
        body = self._get(realm + separator + urlencode({key: value for key, value in query.items() if value}))
        try:
            answer = json.loads(body)
            value = answer.get("token") or answer["access_token"]
            lifetime = float(answer.get("expires_in") or _DEFAULT_LIFETIME)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            message = f"{realm} did not answer with a token for {scope.origin}"
            raise BadRegistryResponseError(message) from error
        return _Token(header=f"Bearer {value}", expires=time.monotonic() + lifetime - _MARGIN)


def _scope(request: requests.PreparedRequest) -> Scope:
    """What a token for a request has to allow (distribution, "Token Scope Documentation")."""
    url = urlsplit(str(request.url))
    match = _REPOSITORY.match(url.path)
    actions = "pull" if request.method in _READING else "pull,push"
    name = f"repository:{match['repository']}:{actions}" if match else ""
    return Scope(f"{url.scheme}://{url.netloc}", name)


def _check_realm(realm: str, origin: str) -> None:
    """Refuse to ask for a token where anybody could read along.

    Raises:
        BadRegistryResponseError: The realm is neither https nor on this machine.
    """
    url = urlsplit(realm)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.netloc)):
        message = f'{origin} sends for a token to "{realm}", which is not https'
        raise BadRegistryResponseError(message)
