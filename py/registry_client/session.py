"""Requests to registries: the scheme to use, the authorization that is asked for, and error answers as errors."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.exceptions import ProtocolError

from registry_client.auth import RegistryAuth, TokenRequest
from registry_client.errors import (
    BadRegistryResponseError,
    RegistryClientError,
    RegistryError,
    RegistryUnreachableError,
)
from registry_client.messages import Answer, Upload, display_url, joined_url, origin
from registry_client.transport import Transport, TransportOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from registry_client.credentials import Keychain
    from registry_client.pacing import Patience

MAX_TOKEN_SIZE = 128 * 1024
"""Bytes of a token server's answer."""

_LOST_SECONDS = 30.0
"""How long a host that could not be reached at all is not tried again."""
_BAD_REQUEST, _UNAUTHORIZED = 400, 401
_REDIRECTION = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """A request before it is known over what it goes and what authorization it needs."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    data: bytes | Upload | None
    limit: int | None
    location: str | None = None
    is_probe: bool = False
    """Whether it is sent only to learn what authorization the host asks for, which it does not need."""


class Session:
    """Sends requests to registries, with whatever each of them asks for."""

    def __init__(
        self,
        options: TransportOptions | None = None,
        *,
        keychain: Keychain | None = None,
        http: requests.Session | None = None,
        trusted_realms: frozenset[str] = frozenset(),
    ) -> None:
        """Open no connection yet.

        Args:
            options: How to talk HTTP.
            keychain: Where credentials are; None to be nobody.
            http: The session of requests to use; the caller closes it.
            trusted_realms: Hosts of token servers that get the credentials of whatever registry sends there.
        """
        self._options = options or TransportOptions()
        self._transport = Transport(self._options, http)
        self._auth = RegistryAuth(
            keychain, self._get_token, may_be_http=self._options.may_be_http, trusted_realms=trusted_realms
        )
        self._schemes: dict[str, str] = {}
        self._met: set[str] = set()
        self._lost: dict[str, tuple[float, RegistryUnreachableError]] = {}
        self._meeting: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._probed: set[str] = set()
        self._probing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    @property
    def request_counts(self) -> Counter[str]:
        """How many requests of each method have been sent, those for tokens among them."""
        return self._transport.request_counts

    def patience(self) -> Patience:
        """How often, and how long after each other, something is tried that cannot be sent again as it is."""
        return self._transport.patience()

    def check_location(self, answer: Answer, host: str) -> str:
        """Read the ``Location`` that a registry gave for an upload.

        Args:
            answer: The registry's answer.
            host: The registry, with an optional port.

        Returns:
            The absolute URL.

        Raises:
            BadRegistryResponseError: There is none, or it leads where it must not.
        """
        given = answer.headers.get("Location", "")
        location = joined_url(answer.request.partition(" ")[2], given)
        url, home = urlsplit(location), urlsplit(answer.origin)
        if url.netloc == home.netloc and url.scheme == "http":
            # a registry that does not know that a proxy in front of it speaks TLS
            url = url._replace(scheme=home.scheme)
        if not given or url.scheme not in {"http", "https"} or not url.hostname:
            message = f'{host} gave no place to upload to: Location is "{display_url(given)}" ({answer.request})'
            raise BadRegistryResponseError(message)
        may_be_http = home.scheme == "http" and self._options.may_be_http(url.netloc.rpartition("@")[2])
        if url.scheme == "http" and not may_be_http:
            message = f"{host} wants an upload to go to {display_url(location)}, which is not https"
            raise BadRegistryResponseError(message)
        return url.geturl()

    def check_push(self, host: str, path: str, *, ask: bool) -> None:
        """Get the authorization to write to a repository, if the registry wants one; write nothing.

        A registry that has asked for nothing yet may let everybody read: it is asked for its base, once.

        Args:
            host: The registry, with an optional port.
            path: Any path of the repository, from ``/v2/`` on.
            ask: Whether that is worth a request.

        Raises:
            RegistryClientError: There is none to be had.
        """
        with self._probing[host]:
            if ask and host not in self._probed and not self._auth.is_challenged(self._home(host)):
                self._probed.add(host)
                with suppress(RegistryClientError):  # whatever is wrong, the first request that matters says it
                    self._probe(host)
        self._auth.check_push(self._transport.prepare("PUT", f"{self._home(host)}{path}", {}))

    def send(  # noqa: PLR0913 - a request has that many parts
        self,
        method: str,
        host: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | Upload | None = None,
        limit: int | None,
        location: str | None = None,
    ) -> Answer:
        """Send a request, and read the answer to its end.

        Args:
            method: The HTTP method.
            host: The registry, with an optional port.
            path: What to ask for, from ``/v2/`` on.
            headers: Headers to add.
            data: The body. An ``Upload`` can be sent once only: the host must know us already.
            limit: The most bytes that the body of a good answer may have; None to get it as a stream.
            location: The URL to use in place of host and path, as the registry gave it in answer to a request for
                those. The authorization of the path goes along to the registry itself only.

        Returns:
            The answer, the status of which is below 300.

        Raises:
            RegistryError: The status is 300 or more.
            BadRegistryResponseError: The body is too large, or the answer leads where it must not.
            RegistryUnreachableError: There is no answer.
        """
        call = _Call(
            method=method, host=host, path=path, headers=headers or {}, data=data, limit=limit, location=location
        )
        with self._first_contact(host):
            return self._checked(self._answer(call))

    def _home(self, host: str) -> str:
        """The origin of a host, as far as it is known over what it speaks."""
        return origin(f"{self._schemes.get(host, 'https')}://{host}")

    def _probe(self, host: str) -> None:
        """Learn what authorization a host asks for (distribution specification, "Determining Support")."""
        call = _Call(method="GET", host=host, path="/v2/", headers={}, data=None, limit=MAX_TOKEN_SIZE, is_probe=True)
        with self._first_contact(host):
            self._answer(call)

    @contextmanager
    def _first_contact(self, host: str) -> Iterator[None]:
        """Let the first request to a host go alone, so that all others know already what the host asks for."""
        if host not in self._met:
            with self._meeting[host]:
                if host not in self._met:
                    self._check_lost(host)
                    try:
                        yield
                    except RegistryUnreachableError as error:
                        self._lost[host] = (time.monotonic() + _LOST_SECONDS, error)
                        raise
                    except RegistryClientError:
                        self._met.add(host)
                        raise
                    self._met.add(host)
                    return
        yield

    def _check_lost(self, host: str) -> None:
        """Fail at once for a host that has just failed, with all patience: there may be thousands of requests to it."""
        until, error = self._lost.get(host, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error

    def _answer(self, call: _Call) -> Answer:
        """Send a request over what its host is known, or has to be made, to speak."""
        scheme = self._schemes.get(call.host)
        if scheme is None and not self._options.may_be_http(call.host):
            scheme = "https"
        return self._answer_over(scheme, call) if scheme else self._answer_over_either(call)

    def _answer_over_either(self, call: _Call) -> Answer:
        """Send the first request to a host that may be without TLS: so, or else with TLS."""
        plain: Answer | RegistryUnreachableError
        try:
            plain = self._answer_over("http", call)
        except RegistryUnreachableError as error:
            plain = error
        if _may_want_tls(plain):
            try:
                answer = self._answer_over("https", call)
            except RegistryUnreachableError as error:
                if _is_about_certificates(error):
                    raise
            else:
                self._schemes[call.host] = "https"
                return answer
        if isinstance(plain, RegistryUnreachableError):
            raise plain
        self._schemes[call.host] = "http"
        return plain

    def _answer_over(self, scheme: str, call: _Call) -> Answer:
        """Send a request, and once more if the registry asks for an authorization, or for another one.

        What can be sent but once is left to the caller, who finds the new authorization there at the next try.
        """
        answer, request = self._send(scheme, call)
        challenge = answer.headers.get("WWW-Authenticate", "")
        # nobody to whom the registry has sent us on has a say in what is sent to the registry
        by_registry = answer.origin == origin(str(request.url))
        if answer.status != _UNAUTHORIZED or not by_registry:
            return answer
        if call.is_probe:
            self._auth.learn(answer.origin, challenge)
        elif self._auth.refused(request, challenge) and not isinstance(call.data, Upload):
            answer, _ = self._send(scheme, call)
        return answer

    def _send(self, scheme: str, call: _Call) -> tuple[Answer, requests.PreparedRequest]:
        home = f"{scheme}://{call.host}{call.path}"
        request = self._transport.prepare(call.method, home, call.headers, call.data)
        if call.location is None or origin(call.location) == origin(home):
            self._auth(request)
        request.url = call.location or home
        answer = self._transport.exchange(request, limit=call.limit)
        request.url = home  # what its authorization is for
        return answer, request

    def _get_token(self, wanted: TokenRequest) -> bytes:
        """Ask a token server, which must answer by itself: it is no place to be sent elsewhere from."""
        method = "GET" if wanted.body is None else "POST"
        request = self._transport.prepare(method, wanted.url, wanted.headers, wanted.body)
        return self._checked(self._transport.exchange(request, limit=MAX_TOKEN_SIZE, redirects=0)).body

    def _checked(self, answer: Answer) -> Answer:
        """Raise what a registry says no with."""
        if answer.status >= _REDIRECTION:
            body = self._auth.redact(answer.body)
            raise RegistryError.from_body(answer.status, body, request=answer.request, note=answer.note)
        return answer


def _may_want_tls(plain: Answer | RegistryUnreachableError) -> bool:
    """Whether the outcome of a request without TLS is what comes of one to a server that speaks nothing else."""
    if isinstance(plain, Answer):
        return plain.status == _BAD_REQUEST
    reason = plain.__cause__.args[0] if plain.__cause__ is not None and plain.__cause__.args else None
    return isinstance(reason, ProtocolError)


def _is_about_certificates(error: RegistryUnreachableError) -> bool:
    """Whether a host speaks TLS, but one side will not have the other's certificate: only such a host sends alerts."""
    said = str(error.__cause__)
    return "CERTIFICATE" in said or "ALERT" in said
