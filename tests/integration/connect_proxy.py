"""A proxy that leads to loopback whatever the client thinks it talks to, and lets nothing else out."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ConnectProxy:
    """Tunnels by ``CONNECT`` (RFC 9110, section 9.3.6).

    Attributes:
        routes: ``host:port`` that is asked for, to ``host:port`` on loopback.
        seen: What was asked for, in order.
        refused: What of that has no route.
    """

    def __init__(self, routes: dict[str, str]) -> None:
        """Serve nothing yet."""
        self.routes = routes
        self.seen: list[str] = []
        self.refused: list[str] = []

    @contextmanager
    def serving(self) -> Iterator[dict[str, str]]:
        """Serve on loopback; gives the environment variables that lead there."""

        def handler(*arguments: object) -> BaseHTTPRequestHandler:
            return _Handler(self, *arguments)

        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            try:
                yield {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": "127.0.0.1"}
            finally:
                server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, proxy: ConnectProxy, *arguments: object) -> None:
        self._proxy = proxy
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_CONNECT(self) -> None:
        self._proxy.seen.append(self.path)
        route = self._proxy.routes.get(self.path)
        if route is None:
            self._refuse()
            return
        host, _, port = route.partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        self._proxy.seen.append(self.path)
        self._refuse()

    def _refuse(self) -> None:
        self._proxy.refused.append(self.path)
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, and tell the sink so."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
