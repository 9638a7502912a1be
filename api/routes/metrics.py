"""Shows the installation's figures, and the API's own for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import answering, refusing
from taskyard.api.models.common import RANGE_TEXT, range_seconds
from taskyard.api.models.metrics import Latency, Series, Summary, Totals
from taskyard.api.reading import ServicesDep, in_thread
from taskyard.api.seeing import check_queue, check_type
from taskyard.api.services import Services
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.store import tasks
from taskyard.core.postgres.store.history import Filter, Point
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views.narrowing import parts
from taskyard.core.views.overview import oldest_seconds, overview_charts, waiting_by_priority
from taskyard.core.views.queues import counts_of

router = APIRouter(prefix="/metrics", tags=["metrics"])
own = APIRouter(tags=["health"])


@router.get("/summary", summary="Get a summary", dependencies=[needs(Permission.TASK_READ)], responses=refusing(404))
async def summary(
    services: ServicesDep,
    actor: ActorDep,
    range: Annotated[str, Query(description=RANGE_TEXT)] = "1h",
    queue: Annotated[str | None, Query(description="Only tasks of this queue")] = None,
    type: Annotated[str | None, Query(description="Only tasks of this type")] = None,
) -> Summary:
    """Returns counts by state, throughput, latency percentiles and series over a range until now."""
    if queue is not None:
        check_queue(actor, queue)
    if type is not None:
        check_type(actor, type)
    return await in_thread(_summary, services, actor, range_seconds(range), Filter(queue, type))


@own.get(
    "/metrics",
    summary="Get metrics for Prometheus",
    dependencies=[needs(Permission.TASK_READ)],
    response_class=Response,
    responses=answering({"text/plain": "taskyard_api_requests_active 1.0\n"}, "Prometheus' text format"),
)
async def prometheus(request: Request) -> Response:
    """Returns the metrics of the API process that answers, in Prometheus' text format."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _summary(services: Services, actor: Actor, seconds: int, only: Filter) -> Summary:
    live = read_live(services.cache)

    def sees(queue: str, type_: str) -> bool:
        return only.queue in (None, queue) and only.type in (None, type_) and actor.sees(queue, type_)

    with services.database.transaction() as tx:
        counted = counts_of(tx, live, sees)
        until = tasks.now(tx).timestamp()
        charts = overview_charts(tx, until, seconds, parts(tx, actor, only))
    states: dict[str, int] = {}
    for count in counted.open:
        states[count.state] = states.get(count.state, 0) + count.count
    return Summary(
        at=counted.at,
        is_led=live is not None,
        open=states,
        waiting=waiting_by_priority(counted.lanes),
        oldest_seconds=oldest_seconds(counted),
        agents=None if live is None else len({agent.name for agent in live.agents}),
        slots=None if live is None else sum(agent.usable_slots for agent in live.agents),
        running=None if live is None or actor.is_narrowed else sum(agent.running for agent in live.agents),
        range_seconds=seconds,
        totals=_totals(charts.total, seconds),
        series=Series.model_validate(charts),
    )


def _totals(point: Point, seconds: int) -> Totals:
    same = ("submitted", "completed", "failed", "retried", "timed_out", "cancelled")
    return Totals(
        **{name: getattr(point, name) for name in same},
        completed_per_minute=point.completed / (seconds / 60),
        failures=dict(point.failures),
        wait=Latency.of(point.wait),
        run=Latency.of(point.run),
        total=Latency.of(point.total),
    )
