"""A token server as CNCF's Distribution wants one ("Token Authentication", "OAuth 2.0 Token").

Anybody may pull; who has a credential may do whatever is asked for.

It signs real JSON Web Tokens, with a certificate that the registry trusts.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ISSUER = "token server of the tests"
SERVICE = "registry of the tests"


class TokenServer:
    """Gives out tokens, and remembers what for.

    Attributes:
        requests: The scope of each token that was asked for, in order. Distribution lists actions in any order; here
            they are sorted.
        methods: The HTTP method that each was asked for with.
        lifetime: Seconds that a token is said to live.
        login: User and password, separated by a colon, of who may push; None for nobody.
        refresh_token: What may be exchanged for a token to push; None for nothing.
        is_private: Whether there is nothing without a credential.
    """

    def __init__(self, folder: Path) -> None:
        """Make a key and a certificate, and write the latter for the registry to read."""
        self.requests: list[str] = []
        self.methods: list[str] = []
        self.lifetime = 300
        self.login: str | None = None
        self.refresh_token: str | None = None
        self.is_private = False
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = _certificate(self._key)
        self._chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]
        self.bundle = folder / "token-server.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on loopback; gives the realm."""

        def handler(*arguments: object) -> BaseHTTPRequestHandler:
            return _Handler(self, *arguments)

        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/token"
            finally:
                server.shutdown()

    def token(self, scope: str, *, may_push: bool = False) -> str:
        """A token for a scope: to pull, whatever else was asked for, unless one may push."""
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        allowed = [action for action in actions.split(",") if action == "pull" or may_push]
        access = [{"type": kind, "name": name, "actions": allowed}] if scope else []
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": "",
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        claims |= {"iat": now, "nbf": now - 10, "exp": now + 300}
        signed = ".".join(map(_encode, ({"typ": "JWT", "alg": "RS256", "x5c": self._chain}, claims)))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, tokens: TokenServer, *arguments: object) -> None:
        self._tokens = tokens
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        login = self._tokens.login
        known = login is not None and authorization == f"Basic {base64.b64encode(login.encode()).decode()}"
        scope = parse_qs(urlsplit(self.path).query).get("scope", [""])[0]
        self._answer(scope, "token", known=known, refused=authorization is not None and not known)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        known = (
            form["grant_type"] == "refresh_token"
            and form["service"] == SERVICE
            and bool(form["client_id"])
            and form["refresh_token"] == self._tokens.refresh_token
        )
        self._answer(form["scope"], "access_token", known=known, refused=not known)

    def _answer(self, scope: str, name: str, *, known: bool, refused: bool) -> None:
        tokens = self._tokens
        resource, colon, actions = scope.rpartition(":")
        tokens.requests.append(resource + colon + ",".join(sorted(actions.split(","))))
        tokens.methods.append(self.command)
        status, answer = 200, {name: tokens.token(scope, may_push=known), "expires_in": tokens.lifetime}
        if refused or (tokens.is_private and not known):
            status, answer = 401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong credential"}]}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = dt.datetime.now(tz=dt.timezone.utc)
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())


def _encode(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
