"""Everything that the pages show: the only module that opens connections or caches."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from core.config import settings
from core.database import Database
from core.embedded import resolve
from core.errors import TaskyardError, Unavailable
from core.migrations import migration_state
from core.models import AgentRecord, AuditEvent, Task
from core.placement import AgentSlots, unplaceable_reason
from core.queue import Queue
from core.redis_client import connect_redis
from core.store import reading, recovering
from core.store.reading import LaneCount

# Viewers who look at the same second share one reading.
SHARED_SECONDS = 1.0
NEWEST_TASKS = 50


@dataclass(frozen=True, slots=True)
class Connections:
    """The process's own: a pool of connections to PostgreSQL, and Redis."""

    database: Database
    queue: Queue

    def close(self) -> None:
        self.database.close()
        self.queue.redis.close()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An installation at one moment of the database's clock.

    `unplaceable` says for each lane why no online agent could ever take its tasks, None if one
    could; `running` counts the tasks in progress by agent id.
    """

    as_of: datetime
    counts: Mapping[str, int]
    lanes: Sequence[LaneCount]
    unplaceable: Sequence[str | None]
    agents: Sequence[AgentRecord]
    running: Mapping[str, int]
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Look:
    """What could be read now, and one line for everything that is away."""

    snapshot: Snapshot | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Details:
    """One task, whole, with its history in order."""

    task: Task
    events: Sequence[AuditEvent]


@st.cache_resource(show_spinner=False, on_release=Connections.close)
def connections() -> Connections:
    """This process's connections; raises ConfigurationError, or Unavailable until everything is there."""
    current = settings()
    endpoints = resolve(current)
    version, newest = migration_state(endpoints.database_url)
    if version != newest:
        raise Unavailable(
            f"the database's schema is at version {version or 'none'}, this dashboard needs {newest}: "
            "a worker of the same release migrates it when it starts"
        )
    queue = Queue(connect_redis(endpoints.redis_url), current.namespace, current.placement_of)
    return Connections(Database(endpoints.database_url), queue)


@st.cache_data(ttl=SHARED_SECONDS, max_entries=1, show_spinner=False)
def look() -> Look:
    """The installation now. A server that is away is a problem in the answer, not an error."""
    try:
        servers = connections()
    except TaskyardError as error:
        return Look(None, (str(error),))
    problems = []
    snapshot = None
    try:
        snapshot = _read_snapshot(servers.database)
    except Unavailable as error:
        problems.append(str(error))
        servers.database.close()  # what is left in the pool leads to a server that is gone
    try:
        servers.queue.ping()
    except Unavailable as error:
        problems.append(str(error))
    return Look(snapshot, tuple(problems))


@st.cache_data(ttl=SHARED_SECONDS, max_entries=100, show_spinner=False)
def details(task_id: str) -> Details | None:
    """A task with its history, None if there is no such task (or no such id); raises TaskyardError."""
    try:
        wanted = str(uuid.UUID(task_id))
    except ValueError:
        return None
    with connections().database.transaction() as tx:
        task = reading.find_task(tx, wanted)
        return Details(task, reading.history(tx, wanted)) if task else None


def _read_snapshot(database: Database) -> Snapshot:
    with database.transaction() as tx:
        as_of = datetime.fromtimestamp(recovering.database_time(tx), UTC)
        counts = reading.state_counts(tx)
        lanes = reading.waiting_lanes(tx)
        agents = reading.agents(tx)
        claims = recovering.claimed_tasks(tx)
        tasks = reading.list_tasks(tx, limit=NEWEST_TASKS)
    online = [_slots(agent) for agent in agents if agent.state == "online"]
    return Snapshot(
        as_of=as_of,
        counts=counts,
        lanes=lanes,
        unplaceable=[unplaceable_reason(count.lane, online) for count in lanes],
        agents=agents,
        running=dict(Counter(claim.row.agent_id for claim in claims if claim.started_at is not None)),
        tasks=tasks,
    )


def _slots(agent: AgentRecord) -> AgentSlots:
    return AgentSlots(agent.id, agent.types, frozenset(agent.tags), agent.max_concurrency)
