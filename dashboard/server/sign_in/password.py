"""Signs in by the form. At most two passwords are checked at once: each takes 0.3 s of a processor and 64 MiB."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.submission.signing_in import NotSignedIn, SignedIn
from taskyard.dashboard.server.sign_in.outcome import address_of, retry_later, signed_in, wait
from taskyard.dashboard.server.sign_in.page import Form, Page, drawn, translator_of

CHECKED_AT_ONCE = 2
MAX_WAITING = 20
BUSY_SECONDS = 5.0
MAX_NAME_LENGTH = 200  # characters of a name that is looked for and shown again


class Turns:
    """Lets a few in at once, some wait, and no more."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._inside = 0

    async def __aenter__(self) -> None:
        """Waits for its turn; raises TooMany if too many wait."""
        if self._inside >= self._most:
            raise TooMany
        self._inside += 1
        try:
            await self._free.acquire()
        except BaseException:
            self._inside -= 1
            raise

    async def __aexit__(self, *_error: object) -> None:
        self._free.release()
        self._inside -= 1


class TooMany(Exception):
    """Too many wait."""


_turns = Turns(CHECKED_AT_ONCE, MAX_WAITING)


async def answer(request: Request, base: str, given: Mapping[str, str], to: str) -> Response:
    """Signs in by the name and the password in a form, and goes on to `to`; or shows the form again, and why."""
    _ = translator_of(request)
    name, page = given.get("name", "").strip()[:MAX_NAME_LENGTH], given.get("page", "")
    again = {"to": to, "page": page}
    try:
        async with _turns:
            found = await anyio.to_thread.run_sync(_sign_in, name, given.get("password", ""), address_of(request))
    except TooMany:
        return wait(request, _page(request, again, name, _waiting(request, BUSY_SECONDS)), BUSY_SECONDS)
    except TaskyardError as error:
        return retry_later(request, error)
    if isinstance(found, SignedIn):
        return signed_in(request, base, (found.session, found.who), to, page, is_new=True)
    if found.wait_seconds > 0:
        problem = _waiting(request, found.wait_seconds)
        return wait(request, _page(request, again, name, problem), found.wait_seconds)
    return drawn(request, _page(request, again, name, _(N_("This name and password do not belong together."))), 403)


def form(request: Request, again: Mapping[str, str]) -> HTMLResponse:
    """Shows the form; `again` are fields that come back with it."""
    return drawn(request, _page(request, again, "", ""))


def _page(request: Request, again: Mapping[str, str], name: str, problem: str) -> Page:
    _ = translator_of(request)
    hidden = {key: value for key, value in again.items() if value}
    form = Form(request.url.path, _(N_("Sign in")), hidden, asks=True, name=name)
    return Page(_(N_("Sign in")), problem=problem, form=form)


def _waiting(request: Request, seconds: float) -> str:
    _ = translator_of(request)
    return _(N_("Too many attempts. Try again in {seconds} s.")).format(seconds=math.ceil(seconds))


def _sign_in(name: str, password: str, address: str) -> SignedIn | NotSignedIn:
    from taskyard.dashboard.data import sign_ins  # its connections need the runtime

    return sign_ins.by_password(name, password, address)
