"""Makes the live snapshot every second, on the leader, from its state, the ticks, PostgreSQL and the servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from taskyard.core.clock import Clock
from taskyard.core.errors import Busy, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.models import Lane
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.locks import LockWait
from taskyard.core.postgres.store import holds, live_counts, locks, questions, schedule_fires, webhooks, workflows
from taskyard.core.postgres.store.live_counts import OpenGroup
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.pools import Pools
from taskyard.core.schedules.schedule import DEFAULT_EXPECTED_SECONDS
from taskyard.core.telemetry.learning_live import LearningLive
from taskyard.core.telemetry.live_snapshot import (
    VERSION,
    AgentLive,
    DispatcherLive,
    FinishedCount,
    FiringAlert,
    LateSchedule,
    LiveSnapshot,
    MailLive,
    RecentType,
    ServerLive,
    read_live,
    write_live,
)
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.monitor.mail import mail_live
from taskyard.worker.monitor.pools import pools_live, startable
from taskyard.worker.monitor.recent import Recent, TypeCounts
from taskyard.worker.monitor.server_watch import ServerWatch
from taskyard.worker.monitor.servers import Servers

# Share of the time that PostgreSQL may spend on counting unfinished tasks.
COUNT_SHARE = 0.02
RECENT_SECONDS = 60.0
OLD_SECONDS = 20.0  # of figures that nobody should scale by
COUNT_LOCK_TIMEOUT_MS = 500
COUNT_AGAIN_SECONDS = 2.0  # after a lock was in the way
SERVERS_EVERY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Observer:
    """Reads everything and writes the snapshot."""

    def __init__(
        self, database: Database, broker: Broker, cache: RedisCache, dispatcher: Dispatcher, worker: str, clock: Clock
    ) -> None:
        self._database = database
        self._cache = cache
        self._dispatcher = dispatcher
        self._worker = worker
        self._clock = clock
        self._servers = Servers(database, broker, clock.monotonic)
        self.recent = Recent(clock.monotonic())
        self.live: LiveSnapshot | None = None
        self._observed_at = 0.0  # monotonic seconds
        self._epoch: int | None = None
        self._since = 0.0
        self._open: list[OpenGroup] = []
        self._finished: list[FinishedCount] = []
        self._counted_at = 0.0  # epoch seconds
        self._count_after = 0.0  # monotonic seconds
        self.server_watch = ServerWatch()
        self.lock_waits: Sequence[LockWait] | None = None  # of the leader's tick; None on a worker that does not lead
        self._servers_after = 0.0
        self._broker = broker
        self._quarantined = self._kept_reports = 0
        self._mail: MailLive | None = None
        self._disabled_webhooks: list[str] = []
        self._late_schedules: list[LateSchedule] = []
        self._questions: dict[str, float] = {}
        self._pools = Pools(broker.redis, broker.keys)
        self._backlog: Mapping[Lane, int] = {}
        self._mean_seconds: Mapping[str, float] = {}
        self.learned: Callable[[], LearningLive | None] = lambda: None

    def observe(self, alerts: Sequence[FiringAlert] = ()) -> LiveSnapshot | None:
        """Reads the ticks, makes and stores the live snapshot; returns None on a worker that does not lead.

        Raises Unavailable if PostgreSQL or Redis is away.
        """
        now = self._clock.monotonic()
        self.recent.add(self._dispatcher.log.take(), now)
        if now >= self._servers_after:
            self.server_watch.note(self._servers.check())
            self._quarantined = self._broker.quarantine.count()
            self._mail = mail_live(self._broker.mailbox_admin.boxes())
            self._servers_after = now + SERVERS_EVERY_SECONDS
        term = self._dispatcher.term
        self.lock_waits = None if term is None else term.committer.lock_waits.waits
        if term is None:
            self.live = None
            return None
        self._kept_reports = len(term.leader_state.kept)
        database_now = term.database_now(self._clock)
        if self._epoch != term.epoch:
            self._epoch, self._since = term.epoch, database_now
        if now >= self._count_after:
            try:
                self._count(now, database_now)
            except Busy as error:  # the earlier counts stay: the rest of the leader's view must not wait for them
                log.info("monitor.counts_old", reason=str(error))
                self._count_after = now + COUNT_AGAIN_SECONDS
        agents = self._dispatcher.agents_seen  # before the time of the snapshot
        live = self._compose(term.epoch, term.database_now(self._clock), now, agents, list(alerts))
        self.live, self._observed_at = live, now
        write_live(self._cache, live)
        return live

    def demand(self) -> dict[str, int]:
        """Returns how many agents of each kind the backlog calls for, as the leader sees it; raises Unavailable."""
        live = self.live or read_live(self._cache)
        age_seconds = self._clock.monotonic() - self._observed_at
        if self.live is not None and age_seconds > OLD_SECONDS:
            raise Unavailable(msg("the leader's figures are {seconds} s old", seconds=round(age_seconds)))
        if live is None:
            raise Unavailable(msg("no worker leads: nothing is scheduled until one does"))
        return {pool.kind: pool.needed for pool in live.pools}

    @property
    def servers(self) -> Sequence[ServerLive] | None:
        """Returns PostgreSQL and Redis at the last check; None before the first."""
        return self.server_watch.servers

    def _count(self, now: float, database_now: float) -> None:
        began = time.perf_counter()
        with self._database.transaction() as tx:
            locks.wait_at_most(tx, COUNT_LOCK_TIMEOUT_MS)
            self._open = live_counts.open_groups(tx)
            finished = live_counts.finished_counts(tx, database_now - DAY, database_now)
            self._disabled_webhooks = webhooks.disabled_by_worker(tx)
            late = schedule_fires.late(tx, DEFAULT_EXPECTED_SECONDS)
            self._questions = {one.queue: one.seconds for one in questions.oldest_open(tx)}
            self._backlog = startable(self._open, holds.holds(tx))
            self._mean_seconds = workflows.mean_seconds(tx, sorted({lane.type for lane in self._backlog}))
        self._count_after = now + (time.perf_counter() - began) / COUNT_SHARE
        self._finished = [FinishedCount(*row) for row in finished]
        self._late_schedules = [
            LateSchedule(one.name, one.fire_time.timestamp(), one.state or "", one.kind, one.id or "") for one in late
        ]
        self._counted_at = database_now
        self.recent.note_depths(_by_queue(self._open), now)

    def _compose(
        self, epoch: int, database_now: float, now: float, agents: Sequence[AgentLive], alerts: list[FiringAlert]
    ) -> LiveSnapshot:
        self.recent.forget_agents([agent.id for agent in agents])
        for agent in agents:
            agent.mean_seconds = self.recent.mean_seconds.get(agent.id)
        recent = self.recent.by_type(RECENT_SECONDS, now)
        was_busy = {agent.id for agent in agents if self.recent.has_ended_one(agent.id, RECENT_SECONDS, now)}
        return LiveSnapshot(
            version=VERSION,
            at=database_now,
            dispatcher=self._dispatcher_live(epoch),
            open_at=self._counted_at,
            open=live_counts.open_counts(self._open),
            lanes=live_counts.lane_depths(self._open),
            finished_at=self._counted_at,
            finished=self._finished,
            recent=[_recent_type(name, recent[name]) for name in sorted(recent)],
            agents=list(agents),
            servers=list(self.servers or ()),
            alerts=alerts,
            quarantined=self._quarantined,
            mail=self._mail,
            disabled_webhooks=self._disabled_webhooks,
            late_schedules=self._late_schedules,
            pools=pools_live(self._pools.reports(), agents, self._backlog, self._run_seconds(), was_busy),
            questions=self._questions,
            kept_reports=self._kept_reports,
            learning=self.learned(),
        )

    def _run_seconds(self) -> dict[str, float]:
        """Returns mean run times by type: since this worker's start, else of the last days."""
        recent = {name: counts.run.mean for name, counts in self.recent.totals.items()}
        return {**self._mean_seconds, **{name: mean for name, mean in recent.items() if mean is not None}}

    def _dispatcher_live(self, epoch: int) -> DispatcherLive:
        ticks, count = self.recent.last_ticks, max(1, self.recent.last_ticks.count)
        return DispatcherLive(
            worker=self._worker,
            epoch=epoch,
            since=self._since,
            ticks_per_second=ticks.count / self.recent.last_seconds,
            tick_seconds_mean=ticks.seconds / count,
            tick_seconds_max=ticks.most_seconds,
            commit_seconds_mean=ticks.commit_seconds / count,
            batch_size_mean=ticks.tasks / count,
            batch_size_max=ticks.most_tasks,
        )


def _by_queue(groups: Sequence[OpenGroup]) -> dict[str, int]:
    depths: dict[str, int] = {}
    for group in groups:
        if group.is_ready:
            depths[group.lane.queue] = depths.get(group.lane.queue, 0) + group.count
    return depths


def _recent_type(name: str, counts: TypeCounts) -> RecentType:
    return RecentType(
        type=name,
        succeeded=counts.succeeded,
        failed=counts.failed,
        retried=counts.retried,
        failures=counts.failures,
        wait_p50=counts.wait.percentile(50),
        wait_p99=counts.wait.percentile(99),
        run_p50=counts.run.percentile(50),
        run_p99=counts.run.percentile(99),
    )
