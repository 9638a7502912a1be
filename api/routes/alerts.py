"""Shows, acknowledges and silences alerts, and gives their rules and runbooks."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import answering
from taskyard.api.language import in_language_of
from taskyard.api.models.alerts import Acknowledged, AlertInfo, Alerts, GivenGroup, NewSilence, RulesInfo, SilenceInfo
from taskyard.api.models.common import Changed, Reason
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.seeing import missing
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.alerts.runbook import runbook
from taskyard.core.config import Settings
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import alerts as store
from taskyard.core.submission import authorized_alerts
from taskyard.core.views import alerts as view
from taskyard.core.views.alert_groups import firing_ids
from taskyard.core.views.alerts import ShownAlert
from taskyard.core.views.new_silence import checked_silence
from taskyard.core.views.seeing import sees_alert

MARKDOWN = "text/markdown; charset=utf-8"
router = APIRouter(prefix="/alerts", tags=["alerts"])
AlertId = Annotated[str, Path(alias="id", description="The alert's id")]
SilenceId = Annotated[str, Path(alias="id", description="The silence's id")]
MAX_ALERTS = 10_000
Show = Literal["open", "firing", "acknowledged", "resolved", "all"]


@router.get("", summary="List alerts", dependencies=[needs(Permission.TASK_READ)])
async def find(
    services: ServicesDep,
    actor: ActorDep,
    request: Request,
    show: Annotated[Show, Query(description="open: firing or acknowledged; all: of every state")] = "open",
    rule: Annotated[str | None, Query(description="Only of the rule of this name")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ALERTS)] = 100,
) -> Alerts:
    """Returns unresolved alerts, by severity, then the oldest first; or the newest resolved ones, or of all."""
    say = in_language_of(request)
    now = await read(services, view.alerts_now, services.settings)
    found = list(now.open)
    if show in ("resolved", "all"):
        state = None if show == "all" else show
        found = await read(services, view.alert_history, services.settings, rule, limit, state=state)
    wanted = [one for one in found if rule in (None, one.alert.rule) and show in ("open", "all", one.alert.state)]
    seen = [one for one in wanted if sees_alert(actor, one.kind, one.alert.subject)][:limit]
    return Alerts(is_judged=now.is_judged, alerts=[AlertInfo.of(one, say) for one in seen])


@router.get("/silences", summary="List silences", dependencies=[needs(Permission.TASK_READ)])
async def find_silences(services: ServicesDep, actor: ActorDep, request: Request) -> list[SilenceInfo]:
    """Returns the silences in force."""
    say = in_language_of(request)
    return [SilenceInfo.of(one, say) for one in await read(services, view.seen_silences, services.settings, actor)]


@router.post("/silences", status_code=201, summary="Silence alerts", dependencies=[needs(Permission.ALERT_HANDLE)])
async def silence(given: NewSilence, services: ServicesDep, actor: ActorDep, request: Request) -> SilenceInfo:
    """Keeps notifications of matching alerts back for a while; those that fire still are sent then."""
    made = await read(services, _silence, services.settings, actor, given)
    return SilenceInfo.of(made, in_language_of(request))


@router.delete("/silences/{id}", summary="End a silence", dependencies=[needs(Permission.ALERT_HANDLE)])
async def end_silence(silence_id: SilenceId, services: ServicesDep, actor: ActorDep) -> Changed:
    """Ends a silence now."""
    return Changed(is_changed=await read(services, authorized_alerts.end_silence, actor, silence_id))


@router.get("/rules", summary="List alert rules", dependencies=[needs(Permission.TASK_READ)])
async def find_rules(services: ServicesDep, actor: ActorDep, request: Request) -> RulesInfo:
    """Returns the rules as a worker with the same settings reads them, or every problem in their file."""
    say = in_language_of(request)
    found = await in_thread(view.alert_rules, services.settings)
    found = view.seen_rules(actor, found)
    shown = replace(found, problems=[say(problem) for problem in found.problems])
    return RulesInfo.model_validate(shown)


@router.get(
    "/runbooks/{name}",
    summary="Get a runbook",
    dependencies=[needs(Permission.TASK_READ)],
    response_class=PlainTextResponse,
    responses=answering({"text/markdown": "# A queue grows\n"}, "The runbook as Markdown, in English"),
)
async def get_runbook(
    name: Annotated[str, Path(description="The name of a rule, or the kind of alert")], services: ServicesDep
) -> PlainTextResponse:
    """Returns what an alert means, where to look first, and what to do."""
    text = await in_thread(_runbook, services.settings, name)
    if text is None:
        raise missing(msg("no rule or kind of alert is called {name}", name=name))
    return PlainTextResponse(text, media_type=MARKDOWN)


@router.post("/ack", summary="Acknowledge a rule's alerts", dependencies=[needs(Permission.ALERT_HANDLE)])
async def acknowledge_group(given: GivenGroup, services: ServicesDep, actor: ActorDep) -> Acknowledged:
    """Marks every firing alert of a rule that you see as being handled; each still resolves by itself."""
    return Acknowledged(acknowledged=await read(services, _acknowledge_group, services.settings, actor, given))


@router.get("/{id}", summary="Get an alert", dependencies=[needs(Permission.TASK_READ)])
async def get(alert_id: AlertId, services: ServicesDep, actor: ActorDep, request: Request) -> AlertInfo:
    """Returns an alert, resolved or not."""
    found = await read(services, _find, services.settings, actor, alert_id)
    return AlertInfo.of(found, in_language_of(request))


@router.post("/{id}/ack", summary="Acknowledge an alert", dependencies=[needs(Permission.ALERT_HANDLE)])
async def acknowledge(
    alert_id: AlertId, services: ServicesDep, actor: ActorDep, given: Reason | None = None
) -> Changed:
    """Marks a firing alert as being handled; it still resolves by itself."""
    await read(services, _find, services.settings, actor, alert_id)
    why = given.reason if given else ""
    return Changed(is_changed=await read(services, authorized_alerts.acknowledge, actor, alert_id, why))


def _find(tx: Transaction, settings: Settings, actor: Actor, alert_id: str) -> ShownAlert:
    """Returns the alert; raises Refused (404)."""
    known = parsed_id(alert_id)
    if known is None:
        raise refused("id", alert_id, msg("an id (a UUID)"))
    shown = view.shown_alert(tx, settings, known)
    if shown is None or not sees_alert(actor, shown.kind, shown.alert.subject):
        raise missing(msg("alert {id} does not exist", id=alert_id))
    return shown


def _acknowledge_group(tx: Transaction, settings: Settings, actor: Actor, given: GivenGroup) -> int:
    ids = firing_ids(tx, settings, actor, given.rule)
    return len(authorized_alerts.acknowledge_many(tx, actor, ids, given.reason))


def _silence(tx: Transaction, settings: Settings, actor: Actor, given: NewSilence) -> store.Silence:
    new = checked_silence(tx, settings, given.rule, given.subject, given.seconds, given.confirm)
    return authorized_alerts.silence(tx, actor, new.rule, new.subject, new.seconds, given.reason)


def _runbook(settings: Settings, name: str) -> str | None:
    kind = view.kind_of(settings, name)
    return None if kind is None else runbook(kind)
