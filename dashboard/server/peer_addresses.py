"""Prevents uvicorn from replacing the sender's address by what a header says.

uvicorn believes `X-Forwarded-For` and `X-Forwarded-Proto` from every program on this machine, and Streamlit 1.67 starts
it without a way to say otherwise. Which proxies are believed is TASKYARD_TRUSTED_PROXIES, which the gate goes by: it
has to see who really sent a request.
"""

from __future__ import annotations

import uvicorn.config
from starlette.types import ASGIApp


def keep_peer_addresses() -> None:
    """Makes this process's server, which loads the application after this, pass on requests as they came."""
    uvicorn.config.ProxyHeadersMiddleware = _as_it_came  # type: ignore[assignment, attr-defined]


def _as_it_came(app: ASGIApp, trusted_hosts: object) -> ASGIApp:
    return app
