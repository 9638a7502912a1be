"""Signs browsers in: exchanges a link that is valid for one browser, once, for a cookie.

The key is removed from the request before any other code sees it, and the answer redirects away from its address,
so that it stays in no log, in no history and in no `Referer`.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from taskyard.core.access.identity import SESSION_SECONDS
from taskyard.core.errors import TaskyardError

PATH = "/enter"
KEY = "key"
ORIGIN_KEY = "taskyard.origin"  # in a request's scope: the origin of our pages, as its browser sees them
KEY_KEY = "taskyard.key"  # in a request's scope: the key that was in its address
NO_TRACE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
USED = (
    "This link is not valid: it was used before, has expired or is incomplete.\n"
    "A new one comes from this command, on the worker's machine: taskyard enter\n"
)


def route(base: str) -> Route:
    """Returns the route of the link, below the pages' path `base`."""

    async def enter(request: Request) -> Response:
        """Signs the browser in and redirects to the first page; 403 if the link is no longer valid."""
        if request.method != "GET":
            return PlainTextResponse("open the link in a browser\n", 405, {"allow": "GET", **NO_TRACE})
        try:
            session = await anyio.to_thread.run_sync(_sign_in, request)
        except TaskyardError as error:
            return PlainTextResponse(f"{error}\n", 503, {"retry-after": "10", **NO_TRACE})
        if session is None:
            return PlainTextResponse(USED, 403, NO_TRACE)
        answer = RedirectResponse("./", 303, NO_TRACE)
        answer.set_cookie(
            _cookie_name(request),
            session,
            max_age=int(SESSION_SECONDS),
            path=f"{base}/",
            secure=request.scope[ORIGIN_KEY].startswith("https:"),
            httponly=True,
            samesite="strict",
        )
        return answer

    return Route(f"{base}{PATH}", enter)


def take_key(scope: MutableMapping[str, Any], base: str) -> None:
    """Moves the key of a request for the link out of its address; other requests stay as they are."""
    if scope["type"] == "http" and scope["path"] == f"{base}{PATH}":
        keys = parse_qs(scope["query_string"].decode("latin-1")).get(KEY, [])
        scope[KEY_KEY] = keys[0] if len(keys) == 1 else ""
        scope["query_string"] = b""


def _sign_in(request: Request) -> str | None:
    from taskyard.dashboard.data import viewer  # its caches need the runtime

    address = request.client.host if request.client else ""
    return viewer.sign_in(request.scope[KEY_KEY], request.cookies.get(_cookie_name(request), ""), address)


def _cookie_name(request: Request) -> str:
    from taskyard.dashboard.data.viewer import cookie_name

    return cookie_name(request.headers["host"])
