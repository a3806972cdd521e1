"""HTTP: pace, redirects, schemes, and whose connections are used."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import requests
from faults import Reply, serving
from hypothesis import given
from hypothesis import strategies as st
from registry_client import Client, ClientOptions, Image, TransportOptions
from registry_client.descriptor import OCI_MANIFEST, Descriptor, digest_of
from registry_client.errors import BadRegistryResponseError, RegistryError, RegistryUnreachableError
from registry_client.messages import display_url, origin
from registry_client.pacing import RetryPolicy
from registry_client.transport import Transport
from urllib3 import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = b'{"schemaVersion": 2, "config": {}}'
DIGEST = digest_of(MANIFEST)
GOOD = Reply(200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": DIGEST}, MANIFEST)


def client(mirrors: Mapping[str, list[str]] | None = None, **options: float | None) -> Client:
    given: dict[str, float | None] = {"connect_timeout": 2, "retries": 2, "backoff": 0.01, **options}
    transport = TransportOptions(**given)  # type: ignore[arg-type]
    return Client(options=ClientOptions(transport=transport, mirrors=mirrors or {}))


def test_no_more_requests_are_sent_in_a_second_than_are_allowed() -> None:
    with serving(GOOD) as registry, client(max_requests_per_second=20) as it, ThreadPoolExecutor(8) as pool:
        start = time.monotonic()
        list(pool.map(it.resolve, [f"{registry.address}/a:{tag}" for tag in range(11)]))
    assert time.monotonic() - start >= 10 / 20


def test_one_connection_does_for_what_is_asked_one_after_the_other() -> None:
    not_found = Reply(404, {}, b"x" * 1000)
    with serving(GOOD, not_found, Reply(405), GOOD, Reply(503), GOOD) as registry, client() as it:
        for tag in range(5):
            with suppress(RegistryError):
                it.resolve(f"{registry.address}/a:{tag}")
                it.get_image(f"{registry.address}/a:{tag}")
    assert len(registry.seen) > 6
    assert len(registry.clients) == 1


def test_threads_take_no_more_connections_than_they_are() -> None:
    with serving(GOOD) as registry, client() as it, ThreadPoolExecutor(4) as pool:
        list(pool.map(it.resolve, [f"{registry.address}/a:{tag}" for tag in range(40)]))
    assert len(registry.clients) <= 4


def test_retries_are_counted_as_requests_too() -> None:
    with serving(Reply(503), GOOD) as registry, client(max_requests_per_second=5) as it:
        start = time.monotonic()
        it.resolve(f"{registry.address}/a:1")
    assert time.monotonic() - start >= 1 / 5


def test_a_host_that_asks_for_a_pause_gets_it_from_all_threads() -> None:
    with serving(GOOD, Reply(429, {"Retry-After": "1"}), GOOD) as registry, client() as it:
        it.resolve(f"{registry.address}/a:1")
        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(it.resolve, f"{registry.address}/a:2")
            while len(registry.seen) < 2:
                time.sleep(0.01)
            time.sleep(0.1)
            start = time.monotonic()
            it.resolve(f"{registry.address}/a:3")
            first.result()
    assert time.monotonic() - start >= 0.7


def test_a_host_that_is_not_there_is_tried_with_all_patience_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with client(backoff=0.5) as it, ThreadPoolExecutor(8) as pool:
            start = time.monotonic()
            attempts = [pool.submit(it.resolve, f"{address}/a:{tag}") for tag in range(40)]
            errors = {str(attempt.exception()) for attempt in attempts}
    assert time.monotonic() - start < 10  # one after the other, they would take 40 s
    assert len(errors) == 1
    assert "does not answer" in errors.pop()


def test_a_blob_is_got_from_where_the_registry_sends_and_nothing_secret_goes_there() -> None:
    blob = Descriptor(media_type="a/b", digest=digest_of(b"{}"), size=2)
    with serving(Reply(200, {}, b"{}")) as store, requests.Session() as session:
        session.headers["X-Secret"] = "hunter2"
        away = Reply(307, {"Location": f"http://{store.address}/blob?signature=1"})
        with serving(away) as registry, Client(session=session) as it:
            assert it.get_blob(f"{registry.address}/a:1", blob) == b"{}"
            assert "hunter2" in registry.headers[0]
    assert store.seen == ["GET /blob?signature=1"]
    assert "hunter2" not in store.headers[0]
    assert "User-Agent: registry_rules/" in store.headers[0] or "User-Agent: python-requests/" in store.headers[0]


def test_a_redirect_within_the_origin_keeps_what_was_sent() -> None:
    with requests.Session() as session:
        session.headers["X-Secret"] = "hunter2"
        with serving(Reply(301, {"Location": "/v2/b/manifests/1"}), GOOD) as registry, Client(session=session) as it:
            it.resolve(f"{registry.address}/a:1")
    assert registry.seen == ["HEAD /v2/a/manifests/1", "HEAD /v2/b/manifests/1"]
    assert "hunter2" in registry.headers[1]


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "file:///etc/passwd"])
def test_a_redirect_to_what_is_no_web_address_is_refused(location: str) -> None:
    refusal = pytest.raises(BadRegistryResponseError, match="no web address")
    with serving(Reply(302, {"Location": location})) as registry, client() as it, refusal:
        it.resolve(f"{registry.address}/a:1")


def test_a_put_is_not_made_a_get_by_a_redirect() -> None:
    with serving(Reply(302, {"Location": "/elsewhere"})) as registry, client() as it:
        with pytest.raises(Exception, match="HTTP 302"):
            it.put_image(f"{registry.address}/a:1", an_image(registry.address))
        assert registry.seen == ["PUT /v2/a/manifests/1"]
    with serving(Reply(308, {"Location": "/v2/b/manifests/1"}), Reply(201)) as registry, client() as it:
        it.put_image(f"{registry.address}/a:1", an_image(registry.address))
    assert registry.seen == ["PUT /v2/a/manifests/1", "PUT /v2/b/manifests/1"]
    assert registry.bodies == [MANIFEST] * 2


def test_a_body_that_drips_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_drip, args=(listener,), daemon=True).start()
        with client(answer_timeout=0.3) as it, pytest.raises(RegistryUnreachableError, match="time limit"):
            it.get_image(f"{address}/a:1")


def test_a_blob_that_is_said_to_be_huge_is_not_got() -> None:
    blob = Descriptor(media_type="a/b", digest=DIGEST, size=1 << 40)
    with client() as it, pytest.raises(BadRegistryResponseError, match="too many to keep"):
        it.get_blob("127.0.0.1:1/a:1", blob)


class TestMirrors:
    """A mirror may have what is known by digest, and says nothing about tags."""

    def test_a_tag_is_the_registrys_own(self) -> None:
        with serving(GOOD) as mirror, serving(GOOD) as registry:
            with client({registry.address: [mirror.address]}) as it:
                it.resolve(f"{registry.address}/a:1")
            assert registry.seen == ["HEAD /v2/a/manifests/1"]
        assert mirror.seen == []

    def test_the_content_is_got_from_the_first_mirror_that_has_it(self) -> None:
        with serving(Reply(404)) as empty, serving(GOOD) as mirror, serving(GOOD) as registry:
            with client({registry.address: [empty.address, f"{mirror.address}/cache"]}) as it:
                image = it.get_image(f"{registry.address}/a:1")
                it.resolve(f"{registry.address}/a@{DIGEST}")
            assert image.reference == f"{registry.address}/a@{DIGEST}"
            assert registry.seen == ["HEAD /v2/a/manifests/1"]
        assert empty.seen == [f"GET /v2/a/manifests/{DIGEST}", f"HEAD /v2/a/manifests/{DIGEST}"]
        assert mirror.seen == [f"{verb} /v2/cache/a/manifests/{DIGEST}" for verb in ("GET", "HEAD")]

    def test_a_mirror_with_other_bytes_is_passed_over(self) -> None:
        with serving(GOOD._replace(body=b"{}")) as mirror, serving(GOOD) as registry:
            with client({registry.address: [mirror.address]}) as it:
                assert it.get_image(f"{registry.address}/a@{DIGEST}").raw_manifest == MANIFEST
            assert registry.seen == [f"GET /v2/a/manifests/{DIGEST}"]


class TestSchemes:
    """http only where it is allowed."""

    def test_other_hosts_are_talked_to_with_tls_only(self) -> None:
        options = TransportOptions(insecure_registries=frozenset({"registry.example:5000"}))
        assert options.may_be_http("localhost:5000")
        assert options.may_be_http("registry.example:5000")
        assert not options.may_be_http("registry.example")

    def test_a_400_from_a_host_without_tls_is_its_answer(self) -> None:
        with serving(Reply(400, {}, b"no")) as registry, client() as it, pytest.raises(Exception, match="HTTP 400"):
            it.get_image(f"{registry.address}/a:1")
        assert registry.seen == ["GET /v2/a/manifests/1"]

    def test_a_broken_answer_from_a_host_without_tls_is_reported_as_such(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            threading.Thread(target=_babble, args=(listener,), daemon=True).start()
            with client() as it, pytest.raises(RegistryUnreachableError, match=r"GET http://"):
                it.get_image(f"{address}/a:1")


def test_certificates_that_are_not_there_are_named() -> None:
    options = ClientOptions(transport=TransportOptions(ca_file="/none.pem"))
    message = r"^registry\.invalid does not answer: .*certificate bundle, invalid path: /none\.pem \(HEAD https://"
    with Client(options=options) as it, pytest.raises(RegistryUnreachableError, match=message):
        it.resolve("registry.invalid/a:1")


@pytest.mark.parametrize(
    ("url", "shown", "its_origin"),
    [
        ("https://me:secret@host/v2/?token=secret#x", "https://host/v2/", "https://host"),
        ("https://HOST:443/a", "https://HOST:443/a", "https://host"),
        ("http://host:80/a", "http://host:80/a", "http://host"),
        ("http://host:443/a", "http://host:443/a", "http://host:443"),
        ("https://[::1]:5000/a", "https://[::1]:5000/a", "https://[::1]:5000"),
    ],
)
def test_urls_are_shown_without_what_may_be_secret(url: str, shown: str, its_origin: str) -> None:
    assert display_url(url) == shown
    assert origin(url) == its_origin


@given(st.text("0123456789abcdefGMT:, -", max_size=30))
def test_any_retry_after_is_a_number_of_seconds(text: str) -> None:
    assert RetryPolicy().asks_for(HTTPResponse(headers={"Retry-After": text})) >= 0


def test_the_callers_session_stays_open() -> None:
    with requests.Session() as session, serving(GOOD) as registry:
        Transport(TransportOptions(), session).close()
        with Client(session=session) as it:
            it.resolve(f"{registry.address}/a:1")
        assert session.get(f"http://{registry.address}/", timeout=2).status_code == 200


def an_image(registry: str) -> Image:
    return Image(registry=registry, repository="a", digest=DIGEST, media_type=OCI_MANIFEST, raw_manifest=MANIFEST)


def _drip(listener: socket.socket) -> None:
    with suppress(OSError):  # the end of the test
        while True:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            threading.Thread(target=_send_slowly, args=(connection,), daemon=True).start()


def _send_slowly(connection: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)


def _babble(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"what?\r\n\r\n")
            connection.close()
