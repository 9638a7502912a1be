"""Shows what the page System shows: servers, leadership, figures, storage, settings, versions and the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.language import in_language_of
from taskyard.api.models.agents import BootInfo
from taskyard.api.models.common import RANGE_TEXT, HoldInfo, range_seconds
from taskyard.api.models.system import (
    CheckInfo,
    LeaderInfo,
    LeadershipInfo,
    LogLineInfo,
    ServersInfo,
    SettingInfo,
    StatusInfo,
    StorageInfo,
    SystemFigures,
    SystemSeries,
    WaitingLane,
)
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.seeing import check_unnarrowed
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import holds, tasks
from taskyard.core.reasons import Reasons
from taskyard.core.redis.log_tail import LogTail
from taskyard.core.states import TaskState
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views import settings as settings_view
from taskyard.core.views import system as view
from taskyard.core.views.storage import storage_now
from taskyard.core.views.system import ServerNow

MAX_LINES = 1_000
Source = Literal["host", "process", "postgresql", "redis", "dispatcher"]
Level = Literal["debug", "info", "warning", "error", "critical"]


async def for_all_tasks(actor: ActorDep) -> None:
    """Raises NotPermitted for a narrowed role: what is shown here is of the whole installation."""
    check_unnarrowed(actor, Permission.TASK_READ)


router = APIRouter(
    prefix="/system", tags=["system"], dependencies=[needs(Permission.TASK_READ), Depends(for_all_tasks)]
)


@router.get("/status", summary="Get the installation at a glance")
async def status(services: ServicesDep, request: Request) -> StatusInfo:
    """Returns how many tasks are in each state, the backlog and its reasons, agents, holds and the leader."""
    found, reasons = await read(services, _status)
    say = in_language_of(request)
    for lane, why in zip(found.lanes, reasons, strict=True):
        lane.why = None if why is None else say(why)
    return found


@router.get("/servers", summary="Get both servers")
async def servers(services: ServicesDep, request: Request) -> ServersInfo:
    """Returns PostgreSQL and Redis as this API reaches them: version, latency and figures."""
    found = await in_thread(view.servers_now, services.database, services.broker, datetime.now(UTC))
    say = in_language_of(request)

    def shown(server: ServerNow) -> ServerNow:
        return server if server.problem is None else replace(server, problem=say(server.problem))

    return ServersInfo.model_validate(replace(found, postgresql=shown(found.postgresql), redis=shown(found.redis)))


@router.get("/checks", summary="Check the servers")
async def checks(services: ServicesDep, request: Request) -> list[CheckInfo]:
    """Returns the doctor's checks of both servers, and of who could run code on the API's host."""
    say = in_language_of(request)
    found = await in_thread(view.server_checks, services.settings)
    return [
        CheckInfo(name=say(one.name), ok=one.ok, warning=one.warning, found=say(one.found), advice=say(one.advice))
        for one in found
    ]


@router.get("/leader", summary="Get the leading worker")
async def leader(services: ServicesDep) -> LeadershipInfo:
    """Returns who leads, or led last, since when, and its ticks of the last second."""
    snapshot = await in_thread(read_live, services.cache)
    return LeadershipInfo.model_validate(await read(services, view.leadership_now, snapshot))


@router.get("/figures", summary="Get figures over time")
async def figures(
    services: ServicesDep,
    source: Annotated[list[Source] | None, Query(description="Only of these; may repeat")] = None,
    range: Annotated[str, Query(description=RANGE_TEXT)] = "1h",
) -> SystemFigures:
    """Returns CPU, memory, disks and network of hosts, our processes, both servers and the leader's ticks."""
    seconds = range_seconds(range)
    until = (await read(services, tasks.now)).timestamp()
    wanted = source or ["host", "process", "postgresql", "redis", "dispatcher"]
    found = await read(services, view.samples_of, until, seconds, wanted)
    series = [
        SystemSeries(source=source_, metric=metric, name=name, values=list(values))
        for (source_, metric), names in sorted(found.values.items())
        for name, values in names.items()
    ]
    return SystemFigures(at=list(found.at), series=series)


@router.get("/storage", summary="Get sizes and retention")
async def storage(services: ServicesDep) -> StorageInfo:
    """Returns the sizes of tables, indexes and keys, and how long data is kept; it reads all of them."""
    found = await in_thread(storage_now, services.database, services.broker, services.settings)
    return StorageInfo.model_validate(found)


@router.get("/settings", summary="List settings")
async def settings(services: ServicesDep, request: Request) -> list[SettingInfo]:
    """Returns every setting of the API's process, without the values of secrets."""
    say = in_language_of(request)
    found = settings_view.settings_in_force(services.settings)
    return [SettingInfo.model_validate(replace(one, description=say(one.description))) for one in found]


@router.get("/versions", summary="List versions")
async def versions(services: ServicesDep) -> dict[str, str]:
    """Returns the versions of Taskyard, its libraries, both servers and the schema, by name."""
    of_servers = await in_thread(view.server_versions, services.database, services.broker)
    return {**settings_view.versions(), **of_servers}


@router.get("/log", summary="Get the newest log lines", dependencies=[needs(Permission.PAYLOAD_READ)])
async def log(
    services: ServicesDep,
    level: Annotated[Level, Query(description="The least level")] = "info",
    text: Annotated[str, Query(max_length=200, description="A text in them, in any case")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LINES)] = 200,
) -> list[LogLineInfo]:
    """Returns the newest log lines of workers and agents, newest first; some thousand of the last day are kept."""
    tail = LogTail(services.broker.redis, services.broker.keys)
    return [LogLineInfo.model_validate(line) for line in await in_thread(tail.recent_lines, limit, level, text)]


def _status(tx: Transaction) -> tuple[StatusInfo, list[str | None]]:
    counted = tasks.state_counts(tx)
    present = tasks.present_agents(tx)
    epoch, worker, since = tasks.leader(tx)
    held = holds.holds(tx)
    reasons = Reasons(present, held)
    lanes = tasks.waiting_lanes(tx)
    shown = [
        WaitingLane(
            queue=one.lane.queue,
            type=one.lane.type,
            requires=list(one.lane.requires),
            count=one.count,
            oldest=one.oldest,
            why=None,
        )
        for one in lanes
    ]
    found = StatusInfo(
        states={state.value: counted.get(state, 0) for state in TaskState},
        lanes=shown,
        agents=[BootInfo.model_validate(agent) for agent in present],
        holds=[HoldInfo.model_validate(hold) for hold in held.by_name.values()],
        leader=LeaderInfo(epoch=epoch, worker=worker, since=since, is_led=tasks.is_led(tx)),
    )
    return found, [reasons.of_lane(one.lane) for one in lanes]
