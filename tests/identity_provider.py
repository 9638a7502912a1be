"""An OpenID Connect provider for tests: a real HTTP server with discovery, keys, authorization and tokens.

Whoever asks is signed in at once as `claims` says. What a test changes of it makes it answer wrongly.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "yard", "s3cret of the client"


class IdentityProvider:
    """A provider at `issuer`, which is another site than a dashboard at 127.0.0.1."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"email": "ann@example.com", "email_verified": True}
        self.changes: dict[str, Any] = {}  # of the id token's own claims
        self.key = self.new_key()
        self.signs_with = self.key
        self.algorithm = "RS256"
        self.is_away = False
        self.error = ""
        self.asked: list[dict[str, str]] = []  # of the authorization endpoint
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://localhost:{self._server.server_address[1]}"

    @staticmethod
    def new_key() -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a dashboard that goes by this provider."""
        return {
            "auth": "oidc",
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        path, query = urlsplit(request.path).path, urlsplit(request.path).query
        if self.is_away:
            _send(request, 503, {"error": "away"})
        elif path == "/.well-known/openid-configuration":
            endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            _send(request, 200, {"issuer": self.issuer} | {k: f"{self.issuer}/{v}" for k, v in endpoints.items()})
        elif path == "/keys":
            _send(request, 200, {"keys": [self.key.as_dict(private=False)]})
        elif path == "/authorize":
            given = {name: values[0] for name, values in parse_qs(query).items()}
            self.asked.append(given)
            code = secrets.token_urlsafe(16)
            self._codes[code] = given
            back = {"state": given["state"], **({"error": self.error} if self.error else {"code": code})}
            request.send_response(302)
            request.send_header("Location", f"{given['redirect_uri']}?{urlencode(back)}")
            request.end_headers()
        else:
            _send(request, 404, {})

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"])).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self._codes.pop(given.get("code", ""), None)
        if asked is None or not _is_client(request) or not _is_proved(asked, given):
            _send(request, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        own = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "4711", "iat": now, "exp": now + 300}
        claims = {**own, "nonce": asked["nonce"], **self.claims, **self.changes}
        header = {"alg": self.algorithm, "kid": self.signs_with.kid}
        token = jwt.encode(header, claims, self.signs_with, algorithms=[self.algorithm])
        _send(request, 200, {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": token})


def _is_client(request: BaseHTTPRequestHandler) -> bool:
    expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '+')}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {expected}"


def _is_proved(asked: dict[str, str], given: dict[str, str]) -> bool:
    """Whether the verifier is that of the challenge, and the way back the same."""
    digest = hashlib.sha256(given["code_verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    is_same = asked["redirect_uri"] == given["redirect_uri"]
    return asked["code_challenge_method"] == "S256" and challenge == asked["code_challenge"] and is_same


def _send(request: BaseHTTPRequestHandler, status: int, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
