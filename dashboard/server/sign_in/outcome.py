"""Answers a browser whose user was found out, or not."""

from __future__ import annotations

import math
import shlex

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.translation import translated
from taskyard.dashboard.server.sign_in import cookies
from taskyard.dashboard.server.sign_in.page import Page, drawn, translator_of

RETRY_SECONDS = 10


def address_of(request: Request) -> str:
    """Returns the browser's address."""
    return request.client.host if request.client else ""


def signed_in(
    request: Request,
    base: str,
    session: tuple[str, str],
    to: str,
    page: str,
    *,
    is_new: bool,
    by_provider: bool = False,
) -> Response:
    """Goes on to the page that was asked for, or lets the open page `page` go on.

    `session` is its secret, and whose it is. A browser that comes from the provider's site would not send its strict
    cookie with a redirect, so it goes on from a page of ours.
    """
    from taskyard.dashboard.data.continued import continued

    _ = translator_of(request)
    secret, who = session
    former = cookies.session_of(request)
    if is_new:
        continued.follow(former, secret)
    if page:
        is_going_on = continued.go_on(page, former, who, secret)
        text = (
            _(N_("The page where you were goes on by itself. You can close this one."))
            if is_going_on
            else _(N_("The page where you were can't go on: it was another user's, or too long ago. Reload it."))
        )
        answer: Response = drawn(request, Page(_(N_("You are signed in")), (text,), link=to, link_label=_(N_("Go on"))))
    elif by_provider:
        shown = Page(_(N_("You are signed in")), link=to, link_label=_(N_("Go on")), go_to=to)
        answer = drawn(request, shown)
    else:
        answer = Response(status_code=303, headers={"location": to, "cache-control": "no-store"})
    if is_new:
        cookies.set_session(answer, request, base, secret)
    return answer


def unknown_person(request: Request, name: str) -> HTMLResponse:
    """Says who somebody is who may not come in, and what an admin can run."""
    _ = translator_of(request)
    texts = (
        _(N_("You are {name}. Nobody here has this name, or it is disabled.")).format(name=name),
        _(N_("An admin lets you in by this command:")),
    )
    command = f"taskyard access create {shlex.quote(name)} --role viewer"
    return drawn(request, Page(_(N_("You are not known here")), texts, command), 403)


def wait(request: Request, page: Page, seconds: float) -> HTMLResponse:
    """Answers 429 with a page that says for how long to wait."""
    return drawn(request, page, 429, {"retry-after": str(math.ceil(seconds))})


def retry_later(request: Request, error: TaskyardError) -> HTMLResponse:
    """Answers 503, if a server is away."""
    _ = translator_of(request)
    page = Page(_(N_("Taskyard can't sign you in now")), (translated(error, _),))
    return drawn(request, page, 503, {"retry-after": str(RETRY_SECONDS)})
