"""Carries the protocol of agents for those that can't reach Redis: reports, heartbeats and orders.

An agent comes with a token of its own, whose name is the agent's name.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from taskyard.api.agent_desk import AgentDesk
from taskyard.api.authentication import AgentDep
from taskyard.api.document import ONLY_AGENTS
from taskyard.api.models.agent_protocol import (
    Acknowledged,
    AgentIdentity,
    EntryId,
    EntryIds,
    HeartbeatAnswer,
    InboxTail,
    Orders,
    ReportsTaken,
)
from taskyard.api.problems import Refused
from taskyard.api.reading import ServicesDep
from taskyard.core.i18n import msg
from taskyard.core.protocol import VERSION
from taskyard.core.remote_agents.reports import check_heartbeat, check_reports

MAX_WAIT_SECONDS = 30.0
MAX_HEARTBEAT_BYTES = 1 << 20
MARGIN_BYTES = 8 << 20  # of reports, besides one output: a failure's texts, a child's input
LIST_TEXT = "Reports of docs/reference/agent-protocol.md, each a list that begins with its kind"
EXAMPLE_TASK = "0199c0de-0000-7000-8000-000000000001"
EXAMPLE_ID = "edge-1:5f0c1e"

router = APIRouter(prefix="/agent", tags=["agent"])
Boot = Annotated[str, Path(description="The boot id: new at each start of the agent", examples=["5f0c1e"])]


async def desk_of(request: Request) -> AgentDesk:
    """Returns the desk of this process."""
    return request.app.state.agent_desk  # type: ignore[no-any-return]


DeskDep = Annotated[AgentDesk, Depends(desk_of)]


def _body(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {**ONLY_AGENTS, "requestBody": {"required": True, "content": content}}


_REPORTS = _body(
    {"type": "array", "items": {"type": "array", "items": {}}, "description": LIST_TEXT},
    [["started", EXAMPLE_ID, [[EXAMPLE_TASK, 1]], 1764240000.0]],
)
_HEARTBEAT = _body(
    {"type": "object", "description": "A heartbeat of docs/reference/agent-protocol.md"},
    {
        "agent": {
            "id": EXAMPLE_ID,
            "name": "edge-1",
            "boot_id": "5f0c1e",
            "kind": "edge",
            "host": "gateway",
            "pid": 1,
            "types": ["diagnostic.*"],
            "tags": [],
            "max_concurrency": 3,
            "version": 1,
        },
        "generation": "",
        "read_position": "0-0",
        "held": [[EXAMPLE_TASK, 1]],
        "running": 1,
        "draining": False,
        "cpu_percent": 2.5,
        "memory_bytes": 50_000_000,
        "number": 1,
    },
)


@router.get("/self", summary="Get the agent of the token", openapi_extra=ONLY_AGENTS)
async def identify(agent: AgentDep, services: ServicesDep) -> AgentIdentity:
    """Returns the agent's name, what it may register, and the limits that it keeps to."""
    settings = services.settings
    return AgentIdentity(
        name=agent.name,
        types=list(agent.types),
        protocol_version=VERSION,
        heartbeat_ttl_seconds=settings.agent_ttl_seconds,
        output_limit_bytes=settings.output_limit_bytes,
        max_wait_seconds=_longest_wait(settings.api_request_seconds),
    )


@router.post("/reports", summary="Report", openapi_extra=_REPORTS)
async def report(agent: AgentDep, services: ServicesDep, desk: DeskDep, request: Request) -> ReportsTaken:
    """Stores reports for the leader, all of them or none; they are stored when this answers.

    A repetition, as after an answer that was lost, changes nothing: an attempt ends once. A report counts only if its
    boot holds the attempt. The first report of a boot is its registration.
    """
    limit = services.settings.output_limit_bytes
    payload = await _read(request, limit + MARGIN_BYTES)
    reports = check_reports(agent, payload, limit)
    await desk.pass_on(agent, reports, payload)
    return ReportsTaken(count=len(reports))


@router.put("/boots/{boot}/heartbeat", summary="Send a heartbeat", openapi_extra=_HEARTBEAT)
async def heartbeat(boot: Boot, agent: AgentDep, desk: DeskDep, request: Request) -> HeartbeatAnswer:
    """Shows that a boot lives and what it holds; due every second."""
    payload = await _read(request, MAX_HEARTBEAT_BYTES)
    generation, is_fenced = await desk.heartbeat(check_heartbeat(agent, boot, payload), payload)
    return HeartbeatAnswer(generation=generation, is_fenced=is_fenced)


@router.get("/boots/{boot}/orders", summary="Wait for orders", response_model=Orders, openapi_extra=ONLY_AGENTS)
async def orders(
    boot: Boot,
    agent: AgentDep,
    services: ServicesDep,
    desk: DeskDep,
    after: Annotated[EntryId, Query(description="The last entry that was read")] = "0-0",
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the first")] = 0.0,
) -> Response:
    """Returns the entries of a boot's inbox after a position; reading does not remove them."""
    seconds = min(wait, _longest_wait(services.settings.api_request_seconds))
    found = await desk.orders(agent.id_of(boot), after.encode(), seconds)
    return Response(found, media_type="application/json")


@router.get("/boots/{boot}/orders/tail", summary="Get the end of an inbox", openapi_extra=ONLY_AGENTS)
async def tail(boot: Boot, agent: AgentDep, services: ServicesDep, desk: DeskDep) -> InboxTail:
    """Returns the last position that a boot's inbox ever had, which tells whether it was wiped."""
    agent_id = agent.id_of(boot)
    position = await desk.run(lambda: services.broker.inbox_tail(agent_id))
    return InboxTail(position=position.decode())


@router.post("/boots/{boot}/orders/delete", summary="Delete obeyed orders", openapi_extra=ONLY_AGENTS)
async def delete(boot: Boot, agent: AgentDep, services: ServicesDep, desk: DeskDep, given: EntryIds) -> Acknowledged:
    """Removes entries that were obeyed from a boot's inbox; returns how many were asked for."""
    agent_id, entries = agent.id_of(boot), [entry.encode() for entry in given.entries]
    await desk.run(lambda: services.broker.delete_orders(agent_id, entries))
    return Acknowledged(count=len(entries))


def _longest_wait(request_seconds: float) -> float:
    """Returns how long a request may wait, given how long it may take at all."""
    return min(MAX_WAIT_SECONDS, request_seconds / 2)


async def _read(request: Request, limit_bytes: int) -> bytes:
    """Returns the body; raises Refused (413) above the limit, before it is in memory."""
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise Refused(413, msg("expected a body of at most {limit} bytes", limit=limit_bytes))
        parts.append(chunk)
    return b"".join(parts)
