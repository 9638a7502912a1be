"""Shows messages between agents, sends dead letters again and empties mailboxes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.quarantine import LetterInfo, MailboxInfo, Purged, RedrivenInfo, RedriveOrder
from taskyard.api.reading import ServicesDep, in_thread
from taskyard.api.seeing import check_unnarrowed
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.redis.agent_names import agent_name
from taskyard.core.redis.mailbox_admin import Letter
from taskyard.core.submission import authorized_mail
from taskyard.core.views.masking import MASK, reads_payloads

MAX_LETTERS = 1_000
MAX_AGE_SECONDS = 1_000_000 * 86_400
router = APIRouter(prefix="/mailboxes", tags=["mail"])
AgentName = Annotated[str, Path(alias="name", description="The name of the agent, without the boot")]
IsDead = Annotated[bool, Query(description="Dead letters instead of messages")]
OlderThan = Annotated[float, Query(ge=0, le=MAX_AGE_SECONDS, description="Only those of at least this age")]


@router.get("", summary="List mailboxes", dependencies=[needs(Permission.TASK_READ)])
async def find(services: ServicesDep, actor: ActorDep) -> list[MailboxInfo]:
    """Returns mailboxes with messages or dead letters, the one with the oldest message first.

    For roles that are not narrowed: messages are of no queue or type.
    """
    check_unnarrowed(actor, Permission.TASK_READ)
    return [MailboxInfo.model_validate(box) for box in await in_thread(services.broker.mailbox_admin.boxes)]


@router.get("/{name}", summary="List an agent's messages", dependencies=[needs(Permission.TASK_READ)])
async def letters(
    name: AgentName,
    services: ServicesDep,
    actor: ActorDep,
    dead: IsDead = False,
    older_than_seconds: OlderThan = 0.0,
    limit: Annotated[int, Query(ge=1, le=MAX_LETTERS)] = 50,
) -> list[LetterInfo]:
    """Returns an agent's messages, oldest first, or its dead letters, newest first. It changes nothing."""
    check_unnarrowed(actor, Permission.TASK_READ)
    office, agent = services.broker.mailbox_admin, agent_name("agent", name)
    found = await in_thread(office.letters, agent, dead=dead, count=limit, older_than_seconds=older_than_seconds)
    return [_shown(one, actor) for one in found]


@router.post("/{name}/redrive", summary="Send dead letters again", dependencies=[needs(Permission.AGENT_CONTROL)])
async def redrive(
    name: AgentName, services: ServicesDep, actor: ActorDep, given: RedriveOrder | None = None
) -> RedrivenInfo:
    """Sends an agent's dead letters again, oldest first; they count as new messages.

    Malformed ones, and those whose mailbox is full, stay dead letters.
    """
    ids = None if given is None else given.ids
    return RedrivenInfo.model_validate(await in_thread(authorized_mail.redrive, services.broker, actor, name, ids))


@router.delete("/{name}", summary="Empty a mailbox", dependencies=[needs(Permission.AGENT_CONTROL)])
async def purge(
    name: AgentName, services: ServicesDep, actor: ActorDep, dead: IsDead = False, older_than_seconds: OlderThan = 0.0
) -> Purged:
    """Removes an agent's messages, or its dead letters, for good, also those that a running attempt has received."""
    agent = agent_name("agent", name)
    removed = await in_thread(
        authorized_mail.purge, services.broker, actor, agent, dead=dead, older_than_seconds=older_than_seconds
    )
    return Purged(removed=removed)


def _shown(found: Letter, actor: Actor) -> LetterInfo:
    if reads_payloads(actor):
        return LetterInfo.model_validate(found)
    reason = None if found.reason is None else MASK
    return LetterInfo(**{**asdict(found), "body": "", "reason": reason}, is_masked=True)
