"""HTTP to registries: pooled connections, time limits, retries, and bodies of bounded size."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from registry_client.auth import BearerAuth
from registry_client.errors import BadRegistryResponseError, RegistryError, RegistryUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

USER_AGENT = "registry_rules/0.1.0"
MAX_ERROR_SIZE = 8 * 1024
MAX_TOKEN_SIZE = 128 * 1024
_CHUNK_SIZE = 64 * 1024
_RETRIED_STATUSES = (429, 502, 503, 504)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer that was read to its end.

    Attributes:
        status: The HTTP status.
        headers: The headers; names without regard to case.
        body: The body, in full.
        request: ``METHOD URL``, for messages.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOptions:
    """How to talk to registries.

    Attributes:
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for the next bytes.
        retries: How often to try again after an answer that asks for it, or after a dropped connection.
        backoff: Seconds before the second retry; doubled each time.
        connections: How many connections to keep open to a host.
    """

    connect_timeout: float = 10
    read_timeout: float = 60
    retries: int = 4
    backoff: float = 0.25
    connections: int = 16


class Session:
    """A ``requests.Session`` whose errors are ours and whose bodies have a limit."""

    def __init__(self, options: SessionOptions | None = None) -> None:
        """Open no connection yet.

        Args:
            options: How to talk to registries.
        """
        self._options = options or SessionOptions()
        self._session = _CarefulSession()
        self._session.headers["User-Agent"] = USER_AGENT
        self._session.auth = BearerAuth(self._get_token)
        self._met: set[str] = set()
        self._meeting: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        adapter = HTTPAdapter(
            pool_maxsize=self._options.connections,
            max_retries=Retry(
                total=self._options.retries,
                backoff_factor=self._options.backoff,
                backoff_jitter=self._options.backoff,
                status_forcelist=_RETRIED_STATUSES,
                allowed_methods=None,
                raise_on_status=False,
                redirect=0,
            ),
        )
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        limit: int,
    ) -> Answer:
        """Send a request, and read the answer to its end.

        Args:
            method: The HTTP method.
            url: Where to.
            headers: Headers to add.
            data: The body.
            limit: The most bytes that the body of a good answer may have.

        Returns:
            The answer, the status of which is below 400.

        Raises:
            RegistryError: The status is 400 or more.
            BadRegistryResponseError: The body is too large.
            RegistryUnreachableError: There is no answer.
        """
        request = requests.Request(method, url, headers=dict(headers or {}), data=data)
        with self._first_contact(url):
            return self._exchange(request, limit)

    @contextmanager
    def _first_contact(self, url: str) -> Iterator[None]:
        """Let the first request to a host go alone, so that all others know already what the host asks for."""
        host = _authority(url)
        with self._meeting[host]:
            is_first = host not in self._met
            if is_first:
                try:
                    yield
                finally:
                    self._met.add(host)
        if not is_first:
            yield

    def _get_token(self, url: str) -> bytes:
        return self._exchange(requests.Request("GET", url, auth=_no_auth), MAX_TOKEN_SIZE).body

    def _exchange(self, request: requests.Request, limit: int) -> Answer:
        url, name = str(request.url), f"{request.method} {_without_query(str(request.url))}"
        timeout = (self._options.connect_timeout, self._options.read_timeout)
        settings = self._session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
        try:
            prepared = self._session.prepare_request(request)
            with self._session.send(prepared, timeout=timeout, **settings) as response:
                if response.status_code >= 400:
                    body = _read(response, MAX_ERROR_SIZE)[:MAX_ERROR_SIZE]
                    raise RegistryError.from_body(response.status_code, body, request=name)
                body = _read(response, limit)
        except requests.RequestException as error:
            message = f"{_authority(url)} does not answer: {_reason(error)} ({name})"
            raise RegistryUnreachableError(message) from error
        if len(body) > limit:
            message = f"the answer is larger than {limit} bytes ({name})"
            raise BadRegistryResponseError(message)
        return Answer(status=response.status_code, headers=response.headers, body=body, request=name)


class _CarefulSession(requests.Session):
    """A session that takes no authorization to another origin, and follows no redirect from https to http."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Take the authorization off a redirected request, unless it goes where it came from."""
        old, new = urlsplit(str(response.request.url)), urlsplit(str(prepared_request.url))
        if old.scheme == "https" and new.scheme != "https":
            message = f"{old.netloc} redirects to {new.scheme}://{new.netloc}, which is not https"
            raise BadRegistryResponseError(message)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            prepared_request.headers.pop("Authorization", None)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(response: requests.Response, limit: int) -> bytes:
    """Read a body, but stop soon after the limit."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_SIZE):
        body += chunk
        if len(body) > limit:
            break
    return bytes(body)


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _authority(url: str) -> str:
    return urlsplit(url).netloc


def _reason(error: BaseException) -> str:
    """The innermost reason of a failed request, which says most in the fewest words."""
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the time limit"
    if isinstance(error, requests.Timeout):
        return "no bytes within the time limit"
    cause: BaseException = error
    while True:
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    text = str(cause)
    return text.rpartition(": ")[2] or type(cause).__name__
