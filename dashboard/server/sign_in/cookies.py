"""Reads and sets the cookies of signing in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from taskyard.core.access.identity import ENDED_SESSION_SECONDS, SESSION_SECONDS
from taskyard.dashboard.server import entrance

PROVIDER_SECONDS = 600  # for which a way to the provider and back may take


def session_name(request: Request) -> str:
    """Returns the name of the session cookie."""
    from taskyard.dashboard.data.viewer import cookie_name

    return cookie_name(request.headers["host"])


def session_of(request: Request) -> str:
    """Returns the session in the browser's cookie; empty without one."""
    return request.cookies.get(session_name(request), "")


def set_session(answer: Response, request: Request, base: str, session: str) -> None:
    """Gives the browser a session. It keeps the cookie longer than that, to show whose page it is that goes on."""
    answer.set_cookie(
        session_name(request),
        session,
        max_age=int(SESSION_SECONDS + ENDED_SESSION_SECONDS),
        path=f"{base}/",
        secure=is_secure(request),
        httponly=True,
        samesite="strict",
    )


def forget_session(answer: Response, request: Request, base: str) -> None:
    """Takes the session from the browser."""
    answer.delete_cookie(
        session_name(request), path=f"{base}/", secure=is_secure(request), httponly=True, samesite="strict"
    )


def provider_name(request: Request) -> str:
    """Returns the name of the cookie of a browser that has been sent to the provider."""
    return f"{session_name(request)}_provider"


def set_provider(answer: Response, request: Request, base: str, secret: str) -> None:
    """Marks a browser that is sent to the provider: it comes back from another site, so this can't be a strict one."""
    answer.set_cookie(
        provider_name(request),
        secret,
        max_age=PROVIDER_SECONDS,
        path=f"{base}/sign-in",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def is_secure(request: Request) -> bool:
    """Returns True if the browser came by https."""
    return bool(request.scope[entrance.ORIGIN_KEY].startswith("https:"))
