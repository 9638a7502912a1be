"""Answers /sign-in, /sign-in/start, /sign-in/callback and /sign-out."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from taskyard.core.access.modes import WITH_SESSIONS, Mode
from taskyard.core.access.own_paths import own_path
from taskyard.core.config import settings
from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.dashboard.server.admission import SIGN_IN, SIGN_OUT, Admission
from taskyard.dashboard.server.sign_in import cookies, password, round_trip
from taskyard.dashboard.server.sign_in.outcome import address_of, retry_later, signed_in, unknown_person
from taskyard.dashboard.server.sign_in.page import Form, Page, drawn, translator_of

MAX_BODY_BYTES = 16 << 10


class SignIn:
    """The routes of a dashboard below the path `base`."""

    def __init__(self, base: str) -> None:
        self._base = base

    def routes(self) -> list[Route]:
        """Returns all routes, below the pages' path."""
        every = ["GET", "HEAD", "POST"]
        return [
            Route(f"{self._base}{SIGN_IN}", self.sign_in, methods=every),
            Route(f"{self._base}{SIGN_IN}/start", self.start),
            Route(f"{self._base}{SIGN_IN}/callback", self.callback),
            Route(f"{self._base}{SIGN_OUT}", self.sign_out, methods=every),
        ]

    async def sign_in(self, request: Request) -> Response:
        """Shows the form, or signs in by what was typed in it."""
        mode = settings().auth
        if mode is Mode.PROXY:
            return await self._named_by_proxy(request)
        if mode not in WITH_SESSIONS:
            return RedirectResponse(f"{self._base}/", 303)
        if request.method == "POST" and mode is Mode.PASSWORD:
            given = await _form_of(request)
            if given is None:
                return PlainTextResponse("expected the form of this page\n", 400)
            to = own_path(given.get("to", ""), self._base)
            return await password.answer(request, self._base, given, to)
        to, page = own_path(request.query_params.get("to", ""), self._base), request.query_params.get("page", "")
        try:
            known = await anyio.to_thread.run_sync(_current, cookies.session_of(request))
        except TaskyardError as error:
            return retry_later(request, error)
        if known is not None:
            return signed_in(request, self._base, known, to, page, is_new=False)
        return (
            password.form(request, {"to": to, "page": page})
            if mode is Mode.PASSWORD
            else round_trip.offer(request, self._base, to, page)
        )

    async def start(self, request: Request) -> Response:
        """Sends the browser to the provider."""
        if settings().auth is not Mode.OIDC:
            return RedirectResponse(f"{self._base}/", 303)
        to = own_path(request.query_params.get("to", ""), self._base)
        return await round_trip.start(request, self._base, to, request.query_params.get("page", ""))

    async def callback(self, request: Request) -> Response:
        """Takes a browser back from the provider."""
        if settings().auth is not Mode.OIDC:
            return RedirectResponse(f"{self._base}/", 303)
        return await round_trip.callback(request, self._base)

    async def sign_out(self, request: Request) -> Response:
        """Asks whether to sign out, and does it on POST."""
        _ = translator_of(request)
        if settings().auth not in WITH_SESSIONS:
            return RedirectResponse(f"{self._base}/", 303)
        if request.method != "POST":
            others = {"everywhere": _(N_("Sign out everywhere"))}
            form = Form(f"{self._base}{SIGN_OUT}", _(N_("Sign out")), others=others)
            return drawn(request, Page(_(N_("Sign out of Taskyard?")), form=form))
        is_everywhere = (await _form_of(request) or {}).get("everywhere") == "yes"
        try:
            await anyio.to_thread.run_sync(_end, cookies.session_of(request), address_of(request), is_everywhere)
        except TaskyardError as error:
            return retry_later(request, error)
        link, label = f"{self._base}{SIGN_IN}", _(N_("Sign in"))
        answer = drawn(request, Page(_(N_("You are signed out")), link=link, link_label=label))
        cookies.forget_session(answer, request, self._base)
        answer.headers["clear-site-data"] = '"storage"'  # drafts of what was typed
        return answer

    async def _named_by_proxy(self, request: Request) -> Response:
        """Goes on to the pages, or says whom the proxy has named and what is missing."""
        from taskyard.dashboard.data.sessions import sessions

        _ = translator_of(request)
        name = Admission(settings(), self._base).name_of(request.scope)
        try:
            actor = await sessions.of_name(name, address_of(request))
        except TaskyardError as error:
            return retry_later(request, error)
        if actor is not None:
            return RedirectResponse(own_path(request.query_params.get("to", ""), self._base), 303)
        if name:
            return unknown_person(request, name)
        text = _(N_("Taskyard is to be opened through its proxy, which says who you are. This request names nobody."))
        return drawn(request, Page(_(N_("You are not signed in")), (text,)), 403)


def _current(session: str) -> tuple[str, str] | None:
    """Returns a current session and whose it is."""
    from taskyard.dashboard.data import sign_ins

    actor = sign_ins.find(session) if session else None
    return None if actor is None else (session, actor.name)


def _end(session: str, address: str, everywhere: bool) -> None:
    from taskyard.dashboard.data import sign_ins
    from taskyard.dashboard.data.sessions import sessions

    sign_ins.sign_out(session, address, everywhere=everywhere)
    sessions.forget(session)


async def _form_of(request: Request) -> Mapping[str, str] | None:
    """Returns the fields of a form, each once; None if this is none, or too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return None
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        return None
    return dict(pairs) if len(dict(pairs)) == len(pairs) else None
