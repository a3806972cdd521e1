"""URLs that servers refer to: what is none is a bad answer, and nothing leads from TLS to no TLS."""

from __future__ import annotations

import pytest
from faults import Reply, serving
from registry_client import Client, ClientOptions, RegistryError, TransportOptions
from registry_client.descriptor import OCI_LAYER, Descriptor, digest_of
from registry_client.errors import BadRegistryResponseError
from registry_client.messages import Answer, display_url
from registry_client.session import Session

DATA = b"a layer"
BLOB = Descriptor(media_type=OCI_LAYER, digest=digest_of(DATA), size=len(DATA))
MALFORMED = ["http://[::1/x", "http://me:s3cret@[::1/x?s3cret#s3cret", "http://127.0.0.1:99999999/x"]


def client() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=1, backoff=0.01)
    return Client(options=ClientOptions(transport=transport))


@pytest.mark.parametrize("location", MALFORMED)
def test_a_place_to_upload_to_that_is_no_url_is_a_bad_answer(location: str) -> None:
    with (
        serving(Reply(202, {"Location": location})) as registry,
        client() as it,
        pytest.raises(BadRegistryResponseError, match=f"{registry.address} refers to .*, which is no URL") as it_is,
    ):
        it.write_blob(f"{registry.address}/a", BLOB, lambda _: iter([DATA]))
    assert "s3cret" not in str(it_is.value)


@pytest.mark.parametrize("location", MALFORMED)
def test_a_redirect_to_what_is_no_url_is_a_bad_answer(location: str) -> None:
    with (
        serving(Reply(307, {"Location": location})) as registry,
        client() as it,
        pytest.raises(BadRegistryResponseError, match="which is no URL"),
    ):
        it.resolve(f"{registry.address}/a:1")


@pytest.mark.parametrize("location", MALFORMED)
def test_a_list_that_goes_on_at_what_is_no_url_is_a_bad_answer(location: str) -> None:
    page = Reply(200, {"Link": f'<{location}>; rel="next"'}, b'{"tags": []}')
    with (
        serving(page) as registry,
        client() as it,
        pytest.raises(BadRegistryResponseError, match="which is no URL"),
    ):
        it.get_tags(f"{registry.address}/a")


@pytest.mark.parametrize("realm", MALFORMED)
def test_a_token_server_at_what_is_no_url_is_a_bad_answer(realm: str) -> None:
    with (
        serving(Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}"'})) as registry,
        client() as it,
        pytest.raises(BadRegistryResponseError, match="which is no URL"),
    ):
        it.resolve(f"{registry.address}/a:1")


def test_a_place_with_letters_beyond_ascii_is_one() -> None:
    place = Reply(202, {"Location": "/v2/a/blobs/uploads/caf\u00e9"})
    with serving(place, Reply(403)) as registry, client() as it, pytest.raises(RegistryError, match="403"):
        it.write_blob(f"{registry.address}/a", BLOB, lambda _: iter([DATA]))


def test_of_what_is_no_url_nothing_secret_is_shown() -> None:
    assert display_url("http://me:s3cret@[::1/x?s3cret#s3cret") == "http://[::1/x"


def place(of: str, location: str, *insecure: str) -> str:
    answer = Answer(status=202, headers={"Location": location}, body=b"", request=f"POST {of}/v2/a", origin=of)
    options = TransportOptions(insecure_registries=frozenset(insecure))
    return Session(options).check_location(answer, of.partition("//")[2])


@pytest.mark.parametrize("location", ["http://127.0.0.1:5000/x", "http://plain.example.com/x"])
def test_no_upload_goes_from_tls_to_another_host_without(location: str) -> None:
    with pytest.raises(BadRegistryResponseError, match="which is not https"):
        place("https://registry.example.com", location, "plain.example.com")


def test_an_upload_to_the_same_host_stays_with_tls() -> None:
    of = "https://registry.example.com"
    assert place(of, "http://registry.example.com/x") == "https://registry.example.com/x"


def test_without_tls_an_upload_goes_where_none_is_needed() -> None:
    location = "http://plain.example.com/x"
    assert place("http://127.0.0.1:5000", location, "plain.example.com") == location
    with pytest.raises(BadRegistryResponseError, match="which is not https"):
        place("http://127.0.0.1:5000", location)
