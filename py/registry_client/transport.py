"""HTTP: pooled connections, time limits, retries, redirects, rate limits, and bodies of bounded size.

Nothing in here knows what a registry is, or has a secret of its own.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import requote_uri
from urllib3.exceptions import HTTPError, IncompleteRead, InvalidHeader, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

from registry_client.errors import BadRegistryResponseError, RegistryUnreachableError
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
_NOISE = re.compile(r"\[Errno -?[0-9]+\] |\[SSL: [A-Z0-9_]+\] | \(_ssl\.c:[0-9]+\)")
"""What is of no use to people in the words of Python's errors."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer that was read to its end.

    Attributes:
        status: The HTTP status.
        headers: The headers; names without regard to case.
        body: The body, in full; of an error's the start.
        request: ``METHOD URL``, for messages; the URL without its query.
        origin: Who answered, which after a redirect may be somebody else than was asked.
        note: What there is to say of the answer beside what it says itself.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: str
    origin: str
    note: str = ""


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
        self._paces: defaultdict[str, _Pace] = defaultdict(lambda: _Pace(options.max_requests_per_second))
        self._retry = _Patience(
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

    def prepare(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> requests.PreparedRequest:
        """Make a request, with the headers that all have, of parts that need no more escaping."""
        return _prepared(method, url, {**self._headers, **headers}, body)

    def exchange(self, request: requests.PreparedRequest, *, limit: int, redirects: int = _MAX_REDIRECTS) -> Answer:
        """Send a request, again if need be, and read the answer to its end.

        Args:
            request: What ``prepare`` made.
            limit: The most bytes that the body of a good answer may have.
            redirects: How many redirects to follow. What is secret stays behind when one leads to another origin.

        Returns:
            The answer, of whatever status.

        Raises:
            BadRegistryResponseError: The body is too large, or a redirect leads where it must not.
            RegistryUnreachableError: There is no answer.
        """
        answer = self._persist(request, limit)
        for _ in range(redirects):
            if not _is_redirect(request, answer):
                break
            request = self._redirected(request, answer)
            answer = self._persist(request, limit)
        if _is_redirect(request, answer):
            message = f"{_authority(request)} redirects once too often ({answer.request})"
            raise BadRegistryResponseError(message)
        return answer

    def _persist(self, request: requests.PreparedRequest, limit: int) -> Answer:
        """Send a request until an answer is worth having, or patience ends."""
        pace, retry = self._paces[_authority(request)], self._retry
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
                _give_up(request, error)
            except requests.RequestException as error:
                failure = error
            except OSError as error:  # a file of certificates that is not there
                _give_up(request, error)
            try:
                retry = retry.increment(request.method, request.url, response=raw, error=failure)
            except (MaxRetryError, HTTPError, requests.RequestException):
                if failure is None:
                    return answer
                _give_up(request, failure)
            pause = retry.asks_for(raw) if raw is not None else 0
            if pause:
                pace.pause(pause)  # for everybody: the host said it once for all
                time.sleep(random.uniform(0, self._options.backoff))  # noqa: S311 - spreads load, hides nothing
            else:
                time.sleep(retry.get_backoff_time())

    def _attempt(self, request: requests.PreparedRequest, limit: int) -> tuple[Answer, BaseHTTPResponse]:
        options, url = self._options, str(request.url)
        adapter = self._http.get_adapter(url)
        settings = self._settings_for(url)
        with adapter.send(
            request, stream=True, timeout=(options.connect_timeout, options.read_timeout), **settings
        ) as response:
            bad = response.status_code >= _REDIRECTION
            body = _read(response, MAX_ERROR_SIZE if bad else limit, time.monotonic() + options.answer_timeout)
            name = f"{request.method} {display_url(url)}"
            if len(body) > limit and not bad:
                message = f"the answer is larger than {limit} bytes ({name})"
                raise BadRegistryResponseError(message)
            answer = Answer(
                status=response.status_code,
                headers=response.headers,
                body=body[:MAX_ERROR_SIZE] if bad else body,
                request=name,
                origin=origin(url),
            )
            return answer, response.raw

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
        new = requote_uri(urljoin(old, answer.headers["Location"]))
        url = urlsplit(new)
        if url.scheme not in {"http", "https"} or not url.hostname:
            message = f"{_authority(request)} redirects to {display_url(new)}, which is no web address"
            raise BadRegistryResponseError(message)
        if url.scheme == "http" and (old.startswith("https:") or not self._options.may_be_http(url.netloc)):
            message = f"{_authority(request)} redirects to {display_url(new)}, which is not https"
            raise BadRegistryResponseError(message)
        same = origin(old) == origin(new)
        headers = {name: text for name, text in request.headers.items() if same or name.lower() in _HARMLESS_HEADERS}
        body = request.body if isinstance(request.body, bytes) else None
        return _prepared(str(request.method), new, headers, body)


class _Pace:
    """When the next request to a host may go: a token bucket that holds one token."""

    def __init__(self, per_second: float | None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take the next turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            if self._interval or turn > now:
                self._next = turn + self._interval
        if turn > now:
            time.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let nobody go for some time."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class _Patience(Retry):
    """Retries, where a ``Retry-After`` that cannot be read counts as none."""

    def asks_for(self, response: BaseHTTPResponse) -> float:
        """The seconds that an answer asks to wait, in seconds or as a date (RFC 9110, section 10.2.3)."""
        try:
            return self.get_retry_after(response) or 0.0
        except (InvalidHeader, OverflowError, ValueError):
            return 0.0


def origin(url: str) -> str:
    """``scheme://host:port`` of a URL, the port only where it is not the scheme's own (RFC 6454)."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(default) if default else host}"


def display_url(url: str) -> str:
    """A URL as it may be shown: without user, password, query and fragment, which may be secret."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _prepared(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> requests.PreparedRequest:
    # requests' own way takes longer than the network
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    request.headers = CaseInsensitiveDict(headers)
    if body is not None:
        request.headers["Content-Length"] = str(len(body))
    return request


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


def _is_redirect(request: requests.PreparedRequest, answer: Answer) -> bool:
    statuses = _REDIRECTS if request.body is None else _REDIRECTS_WITH_BODY
    return answer.status in statuses and "Location" in answer.headers


def _authority(request: requests.PreparedRequest) -> str:
    return urlsplit(str(request.url)).netloc


def _give_up(request: requests.PreparedRequest, error: OSError) -> NoReturn:
    name = f"{request.method} {display_url(str(request.url))}"
    message = f"{_authority(request)} does not answer: {_reason(error)} ({name})"
    raise RegistryUnreachableError(message) from error


def _reason(error: BaseException) -> str:
    """The innermost reason of a failed request, which says most in the fewest words."""
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the time limit"
    if isinstance(error, requests.Timeout):
        return "not all bytes came within the time limit"
    cause: BaseException | None = error
    while cause is not None:
        error, cause = cause, _inner(cause)
    if isinstance(error, IncompleteRead):
        return f"the connection broke after {error.partial} bytes, {error.expected} before the end"
    text = _NOISE.sub("", str(error.strerror if isinstance(error, OSError) and error.strerror else error))
    if isinstance(error, HTTPError):  # of urllib3, which puts host and port in front
        text = text.rpartition(": ")[2]
    return text or type(error).__name__


def _inner(error: BaseException) -> BaseException | None:
    """What an error was made of."""
    inner = [getattr(error, "reason", None), *error.args]
    return next((each for each in inner if isinstance(each, BaseException)), None)
