"""HTTP: pooled connections, time limits, retries, redirects, rate limits, and bodies of bounded size.

Nothing in here knows what a registry is, or has a secret of its own.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import requote_uri
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

from registry_client.errors import BadRegistryResponseError
from registry_client.messages import (
    Answer,
    Stream,
    Upload,
    authority,
    display_url,
    give_up,
    joined_url,
    origin,
    prepared,
)
from registry_client.pacing import Pace, Patience, RetryPolicy
from registry_client.reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.response import BaseHTTPResponse

USER_AGENT = "registry_rules/0.1.0"
MAX_ERROR_SIZE = 8 * 1024
"""Bytes of an error's body that are read."""

_CHUNK_SIZE = 64 * 1024
_REDIRECTION = 300
_MAX_REDIRECTS = 5
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_WITH_BODY = frozenset({307, 308})
_HARMLESS_HEADERS = frozenset({"accept", "range", "user-agent"})
"""What another origin may see of a request that is redirected to it."""
_GIVEN_UP_AT_ONCE = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransportOptions:
    """How to talk HTTP.

    Attributes:
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for the next bytes.
        answer_timeout: Seconds to wait for the end of an answer.
        retries: How often to try again after an answer that asks for it, or after a dropped connection.
        backoff: Seconds before the second retry; doubled each time, and as much again by chance.
        max_backoff: The most seconds between two tries.
        max_retry_after: The most seconds to wait because an answer asks for it with ``Retry-After``.
        max_requests_per_second: To one host; None for as many as the connections allow.
        connections: How many connections to keep open to a host.
        ca_file: PEM file, or directory, of the authorities to trust instead of the usual ones.
        client_certificate: PEM file with certificate and key, or one file for each.
        insecure_registries: Hosts, with their ports, that may be talked to without TLS, as this machine itself may.
    """

    connect_timeout: float = 10
    read_timeout: float = 60
    answer_timeout: float = 600
    retries: int = 4
    backoff: float = 0.25
    max_backoff: float = 30
    max_retry_after: float = 120
    max_requests_per_second: float | None = None
    connections: int = 16
    ca_file: str | None = None
    client_certificate: str | tuple[str, str] | None = None
    insecure_registries: frozenset[str] = frozenset()

    def may_be_http(self, host: str) -> bool:
        """Whether a host, with an optional port, may be talked to without TLS."""
        return is_loopback(host) or host in self.insecure_registries


class Transport:
    """Sends requests over the connections of one ``requests.Session``."""

    def __init__(self, options: TransportOptions, http: requests.Session | None = None) -> None:
        """Open no connection yet.

        Args:
            options: How to talk HTTP.
            http: Whose adapters, proxies, certificates and headers to use; a new session if None. The caller closes it.
        """
        self._options = options
        self._owned = http is None
        self._http = http or _new_session(options)
        self._headers = {"User-Agent": USER_AGENT} | {
            name: str(value) for name, value in self._http.headers.items() if http is not None
        }
        self._settings: dict[str, dict[str, Any]] = {}
        self._paces: defaultdict[str, Pace] = defaultdict(lambda: Pace(options.max_requests_per_second))
        self._sent: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._retry = RetryPolicy(
            total=options.retries,
            backoff_factor=options.backoff,
            backoff_jitter=options.backoff,
            backoff_max=options.max_backoff,
            status_forcelist=_RETRIED_STATUSES,
            allowed_methods=None,
        )

    def close(self) -> None:
        """Close all connections, unless they are the caller's."""
        if self._owned:
            self._http.close()

    @property
    def request_counts(self) -> Counter[str]:
        """How many requests of each method have been sent, each try counted."""
        with self._counting:
            return Counter(self._sent)

    def patience(self) -> Patience:
        """How often, and how long after each other, something is tried that cannot be sent again as it is."""
        return Patience(self._retry)

    def prepare(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Upload | None = None
    ) -> requests.PreparedRequest:
        """Make a request, with the headers that all have, of parts that need no more escaping."""
        return prepared(method, url, {**self._headers, **headers}, body)

    def exchange(
        self, request: requests.PreparedRequest, *, limit: int | None, redirects: int = _MAX_REDIRECTS
    ) -> Answer:
        """Send a request, again if need be, and read the answer to its end.

        Args:
            request: What ``prepare`` made. A body that is an ``Upload`` can be sent once only.
            limit: The most bytes that the body of a good answer may have; None to get it as a stream.
            redirects: How many redirects to follow. What is secret stays behind when one leads to another origin.

        Returns:
            The answer, of whatever status.

        Raises:
            BadRegistryResponseError: The body is too large, or a redirect leads where it must not.
            RegistryUnreachableError: There is no answer.
        """
        answer = self._persist(request, limit)
        if _is_upload(request) and answer.status in _REDIRECTS:
            message = f"{authority(request)} redirects the upload, which is not followed ({answer.request})"
            raise BadRegistryResponseError(message)
        for _ in range(redirects):
            if not _is_redirect(request, answer):
                break
            request = self._redirected(request, answer)
            answer = self._persist(request, limit)
        if _is_redirect(request, answer):
            message = f"{authority(request)} redirects once too often ({answer.request})"
            raise BadRegistryResponseError(message)
        return answer

    def _persist(self, request: requests.PreparedRequest, limit: int | None) -> Answer:
        """Send a request until an answer is worth having, or patience ends."""
        pace = self._paces[authority(request)]
        retry = self._retry.new(total=0) if _is_upload(request) else self._retry
        while True:
            pace.wait()
            raw: BaseHTTPResponse | None = None
            failure: requests.RequestException | None = None
            try:
                answer, raw = self._attempt(request, limit)
                if answer.status not in _RETRIED_STATUSES:
                    return answer
                wait = retry.asks_for(raw)
                if wait > self._options.max_retry_after:
                    note = (
                        f"it asks to wait {wait:.0f} seconds, more than the limit of {self._options.max_retry_after:g}"
                    )
                    return replace(answer, note=note)
            except _GIVEN_UP_AT_ONCE as error:
                give_up(request, error)
            except requests.RequestException as error:
                failure = error
            except OSError as error:  # a file of certificates that is not there
                give_up(request, error)
            try:
                retry = retry.increment(request.method, request.url, response=raw, error=failure)
            except (MaxRetryError, HTTPError, requests.RequestException):
                if failure is not None:
                    give_up(request, failure)
                if _is_upload(request):
                    pace.pause(wait)  # whoever sends it again has but to come back
                return answer
            self._pause(pace, retry, raw)

    def _pause(self, pace: Pace, retry: RetryPolicy, raw: BaseHTTPResponse | None) -> None:
        """Wait as long as an answer asks for, or else as long as it seems wise."""
        pause = retry.asks_for(raw) if raw is not None else 0
        if pause:
            pace.pause(pause)  # for everybody: the host said it once for all
            time.sleep(random.uniform(0, self._options.backoff))  # noqa: S311 - spreads load, hides nothing
        else:
            time.sleep(retry.get_backoff_time())

    def _attempt(self, request: requests.PreparedRequest, limit: int | None) -> tuple[Answer, BaseHTTPResponse]:
        options, url = self._options, str(request.url)
        adapter = self._http.get_adapter(url)
        settings = self._settings_for(url)
        with self._counting:
            self._sent[str(request.method)] += 1
        response = adapter.send(
            request, stream=True, timeout=(options.connect_timeout, options.read_timeout), **settings
        )
        name = f"{request.method} {display_url(url)}"
        answer = Answer(
            status=response.status_code, headers=response.headers, body=b"", request=name, origin=origin(url)
        )
        bad = response.status_code >= _REDIRECTION
        if limit is None and not bad:
            return replace(answer, stream=Stream(response, request)), response.raw
        most = MAX_ERROR_SIZE if bad or limit is None else limit
        with response:
            body = _read(response, most, time.monotonic() + options.answer_timeout)
        if len(body) > most and not bad:
            message = f"the answer is larger than {limit} bytes ({name})"
            raise BadRegistryResponseError(message)
        return replace(answer, body=body[:most] if bad else body), response.raw

    def _settings_for(self, url: str) -> dict[str, Any]:
        """Proxies and certificates for an origin; looked up once, as the environment is searched for them."""
        key = origin(url)
        if key not in self._settings:
            # a CA file of None lets the environment choose
            settings = self._http.merge_environment_settings(
                url, {}, stream=True, verify=self._options.ca_file, cert=self._options.client_certificate
            )
            self._settings[key] = {name: value for name, value in settings.items() if name != "stream"}
        return self._settings[key]

    def _redirected(self, request: requests.PreparedRequest, answer: Answer) -> requests.PreparedRequest:
        old = str(request.url)
        new = requote_uri(joined_url(old, answer.headers["Location"]))
        url = urlsplit(new)
        if url.scheme not in {"http", "https"} or not url.hostname:
            message = (
                f"{authority(request)} redirects to {display_url(answer.headers['Location'])}, which is no web address"
            )
            raise BadRegistryResponseError(message)
        if url.scheme == "http" and (old.startswith("https:") or not self._options.may_be_http(url.netloc)):
            message = f"{authority(request)} redirects to {display_url(new)}, which is not https"
            raise BadRegistryResponseError(message)
        same = origin(old) == origin(new)
        headers = {name: text for name, text in request.headers.items() if same or name.lower() in _HARMLESS_HEADERS}
        body = request.body if isinstance(request.body, bytes) else None
        return prepared(str(request.method), new, headers, body)


def _new_session(options: TransportOptions) -> requests.Session:
    http = requests.Session()
    # all tries are counted in one place, which is above the adapter
    adapter = HTTPAdapter(pool_maxsize=options.connections, max_retries=0)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


def _read(response: requests.Response, limit: int, deadline: float) -> bytes:
    """Read a body, but stop soon after the limit.

    Raises:
        requests.RequestException: It breaks off, or takes too long, all together or between two bytes.
    """
    body = bytearray()
    try:
        # as much as there is each time: requests would wait for a whole chunk, however long that takes
        while chunk := response.raw.read1(_CHUNK_SIZE, decode_content=True):
            body += chunk
            if len(body) > limit:
                break
            if time.monotonic() > deadline:
                raise requests.ReadTimeout
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    return bytes(body)


def _is_upload(request: requests.PreparedRequest) -> bool:
    body: object = request.body
    return isinstance(body, Upload)


def _is_redirect(request: requests.PreparedRequest, answer: Answer) -> bool:
    statuses = _REDIRECTS if request.body is None else _REDIRECTS_WITH_BODY
    return answer.status in statuses and "Location" in answer.headers
