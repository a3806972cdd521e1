"""A registry that sends for its blobs to another server, as those on cloud storage do: a real one, with a password."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from integration.images import push, single
from integration.servers import PASSWORD, USER, htpasswd, serve_distribution
from registry_client import Client, Descriptor
from registry_client.errors import DigestMismatchError
from registry_client.keychains import default_keychain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REDIRECT = 'middleware: {{storage: [{{name: redirect, options: {{baseurl: "http://{address}/"}}}}]}}\n'
IMAGE = single("elsewhere")


class BlobServer:
    """A static server of a registry's files.

    Attributes:
        seen: The headers of each request, names in lower case.
        address: Where it is.
    """

    def __init__(self, store: Path) -> None:
        """Serve nothing yet."""
        self.seen: list[dict[str, str]] = []
        self.address = ""
        self._store = store

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on loopback."""
        handler = partial(_Handler, directory=str(self._store), seen=self.seen)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self.address = f"127.0.0.1:{server.server_port}"
            try:
                yield
            finally:
                server.shutdown()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, directory: str, seen: list[dict[str, str]]) -> None:
        self._seen = seen
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._seen.append({name.lower(): text for name, text in self.headers.items()})
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobServer]:
    server = BlobServer(tmp_path / "store")
    with server.serving():
        yield server


@pytest.fixture
def registry(tmp_path: Path, blobs: BlobServer) -> Iterator[str]:
    """A registry with an image, that wants a password and has its blobs elsewhere."""
    with serve_distribution(tmp_path) as address:
        push(address, "team/app", "1", IMAGE)
    with serve_distribution(tmp_path, htpasswd(tmp_path) + _REDIRECT.format(address=blobs.address)) as address:
        yield address


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", encoding="utf-8")
    with Client(credentials=default_keychain({"NETRC": str(netrc)}, report=pytest.fail)) as client:
        yield client


def test_a_blob_is_got_from_elsewhere_where_the_password_does_not_arrive(
    registry: str, blobs: BlobServer, client: Client
) -> None:
    reference, config = config_of(registry, client)
    assert client.get_blob(reference, config) == IMAGE.blobs[0]
    assert len(blobs.seen) == 1
    assert "authorization" not in blobs.seen[0]
    assert "cookie" not in blobs.seen[0]
    assert blobs.seen[0]["host"] == blobs.address


def test_a_blob_that_was_changed_elsewhere_is_refused(
    registry: str, blobs: BlobServer, client: Client, tmp_path: Path
) -> None:
    reference, config = config_of(registry, client)
    files = [path for path in (tmp_path / "store").rglob("data") if path.read_bytes() == IMAGE.blobs[0]]
    files[0].write_bytes(bytes(config.size))
    with pytest.raises(DigestMismatchError):
        client.get_blob(reference, config)
    assert len(blobs.seen) == 1


def config_of(registry: str, client: Client) -> tuple[str, Descriptor]:
    """The reference of the image, and its configuration."""
    reference = f"{registry}/team/app:1"
    config = client.get_image(reference).config
    assert config is not None
    return reference, config
