"""A reverse proxy in front of a real registry that breaks the answers which it is told to break."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"})


class Answer(NamedTuple):
    """What the registry answered."""

    status: int
    headers: dict[str, str]
    body: bytes
    length: int


class Exchange:
    """A request at the proxy, and the means to answer it well or badly."""

    def __init__(self, handler: BaseHTTPRequestHandler, upstream: str) -> None:
        """Read the request's body."""
        self._handler = handler
        self._upstream = upstream
        self._body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))

    @property
    def path(self) -> str:
        """What is asked for."""
        return str(self._handler.path)

    @property
    def body(self) -> bytes:
        """The request's body."""
        return self._body

    def ask(self) -> Answer:
        """Forward the request to the registry."""
        connection = http.client.HTTPConnection(self._upstream, timeout=10)
        headers = {name: value for name, value in self._handler.headers.items() if name.lower() not in _HOP}
        connection.request(self._handler.command, self._handler.path, self._body or None, headers)
        response = connection.getresponse()
        body = response.read()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
        length = int(response.getheader("Content-Length") or len(body))
        connection.close()
        return Answer(response.status, kept, body, length)

    def reply(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
        """Send an answer, which may state another length than its body has."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(len(body) if length is None else length))
        self._handler.end_headers()
        if self._handler.command != "HEAD":
            self._handler.wfile.write(body)

    def pass_on(self) -> None:
        """Answer as the registry does."""
        answer = self.ask()
        self.reply(answer.status, answer.headers, answer.body, answer.length)

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection, with a TCP reset if wanted."""
        self._handler.close_connection = True
        self._handler.wfile.flush()
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            self._handler.connection.shutdown(socket.SHUT_RDWR)
        self._handler.connection.close()

    def pour(self) -> int:
        """Answer with a body that has no end, until nobody listens any more; gives the bytes that were taken."""
        self._handler.send_response(200)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()
        chunk, poured = b"10000\r\n" + bytes(0x10000) + b"\r\n", 0
        with contextlib.suppress(OSError):
            while True:
                self._handler.wfile.write(chunk)
                poured += 0x10000
        self._handler.close_connection = True
        return poured


Rule = Callable[[str, str], Callable[[Exchange], object]]
"""What to do with a request, by its method and path."""


class FaultProxy:
    """Answers the first requests as it is told to, and all others as the registry does.

    Attributes:
        address: Host and port.
        seen: ``METHOD path`` of each request.
        results: What the faults returned.
    """

    def __init__(self, upstream: str, faults: list[Callable[[Exchange], object]], rule: Rule) -> None:
        """Give it the faults of its first answers, in order, and the rule for all others."""
        self.address = ""
        self.seen: list[str] = []
        self.results: list[object] = []
        self._upstream = upstream
        self._faults = list(faults)
        self._rule = rule
        self._lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        with self._lock:
            self.seen.append(f"{handler.command} {handler.path}")
            fault = self._faults.pop(0) if self._faults else self._rule(handler.command, handler.path)
        with contextlib.suppress(OSError):
            self.results.append(fault(Exchange(handler, self._upstream)))


def no_fault(_method: str, _path: str) -> Callable[[Exchange], object]:
    """The rule that lets everything pass."""
    return Exchange.pass_on


@contextlib.contextmanager
def proxying(upstream: str, *faults: Callable[[Exchange], object], rule: Rule = no_fault) -> Iterator[FaultProxy]:
    """Put a proxy in front of a registry."""
    proxy = FaultProxy(upstream, list(faults), rule)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            proxy.answer(self)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()


def reset_in_the_body(exchange: Exchange) -> None:
    """Half of the body, then a TCP reset."""
    answer = exchange.ask()
    exchange.reply(answer.status, answer.headers, answer.body[: len(answer.body) // 2], answer.length)
    exchange.hang_up(reset=True)


def truncated(exchange: Exchange) -> None:
    """Half of the body, then an orderly end."""
    answer = exchange.ask()
    exchange.reply(answer.status, answer.headers, answer.body[: len(answer.body) // 2], answer.length)
    exchange.hang_up()


def hung_up(exchange: Exchange) -> None:
    """No answer at all."""
    exchange.hang_up()


def wrong_bytes(exchange: Exchange) -> None:
    """Another body under the same digest."""
    answer = exchange.ask()
    exchange.reply(answer.status, answer.headers, answer.body.replace(b"2", b"3"))


def too_short_a_length(exchange: Exchange) -> None:
    """A length that is less than what comes."""
    answer = exchange.ask()
    exchange.reply(answer.status, answer.headers, answer.body, len(answer.body) - 10)
    exchange.hang_up()


def too_long_a_length(exchange: Exchange) -> None:
    """A length that is more than what comes."""
    answer = exchange.ask()
    exchange.reply(answer.status, answer.headers, answer.body, len(answer.body) + 10)
    exchange.hang_up()


def slow(exchange: Exchange) -> None:
    """An answer that comes when nobody waits for it any more."""
    time.sleep(1.5)
    exchange.hang_up()


def endless(exchange: Exchange) -> int:
    """A body without an end."""
    return exchange.pour()


def replying(status: int, body: bytes = b"", **headers: str) -> Callable[[Exchange], object]:
    """An answer that the registry knows nothing of; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.reply(status, named, body)
