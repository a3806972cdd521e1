"""Authentication: what is sent to whom, how often, and what is never sent at all."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import pytest
from faults import FaultyRegistry, Reply, serving
from registry_client import Client, ClientOptions, Credential, TransportOptions
from registry_client.credentials import Target
from registry_client.descriptor import OCI_MANIFEST, digest_of
from registry_client.errors import BadRegistryResponseError, RegistryError

SECRET = "hunter2-s3cret"  # noqa: S105 - it opens nothing
MANIFEST = b'{"schemaVersion": 2, "config": {}}'
DIGEST = digest_of(MANIFEST)
GOOD = Reply(200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": DIGEST}, MANIFEST)
TOKEN = Reply(200, {}, b'{"token": "t0k3n-t0k3n", "expires_in": 300}')
PASSWORD = Credential(source="a test", username="me", password=SECRET)
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


class Keys:
    """A keychain with one credential for all, which counts how often it is asked."""

    def __init__(self, credential: Credential | None) -> None:
        """Give it the credential."""
        self.credential = credential
        self.targets: list[Target] = []

    def find(self, target: Target) -> Credential | None:
        self.targets.append(target)
        return self.credential


def client(credential: Credential | None = None) -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=1, backoff=0.01)
    return Client(credentials=Keys(credential), options=ClientOptions(transport=transport))


def challenge(*challenges: str) -> Reply:
    return Reply(401, {"WWW-Authenticate": ", ".join(challenges)})


def bearer(tokens: FaultyRegistry, more: str = "") -> str:
    return f'Bearer realm="http://{tokens.address}/token",service="a \\"b\\", c"{more}'


def sent(registry: FaultyRegistry, name: str = "Authorization") -> list[str | None]:
    """A header of each request."""
    lines = [dict(line.split(": ", 1) for line in text.splitlines() if line) for text in registry.headers]
    return [headers.get(name) for headers in lines]


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    with serving(GOOD) as registry, client(PASSWORD) as it:
        it.resolve(f"{registry.address}/a:1")
    assert sent(registry) == [None]


def test_a_password_goes_where_basic_is_asked_for_and_is_then_sent_at_once() -> None:
    with serving(challenge('Basic realm="x"'), GOOD) as registry, client(PASSWORD) as it:
        it.resolve(f"{registry.address}/a:1")
        it.resolve(f"{registry.address}/a:2")
        it.resolve(f"{registry.address}/b:1")
    assert sent(registry) == [None, BASIC, BASIC, BASIC]


def test_a_token_is_got_with_the_password() -> None:
    with serving(TOKEN) as tokens, serving(challenge("Negotiate", bearer(tokens)), GOOD) as registry:
        with client(PASSWORD) as it:
            it.resolve(f"{registry.address}/a/b:1")
        assert sent(registry) == [None, "Bearer t0k3n-t0k3n"]
        assert sent(tokens) == [BASIC]
        (asked,) = tokens.seen
        assert parse_qs(asked.partition("?")[2]) == {"scope": ["repository:a/b:pull"], "service": ['a "b", c']}


def test_an_identity_token_is_exchanged_by_post() -> None:
    credential = Credential(source="a test", identity_token=SECRET)
    with serving(Reply(200, {}, b'{"access_token": "new"}')) as tokens:
        with serving(challenge(bearer(tokens)), GOOD) as registry, client(credential) as it:
            it.resolve(f"{registry.address}/a:1")
        assert sent(registry) == [None, "Bearer new"]
    assert tokens.seen == ["POST /token"]
    assert parse_qs(tokens.bodies[0].decode()) == {
        "client_id": ["registry_rules"],
        "grant_type": ["refresh_token"],
        "refresh_token": [SECRET],
        "scope": ["repository:a:pull"],
        "service": ['a "b", c'],
    }


def test_a_registry_token_is_sent_as_it_is() -> None:
    credential = Credential(source="a test", registry_token=SECRET)
    with serving(TOKEN) as tokens, serving(challenge(bearer(tokens)), GOOD) as registry, client(credential) as it:
        it.resolve(f"{registry.address}/a:1")
    assert sent(registry) == [None, f"Bearer {SECRET}"]
    assert tokens.seen == []


def test_the_headers_of_a_credential_helper_are_sent_whatever_is_asked_for() -> None:
    credential = Credential(source="a test", headers={"Authorization": "X y", "X-More": SECRET})
    with serving(Reply(401), GOOD) as registry, client(credential) as it:
        it.resolve(f"{registry.address}/a:1")
    assert sent(registry) == [None, "X y"]
    assert sent(registry, "X-More") == [None, SECRET]


def test_the_scope_that_the_registry_states_is_the_one_that_is_asked_for() -> None:
    with serving(TOKEN) as tokens:
        stated = challenge(bearer(tokens, ',scope="repository:proxy/a:pull"'))
        with serving(stated, GOOD) as registry, client() as it:
            it.resolve(f"{registry.address}/a:1")
    assert "repository%3Aproxy%2Fa%3Apull" in tokens.seen[0]


def test_a_401_in_mid_run_renews_once_for_all_threads() -> None:
    with serving(TOKEN, Reply(200, {}, b'{"token": "second"}')) as tokens:
        late = threading.Event()

        def answer(headers: str) -> Reply:
            refused = "Bearer t0k3n-t0k3n" in headers and late.is_set()
            return challenge(bearer(tokens)) if refused or "Bearer" not in headers else GOOD

        with serving(answer) as registry, client() as it, ThreadPoolExecutor(8) as pool:
            it.resolve(f"{registry.address}/a:1")
            late.set()
            list(pool.map(it.resolve, [f"{registry.address}/a:{tag}" for tag in range(20)]))
    assert len(tokens.seen) == 2


def test_a_401_without_an_end_is_an_error_after_one_renewal() -> None:
    with serving(TOKEN, Reply(200, {}, b'{"token": "second"}')) as tokens:
        with serving(challenge(bearer(tokens))) as registry, client() as it:
            with pytest.raises(RegistryError, match=r"^HTTP 401"):
                it.resolve(f"{registry.address}/a:1")
            with pytest.raises(RegistryError, match=r"^HTTP 401"):
                it.resolve(f"{registry.address}/a:1")
        assert len(registry.seen) == 4
    assert len(tokens.seen) == 2


def test_a_password_that_is_refused_is_not_sent_twice_and_not_shown() -> None:
    body = f'{{"errors": [{{"code": "UNAUTHORIZED", "message": "no: {SECRET} {BASIC}"}}]}}'.encode()
    refusal = Reply(401, {"WWW-Authenticate": 'Basic realm="x"'}, body)
    with serving(refusal) as registry, client(PASSWORD) as it:
        with pytest.raises(RegistryError) as raised:
            it.get_image(f"{registry.address}/a:1")
        with pytest.raises(RegistryError):
            it.get_image(f"{registry.address}/a:1")
    assert sent(registry) == [None, BASIC, BASIC]
    shown = f"{raised.value!r} {raised.value} {raised.value.errors}"
    assert "UNAUTHORIZED: no: ... ..." in shown
    assert SECRET not in shown
    assert BASIC.partition(" ")[2] not in shown


def test_a_token_server_that_fails_is_asked_once_for_all_who_wait() -> None:
    with serving(Reply(500, {}, SECRET.encode())) as tokens:
        with serving(challenge(bearer(tokens))) as registry, client(PASSWORD) as it, ThreadPoolExecutor(8) as pool:

            def attempt(tag: int) -> str:
                with pytest.raises(RegistryError) as raised:
                    it.resolve(f"{registry.address}/a:{tag}")
                return str(raised.value)

            messages = set(pool.map(attempt, range(8)))
        assert messages == {f"HTTP 500 - ... (GET http://{tokens.address}/token)"}
    assert len(tokens.seen) == 1


def test_a_token_server_does_not_send_anybody_elsewhere() -> None:
    with serving(TOKEN) as other, serving(Reply(307, {"Location": f"http://{other.address}/token"})) as tokens:
        refusal = pytest.raises(BadRegistryResponseError, match="redirects once too often")
        with serving(challenge(bearer(tokens))) as registry, client(PASSWORD) as it, refusal:
            it.resolve(f"{registry.address}/a:1")
    assert other.seen == []


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (b'{"token": "t\\nx: y"}', False),
        (b'{"token": 1}', False),
        (b'{"token": "", "access_token": "a"}', True),
        (b'{"token": "a", "expires_in": "60"}', True),
        (b'{"token": "a", "expires_in": null}', True),
        (b"x" * 200_000, False),
        (b'"token"', False),
    ],
)
def test_the_answer_of_a_token_server_is_read_with_care(body: bytes, *, good: bool) -> None:
    with serving(Reply(200, {}, body)) as tokens, serving(challenge(bearer(tokens)), GOOD) as registry, client() as it:
        if good:
            it.resolve(f"{registry.address}/a:1")
        else:
            with pytest.raises(BadRegistryResponseError) as raised:
                it.resolve(f"{registry.address}/a:1")
            assert tokens.address in str(raised.value)


def test_a_token_that_expires_is_renewed_before_it_does() -> None:
    short = Reply(200, {}, b'{"token": "a", "expires_in": 1}')
    with serving(short) as tokens, serving(challenge(bearer(tokens)), GOOD) as registry, client() as it:
        it.resolve(f"{registry.address}/a:1")
        time.sleep(0.9)
        it.resolve(f"{registry.address}/a:1")
    assert len(tokens.seen) == 2


def test_a_credential_that_expires_is_asked_for_again() -> None:
    credential = Credential(source="a test", username="me", password=SECRET, expires=time.time() - 1)
    keys = Keys(credential)
    with serving(challenge('Basic realm="x"'), GOOD) as registry, Client(credentials=keys) as it:
        it.resolve(f"{registry.address}/a:1")
        it.resolve(f"{registry.address}/a:1")
    assert len(keys.targets) > 1
    assert keys.targets[0] == Target(
        registry=registry.address, repository="a", url=f"http://{registry.address}/v2/a/manifests/1"
    )


def test_whoever_a_registry_sends_on_to_has_no_say_in_who_gets_a_password() -> None:
    with serving(TOKEN) as tokens, serving(challenge(bearer(tokens))) as other:
        away = Reply(307, {"Location": f"http://{other.address}/v2/a/manifests/1"})
        with serving(away) as registry, client(PASSWORD) as it, pytest.raises(RegistryError, match=r"^HTTP 401"):
            it.resolve(f"{registry.address}/a:1")
        assert sent(other) == [None]
    assert tokens.seen == []


REALMS = [
    ("http://127.0.0.1:1/token", "is not https"),
    ("http://auth.example.com/token", "is not https"),
    ("https://10.0.0.1/token", "not public"),
    ("https://[::1]/token", "not public"),
    ("https://169.254.169.254/token", "not public"),
    ("https://example.net/token", "is not to see the credential of a test"),
    ("https://example.com.evil.example/token", "is not to see the credential of a test"),
    ("ftp://auth.example.com/token", "is not https"),
    ("token", "is not https"),
    ("", "is not https"),
    ("https://me:pass@example.net/token", "https://example.net/token"),
]


@pytest.mark.parametrize(("realm", "message"), REALMS)
def test_a_credential_is_not_taken_to_a_realm_of_somebody_elses(realm: str, message: str) -> None:
    asked: list[str] = []
    with pytest.raises(BadRegistryResponseError, match=message.replace(".", r"\.")):
        ask_for_token("registry.example.com", realm, PASSWORD, asked)
    assert asked == []


@pytest.mark.parametrize(
    ("registry", "realm", "trusted"),
    [
        ("registry.example.com", "https://registry.example.com/token", ""),
        ("registry.example.com:5000", "https://registry.example.com/token", ""),
        ("registry.example.com", "https://auth.example.com/token", ""),
        ("registry.example.com", "https://example.com/token", ""),
        ("registry-1.docker.io", "https://auth.docker.io/token", ""),
        ("registry.example.com", "https://sso.example.net/token", "sso.example.net"),
        ("10.0.0.1:5000", "https://10.0.0.1:5001/token", ""),
    ],
)
def test_a_credential_is_taken_to_the_token_server_of_its_registry(registry: str, realm: str, trusted: str) -> None:
    asked: list[str] = []
    ask_for_token(registry, realm, PASSWORD, asked, frozenset({trusted} - {""}))
    assert [url.partition("?")[0] for url in asked] == [realm]


@pytest.mark.parametrize(
    ("registry", "realm"),
    [("a.co.uk", "https://b.co.uk/token"), ("10.0.0.1", "https://10.0.0.2/token"), ("a.io", "https://b.io/token")],
)
def test_neighbours_below_a_public_domain_are_not_one_site(registry: str, realm: str) -> None:
    with pytest.raises(BadRegistryResponseError):
        ask_for_token(registry, realm, PASSWORD, [])


def test_nobody_may_get_a_token_anywhere_that_is_public() -> None:
    asked: list[str] = []
    ask_for_token("registry.example.com", "https://sso.example.net/token?a=b", None, asked)
    assert asked == ["https://sso.example.net/token?a=b&service=s&scope=repository%3Aa%3Apull"]


def ask_for_token(
    registry: str,
    realm: str,
    credential: Credential | None,
    asked: list[str],
    trusted: frozenset[str] = frozenset(),
) -> None:
    """Let a registry refuse a request, and note where a token is asked for."""
    from registry_client.auth import RegistryAuth, TokenRequest  # noqa: PLC0415 - needed here only
    from registry_client.transport import Transport  # noqa: PLC0415

    def get_token(request: TokenRequest) -> bytes:
        asked.append(request.url)
        return TOKEN.body

    options = TransportOptions()
    auth = RegistryAuth(Keys(credential), get_token, may_be_http=options.may_be_http, trusted_realms=trusted)
    request = Transport(options).prepare("GET", f"https://{registry}/v2/a/manifests/1", {})
    assert auth.refused(request, f'Bearer realm="{realm}",service="s"')
    assert auth(request).headers["Authorization"] == "Bearer t0k3n-t0k3n"
