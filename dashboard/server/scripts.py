"""Serves our own scripts and styles, for what Streamlit can't do in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from taskyard.core.paths import FILES

FOLDER = FILES / "dashboard" / "static"
TYPES = {"history.js": "text/javascript", "keyboard.js": "text/javascript", "console.css": "text/css"}


async def script(request: Request) -> Response:
    """Answers with one of our files; a browser asks again whenever a page is loaded."""
    name = request.path_params["name"]
    if name not in TYPES:
        return PlainTextResponse("there is no such file\n", 404)
    return Response(_content(name), media_type=TYPES[name], headers={"cache-control": "no-cache"})


def routes() -> Sequence[Route]:
    """Returns the routes, below the pages' path."""
    return [Route("/console/{name}", script)]


@lru_cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
