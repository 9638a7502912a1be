"""Checks every request before anything else of this server sees it, including websockets.

Streamlit's own check of a websocket's origin comes later, asks the internet for this machine's address when it
meets a foreign one, and accepts any host name that resolves to this machine.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard.core.access.modes import reach_problems
from taskyard.core.access.request_guard import Passed, Refusal, RequestGuard, border_of, is_any_address, request_of
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.dashboard.server import entrance, policy
from taskyard.dashboard.server.admission import Admission

PLAIN = b"text/plain; charset=utf-8"
CLOSED_BY_POLICY = 1008
MAX_NOTED = 100
HOOKS = "/hooks/"  # what others call, at the API
FILES = "/media/"  # paths offered for download, which may be opened directly

log = logging.getLogger(__name__)


def base_path() -> str:
    """Returns the dashboard's path below its host: empty, or "/yard"."""
    path = str(st.config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def dashboard_border(settings: Settings) -> RequestGuard:
    """Returns the request guard of this server; raises ConfigurationError if the names that browsers use are
    unknown.
    """
    host = str(st.config.get_option("server.address") or settings.dashboard_host)
    if problems := reach_problems(settings.auth, "DASHBOARD", host):
        raise ConfigurationError(problems)
    if is_any_address(host) and not settings.dashboard_hosts:
        raise ConfigurationError(
            [
                f"TASKYARD_DASHBOARD_HOSTS: not set: a dashboard that listens on {host} needs the names by which "
                "browsers reach it, e.g. yard.example.com"
            ]
        )
    return border_of(host, settings.dashboard_hosts, "TASKYARD_DASHBOARD_HOSTS")


class Gate:
    """Answers only requests of the dashboard's own pages and users, and adds the headers of each answer."""

    def __init__(self, app: ASGIApp, border: RequestGuard, admission: Admission) -> None:
        self._app = app
        self._border = border
        self._admission = admission
        self._noted: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._border.check(request_of(scope))
        if isinstance(answer, Refusal):
            if scope["path"].startswith(f"{base_path()}{HOOKS}"):
                answer = replace(answer, text="hooks are at the HTTP API, not at the dashboard")
            self._note(answer)
            await _refuse(answer, scope, receive, send)
            return
        _set_target(scope, answer)
        entrance.take_key(scope, base_path())
        self._admission.settle(scope)
        is_page = not scope["path"].startswith(f"{base_path()}{FILES}")
        send_safely = _with_headers(send, answer.origin, is_page)
        refused = await self._admission.refusal(scope)
        if refused is None:
            await self._app(scope, receive, send_safely)
        elif scope["type"] == "websocket":
            await _close(receive, send)
        else:
            await refused(scope, receive, send_safely)

    def _note(self, refusal: Refusal) -> None:
        """Logs a refusal, each text once: a refused client may ask again and again."""
        if refusal.text not in self._noted and len(self._noted) < MAX_NOTED:
            self._noted.add(refusal.text)
            log.warning("refused a request: %s", refusal.text)


def _set_target(scope: MutableMapping[str, Any], answer: Passed) -> None:
    """Reduces a request's target to its path, if it was a full URL."""
    scope[entrance.ORIGIN_KEY] = answer.origin
    if not scope["path"].startswith("/"):
        path = answer.target.partition("?")[0]
        scope["path"], scope["raw_path"] = unquote(path), path.encode("latin-1")


def _with_headers(send: Send, origin: str, is_page: bool) -> Send:
    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _value in message.get("headers", ())}
            ours = [header for header in policy.headers(origin, is_page) if header[0] not in there]
            message["headers"] = [*message.get("headers", ()), *ours]
        await send(message)

    return send_safely


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the refusal's status and text; a websocket is not accepted, which is a 403 without a text."""
    if scope["type"] == "websocket":
        await _close(receive, send)
        return
    body = b"" if scope["method"] == "HEAD" else f"{refusal.text}\n".encode()
    sent = [(b"content-type", PLAIN), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    ours = policy.headers("http://refused.invalid", False)
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*sent, *ours]})
    await send({"type": "http.response.body", "body": body})


async def _close(receive: Receive, send: Send) -> None:
    await receive()  # its connect
    await send({"type": "websocket.close", "code": CLOSED_BY_POLICY})
