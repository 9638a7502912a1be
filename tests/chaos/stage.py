"""The engine one step at a time, on real stores: no threads, so that a sequence of steps can be repeated.

Workers are the product's own dispatchers, ticked by hand; agents follow the protocol's rules in a
few lines and note what they execute.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

import psycopg2.extensions
from msgspec import Raw

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import ErrorClass, LeadershipLost, Unavailable
from taskyard.core.models import AuditEvent, Task
from taskyard.core.postgres.database import Database, connect_driver, queries
from taskyard.core.postgres.store import schedule_fires, schedules
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.schedule_fires import PastFire
from taskyard.core.protocol import (
    NULL,
    AgentInfo,
    Cancel,
    Deregister,
    Done,
    Failure,
    Heartbeat,
    Pair,
    Register,
    Released,
    Report,
    Run,
    Started,
    decode_orders,
    encode,
)
from taskyard.core.redis.broker import Broker, Publication, StaleEpoch
from taskyard.core.redis.connection import connect_redis
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import FireOutcome, Overlap, ScheduleFields
from taskyard.core.schedules.what import What, WorkflowWhat
from taskyard.core.submission.scheduled_workflows import ScheduledWorkflows
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.worker.dispatch.dispatcher import ROSTER, SWEEP, Dispatcher
from taskyard.worker.dispatch.term import Term, TermFactory
from tests.engine import NO_BACKOFF, Payload

TYPE = "demo.step"
PAIR = WorkflowWhat("pair", None, {"a": {"type": TYPE}, "b": {"type": TYPE, "after": ["a"]}})
OF_WORKFLOWS = "-workflows"  # ends the names of schedules that submit these
LONG_SECONDS = 86_400.0


class StageClock(Clock):
    """Real time, and a monotonic clock that can be moved ahead."""

    skipped_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped_seconds


class StepWorker:
    """A dispatcher; each `tick` is one round, or an attempt to lead."""

    def __init__(self, settings: Settings, registry: Registry, name: str, clock: Clock) -> None:
        self._client = connect_redis(settings.redis_url)
        self.broker = _BreakableBroker(self._client, settings.namespace, settings.placement_of)
        self.terms = TermFactory(settings, registry, settings.database_url, self.broker, name, clock)
        self._dispatcher = Dispatcher(self.terms, clock)
        self._term: Term | None = None

    def tick(self) -> None:
        try:
            if self._term is None:
                self._term = self.terms.begin()
            if self._term is not None:
                self._dispatcher.ask(ROSTER)
                self._dispatcher.ask(SWEEP)
                in_flight = self._dispatcher.tick(self._term, None)
                assert in_flight is None, "a batch of this size is committed at once"
        except (LeadershipLost, StaleEpoch, Unavailable):
            self.give_up()

    def give_up(self) -> None:
        """The process dies, or its connection does."""
        if self._term is not None:
            self._term.committer.close()
            self._term = None
        self.terms.abandon()

    def close(self) -> None:
        self.give_up()
        self._client.close()


class _BreakableBroker(Broker):
    """Loses the next publication if it is told to."""

    breaks = False

    def publish(self, epoch: int, publication: Publication) -> None:
        if self.breaks:
            self.breaks = False
            raise LeadershipLost("cut off between commit and publication")
        super().publish(epoch, publication)


class StepAgent:
    """An agent by the rules of the protocol (P9, P12), one step at a time."""

    def __init__(self, broker: Broker, name: str, ttl_seconds: float) -> None:
        self._broker = broker
        self._name = name
        self._ttl_seconds = ttl_seconds
        self.executed: list[Pair] = []
        self.is_frozen = False
        self.silent_boots: list[str] = []
        self._boot()

    def _boot(self) -> None:
        boot_id = uuid.uuid4().hex[:12]
        self.id = f"{self._name}:{boot_id}"
        self._info = AgentInfo(self.id, self._name, boot_id, "step", "here", 1, ["*"], [], 3)
        self._position, self._generation = b"0-0", ""
        self._seen: dict[str, int] = {}
        self._waiting: list[Pair] = []
        self.running: list[Pair] = []
        self._is_heard = True
        self.beat()
        self.report(Register(self._info))

    def report(self, *reports: Report) -> None:
        self._broker.report(encode(list(reports)))

    def beat(self) -> None:
        if not self._is_heard:
            running = self.running
            self._is_heard = True
            self._boot()
            self.running = running
        held = [*self._waiting, *self.running]
        beat = Heartbeat(self._info, self._generation, self._position.decode(), held, len(self.running), False, 0.0, 0)
        generation, is_fenced = self._broker.heartbeat(self.id, encode(beat), self._ttl_seconds)
        if is_fenced:
            self.crash(is_reported=False)
        elif generation != self._generation:
            if self._generation and self._broker.inbox_tail(self.id) < self._position:
                self._position = b"0-0"
            self._generation = generation

    def read(self) -> None:
        entries = self._broker.read_inbox(self.id, self._position, None)
        for entry, payload in entries:
            for order in decode_orders(payload):
                if isinstance(order, Run) and self._seen.get(order.task_id, 0) < order.attempt:
                    self._seen[order.task_id] = order.attempt
                    self._waiting.append((order.task_id, order.attempt))
                elif isinstance(order, Cancel):
                    self._cancel((order.task_id, order.attempt))
            self._position = entry
        if entries:
            self._broker.delete_orders(self.id, [entry for entry, _ in entries])

    def _cancel(self, pair: Pair) -> None:
        if pair in self._waiting:
            self._waiting.remove(pair)
        elif pair in self.running:
            self.finish(pair, ErrorClass.PERMANENT)

    def start(self) -> bool:
        """Begins one that waits; whether there was any."""
        if can_start := bool(self._waiting and self._is_heard):
            pair = self._waiting.pop(0)
            self.running.append(pair)
            self.report(Started(self.id, [pair], 1_700_000_000.0))
            self.executed.append(pair)
        return can_start

    def finish(self, pair: Pair, error_class: ErrorClass | None = None, *, times: int = 1) -> None:
        """The handler ends; its result arrives, perhaps more than once."""
        failure = None if error_class is None else Failure(error_class, "as told")
        for _ in range(times):
            self.report(Done(*pair, Raw(b"{}") if failure is None else NULL, failure, 1_700_000_000.0, 0.1))
        self.running.remove(pair)

    def hand_back(self) -> None:
        if self._waiting:
            self.report(Released(self.id, self._waiting))
            self._waiting = []

    def crash(self, *, is_reported: bool) -> None:
        if is_reported:
            self.report(Deregister(self.id, "lost"))
        else:
            self.silent_boots.append(self.id)
        self._boot()

    def lose_lease(self) -> None:
        """Nobody heard it for a whole TTL."""
        self._is_heard = False
        self.silent_boots.append(self.id)


class Stage:
    """Two workers, two agents, a submitter and an operator on empty stores."""

    def __init__(self, settings: Settings, database: Database) -> None:
        registry = Registry()
        registry.add(
            TaskType(
                TYPE,
                lambda given, context: given,
                Payload,
                Payload,
                LONG_SECONDS,
                NO_BACKOFF,
                Isolation.THREAD,
                frozenset(),
                "",
            )
        )
        self._clock = StageClock()
        self._ttl_seconds = settings.agent_ttl_seconds
        self._client = connect_redis(settings.redis_url)
        self.database = database
        self._somebody: psycopg2.extensions.connection | None = None
        self._held: set[str] = set()
        self.broker = Broker(self._client, settings.namespace, settings.placement_of)
        self.empty()
        self.submitter = Submitter(settings, registry, database, self.broker)
        self._scheduled = ScheduledWorkflows(self.submitter, registry, database)
        self._add_schedules()
        self.workers = [StepWorker(settings, registry, name, self._clock) for name in ("one", "two")]
        self.agents = [StepAgent(self.broker, name, self._ttl_seconds) for name in ("a", "b")]

    def empty(self) -> None:
        """No task, no key."""
        with self.database.transaction() as tx:
            tx.rows(queries("bench")["empty"], {})
            tx.rows("TRUNCATE schedules, schedule_fires", {})
        self.wipe()

    def _add_schedules(self) -> None:
        """Schedules whose fire times are all past: they are due when a test says so, not by real time."""
        with self.database.transaction() as tx:
            now = schedules.now(tx)
            names = [(one, name) for one in Overlap for name in (one.value, one.value + OF_WORKFLOWS)]
            for overlap, name in names:
                fields = ScheduleFields(
                    PAIR if name.endswith(OF_WORKFLOWS) else What(TYPE, {}, {}),
                    interval_seconds=1.0,
                    catch_up=CatchUp.ALL,
                    catch_up_limit=2,
                    overlap=overlap,
                    starts_at=now - timedelta(hours=1),
                    ends_at=now,
                )
                schedules.create(tx, name, fields, "somebody", may_run_code=False)

    def make_due(self, name: str, seconds: int) -> None:
        """The last fire times of a schedule are due, also those that were before, as when clocks are put back."""
        with self.database.transaction() as tx:
            at = "ends_at - make_interval(secs => %(seconds)s)"
            tx.rows(
                f"UPDATE schedules SET next_fire_at = {at} WHERE name = %(name)s", {"name": name, "seconds": seconds}
            )

    def submit_workflows(self) -> None:
        """What the leader does each second outside its tick; an operator's open transaction would be waited for."""
        if not self._held:
            self._scheduled.run(lambda: True)

    def submit_workflows_and_die(self) -> None:
        """The process dies before the commit of one."""

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        with patch.object(schedule_fires, "note", dies), suppress(KeyboardInterrupt):
            self._scheduled.run(lambda: True)

    def scheduled_workflows(self) -> list[str]:
        """The workflows that schedules have submitted."""
        with self.database.transaction() as tx:
            return [row[0] for row in tx.rows("SELECT id::text FROM workflows ORDER BY id", {})]

    def fires(self) -> list[PastFire]:
        """What became of all fire times."""
        with self.database.transaction() as tx:
            return [one for each in schedules.schedules(tx) for one in schedule_fires.fires(tx, each.id, limit=500)]

    def wipe(self) -> None:
        """What FLUSHALL does, to this installation."""
        keys = list(self._client.scan_iter(f"{self.broker.keys.prefix}*", count=1000))
        if keys:
            self._client.delete(*keys)

    def let_ttl_pass(self) -> None:
        """A TTL goes by: everybody who lives is heard within it, everybody else is not."""
        for agent in self.agents:
            if agent.is_frozen:
                if agent.id not in agent.silent_boots:
                    agent.lose_lease()
            else:
                agent.beat()
            for boot in agent.silent_boots:
                self._client.delete(self.broker.keys.heartbeat(boot))
        self._clock.skipped_seconds += self._ttl_seconds + 0.1

    def hold_row(self, task_id: str, mode: str) -> None:
        """Somebody's transaction locks the row of a task, and stays open."""
        if self._somebody is None:
            self._somebody = connect_driver(self.database.url)
        with self._somebody.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM tasks WHERE id = %s {mode} SKIP LOCKED", [task_id])
        self._held.add(task_id)

    def is_held(self, task_id: str) -> bool:
        """Whether somebody holds this row."""
        return task_id in self._held

    def let_go(self) -> None:
        """That transaction ends."""
        if self._somebody is not None:
            self._somebody.rollback()
        self._held.clear()

    def tasks(self) -> list[Task]:
        with self.database.transaction() as tx:
            return tasks_store.list_tasks(tx, limit=1_000)

    def history(self, task_id: str) -> list[AuditEvent]:
        with self.database.transaction() as tx:
            return tasks_store.history(tx, task_id)

    def settle_down(self, rounds: int) -> int:
        """Lets everybody go on until nothing is open or left over; returns the rounds that it took."""
        self.let_go()
        for agent in self.agents:
            agent.is_frozen = False
        for number in range(rounds):
            for agent in self.agents:
                agent.beat()
                agent.read()
                while agent.start():
                    pass
                for pair in list(agent.running):
                    agent.finish(pair)
            for worker in self.workers:
                worker.tick()
            self.submit_workflows()
            if number % 3 == 2:
                self.let_ttl_pass()
            open_tasks = any(task.finished_at is None for task in self.tasks())
            is_due = any(fire.outcome is FireOutcome.DUE for fire in self.fires())
            is_open = open_tasks or is_due or self.leftovers()
            if not is_open and not any(agent.running for agent in self.agents):
                return number
        return rounds

    def leftovers(self) -> dict[str, int]:
        """What is there that should not be. The inbox of a boot that is gone may stay, if it will expire."""
        found = {name: count for name, count in self.broker.leftovers().items() if count and name != "inbox entries"}
        living = {self.broker.keys.inbox(agent.id).encode() for agent in self.agents}
        for key in self._client.scan_iter(f"{self.broker.keys.inbox('')}*", count=1000):
            if self._client.ttl(key) < 0 or (key in living and self._client.xlen(key)):
                found[key.decode()] = int(self._client.xlen(key))
        return found

    def close(self) -> None:
        self.let_go()
        if self._somebody is not None:
            self._somebody.close()
        for worker in self.workers:
            worker.close()
        with suppress(Unavailable):
            self.empty()
        self._client.close()
