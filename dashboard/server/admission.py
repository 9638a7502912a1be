"""Lets only browsers in whose user is known, as far as TASKYARD_AUTH asks for that."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from taskyard.core.access.identity import Actor
from taskyard.core.access.modes import SIGNED_IN_ONLY, WITH_SESSIONS, Mode
from taskyard.core.access.proxies import FORWARDED_FOR, TrustedProxies
from taskyard.core.config import Settings
from taskyard.core.errors import TaskyardError
from taskyard.dashboard.kept_choices import CHOICES
from taskyard.dashboard.server import entrance

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
FREE = ("/healthz", "/metrics", SIGN_IN, f"{SIGN_IN}/start", f"{SIGN_IN}/callback", SIGN_OUT, entrance.PATH)
AT_ROOT = ("/healthz", "/metrics")  # for probes, whatever the pages' path is
# What a page loads; everything else that a browser opens by itself is a page.
PARTS = (
    "/_stcore/",
    "/media/",
    "/export/",
    "/component/",
    "/static/",
    "/browser/",
    *(f"/{choice}" for choice in CHOICES),
)
CLIENT = "/static/"  # files that are the same in every installation
NO_TRACE = {"cache-control": "no-store"}
Scope = MutableMapping[str, Any]


class Admission:
    """Checks who sends each request."""

    def __init__(self, settings: Settings, base: str) -> None:
        """Takes the pages' path below their host: "" or "/yard"."""
        self._mode = settings.auth
        self._base = base
        self._header = settings.auth_header.lower().encode()
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._free = {f"{base}{path}" for path in FREE} | set(AT_ROOT)

    def settle(self, scope: Scope) -> None:
        """Replaces a trusted proxy's address by the browser's, and drops what untrusted senders say of users."""
        peer = (scope.get("client") or ("", 0))[0]
        if self._header:
            believed = self._header if self._proxies.has(peer) else b""
            # X_Forwarded_User is another header, which some programs take for the same
            is_like = {name for name, _value in scope["headers"] if _normal(name) == _normal(self._header)}
            scope["headers"] = [one for one in scope["headers"] if one[0] not in is_like or one[0] == believed]
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED_FOR.encode()]
        client = self._proxies.client_of(peer, forwarded)
        if client != peer:
            scope["client"] = (client, 0)

    async def refusal(self, scope: Scope) -> Response | None:
        """Returns the answer to a request that is not let in, to a websocket's handshake, too."""
        if self._mode not in SIGNED_IN_ONLY or scope["path"] in self._free:
            return None
        try:
            may_pass = await self._actor(scope) is not None or await self._is_of_open_page(scope)
        except TaskyardError as error:
            return PlainTextResponse(f"{error}\n", 503, {"retry-after": "10", **NO_TRACE})
        if may_pass:
            return None
        path = str(scope["path"]).removeprefix(self._base)
        loads = [value for name, value in scope["headers"] if name == b"sec-fetch-dest"] or [b"document"]
        is_visit = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and loads == [b"document"]
        is_page = is_visit and not any(part in path for part in PARTS)
        if not is_page:
            return PlainTextResponse("sign in first\n", 401, NO_TRACE)
        query = bytes(scope.get("query_string") or b"").decode("latin-1")
        to = quote(f"{scope['path']}{f'?{query}' if query else ''}", safe="/")
        return RedirectResponse(f"{self._base}{SIGN_IN}?to={to}", 303, NO_TRACE)

    async def _actor(self, scope: Scope) -> Actor | None:
        from taskyard.dashboard.data.sessions import sessions  # its connections need the runtime

        if self._mode is Mode.PROXY:
            return await sessions.of_name(self.name_of(scope), (scope.get("client") or ("",))[0])
        return await sessions.of_cookie(session_in(scope))

    async def _is_of_open_page(self, scope: Scope) -> bool:
        """Returns True if a page whose session has ended by itself loads a part of Streamlit's own client.

        It loads them when it needs them: without that it could not show how to sign in again.
        """
        from taskyard.dashboard.data.sessions import sessions

        is_file = scope["type"] == "http" and scope["path"].startswith(f"{self._base}{CLIENT}")
        return is_file and self._mode in WITH_SESSIONS and await sessions.has_ended_by_itself(session_in(scope))

    def name_of(self, scope: Scope) -> str:
        """Returns the user whom a trusted proxy names; empty without one, or with several."""
        names = [value for name, value in scope["headers"] if name == self._header]
        return names[0].decode("latin-1").strip() if len(names) == 1 else ""


def session_in(scope: Scope) -> str:
    """Returns the session in a request's cookie; empty without one."""
    from taskyard.dashboard.data.viewer import cookie_name

    headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"cookie")}
    return str(cookie_parser(headers.get(b"cookie", "")).get(cookie_name(headers.get(b"host", "")), ""))


def _normal(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")
