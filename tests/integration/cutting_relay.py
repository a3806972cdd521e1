"""A relay in front of a real server that cuts lines after some bytes, as bad networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_SIZE = 64 * 1024


class CuttingRelay:
    """Cuts the first lines over which more than some bytes went in either direction.

    Attributes:
        address: Host and port.
        cut: How many lines were cut.
    """

    def __init__(self, upstream: str, *, times: int, after: int) -> None:
        """Listen to nobody yet.

        Args:
            upstream: The server's address.
            times: How many lines to cut.
            after: Bytes after which to cut one.
        """
        host, _, port = upstream.partition(":")
        self._upstream = (host, int(port))
        self._times = times
        self._after = after
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut = 0

    def serve(self) -> None:
        """Relay lines until the relay is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def close(self) -> None:
        """Listen to nobody any more."""
        self._listener.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        count = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_SIZE):
                count += len(data)
                if count > self._after and self._may_cut():
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _may_cut(self) -> bool:
        with self._lock:
            if self.cut >= self._times:
                return False
            self.cut += 1
            return True


@contextlib.contextmanager
def cutting(upstream: str, *, times: int, after: int) -> Iterator[CuttingRelay]:
    """Put a relay in front of a server."""
    relay = CuttingRelay(upstream, times=times, after=after)
    threading.Thread(target=relay.serve, daemon=True).start()
    try:
        yield relay
    finally:
        relay.close()
