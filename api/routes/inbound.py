"""Answers calls of hooks: whoever has a hook's secret submits a task with a signed request, and can do nothing else.

A call needs no token. What is wrong with its signature is not told, nor whether there is such a hook.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse

from taskyard.api.document import refusing
from taskyard.api.models.webhooks import Accepted
from taskyard.api.problems import Refused
from taskyard.api.rates import Rates
from taskyard.api.reading import ServicesDep, acting_for, in_thread
from taskyard.api.services import Services
from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import required
from taskyard.core.postgres.store import hooks
from taskyard.core.webhooks.hook import Hook
from taskyard.core.webhooks.schemes import Call, delivery_id, event_of, is_signed
from taskyard.core.webhooks.template import MissingValue, filled

router = APIRouter(prefix="/hooks", tags=["inbound"])
Name = Annotated[str, Path(description="The name of the hook", examples=["github-push"])]
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    201: {"model": Accepted, "description": "A task was submitted"},
    202: {"model": Accepted, "description": "The hook submits no task for this event"},
}


class HookLimits:
    """What a process accepts of callers that nobody knows."""

    def __init__(self, settings: Settings) -> None:
        self._rates = Rates(settings.hook_rate_per_second / settings.api_workers)
        self._rate = settings.hook_rate_per_second
        self._body_bytes = settings.hook_body_limit_bytes

    def check_rate(self, address: str) -> None:
        """Counts a request; raises Refused (429)."""
        wait_seconds = self._rates.wait_seconds(address.encode(), time.monotonic())
        if wait_seconds > 0:
            text = msg("more than {rate:g} requests per second", rate=self._rate)
            raise Refused(429, text, {"retry-after": str(max(1, round(wait_seconds + 0.5)))})

    async def body_of(self, request: Request) -> bytes:
        """Returns the body of a request; raises Refused (413)."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._body_bytes:
                text = msg("a body of at most {limit} bytes is accepted", limit=self._body_bytes)
                raise Refused(413, text, {"connection": "close"})
        return bytes(body)


async def limits_of(request: Request) -> HookLimits:
    """Returns the limits of this process."""
    return request.app.state.hook_limits  # type: ignore[no-any-return]


@router.post(
    "/{name}",
    responses={**_ANSWERS, **refusing(400, 401, 403, 413, 422, 503)},
    response_model=Accepted,
    openapi_extra=_BODY,
    summary="Call a hook",
)
async def call(
    name: Name, request: Request, services: ServicesDep, limits: Annotated[HookLimits, Depends(limits_of)]
) -> JSONResponse:
    """Submits the task that a hook makes of a signed delivery: of GitHub, of Stripe, or by Standard Webhooks.

    A delivery that comes again is answered with the same task and the status 200.
    """
    address = request.client.host if request.client else ""
    limits.check_rate(address)
    headers = {header.lower(): value for header, value in request.headers.items()}
    signed = Call(headers, await limits.body_of(request))
    return await in_thread(_answered, services, name, signed, address)


def _answered(services: Services, name: str, signed: Call, address: str) -> JSONResponse:
    hook = _verified(services, name, signed, address)
    try:
        return _submitted(services, hook, signed)
    except SubmissionError as error:
        _note_refused(services, name, error.text, address)
        raise


def _verified(services: Services, name: str, signed: Call, address: str) -> Hook:
    """Returns the hook that was called with a valid signature; raises Refused (401)."""
    with services.database.transaction() as tx:
        secrets = hooks.secrets_of(tx, name)
        hook = hooks.get(tx, name) if secrets else None
    if hook is None:
        raise _unsigned()
    if not is_signed(hook.scheme, secrets, signed, time.time()):
        _note_refused(services, name, msg("its signature is missing, wrong or too old"), address)
        raise _unsigned()
    return hook


def _submitted(services: Services, hook: Hook, signed: Call) -> JSONResponse:
    """Submits the task of a verified call; raises SubmissionError, and Refused (400) for a body that is no JSON."""
    try:
        body = json.loads(signed.body)
    except (ValueError, RecursionError):
        raise Refused(400, msg("expected a body of JSON, with the content type application/json")) from None
    event = event_of(hook.scheme, signed, body)
    if not hook.wants(event):
        return JSONResponse(Accepted(ignored=event).model_dump(), 202)
    id_ = delivery_id(hook.scheme, signed, body)
    values = {"body": body, "headers": signed.headers, "event": event, "id": id_}
    try:
        given = filled(hook.template, values)
    except MissingValue as error:
        raise required(error.path, msg("a value, which the template of the hook asks for")) from None
    acting = acting_for(services, hook.acting())
    options = {"queue": hook.queue, "priority": hook.priority, "idempotency_key": hook.key_of(id_)}
    task_id, is_new = acting.submit_once(hook.type, given, **options)
    with services.database.transaction() as tx:
        hooks.note_used(tx, hook.name)
    return JSONResponse(Accepted(id=task_id).model_dump(), 201 if is_new else 200)


def _note_refused(services: Services, name: str, reason: str, address: str) -> None:
    with services.database.transaction() as tx:
        hooks.note_refused(tx, name, reason, address)


def _unsigned() -> Refused:
    text = msg("expected a valid signature of a hook's sender")
    return Refused(401, text, {"www-authenticate": "Signature"}, title=msg("A valid signature is needed"))
