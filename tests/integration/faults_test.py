"""What the client makes of faults on the way to a real registry, and how many requests each costs."""

from __future__ import annotations

import email.utils
import time
from typing import TYPE_CHECKING

import pytest
from integration import fault_proxy as faults
from integration.images import push, single
from integration.servers import serve_distribution
from registry_client import Client, ClientOptions, TransportOptions
from registry_client.errors import RegistryClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = single("faults")
PATIENCE = TransportOptions(read_timeout=0.5, retries=2, backoff=0.01, max_retry_after=5)
TABLE: list[tuple[str, str, int]] = []
CHALLENGE = 'Basic realm="registry"'


def in_a_second() -> str:
    """A date for Retry-After, in whole seconds."""
    return email.utils.formatdate(time.time() + 2, usegmt=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_distribution(tmp_path_factory.mktemp("registry")) as address:
        push(address, "team/app", "1", IMAGE)
        yield address


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("hung up without an answer", [faults.hung_up]),
        ("reset in the body", [faults.reset_in_the_body]),
        ("truncated body", [faults.truncated]),
        ("reset in the body, twice", [faults.reset_in_the_body] * 2),
        ("Content-Length too large", [faults.too_long_a_length]),
        ("slow answer", [faults.slow]),
        ("502", [faults.replying(502)]),
        ("503, then 504", [faults.replying(503), faults.replying(504)]),
        ("429, Retry-After: 1", [faults.replying(429, Retry_After="1")]),
        ("429, Retry-After: soon", [faults.replying(429, Retry_After="soon")]),
    ],
)
def test_what_passes_by_is_waited_for(
    registry: str, name: str, fault: list[Callable[[faults.Exchange], object]]
) -> None:
    with faults.proxying(registry, *fault) as proxy, new_client() as client:
        assert client.get_image(f"{proxy.address}/team/app:1").raw_manifest == IMAGE.manifest
    TABLE.append((name, "tried again, got the image", len(proxy.seen)))
    assert len(proxy.seen) == len(fault) + 1


@pytest.mark.parametrize(("when", "least"), [("1", 1.0), (None, 0.9)])
def test_a_pause_that_is_asked_for_is_kept(registry: str, when: str | None, least: float) -> None:
    fault = faults.replying(429, Retry_After=when or in_a_second())
    with faults.proxying(registry, fault) as proxy, new_client() as client:
        start = time.monotonic()
        client.get_image(f"{proxy.address}/team/app:1")
    assert time.monotonic() - start >= least
    if when is None:
        TABLE.append(("429, Retry-After: a date", "waited until then, got the image", len(proxy.seen)))
    assert len(proxy.seen) == 2


@pytest.mark.parametrize(
    ("name", "fault", "requests", "message"),
    [
        ("hung up, always", faults.hung_up, 3, "does not answer"),
        ("truncated body, always", faults.truncated, 3, "does not answer"),
        ("slow answer, always", faults.slow, 3, "time limit"),
        ("503, always", faults.replying(503), 3, "HTTP 503"),
        ("429, Retry-After: 3600", faults.replying(429, Retry_After="3600"), 1, "asks to wait 3600 seconds"),
        ("wrong bytes", faults.wrong_bytes, 1, "asked for sha256:"),
        ("Content-Length too small", faults.too_short_a_length, 1, "asked for sha256:"),
        ("endless body", faults.endless, 1, "larger than 4194304 bytes"),
        ("401 without an end", faults.replying(401, WWW_Authenticate=CHALLENGE), 1, "HTTP 401"),
        ("403, HTML page", faults.replying(403, b"<html>\n<b>no</b></html>"), 1, "HTTP 403 - <html> <b>no</b></html>"),
        ("404, JSON without errors", faults.replying(404, b'{"message": "nope"}'), 1, 'HTTP 404 - {"message": "nope"}'),
        ("500", faults.replying(500), 1, "HTTP 500"),
        ("200, HTML page", faults.replying(200, b"<html>"), 1, "not JSON"),
        ("redirect to itself", faults.replying(307, Location="/v2/"), 6, "redirects once too often"),
        ("redirect to http elsewhere", faults.replying(307, Location="http://192.0.2.1/"), 1, "which is not https"),
    ],
)
def test_what_does_not_pass_is_an_error_in_one_line(
    registry: str, name: str, fault: Callable[[faults.Exchange], object], requests: int, message: str
) -> None:
    with (
        faults.proxying(registry, *[fault] * 10) as proxy,
        new_client() as client,
        pytest.raises(RegistryClientError) as raised,
    ):
        client.get_image(f"{proxy.address}/team/app:1")
    TABLE.append((name, str(raised.value).replace(proxy.address, "HOST"), len(proxy.seen)))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(proxy.seen) == requests


def test_no_more_of_an_endless_body_is_taken_than_is_allowed(registry: str) -> None:
    with faults.proxying(registry, faults.endless) as proxy, new_client() as client:
        with pytest.raises(RegistryClientError):
            client.get_image(f"{proxy.address}/team/app:1")
        end = time.monotonic() + 5
        while not proxy.results and time.monotonic() < end:
            time.sleep(0.01)
    (poured,) = proxy.results
    assert isinstance(poured, int)
    assert poured < 16 * 1024 * 1024  # what is over 4 MiB is in the buffers of the two sockets


def test_a_head_that_is_refused_is_followed_by_a_get(registry: str) -> None:
    with faults.proxying(registry, faults.replying(405)) as proxy, new_client() as client:
        assert client.resolve(f"{proxy.address}/team/app:1").digest == IMAGE.digest
    TABLE.append(("405 to HEAD", "asked with GET, resolved", len(proxy.seen)))
    assert proxy.seen == ["HEAD /v2/team/app/manifests/1", "GET /v2/team/app/manifests/1"]


def test_one_of_many_that_fails_stops_no_other(registry: str) -> None:
    with faults.proxying(registry) as proxy, new_client() as client:
        digests = []
        for tag in ("1", "none", "1"):
            try:
                digests.append(client.resolve(f"{proxy.address}/team/app:{tag}").digest)
            except RegistryClientError as error:
                digests.append(str(error)[:8])
    assert digests == [IMAGE.digest, "HTTP 404", IMAGE.digest]


def test_the_table_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed for people; it is what the other tests have seen."""
    assert TABLE
    with capsys.disabled():
        print("\n| fault | what the client did | requests |\n|---|---|---|")  # noqa: T201
        for name, outcome, requests in TABLE:
            print(f"| {name} | {outcome} | {requests} |")  # noqa: T201


def new_client() -> Client:
    return Client(options=ClientOptions(transport=PATIENCE))
