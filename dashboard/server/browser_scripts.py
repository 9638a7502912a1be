"""Adds our own scripts to Streamlit's page: what only the browser can know, and only it can tell while the server is
away.

They are files of `dashboard/browser`, which the content security policy allows as this server's own, and one with
their texts in every language. Streamlit's components are not used for this: they are drawn by the server, and gone
once it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard.core.i18n import N_
from taskyard.core.paths import FILES
from taskyard.core.translation import LANGUAGES, catalogue
from taskyard.dashboard.server.preloads import preload_tags

PATH = "/browser/{name}"
TEXTS_NAME = "texts.js"
FIRST_NAME = "base.js"  # run at once, before Streamlit's scripts
NAMES = (
    FIRST_NAME,
    TEXTS_NAME,
    "page.js",
    "forms.js",
    "freshness.js",
    "draft.js",
    "charts.js",
    "zoom.js",
    "graph.js",
    "history.js",
    "log.js",
    "jump.js",
    "keyboard.js",
)  # in the order in which they are run
KEPT = "public, max-age=31536000, immutable"  # their addresses change with their content
HEAD_END, ROOT = b"</head>", b'id="root"'
CONDITIONS = (b"if-none-match", b"if-modified-since", b"range", b"accept-encoding")
VALIDATORS = (b"etag", b"last-modified", b"accept-ranges", b"content-length")
TEXTS: Mapping[str, str] = {
    "unpicked": N_("“{value}” is not picked yet: press Enter in the field, or pick an entry of the list."),
    "seconds": N_("{n} s"),
    "minutes": N_("{n} min"),
    "hours": N_("{n} h"),
    "ago": N_("{span} ago"),
    "lost": N_("Connection lost, trying again. What you see is the last that was received."),
    "closed": N_("The connection is closed. Reload this page."),
    "stale": N_("No answer from the dashboard: what you see is {span} old."),
    "unsent": N_("This time is incomplete or outside its limits: nothing was submitted."),
}


async def script(request: Request) -> Response:
    """Answers with one of the scripts."""
    content = _contents().get(request.path_params["name"])
    if content is None:
        return PlainTextResponse("no such script\n", 404)
    return Response(content, media_type="text/javascript", headers={"cache-control": KEPT})


class BrowserScripts:
    """Puts the scripts into the page that Streamlit serves, below `base`: "" or "/yard"."""

    def __init__(self, app: ASGIApp, base: str) -> None:
        self._app = app
        tags = [
            f'<script{"" if name == FIRST_NAME else " defer"} src="{base}/browser/{name}?{_digest(name)}"></script>'
            for name in NAMES
        ]
        self._tags = "".join(tags).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_visit(scope):
            await self._app(scope, receive, send)
            return
        # a page that a browser has kept may be of another release, and one that is compressed can't be added to
        scope = {**scope, "headers": [one for one in scope["headers"] if one[0] not in CONDITIONS]}
        page = scope["path"].rpartition("/")[2]
        await self._app(scope, receive, _Page(send, preload_tags(page) + self._tags).send)


class _Page:
    """Passes an answer on, with the tags if it is Streamlit's page."""

    def __init__(self, send: Send, tags: bytes) -> None:
        self._send = send
        self._tags = tags
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_html(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _finish(self, start: Message) -> None:
        if ROOT in self._body:
            self._body = self._body.replace(HEAD_END, self._tags + HEAD_END, 1)
            start["headers"] = [
                *(header for header in start["headers"] if header[0].lower() not in VALIDATORS),
                (b"content-length", str(len(self._body)).encode()),
            ]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})


def _is_visit(scope: Scope) -> bool:
    """Returns True if a browser opens what it asks for, and does not load it into a page."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _is_html(start: Message) -> bool:
    headers = {name.lower(): value for name, value in start.get("headers", ())}
    is_whole = start["status"] == 200 and b"content-encoding" not in headers
    return is_whole and headers.get(b"content-type", b"").startswith(b"text/html")


@lru_cache
def _contents() -> Mapping[str, bytes]:
    """Returns the scripts by name."""
    folder = FILES / "dashboard" / "browser"
    return {name: _texts() if name == TEXTS_NAME else (folder / name).read_bytes() for name in NAMES}


def _texts() -> bytes:
    by_language = {
        language: {name: catalogue(language).gettext(text) for name, text in TEXTS.items()} for language in LANGUAGES
    }
    return f"window.taskyardTexts = {json.dumps(by_language)};\n".encode()


def _digest(name: str) -> str:
    return hashlib.sha256(_contents()[name]).hexdigest()[:16]
