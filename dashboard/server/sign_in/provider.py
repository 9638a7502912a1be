"""Talks to the OpenID Connect provider: code flow with PKCE.

The provider's addresses come from its own document, which is read from the issuer in the settings and from nowhere
else, so nobody who signs in chooses what this server asks. Authlib makes the challenge and checks the claims, joserfc
the signature; its client for httpx is not used, as it is deprecated in favour of another library.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from taskyard.core.config import Settings

DOCUMENT = "/.well-known/openid-configuration"
TIMEOUT_SECONDS = 10.0
KNOWN_SECONDS = 600.0  # for which the provider's document and keys are used without asking again
MIN_REFRESH_SECONDS = 10.0  # between two readings of its keys
MAX_ANSWER_BYTES = 1 << 20
LEEWAY_SECONDS = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderAway(Exception):
    """The provider does not answer, or not as a provider does."""


class ProviderRefused(Exception):
    """The provider has not signed this person in, or what it says of them does not hold."""


class Provider:
    """The provider of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._document: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @property
    def host(self) -> str:
        """Returns the provider's host, to name it to people."""
        return urlsplit(self._settings.oidc_issuer).hostname or ""

    async def address(self, state: str, nonce: str, verifier: str, back: str) -> str:
        """Returns the address to send a browser to; raises ProviderAway."""
        document = await self._known_document()
        parameters = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": back,
            "scope": " ".join(self._settings.oidc_scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = str(document["authorization_endpoint"])
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(parameters)}"

    async def name_of(self, code: str, nonce: str, verifier: str, back: str) -> str:
        """Returns the name of the person whom the provider signed in; raises ProviderAway and ProviderRefused."""
        document = await self._known_document()
        token = await self._token(document, code, verifier, back)
        claims = await self._claims(document, token, nonce)
        name = claims.get(self._settings.oidc_claim)
        if not isinstance(name, str) or not name:
            raise ProviderRefused(f"its id token has no claim {self._settings.oidc_claim}")
        if self._settings.oidc_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise ProviderRefused("it has not verified this address")
        return name

    async def _token(self, document: Mapping[str, Any], code: str, verifier: str, back: str) -> Mapping[str, Any]:
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        client, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        is_basic = "client_secret_basic" in methods
        if not is_basic:
            given |= {"client_id": client, "client_secret": secret}
        auth = httpx.BasicAuth(_encoded(client), _encoded(secret)) if is_basic else None
        return await _answer("POST", str(document["token_endpoint"]), data=given, auth=auth)

    async def _claims(self, document: Mapping[str, Any], token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        text = token.get("id_token")
        if not isinstance(text, str):
            raise ProviderRefused("it sent no id token")
        offered = document.get("id_token_signing_alg_values_supported") or ["RS256"]
        registry = JWSRegistry(algorithms=[name for name in ALGORITHMS if name in offered], strict_check_header=False)
        try:
            try:
                decoded = jwt.decode(text, await self._known_keys(document), registry=registry)
            except (JoseError, ValueError):
                decoded = jwt.decode(text, await self._known_keys(document, anew=True), registry=registry)
            options = {
                "iss": {"essential": True, "value": self._settings.oidc_issuer},
                "aud": {"essential": True, "value": self._settings.oidc_client_id},
            }
            expected = {"nonce": nonce, "client_id": self._settings.oidc_client_id}
            if isinstance(token.get("access_token"), str):
                expected["access_token"] = token["access_token"]
            claims = CodeIDToken(decoded.claims, decoded.header, options, expected)
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            raise ProviderRefused(f"its id token is not valid: {error}") from None
        return dict(claims)

    async def _known_document(self) -> Mapping[str, Any]:
        if self._document is not None and time.monotonic() < self._document[0]:
            return self._document[1]
        issuer = self._settings.oidc_issuer
        document = await _answer("GET", f"{issuer.rstrip('/')}{DOCUMENT}")
        if document.get("issuer") != issuer:
            raise ProviderAway(f"its document names another issuer: {document.get('issuer')!r}")
        is_plain = issuer.startswith("http://")
        for name in ENDPOINTS:
            if urlsplit(str(document.get(name))).scheme not in ("https", *(["http"] if is_plain else [])):
                raise ProviderAway(f"its document has no {name} with https")
        self._document = time.monotonic() + KNOWN_SECONDS, document
        return document

    async def _known_keys(self, document: Mapping[str, Any], *, anew: bool = False) -> KeySet:
        age = KNOWN_SECONDS if self._keys is None else time.monotonic() - self._keys[0]
        if self._keys is not None and age < (MIN_REFRESH_SECONDS if anew else KNOWN_SECONDS):
            return self._keys[1]
        found = await _answer("GET", str(document["jwks_uri"]))
        try:
            keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProviderAway(f"its keys can't be read: {error}") from None
        self._keys = time.monotonic(), keys
        return keys


async def _answer(method: str, url: str, **options: Any) -> Mapping[str, Any]:
    """Returns the JSON object that the provider answers with; follows no redirect."""
    try:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client,
            client.stream(method, url, headers={"accept": "application/json"}, **options) as answer,
        ):
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise ProviderAway(f"{url} answers with too much")
            found = httpx.Response(answer.status_code, content=body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ProviderAway(f"{url}: {error or type(error).__name__}") from None
    if method == "POST" and 400 <= found.status_code < 500:
        raise ProviderRefused(f"{url} answers {found.status_code}")
    if found.status_code != 200:
        raise ProviderAway(f"{url} answers {found.status_code}")
    try:
        document = found.json()
    except ValueError:
        raise ProviderAway(f"{url} does not answer with JSON") from None
    if not isinstance(document, dict):
        raise ProviderAway(f"{url} does not answer with a JSON object")
    return document


def _encoded(text: str) -> str:
    """Returns an id or a secret as RFC 6749, 2.3.1 has them in a header."""
    return urlencode({"": text})[1:]
