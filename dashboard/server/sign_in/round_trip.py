"""Sends a browser to the OpenID Connect provider, and takes it back."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from taskyard.core.access.identity import hashed
from taskyard.core.config import settings
from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.submission.signing_in import NotSignedIn, SignedIn
from taskyard.dashboard.server import entrance
from taskyard.dashboard.server.admission import SIGN_IN
from taskyard.dashboard.server.sign_in import cookies
from taskyard.dashboard.server.sign_in.outcome import address_of, retry_later, signed_in, unknown_person
from taskyard.dashboard.server.sign_in.page import Page, drawn, translator_of
from taskyard.dashboard.server.sign_in.provider import Provider, ProviderAway, ProviderRefused

MAX_AWAY = 10_000  # browsers that are at the provider

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Trip:
    """A browser that was sent to the provider, and where it wants to go afterwards."""

    state: str
    nonce: str
    verifier: str
    to: str
    page: str
    until: float  # time.monotonic


_trips: dict[str, _Trip] = {}  # by the hash of the browser's cookie; of the event loop's thread only


def offer(request: Request, base: str, to: str, page: str) -> HTMLResponse:
    """Shows a button that leads to the provider."""
    _ = translator_of(request)
    label = _(N_("Sign in with {provider}")).format(provider=_provider().host)
    return drawn(request, Page(_(N_("Sign in")), link=_start(base, to, page), link_label=label))


async def start(request: Request, base: str, to: str, page: str) -> Response:
    """Sends the browser to the provider, or says that it does not answer."""
    until = time.monotonic() + cookies.PROVIDER_SECONDS
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    trip = _Trip(state, nonce, verifier, to, page, until)
    try:
        address = await _provider().address(trip.state, trip.nonce, trip.verifier, _back(request, base))
    except ProviderAway as error:
        return _away(request, base, trip, error)
    for key in [key for key, known in _trips.items() if known.until < time.monotonic()]:
        del _trips[key]
    while len(_trips) >= MAX_AWAY:
        del _trips[next(iter(_trips))]
    secret = secrets.token_urlsafe(32)
    _trips[hashed(secret)] = trip
    answer = RedirectResponse(address, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})
    cookies.set_provider(answer, request, base, secret)
    return answer


async def callback(request: Request, base: str) -> Response:
    """Signs in who comes back with the provider's word; each trip counts once."""
    _ = translator_of(request)
    trip = _trips.pop(hashed(request.cookies.get(cookies.provider_name(request), "")), None)
    state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
    is_ours = trip is not None and hmac.compare_digest(trip.state.encode(), state.encode())
    if trip is None or trip.until < time.monotonic() or not is_ours:
        text = _(N_("This sign-in was begun in another browser, too long ago, or was finished before."))
        return _retry(request, base, f"{base}/", "", text, 400)
    if not code:
        log.warning("the provider refused a sign-in: %r", request.query_params.get("error", "")[:100])
        return _retry(request, base, trip.to, trip.page, _(N_("The provider did not sign you in.")), 403)
    try:
        name = await _provider().name_of(code, trip.nonce, trip.verifier, _back(request, base))
        found = await anyio.to_thread.run_sync(_sign_in, name, address_of(request))
    except ProviderAway as error:
        return _away(request, base, trip, error)
    except ProviderRefused as error:
        log.warning("a sign-in by the provider was refused: %s", error)
        text = _(N_("What the provider says of you is not valid. The dashboard's log has the details."))
        return _retry(request, base, trip.to, trip.page, text, 403)
    except TaskyardError as error:
        return retry_later(request, error)
    if isinstance(found, NotSignedIn):
        return unknown_person(request, name)
    return signed_in(request, base, (found.session, found.who), trip.to, trip.page, is_new=True, by_provider=True)


def _away(request: Request, base: str, trip: _Trip, error: ProviderAway) -> Response:
    log.warning("the OpenID Connect provider can't be used: %s", error)
    _ = translator_of(request)
    text = _(N_("{provider} does not answer now. The dashboard's log has the details.")).format(
        provider=_provider().host
    )
    return _retry(request, base, trip.to, trip.page, text, 503)


def _retry(request: Request, base: str, to: str, page: str, text: str, status: int) -> HTMLResponse:
    _ = translator_of(request)
    link, label = _start(base, to, page), _(N_("Try again"))
    headers = {"retry-after": "10"} if status == 503 else {}
    return drawn(request, Page(_(N_("You are not signed in")), (text,), link=link, link_label=label), status, headers)


def _start(base: str, to: str, page: str) -> str:
    return f"{base}{SIGN_IN}/start?{urlencode({'to': to, **({'page': page} if page else {})})}"


def _back(request: Request, base: str) -> str:
    """Returns the address to which the provider sends browsers back: that of the name they use."""
    return f"{request.scope[entrance.ORIGIN_KEY]}{base}{SIGN_IN}/callback"


@lru_cache(maxsize=1)
def _provider() -> Provider:
    return Provider(settings())


def _sign_in(name: str, address: str) -> SignedIn | NotSignedIn:
    from taskyard.dashboard.data import sign_ins  # its connections need the runtime

    return sign_ins.by_provider(name, address)
