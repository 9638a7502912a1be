"""Draws the pages of signing in and out, as plain HTML from one template."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from taskyard.core.i18n import N_
from taskyard.core.paths import FILES
from taskyard.core.translation import LANGUAGES, catalogue, preferred_language
from taskyard.dashboard.kept_choices import LANGUAGE, cookie_name

FOLDER = Path(__file__).parent
NAME, PASSWORD = N_("Name"), N_("Password")


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page: with `asks` for a name and a password; `others` are further buttons, by parameter."""

    action: str
    label: str
    hidden: Mapping[str, str] = field(default_factory=dict)
    asks: bool = False
    name: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows, in the viewer's language; with `go_to` the browser goes on there by itself."""

    title: str
    texts: tuple[str, ...] = ()
    command: str = ""
    problem: str = ""
    form: Form | None = None
    link: str = ""
    link_label: str = ""
    go_to: str = ""


def language_of(request: Request) -> str:
    """Returns the viewer's language: that of the address, of the dashboard's cookie, or of the browser."""
    given = request.query_params.get("lang") or request.cookies.get(
        cookie_name(LANGUAGE, request.headers.get("host", ""))
    )
    return given if given in LANGUAGES else preferred_language(request.headers.get("accept-language", ""))


def translator_of(request: Request) -> Callable[[str], str]:
    """Returns a translator into the viewer's language."""
    texts = catalogue(language_of(request))
    return lambda text: texts.gettext(text) if text else ""


def drawn(request: Request, page: Page, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Returns a page as an answer that stays in no cache and loads nothing."""
    language, translate = language_of(request), translator_of(request)
    others = {
        name: "" if code == language or request.method != "GET" else f"?{_query(request, code)}"
        for code, name in LANGUAGES.items()
    }
    text = _template().render(
        page=page,
        language=language,
        words={"name": translate(NAME), "password": translate(PASSWORD)},
        languages=others,
        icon=_icon(),
        style=Markup(_style()),
    )
    ours = {"cache-control": "no-store", "content-security-policy": _policy(), **(headers or {})}
    return HTMLResponse(text, status, ours)


def _query(request: Request, code: str) -> str:
    kept = [(name, request.query_params[name]) for name in ("to", "page") if name in request.query_params]
    return urlencode([*kept, ("lang", code)])


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html")


@lru_cache(maxsize=1)
def _style() -> str:
    return (FOLDER / "page.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _icon() -> str:
    icon = (FILES / "dashboard" / "icon.svg").read_bytes()
    return f"data:image/svg+xml;base64,{base64.b64encode(icon).decode()}"


@lru_cache(maxsize=1)
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
