"""HTTP messages: answers, bodies that are streams, URLs as they may be shown, and what went wrong in a few words."""

from __future__ import annotations

import http.client
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, IncompleteRead, ReadTimeoutError

from registry_client.errors import BadRegistryResponseError, RegistryUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_STREAM_CHUNK_SIZE = 120 * 1024
_VIEW_SIZE = 512 * 1024
_NOISE = re.compile(r"\[Errno -?[0-9]+\] |\[SSL: [A-Z0-9_]+\] | \(_ssl\.c:[0-9]+\)")
"""What is of no use to people in the words of Python's errors."""
_SECRET = re.compile(r"(?<=//)[^/]*@|[?#].*", re.DOTALL)
"""User and password, query and fragment of a URL."""


class Stream:
    """The body of an answer, as it comes in."""

    def __init__(self, response: requests.Response, request: requests.PreparedRequest) -> None:
        """Read nothing yet."""
        self._response = response
        self._request = request

    def chunks(self) -> Iterator[bytes]:
        """Read the body, as it is on the wire, in parts small enough for the caches of a processor.

        Raises:
            RegistryUnreachableError: It breaks off, or nothing comes for too long.
        """
        try:
            while chunk := self._response.raw.read(_STREAM_CHUNK_SIZE, decode_content=False):
                yield chunk
        except ReadTimeoutError as error:
            give_up(self._request, requests.ReadTimeout(error))
        except HTTPError as error:
            give_up(self._request, requests.exceptions.ChunkedEncodingError(error))
        except OSError as error:
            give_up(self._request, error)

    def views(self) -> Iterator[memoryview]:
        """Read the body as ``chunks`` does, in larger parts that take turns in two buffers.

        Each part is good only until the one after the next is asked for. That spares a large body most of the memory
        traffic and of the threads' waiting for each other, which is a good part of all that a copy costs.

        Raises:
            RegistryUnreachableError: It breaks off, or nothing comes for too long.
        """
        # urllib3 has no way to read into a buffer; requests itself goes to the answer of http.client in this way
        body: http.client.HTTPResponse | None = getattr(self._response.raw, "_original_response", None)
        if body is None:
            yield from (memoryview(chunk) for chunk in self.chunks())
            return
        count = 0
        try:
            for buffer in itertools.cycle([memoryview(bytearray(_VIEW_SIZE)) for _ in range(2)]):
                size = body.readinto(buffer)
                if not size:
                    break
                count += size
                yield buffer[:size]
        except TimeoutError as error:
            give_up(self._request, requests.ReadTimeout(error))
        except (OSError, http.client.HTTPException) as error:
            give_up(self._request, requests.exceptions.ChunkedEncodingError(error))
        if body.length:
            broken = IncompleteRead(count, body.length)
            give_up(self._request, requests.exceptions.ChunkedEncodingError(broken))
        self._response.raw.release_conn()

    def close(self) -> None:
        """Give the connection back, or end it if there is more to come."""
        self._response.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer that was read to its end, or whose body is a stream.

    Attributes:
        status: The HTTP status.
        headers: The headers; names without regard to case.
        body: The body, in full; of an error's the start.
        request: ``METHOD URL``, for messages; the URL without its query.
        origin: Who answered, which after a redirect may be somebody else than was asked.
        note: What there is to say of the answer beside what it says itself.
        stream: The body, where it was asked for as a stream and the answer is good; to be closed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: str
    origin: str
    note: str = ""
    stream: Stream | None = None


class Upload:
    """A body that is made while it is sent, so that it can be sent but once."""

    def __init__(self, chunks: Iterable[bytes | memoryview], size: int) -> None:
        """Take nothing yet.

        Args:
            chunks: The body in parts.
            size: Bytes that they have together.
        """
        self._chunks = chunks
        self._size = size

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Iterate over the parts."""
        return iter(self._chunks)

    def __len__(self) -> int:
        """The number of bytes."""
        return self._size

    def __bool__(self) -> bool:
        """True: also a body without bytes is one."""
        return True


def origin(url: str) -> str:
    """``scheme://host:port`` of a URL, the port only where it is not the scheme's own (RFC 6454)."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(default) if default else host}"


def display_url(url: str) -> str:
    """A URL as it may be shown: without user, password, query and fragment, which may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:  # whatever may be secret in what is no URL is in the same places
        return _SECRET.sub("", url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def joined_url(base: str, given: str) -> str:
    """The absolute URL that a server refers to.

    Args:
        base: The URL that it was asked for.
        given: What it refers to, absolute or relative to the base.

    Returns:
        The URL, which can be taken apart and sent.

    Raises:
        BadRegistryResponseError: It is no URL.
    """
    try:
        url = urljoin(base, given)
        _ = urlsplit(url).port  # is checked only here
    except ValueError as error:
        message = f'{urlsplit(base).netloc} refers to "{display_url(given)}", which is no URL'
        raise BadRegistryResponseError(message) from error
    return url


def prepared(
    method: str, url: str, headers: Mapping[str, str], body: bytes | Upload | None
) -> requests.PreparedRequest:
    """Make a request of parts that need no more escaping: requests' own way takes longer than the network."""
    request = requests.PreparedRequest()
    request.method, request.url = method, url
    content: Any = body  # whatever can be iterated will do
    request.body = content
    request.headers = CaseInsensitiveDict(headers)
    if body is not None:
        request.headers["Content-Length"] = str(len(body))
    return request


def authority(request: requests.PreparedRequest) -> str:
    """The host and port that a request goes to."""
    return urlsplit(str(request.url)).netloc


def give_up(request: requests.PreparedRequest, error: OSError) -> NoReturn:
    """Raise that a request got no answer, with the reason in a few words.

    Raises:
        RegistryUnreachableError: Always.
    """
    name = f"{request.method} {display_url(str(request.url))}"
    message = f"{authority(request)} does not answer: {_reason(error)} ({name})"
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
