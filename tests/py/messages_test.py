"""Bodies that are streams, URLs, and patience."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from built_images import client, descriptor
from faults import Reply, serving
from hypothesis import given
from hypothesis import strategies as st
from registry_client.command_line.console import with_hint
from registry_client.errors import BadRegistryResponseError, RegistryError, RegistryUnreachableError
from registry_client.messages import Upload, display_url, joined_url, origin
from registry_client.pacing import Patience, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

BLOB = descriptor(b"x" * 100)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def read_from(behave: Callable[[socket.socket], None], **options: float) -> str:
    """What is said of a blob of a server that behaves badly."""
    stop = threading.Event()

    def serve(server: socket.socket) -> None:
        while not stop.is_set():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                behave(connection)

    with socket.create_server(("127.0.0.1", 0)) as server, client(retries=0, **options) as it:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        with pytest.raises(RegistryUnreachableError) as raised:
            list(it.read_blob(f"{address}/a", BLOB))
        stop.set()
    return str(raised.value).removeprefix(f"{address} does not answer: ").partition(" (GET ")[0]


def test_a_stream_that_stops_is_given_up() -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"xx")
        threading.Event().wait(1)

    assert read_from(behave, read_timeout=0.2) == "not all bytes came within the time limit"


def test_a_stream_that_ends_early_says_where() -> None:
    said = read_from(lambda connection: connection.sendall(HEAD + b"x" * 40))
    assert said == "the connection broke after 40 bytes, 60 before the end"


def test_a_stream_that_is_reset_is_given_up() -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"xx")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert "reset" in read_from(behave).lower()


def test_a_stream_that_says_nothing_is_given_up() -> None:
    assert read_from(lambda _: None)


def test_a_compressed_blob_is_left_as_it_is() -> None:
    with serving(Reply(200, {"Content-Encoding": "gzip"}, b"x" * 100)) as registry, client() as it:
        assert b"".join(it.read_blob(f"{registry.address}/a", BLOB)) == b"x" * 100


def test_a_stream_that_is_left_halfway_costs_no_other_request() -> None:
    with serving(Reply(200, {}, b"x" * 100)) as registry, client() as it:
        next(iter(it.read_blob(f"{registry.address}/a", BLOB)))
        assert b"".join(it.read_blob(f"{registry.address}/a", BLOB)) == b"x" * 100


def test_an_upload_is_a_body_even_without_bytes() -> None:
    assert Upload([], 0)
    assert list(Upload([b"a", b"b"], 2)) == [b"a", b"b"]


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_may_be_shown_as_a_url_without_its_query(text: str, secret: str) -> None:
    assert "\0" not in display_url(f"https://a.example/?\0{secret}\0")
    assert "\0" not in display_url(f"https://[a.example/?\0{secret}\0")
    display_url(text)


@given(st.text(max_size=30))
def test_any_text_leads_somewhere_or_nowhere(text: str) -> None:
    for url in (text, f"//{text}", f"http://[{text}"):
        with contextlib.suppress(BadRegistryResponseError):
            origin(joined_url("https://a.example/b/c", url))


def test_a_url_that_is_none_is_shown_without_what_is_secret() -> None:
    assert display_url("https://me:secret@[::1/a?secret#secret") == "https://[::1/a"


def test_patience_ends_with_the_error_that_ended_it() -> None:
    error = RegistryUnreachableError("gone")
    error.__cause__ = OSError("why")
    patience = Patience(RetryPolicy(total=2))
    for _ in range(2):
        patience.wait(error)
    with pytest.raises(RegistryUnreachableError, match="gone") as raised:
        patience.wait(error)
    assert isinstance(raised.value.__cause__, OSError)
    patience.renew()
    patience.wait(error)


def test_a_wait_that_is_longer_than_wanted_is_not_waited_for() -> None:
    busy = Reply(429, {"Retry-After": "3600"})
    with serving(busy) as registry, client(max_retry_after=1) as it, pytest.raises(RegistryError) as raised:
        it.resolve(f"{registry.address}/a:1")
    assert str(raised.value).endswith("; it asks to wait 3600 seconds, more than the limit of 1")
    assert len(registry.seen) == 1


def test_a_redirect_to_elsewhere_without_tls_is_refused() -> None:
    away = Reply(307, {"Location": f"http://files.example/blob?signature={BLOB.digest}"})
    refused = pytest.raises(
        BadRegistryResponseError, match=r"redirects to http://files\.example/blob, which is not https"
    )
    with serving(away) as registry, client() as it, refused:
        it.resolve(f"{registry.address}/a:1")


def test_a_certificate_that_is_not_trusted_has_its_own_hint() -> None:
    said = with_hint(RegistryUnreachableError("a.example does not answer: certificate verify failed"))
    assert "--ca-file" in said
    assert "check the registry's name" in with_hint(RegistryUnreachableError("a.example does not answer: refused"))
