"""Signing in by an OpenID Connect provider: what of its word is believed, and what is not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from taskyard.core.config import load_settings
from taskyard.dashboard.server.sign_in.provider import Provider, ProviderAway, ProviderRefused
from tests.identity_provider import IdentityProvider
from tests.servers import free_port

BACK = "http://127.0.0.1:8501/sign-in/callback"


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as idp:
        yield idp


def provider_of(idp: IdentityProvider, **changes: Any) -> Provider:
    return Provider(load_settings(**{**idp.settings, **changes}))


def name_by(provider: Provider, *, nonce: str = "", verifier: str = "", back: str = BACK) -> str:
    """Goes to the provider and back, as a browser does; `nonce` and `verifier` replace what was sent."""
    sent_nonce, sent_verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)

    async def trip() -> str:
        address = await provider.address("state", sent_nonce, sent_verifier, BACK)
        async with httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.get(address)
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        return await provider.name_of(code, nonce or sent_nonce, verifier or sent_verifier, back)

    return anyio.run(trip)


def test_the_provider_says_who_it_is(idp: IdentityProvider) -> None:
    assert name_by(provider_of(idp)) == "ann@example.com"
    [asked] = idp.asked
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid email profile"
    assert asked["response_type"] == "code"


def test_the_name_is_in_the_claim_of_the_settings(idp: IdentityProvider) -> None:
    idp.claims = {"preferred_username": "ann"}

    assert name_by(provider_of(idp, oidc_claim="preferred_username")) == "ann"
    with pytest.raises(ProviderRefused, match="no claim email"):
        name_by(provider_of(idp))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.test"}, {"aud": "another"}, {"aud": ["another"]}, {"exp": 1}, {"nonce": "another"},
        {"nonce": None}, {"iat": "x"}, {"azp": "another"}, {"email_verified": False}, {"email": ["a", "b"]},
        {"email": ""}, {"nbf": 99_999_999_999},
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_us_is_refused(idp: IdentityProvider, changes: dict[str, Any]) -> None:
    idp.changes = changes

    with pytest.raises(ProviderRefused):
        name_by(provider_of(idp))


def test_a_token_signed_by_anybody_else_is_refused(idp: IdentityProvider) -> None:
    idp.signs_with = idp.new_key()

    with pytest.raises(ProviderRefused, match="not valid"):
        name_by(provider_of(idp))


def test_an_algorithm_that_was_not_announced_is_refused(idp: IdentityProvider) -> None:
    idp.algorithm = "RS512"

    with pytest.raises(ProviderRefused, match="not valid"):
        name_by(provider_of(idp))


def test_another_nonce_verifier_or_way_back_is_refused(idp: IdentityProvider) -> None:
    provider = provider_of(idp)
    for changed in ({"nonce": "x" * 43}, {"verifier": "x" * 43}, {"back": BACK + "x"}):
        with pytest.raises(ProviderRefused):
            name_by(provider, **changed)


def test_a_wrong_secret_is_refused_and_not_said(idp: IdentityProvider) -> None:
    with pytest.raises(ProviderRefused) as raised:
        name_by(provider_of(idp, oidc_client_secret="wr0ng"))
    assert "wr0ng" not in str(raised.value)


def test_new_keys_are_read_when_they_are_needed(idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = provider_of(idp)
    assert name_by(provider) == "ann@example.com"
    idp.key = idp.signs_with = idp.new_key()

    with pytest.raises(ProviderRefused):
        name_by(provider)  # not asked again at once, whatever somebody sends
    monkeypatch.setattr("taskyard.dashboard.server.sign_in.provider.MIN_REFRESH_SECONDS", 0.0)
    assert name_by(provider) == "ann@example.com"


def test_a_provider_that_is_away_is_not_one_that_refuses(idp: IdentityProvider) -> None:
    with pytest.raises(ProviderAway):
        name_by(provider_of(idp, oidc_issuer=f"http://localhost:{free_port()}"))
    with pytest.raises(ProviderAway, match="another issuer"):
        name_by(provider_of(idp, oidc_issuer=f"{idp.issuer}/"))
    idp.is_away = True
    with pytest.raises(ProviderAway, match="answers 503"):
        name_by(provider_of(idp))
