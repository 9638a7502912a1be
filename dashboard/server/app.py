"""Adds the server's routes beside the pages: health, metrics, exports, headers, and the error page."""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import streamlit as st
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from taskyard.core.config import settings
from taskyard.core.errors import TaskyardError
from taskyard.dashboard import timing
from taskyard.dashboard.i18n import _
from taskyard.dashboard.kept_choices import CHOICES, cookie_name
from taskyard.dashboard.server import browser_scripts, entrance, exports
from taskyard.dashboard.server.admission import Admission
from taskyard.dashboard.server.gate import Gate, base_path, dashboard_border
from taskyard.dashboard.server.late_refreshes import refuse_late_refreshes
from taskyard.dashboard.server.section_ends import keep_section_ends
from taskyard.dashboard.server.sign_in.routes import SignIn

# Loaded before the first viewer: of two who come at once, one would find them half loaded by the other, and
# plotly takes a half-loaded pandas for a whole one.
SLOW_MODULES = ("pandas", "plotly.graph_objects")
EMPTY_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
CHOICE_SECONDS = 365 * 86400

log = logging.getLogger(__name__)


async def health(request: Request) -> Response:
    """Answers 200 as long as the process serves; problems of its servers are shown on the pages."""
    return PlainTextResponse("ok\n")


async def metrics(request: Request) -> Response:
    """Answers with Prometheus metrics of the pages."""
    return Response(generate_latest(timing.registry), media_type=CONTENT_TYPE_LATEST)


async def overview(request: Request) -> Response:
    """Redirects the first page's own name to the root, which is its only address."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"./{query}")


async def keep_choice(request: Request) -> Response:
    """Answers with an empty picture, and a cookie by which this browser keeps what was chosen."""
    choice, chosen = request.url.path.rpartition("/")[2], request.query_params.get("to")
    known = CHOICES[choice]
    if chosen not in known:
        return PlainTextResponse(f"to: expected one of {', '.join(known)}\n", 400)
    answer = Response(EMPTY_PICTURE, media_type="image/svg+xml", headers={"cache-control": "no-store"})
    answer.set_cookie(
        cookie_name(choice, request.headers["host"]),
        chosen,
        max_age=CHOICE_SECONDS,
        path=f"{base_path()}/",
        secure=request.scope[entrance.ORIGIN_KEY].startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return answer


def routes() -> Sequence[Route]:
    """Returns all routes other than pages, below the pages' path; probes find theirs at the root, too."""
    base = base_path()
    probes = [Route("/healthz", health), Route("/metrics", metrics)]
    ours = [Route("/overview", overview), *exports.routes(), *probes]
    ours += [Route(browser_scripts.PATH, browser_scripts.script), *(Route(f"/{one}", keep_choice) for one in CHOICES)]
    below = [Route(f"{base}{route.path}", route.endpoint) for route in ours]
    return [entrance.route(base), *SignIn(base).routes(), *below, *(probes if base else ())]


def middleware() -> Sequence[Middleware]:
    """Returns the middleware of every response."""
    current = settings()
    return [
        Middleware(Gate, border=dashboard_border(current), admission=Admission(current, base_path())),
        Middleware(browser_scripts.BrowserScripts, base=base_path()),
    ]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any] | None]:
    """Connects before the first viewer arrives; if a server is away, the pages show that."""
    from taskyard.dashboard.data.base import connections  # its caches need the runtime

    refuse_late_refreshes()
    keep_section_ends()
    for name in SLOW_MODULES:
        await anyio.to_thread.run_sync(importlib.import_module, name)
    try:
        await anyio.to_thread.run_sync(connections)
    except TaskyardError as error:
        log.warning("the dashboard starts without its servers: %s", error)
    gc.freeze()  # everything loaded by now stays: garbage collections that scan it would delay viewers
    yield None


def print_error(error: Exception) -> bool:
    """Shows a page's unexpected error; the log has the details."""
    log.error("a page failed", exc_info=error)
    st.error(
        _("This page could not be shown: {kind}. The dashboard's log has the details.").format(
            kind=type(error).__name__
        ),
        icon=":material/error:",
    )
    return True
