"""What Google's services answer to google-auth: the metadata server, token servers, the impersonation of accounts."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = ("oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com")
"""Whom it stands for, beside the metadata server."""
EMAIL = "robot@project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IMPERSONATOR = "impersonator"
"""What is in the address or in the ``client_id`` of who gets ``_SOURCE_TOKEN``, and has to exchange it once more."""

_SOURCE_TOKEN = "ya29.source-9876543210"  # noqa: S105 - of nobody
_METADATA = "/computeMetadata/v1"
_ACCOUNT = f"{_METADATA}/instance/service-accounts/default"
_IMPERSONATION = f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"


class GoogleServer:
    """Gives an access token to everybody, and remembers what for.

    Attributes:
        requests: The path of each request, in order.
        questions: What each ``POST`` said, a form or JSON.
        revoked: Whether it has no token for anybody any more.
    """

    def __init__(self, access_token: str) -> None:
        """Serve nothing yet."""
        self.access_token = access_token
        self.requests: list[str] = []
        self.questions: list[dict[str, object]] = []
        self.revoked = False

    @contextmanager
    def serving(self, certificate: tuple[str, str] | None = None) -> Iterator[str]:
        """Serve on loopback, with TLS if there is a certificate; gives the address."""

        def handler(*arguments: object) -> BaseHTTPRequestHandler:
            return _Handler(self, *arguments)

        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield f"127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()

    def metadata(self, path: str) -> object:
        """What the metadata server has at a path; None for nothing."""
        return {
            "/": "computeMetadata/",
            f"{_METADATA}/project/project-id": "project",
            f"{_METADATA}/universe/universe-domain": "googleapis.com",
            f"{_ACCOUNT}/": {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]},
            f"{_ACCOUNT}/token": {"access_token": self.access_token, "expires_in": 3600, "token_type": "Bearer"},
        }.get(path)

    def exchange(self, path: str, question: dict[str, object], authorization: str) -> object:
        """What the services give who posts a question to a path; None for nothing."""
        if path == _IMPERSONATION and authorization == f"Bearer {_SOURCE_TOKEN}":
            return {"accessToken": self.access_token, "expireTime": "2099-01-01T00:00:00Z"}
        is_source = IMPERSONATOR in {path.rpartition("/")[2], question.get("client_id")}
        token = _SOURCE_TOKEN if is_source else self.access_token
        issued = "urn:ietf:params:oauth:token-type:access_token"
        answer = {"access_token": token, "expires_in": 3600, "token_type": "Bearer", "issued_token_type": issued}
        return answer if path in {"/token", "/v1/token", f"/v1/{IMPERSONATOR}"} else None


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, google: GoogleServer, *arguments: object) -> None:
        self._google = google
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        known = self.headers.get("Metadata-Flavor") == "Google"
        self._answer(path, self._google.metadata(path) if known else None)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        is_json = "json" in self.headers["Content-Type"]
        form: dict[str, object] = {name: values[0] for name, values in parse_qs(text).items()}
        question = json.loads(text) if is_json else form
        self._google.questions.append(question)
        self._answer(self.path, self._google.exchange(self.path, question, self.headers.get("Authorization", "")))

    def _answer(self, path: str, answer: object) -> None:
        self._google.requests.append(path)
        status = 200 if answer is not None else 404
        if self._google.revoked:
            status, answer = 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/text" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Metadata-Flavor", "Google")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
