"""A registry that misbehaves on demand: what no real one does when it is told to."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Reply(NamedTuple):
    """An answer, as it is sent.

    Attributes:
        status: The HTTP status.
        headers: The headers; a Content-Length is added unless it is there, or the connection is to be closed.
        body: The body; not sent in answer to HEAD.
    """

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    body: bytes = b""


HANG_UP = Reply(0)


class FaultyRegistry:
    """Answers with the replies that it was given, in order, the last one for ever.

    A reply may be a function, which gets the request's headers.

    Attributes:
        address: Host and port.
        seen: ``METHOD path`` of each request.
        headers: The headers of each request, as text.
        bodies: The body of each request.
        clients: The address of each connection.
    """

    def __init__(self, *replies: Reply | Callable[[str], Reply]) -> None:
        """Give it its replies."""
        self.address = ""
        self.seen: list[str] = []
        self.headers: list[str] = []
        self.bodies: list[bytes] = []
        self.clients: set[tuple[str, int]] = set()
        self._replies = list(replies)
        self._lock = threading.Lock()

    def next_reply(self, request: str, headers: str, body: bytes) -> Reply:
        """Note a request, and take the reply for it."""
        with self._lock:
            self.seen.append(request)
            self.headers.append(headers)
            self.bodies.append(body)
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply if isinstance(reply, Reply) else reply(headers)


@contextlib.contextmanager
def serving(*replies: Reply | Callable[[str], Reply]) -> Iterator[FaultyRegistry]:
    """Serve replies on a free loopback port."""
    registry = FaultyRegistry(*replies)
    with served(registry):
        yield registry


@contextlib.contextmanager
def served(registry: FaultyRegistry) -> Iterator[None]:
    """Serve what a registry answers on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            registry.clients.add(self.client_address)
            reply = registry.next_reply(f"{self.command} {self.path}", str(self.headers), body)
            if not reply.status:
                self.close_connection = True
                return
            self.send_response(reply.status)
            length = {} if "Connection" in reply.headers else {"Content-Length": str(len(reply.body))}
            for name, value in (length | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
