"""Stores the leader's view of the installation as one snapshot in Redis that all viewers share.

The leader writes it every second under the cache name `live`, with a time to live of a few seconds: without a
leader there is none. Times are epoch seconds by the database's clock.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.core.protocol_presence import SeatsReport, usable_slots
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.pools import AbsentAgent
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS
from taskyard.core.telemetry.learning_live import LearningLive

SNAPSHOT = "live"
VERSION = 1
TTL_SECONDS = 5.0


class OpenCount(msgspec.Struct):
    """The number of unfinished tasks of one queue and type in one state."""

    queue: str
    type: str
    state: str
    count: int


class LaneDepth(msgspec.Struct):
    """The ready tasks of one lane, the time since which the oldest is ready, and the work that they are."""

    queue: str
    type: str
    requires: list[str]
    ready: int
    oldest_ready_at: float | None
    by_priority: dict[str, int]
    work_seconds: float | None = None  # that they are predicted to take together; None: unknown


class FinishedCount(msgspec.Struct):
    """The tasks of one type that ended in the last 24 hours, by outcome."""

    type: str
    completed: int
    failed: int
    cancelled: int


class RecentType(msgspec.Struct):
    """The attempts of one type in the last minute, by outcome; percentiles in seconds, None without any."""

    type: str
    succeeded: int
    failed: int
    retried: int
    failures: dict[str, int]  # by error class
    wait_p50: float | None
    wait_p99: float | None
    run_p50: float | None
    run_p99: float | None


class RunningTask(msgspec.Struct, gc=False):
    """An attempt that has started."""

    task_id: str
    attempt: int
    type: str
    started_at: float


class OpenBreaker(msgspec.Struct, gc=False):
    """An agent's circuit breaker for a type: no tasks, or one probe at a time (`state` "open" or "probing").

    `reason` is in English; its id and parameters are those of core.scheduling.breaker (None: an older leader).
    """

    type: str
    state: str
    reason: str
    since: float
    retry_at: float | None
    reason_id: str | None = None
    reason_parameters: dict[str, Any] | None = None


class AgentLive(msgspec.Struct, gc=False):
    """One boot of an agent. `state` is online, draining or paused; at `read_at` it had read its whole inbox."""

    id: str
    name: str
    kind: str
    host: str
    pid: int
    types: list[str]
    tags: list[str]
    max_concurrency: int
    state: str
    running: int
    held: int
    mean_seconds: float | None
    cpu_percent: float
    memory_bytes: int
    heartbeat_at: float
    read_at: float | None
    tasks: list[RunningTask]
    breakers: list[OpenBreaker]
    known_types: dict[str, str] | None = None  # versions by name, None: not declared
    refused: dict[str, str] = {}  # types that it could not run, and why
    unstarted_seconds: float = 0.0  # since when it has had a task and a free slot without starting the task
    agent_class: str = ""  # a user's class
    seats: SeatsReport | None = None  # of an agent with an engine

    @property
    def usable_slots(self) -> int:
        """Returns how many attempts it can run at once now."""
        return usable_slots(self.max_concurrency, self.seats)


class DispatcherLive(msgspec.Struct):
    """The leader's ticks in the last second: their number, the durations of ticks and commits, and tasks per tick."""

    worker: str
    epoch: int
    since: float
    ticks_per_second: float
    tick_seconds_mean: float
    tick_seconds_max: float
    commit_seconds_mean: float
    batch_size_mean: float
    batch_size_max: int


class ServerLive(msgspec.Struct):
    """PostgreSQL or Redis as the leader reaches it. `figures` are named with their units."""

    name: str
    is_up: bool
    version: str
    latency_seconds: float | None
    figures: dict[str, float]
    problem: str | None = None


class MailboxLive(msgspec.Struct):
    """One agent's mailbox: unprocessed messages, the time of the oldest, and dead letters."""

    agent: str
    messages: int
    oldest_seconds: float
    dead_letters: int


class MailLive(msgspec.Struct):
    """Totals of all mailboxes, and the mailboxes with the oldest messages or any dead letters."""

    messages: int
    oldest_seconds: float
    dead_letters: int
    boxes: list[MailboxLive]


class FiringAlert(msgspec.Struct):
    """An unresolved alert."""

    id: str
    rule: str
    subject: str
    severity: str
    state: str
    message: str
    fired_at: float
    message_id: str | None = None  # None: of an older leader, or an external message
    message_parameters: dict[str, Any] | None = None


class LateSchedule(msgspec.Struct):
    """A schedule whose last task or workflow (`kind`) should have completed by now.

    `state` is its state, empty: it was not accepted; `id` is empty if it is not there.
    """

    schedule: str
    fire_time: float
    state: str
    kind: str = "task"
    id: str = ""


class PoolLive(msgspec.Struct):
    """The agents of one kind that pools keep running, those of all hosts together.

    `wanted` is what they go by, `configured` the number in pool files. Of those that stay `running` are online,
    `starting` are not yet, and `failing` fail again and again; `absent` says why of some. `leaving` agents finish what
    they run. With `is_fixed` a pool goes by its file alone; its host can keep `most`. `needed` is what the backlog
    calls for, see core.scheduling.agent_demand.
    """

    kind: str
    hosts: list[str]
    types: list[str]
    tags: list[str]
    slots: int
    configured: int
    wanted: int
    running: int
    leaving: int
    is_fixed: bool
    needed: int
    starting: int = 0
    failing: int = 0
    absent: list[AbsentAgent] = []
    most: int = MAX_AGENTS

    @property
    def staying(self) -> int:
        """Returns how many agents there are that do not leave, online or not."""
        return self.running + self.starting + self.failing


class LiveSnapshot(msgspec.Struct):
    """The snapshot. `open_at` and `finished_at` are the read times of those counts: large ones are read less often."""

    version: int
    at: float
    dispatcher: DispatcherLive
    open_at: float
    open: list[OpenCount]
    lanes: list[LaneDepth]
    finished_at: float
    finished: list[FinishedCount]
    recent: list[RecentType]
    agents: list[AgentLive]
    servers: list[ServerLive]
    alerts: list[FiringAlert]
    quarantined: int = 0  # items in quarantine
    mail: MailLive | None = None  # None: a leader of an older release
    disabled_webhooks: list[str] = []  # by the worker, since nobody answers them
    late_schedules: list[LateSchedule] = []
    pools: list[PoolLive] = []  # by kind
    questions: dict[str, float] = {}  # seconds since the oldest open one was asked, by its task's queue
    kept_reports: int = 0  # of newer agents, for a newer leader
    learning: LearningLive | None = None  # None: a leader of an older release


class _Version(msgspec.Struct):
    """What is read of a snapshot first."""

    version: int = 0


def write_live(cache: RedisCache, live: LiveSnapshot) -> None:
    """Stores the snapshot; raises Unavailable."""
    cache.set_text(SNAPSHOT, _encode(live), TTL_SECONDS)


def _plain(value: object) -> str:
    """Returns a translatable text as plain English."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(type(value).__name__)


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
_decode = msgspec.json.Decoder(LiveSnapshot).decode
_decode_version = msgspec.json.Decoder(_Version).decode


def read_live(cache: RedisCache) -> LiveSnapshot | None:
    """Returns the snapshot, in one round trip; None without a leader, or if the leader is of another release.

    Raises Unavailable.
    """
    text = cache.get_text(SNAPSHOT)
    return None if text is None or _decode_version(text).version != VERSION else _decode(text)
