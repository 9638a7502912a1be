"""Says in our words what httpx says: what it is made with, and how it fails. No error of httpx leaves a client."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from taskyard.client.core import Core
from taskyard.client.exchange import Lost, Reply, Request

CONNECT_SECONDS = 10.0
ERRORS = (httpx.HTTPError, httpx.InvalidURL)
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def options_of(core: Core) -> dict[str, Any]:
    """Returns what both of httpx's clients are made with."""
    return {
        "headers": core.headers(),
        "follow_redirects": False,  # the token is for this address only
        "trust_env": not core.address.is_loopback,  # no proxy leads to this machine
        "verify": core.address.url.startswith("https:"),  # reading the certificates takes a while
    }


def arguments_of(request: Request) -> dict[str, Any]:
    """Returns a request as httpx takes it."""
    return {
        "method": request.method,
        "url": request.url,
        "params": list(request.query),
        "headers": dict(request.headers),
        "content": request.body,
        "timeout": httpx.Timeout(request.silence_seconds, connect=CONNECT_SECONDS),
    }


def reply_of(response: httpx.Response) -> Reply:
    """Returns an answer that was read to its end."""
    headers = dict(response.headers)
    return Reply(response.status_code, response.content, headers.get("retry-after", ""), headers)


def lost_of(error: Exception) -> Lost:
    """Returns what became of a request that failed by one of ERRORS."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Lost(reason, was_sent=False, is_final=True)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Lost(reason, was_sent=False, is_final=True)
        cause = cause.__cause__ or cause.__context__
    return Lost(reason, was_sent=not isinstance(error, NOT_SENT))
