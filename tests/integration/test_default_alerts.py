"""Every alert of the shipped rules fires and resolves: the real condition is caused, and the signed webhook arrives.

Windows and thresholds are scaled down so that a condition takes a second instead of minutes; names, kinds and
severities are the shipped ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from taskyard.core.access.identity import local_actor
from taskyard.core.alerts.default_rules import default_rules_file
from taskyard.core.clock import Clock
from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.errors import PermanentError
from taskyard.core.postgres.database import connect_driver
from taskyard.core.postgres.store import kept_reports, schedule_fires, schedules, webhooks
from taskyard.core.postgres.store.kept_reports import NewReport
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.postgres.store.schedule_fires import Fire
from taskyard.core.protocol import VERSION
from taskyard.core.redis.quarantine import Odd
from taskyard.core.schedules.schedule import FireOutcome, ScheduleFields
from taskyard.core.schedules.what import What
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.core.telemetry.learning_live import LearningLive, QueueLearningLive
from taskyard.core.webhooks.webhook import WebhookFields
from taskyard.worker.agents.pool import Pool
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.devtools.prove.faulty_servers import FaultyRedis
from taskyard.worker.dispatch.dispatcher import Dispatcher
from taskyard.worker.duties.outcomes import Duties
from taskyard.worker.monitor import observer
from taskyard.worker.monitor.health import WorkerHealth
from taskyard.worker.monitor.monitor import Monitor
from taskyard.worker.monitor.observed import Observed
from taskyard.worker.web_servers import supervisor
from taskyard.worker.web_servers.api import ApiProcess
from taskyard.worker.web_servers.dashboard import DashboardProcess
from taskyard.worker.web_servers.supervisor import WebSupervisor
from taskyard.worker.web_servers.web_process import WebProcess
from tests.asked import asked
from tests.browser.dashboards import free_port
from tests.engine import Engine, Payload, RunningWorker, running_engine, set_agent_environment
from tests.servers import wait_until
from tests.webhooks import Hook, webhook_server

SECRET = "not a secret"
SECRET_ENV = "TASKYARD_TEST_WEBHOOK_SECRET"
WAIT_SECONDS = 20.0
SOME = 0.08  # of the memory: more than what runs beside this test takes or gives back meanwhile
DEFAULTS = {rule["name"]: rule for rule in tomllib.loads(default_rules_file())["rules"]}


@dataclass
class Watch:
    """An engine with a monitor whose duties the test runs itself."""

    engine: Engine
    hook: Hook
    folder: Path
    monitor: Monitor | None = None
    duties: Duties = field(default_factory=Duties)

    def start(self, rule: str, dispatcher: Any = None, **changes: Any) -> None:
        """A monitor with one of the shipped rules, scaled down."""
        given = {**DEFAULTS[rule], "for_seconds": 0, **changes}
        lines = ["[channels.hook]", 'kind = "webhook"', f'url = "{self.hook.url}"', f'secret_env = "{SECRET_ENV}"']
        lines += ["group_seconds = 0"]
        lines += ["allow_private_addresses = true", "[[rules]]"]
        lines += [f"{name} = {orjson.dumps(value).decode()}" for name, value in given.items()]
        file = self.folder / "alerts.toml"
        file.write_text("\n".join(lines))
        settings = self.engine.settings.model_copy(update={"alerts_file": file})
        if dispatcher is None:
            dispatcher = self.engine.worker().dispatcher
        self.monitor = Monitor(settings, self.engine.database, self.engine.broker, dispatcher, "test", Clock())

    def look(self) -> None:
        assert self.monitor is not None
        self.monitor.observe()
        self.monitor.sample()
        self.monitor.evaluate()

    def look_at_itself(self, dispatcher: Dispatcher, pool: Pool | None = None) -> WorkerHealth:
        """Has the rules see what the health of a worker with these parts says."""
        assert self.monitor is not None
        engine = self.engine
        pool = pool or Pool((), engine.settings.redis_url, engine.broker, 1.0, engine.settings.data_dir)
        server_watch = self.monitor.observer.server_watch
        health = WorkerHealth(dispatcher, self.duties, pool, server_watch, lambda: False)
        self.monitor.watch(health, self.duties)
        return health

    def wait_for_any(self, event: str) -> dict[str, Any]:
        """Looks again and again until the webhook tells of such an event, whatever its subject."""

        def told() -> dict[str, Any] | None:
            self.look()
            return next((e for e in self.hook.events(SECRET) if e["event"] == event), None)

        return wait_until(told, WAIT_SECONDS)

    def observed(self) -> Observed:
        """The signals as the rules see them."""
        assert self.monitor is not None
        sampler = self.monitor._sampler
        return Observed(self.monitor.observer, sampler, self.engine.database, Clock(), "here", None)

    def wait_for(self, event: str, subject: str, meanwhile: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Looks again and again until the webhook tells of it."""

        def told() -> dict[str, Any] | None:
            meanwhile()
            self.look()
            found = [e for e in self.hook.events(SECRET) if (e["event"], e["subject"]) == (event, subject)]
            return found[-1] if found else None

        return wait_until(told, WAIT_SECONDS)


@pytest.fixture
def watch(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(observer, "COUNT_SHARE", 1.0)
    monkeypatch.setattr(observer, "SERVERS_EVERY_SECONDS", 0.0)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    set_agent_environment(monkeypatch, settings)
    with webhook_server() as hook, running_engine(settings) as engine:
        found = Watch(engine, hook, tmp_path)
        yield found
        if found.monitor is not None:
            found.monitor.close()


def echo(given: Payload, context: TaskContext) -> Payload:
    return given


def waiting_for(gate: threading.Event) -> Callable[[Payload, TaskContext], Payload]:
    """A handler that lasts until the gate is open."""

    def wait(given: Payload, context: TaskContext) -> Payload:
        gate.wait(20)
        return given

    return wait


def assert_told(watch: Watch, rule: str, subject: str) -> None:
    """One firing and one resolved notification, and the row says the same."""
    events = [e for e in watch.hook.events(SECRET) if e["subject"] == subject]
    assert [e["event"] for e in events] == ["firing", "resolved"]
    assert {e["rule"] for e in events} == {rule}
    assert {e["severity"] for e in events} == {DEFAULTS[rule]["severity"]}
    with watch.engine.database.transaction() as tx:
        rows = tx.rows("SELECT state, message_id FROM alerts WHERE rule = %(rule)s AND subject = %(s)s",
                       {"rule": rule, "s": subject})  # fmt: skip
    [(state, message_id)] = rows
    assert state == "resolved"
    assert message_id.split(".")[0] == DEFAULTS[rule]["kind"]


def test_leader_missing(watch: Watch) -> None:
    first = watch.engine.worker()
    watch.start("leader missing", first.dispatcher)
    wait_until(lambda: first.is_leading)
    watch.look()
    assert watch.hook.requests == []
    first.stop()
    watch.wait_for("firing", "leader")
    watch.monitor.close()
    watch.start("leader missing", watch.engine.worker("second").dispatcher)  # the new leader judges from now on
    watch.wait_for("resolved", "leader")
    assert_told(watch, "leader missing", "leader")


def test_server_down(watch: Watch) -> None:
    watch.start("server down")
    watch.look()
    with watch.engine.postgresql_away():
        watch.wait_for("firing", "postgresql")
    watch.wait_for("resolved", "postgresql")
    events = [e["event"] for e in watch.hook.events(SECRET)]
    assert events == ["firing", "resolved"]
    assert_told(watch, "server down", "postgresql")


def test_tick_blocked_by_a_lock(watch: Watch) -> None:
    gate = threading.Event()
    watch.engine.define("demo.gate", waiting_for(gate))
    worker = watch.engine.worker()
    watch.engine.agent()
    watch.start("tick blocked by a lock", worker.dispatcher, threshold=1.5, clear=1)
    task_id = watch.engine.submit("demo.gate")
    watch.engine.wait_for(task_id, "in_progress")
    session = connect_driver(watch.engine.settings.database_url, application_name="somebody")
    with session.cursor() as cursor:
        cursor.execute("SELECT 1 FROM tasks WHERE id = %s FOR UPDATE", [task_id])
        pid = session.get_backend_pid()
    gate.set()
    told = watch.wait_for("firing", "tasks")
    assert all(part in told["message"] for part in (task_id, f"process {pid}", "somebody", "SELECT 1 FROM tasks"))
    session.close()
    watch.wait_for("resolved", "tasks")
    assert_told(watch, "tick blocked by a lock", "tasks")
    watch.engine.wait_for(task_id, "completed")


def test_no_agent_for_a_type(watch: Watch) -> None:
    watch.engine.define("demo.lonely", echo)
    watch.start("no agent for a type")
    watch.engine.agent("other", types=["demo.other"])
    watch.engine.submit("demo.lonely")
    told = watch.wait_for("firing", "demo.lonely")
    assert told["message"].startswith("1 task of type demo.lonely is pending: no ")
    watch.engine.agent("right", types=["demo.lonely"])
    watch.wait_for("resolved", "demo.lonely")
    assert_told(watch, "no agent for a type", "demo.lonely")


def test_tasks_wait_long_in_a_stuck_queue(watch: Watch) -> None:
    gate = threading.Event()
    watch.engine.define("demo.stuck", waiting_for(gate))
    watch.start("tasks wait long", threshold=1.0, clear=0.5)
    watch.engine.agent(max_concurrency=1)
    ids = [watch.engine.submit("demo.stuck") for _ in range(3)]
    watch.wait_for("firing", "default")
    gate.set()
    watch.wait_for("resolved", "default")
    watch.engine.wait_for_all(ids)
    assert_told(watch, "tasks wait long", "default")


def test_queue_grows(watch: Watch) -> None:
    watch.engine.define("demo.echo", echo)
    watch.start("queue grows", threshold=20, clear=10, window_seconds=1)
    wait_until(lambda: watch.look() is None and watch.observed().depths(1.0) is not None)
    ids: list[str] = []

    def grow() -> None:
        ids.extend(watch.engine.submitter.submit_many({"type": "demo.echo"} for _ in range(30)))

    watch.wait_for("firing", "default", grow)
    watch.engine.agent()
    watch.engine.wait_for_all(ids)
    watch.wait_for("resolved", "default")
    assert_told(watch, "queue grows", "default")


def test_failure_rate(watch: Watch) -> None:
    is_broken = threading.Event()

    def fail(given: Payload, context: TaskContext) -> Payload:
        if is_broken.is_set():
            raise PermanentError("broken")
        return given

    watch.engine.define("demo.fail", fail)
    watch.start("failure rate", window_seconds=2)
    watch.engine.agent()
    is_broken.set()

    def work() -> None:
        for _ in range(10):
            watch.engine.submit("demo.fail")

    told = watch.wait_for("firing", "demo.fail", work)
    assert told["value"] > told["threshold"] == 0.25
    is_broken.clear()
    watch.wait_for("resolved", "demo.fail", work)


def test_retry_storm(watch: Watch) -> None:
    is_broken = threading.Event()

    def fail(given: Payload, context: TaskContext) -> Payload:
        if is_broken.is_set():
            raise ValueError("try again")
        return given

    watch.engine.define("demo.storm", fail, retry=RetryPolicy(max_attempts=50, backoff_seconds=0.05))
    watch.start("retry storm", window_seconds=1)
    watch.engine.agent()
    is_broken.set()
    ids = [watch.engine.submit("demo.storm", max_attempts=50) for _ in range(5)]
    watch.wait_for("firing", "demo.storm")
    is_broken.clear()
    watch.wait_for("resolved", "demo.storm")
    watch.engine.wait_for_all(ids)


def test_slow_start(watch: Watch) -> None:
    gate = threading.Event()
    watch.engine.define("demo.slow", waiting_for(gate))
    watch.start("slow start", threshold=1.0, clear=0.5, window_seconds=6)
    watch.engine.agent(max_concurrency=1)
    wait_until(lambda: watch.look() is None and watch.observed().waits(6) is not None)  # these starts stay in it
    ids = [watch.engine.submit("demo.slow") for _ in range(25)]
    began = Clock().monotonic()
    wait_until(lambda: watch.look() is None and Clock().monotonic() - began > 1.5, 10)
    gate.set()
    watch.wait_for("firing", "demo.slow")
    watch.engine.wait_for_all(ids)
    watch.wait_for("resolved", "demo.slow")
    assert_told(watch, "slow start", "demo.slow")


@contextmanager
def agent_processes(watch: Watch) -> Iterator[Callable[[], None]]:
    """A real agent process under its supervisor; calling what is given kills it."""
    spec = AgentSpec("victim", "test", ("diagnostic.*",), (), 1)
    with watch.engine.pool(spec):

        def kill() -> None:
            [agent] = wait_until(lambda: [a for a in watch.engine.online() if a.name == "victim"], 20)
            os.kill(agent.pid, signal.SIGKILL)
            wait_until(lambda: watch.engine.agent_state(agent.id) in ("lost", None), 20)

        yield kill


def test_agent_lost(watch: Watch) -> None:
    watch.start("agent lost", window_seconds=4)
    with agent_processes(watch) as kill:
        kill()
        told = watch.wait_for("firing", "victim")
        assert told["message"] == "agent victim was lost once in the last 4 s"
        watch.wait_for("resolved", "victim")
    assert_told(watch, "agent lost", "victim")


@pytest.mark.slow
def test_agent_flapping(watch: Watch) -> None:
    watch.start("agent flapping", threshold=3, clear=2, window_seconds=12)
    with agent_processes(watch) as kill:
        kill()
        kill()
        watch.wait_for("firing", "victim")
        watch.wait_for("resolved", "victim")


def test_agent_name_used_twice(watch: Watch) -> None:
    watch.start("agent name used twice")
    spec = AgentSpec("twin", "test", ("diagnostic.*",), (), 1)
    with watch.engine.pool(spec):
        with watch.engine.pool(spec):
            told = watch.wait_for("firing", "twin")
            assert told["message"].startswith("2 agents on ")
        watch.wait_for("resolved", "twin")
    assert_told(watch, "agent name used twice", "twin")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of one mebibyte."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a tmpfs can't be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_nearly_full(watch: Watch, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as folder:
        watch.engine.settings = watch.engine.settings.model_copy(update={"data_dir": folder})
        watch.start("disk nearly full")
        watch.look()
        subject = f"{os.uname().nodename} {folder}"
        (folder / "large").write_bytes(b"x" * 1_000_000)
        told = watch.wait_for("firing", subject)
        assert "is 9" in told["message"]
        (folder / "large").unlink()
        watch.wait_for("resolved", subject)
        assert_told(watch, "disk nearly full", subject)


@pytest.mark.slow
def test_memory_nearly_full(watch: Watch) -> None:
    """A share of the machine's memory is really taken; the threshold is a little above what is used now."""
    memory = psutil.virtual_memory()
    threshold = 1 - memory.available / memory.total + SOME
    watch.start("memory nearly full", threshold=threshold, clear=threshold)
    held = b"x" * int(memory.total * 2 * SOME)
    watch.wait_for("firing", os.uname().nodename)
    assert held
    del held
    watch.wait_for("resolved", os.uname().nodename)


def test_expected_work_is_absent(watch: Watch) -> None:
    watch.engine.define("demo.steady", echo)
    watch.start("expected work is absent", threshold=1.0, clear=0.5)
    wait_until(lambda: watch.look() is None and watch.monitor.observer.live)
    hour = Clock().now().timestamp() // HOUR * HOUR
    with watch.engine.database.transaction() as tx:
        for ago in range(1, 7):
            tx.rows(
                "INSERT INTO task_events (at, event, actor, queue, type) VALUES (to_timestamp(%(at)s), 'submitted',"
                " 'test', 'default', 'demo.steady')",
                {"at": hour - ago * HOUR + 5},
            )
    watch.monitor._rollup.run(lambda: True)
    watch.wait_for("firing", "demo.steady")
    watch.engine.submit("demo.steady")
    watch.monitor._rollup._provisional_after = 0.0
    watch.wait_for("resolved", "demo.steady", lambda: watch.monitor._rollup.run(lambda: True))
    assert_told(watch, "expected work is absent", "demo.steady")


@pytest.mark.slow
def test_unlike_itself(watch: Watch) -> None:
    """Two weeks of steady events, then attempts that take four times as long."""
    watch.start("unlike itself")
    live = wait_until(lambda: watch.look() is None and watch.monitor.observer.live)
    minute = live.at // 60 * 60

    def store(first: float, minutes: int, step_minutes: int, each: int, run_seconds: float) -> None:
        with watch.engine.database.transaction() as tx:
            tx.rows(
                "INSERT INTO task_events (at, event, actor, agent_id, queue, type, wait_seconds, run_seconds)"
                " SELECT to_timestamp(%(first)s + 60.0 * m + n), e, 'test', 'a:b', 'default', 'demo.slow', 0.01,"
                " %(run)s * (1 + n / 50.0) FROM generate_series(0, %(minutes)s - 1, %(step)s) m,"
                " generate_series(1, %(each)s) n, unnest(ARRAY['submitted', 'completed']) e",
                {"first": first, "minutes": minutes, "step": step_minutes, "each": each, "run": run_seconds},
            )

    store(minute - 15 * 86_400, 15 * 1440, 5, 20, 1.0)
    watch.monitor._rollup.run(lambda: True)

    def detected() -> None:
        watch.monitor._rollup._provisional_after = 0.0
        watch.monitor._rollup.run(lambda: True)
        watch.monitor.detect()

    detected()
    watch.look()
    assert watch.hook.requests == []
    with watch.engine.database.transaction() as tx:
        tx.rows("DELETE FROM task_events WHERE at >= to_timestamp(%(m)s) - interval '25 minutes'"
                " AND type = 'demo.slow'", {"m": minute})  # fmt: skip
        tx.rows("UPDATE metric_progress SET rolled_to = to_timestamp(%(m)s) - interval '30 minutes'"
                " WHERE level_seconds = 60", {"m": minute})  # fmt: skip
    store(minute - 25 * 60, 25, 5, 20, 4.0)
    told = watch.wait_for("firing", "demo.slow duration", detected)
    assert "typical duration of type demo.slow" in told["message"]
    with watch.engine.database.transaction() as tx:
        tx.rows("UPDATE task_events SET run_seconds = run_seconds / 4 WHERE type = 'demo.slow'"
                " AND at >= to_timestamp(%(m)s) - interval '25 minutes'", {"m": minute})  # fmt: skip
        tx.rows("UPDATE metric_progress SET rolled_to = to_timestamp(%(m)s) - interval '30 minutes'"
                " WHERE level_seconds = 60", {"m": minute})  # fmt: skip
    watch.wait_for("resolved", "demo.slow duration", detected)


def test_dispatcher_stalled(watch: Watch) -> None:
    """Redis takes nothing from the one that leads: its disk is full."""
    with FaultyRedis(watch.engine.settings.redis_url) as faulty:
        settings = watch.engine.settings.model_copy(update={"redis_url": faulty.url})
        worker = RunningWorker(settings, watch.engine.registry, "stalled")
        try:
            wait_until(lambda: worker.is_leading)
            watch.start("dispatcher stalled", worker.dispatcher, threshold=4, clear=2)
            watch.look_at_itself(worker.dispatcher)
            watch.look()
            assert watch.hook.requests == []
            faulty.refuse("MISCONF Redis is configured to save RDB snapshots")
            told = watch.wait_for("firing", "dispatcher")
            assert "MISCONF" in told["message"]
            faulty.allow()
            watch.wait_for("resolved", "dispatcher")
        finally:
            worker.stop()
    assert_told(watch, "dispatcher stalled", "dispatcher")


@pytest.mark.slow
def test_agents_unhealthy(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent ends, and can't start again: its task module was broken meanwhile."""
    worker = watch.engine.worker()
    with watch.engine.pool(AgentSpec("victim", "test", ("diagnostic.*",), (), 1)) as pool:
        wait_until(lambda: not pool.unwell(), 20)
        watch.start("agents unhealthy", worker.dispatcher)
        health = watch.look_at_itself(worker.dispatcher, pool)
        watch.look()
        assert watch.hook.requests == []
        with monkeypatch.context() as broken:
            broken.setenv("TASKYARD_TASK_MODULES", "tests.no_such_module")
            [agent] = watch.engine.online()
            os.kill(agent.pid, signal.SIGKILL)
            watch.wait_for("firing", "victim")
            wait_until(lambda: "tests.no_such_module" in health.own_state().unwell_agents.get("victim", ""), 20)
            assert [e["event"] for e in watch.hook.events(SECRET)] == ["firing"], "it is tried again meanwhile"
            with monkeypatch.context() as stopping:
                stopping.setattr(health, "_is_stopping", lambda: True)
                assert health.own_state().unwell_agents == {}, "agents that end on purpose are not unhealthy"
        watch.wait_for("resolved", "victim")
    assert_told(watch, "agents unhealthy", "victim")


@pytest.mark.parametrize(
    ("rule", "kind", "process", "message"),
    [
        ("dashboard down", "dashboard", DashboardProcess, "the dashboard can't be opened"),
        ("api down", "API", ApiProcess, "programs can't reach the API"),
    ],
)
def test_web_server_down(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, rule: str, kind: str, process: type[WebProcess], message: str
) -> None:
    """Its process is stopped, as by a debugger, and answers nobody."""
    monkeypatch.setattr(supervisor, "DOWN_SECONDS", 4.0)
    monkeypatch.setattr(supervisor, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "ANSWER_SECONDS", 1.0)
    settings = watch.engine.settings
    names = ("database_url", "redis_url", "namespace")
    environment = {f"{ENV_PREFIX}{name.upper()}": str(getattr(settings, name)) for name in names}
    page = process(settings.model_copy(update={f"{kind.lower()}_port": free_port()}), environment)  # type: ignore[call-arg]
    keeper = WebSupervisor(page)
    keeper.start()
    try:
        assert keeper.wait_until_ready()
        worker = watch.engine.worker()
        watch.start(rule, worker.dispatcher)
        watch.look_at_itself(worker.dispatcher).web_servers = [keeper]
        watch.look()
        assert watch.hook.requests == []
        os.kill(page.pid, signal.SIGSTOP)
        told = watch.wait_for("firing", kind)
        assert told["message"].startswith(f"{message}: {page.url} has not answered for ")
        os.kill(page.pid, signal.SIGCONT)
        watch.wait_for("resolved", kind)
    finally:
        keeper.stop()
    assert keeper.restarts == 0
    assert_told(watch, f"{kind.lower()} down", kind)


def test_duties_late(watch: Watch) -> None:
    gate = threading.Event()
    worker = watch.engine.worker()
    watch.start("duties late", worker.dispatcher)
    watch.look_at_itself(worker.dispatcher)
    hanging = threading.Thread(target=watch.duties.watched("hang", lambda: gate.wait(WAIT_SECONDS), 0.5), daemon=True)
    hanging.start()
    watch.wait_for("firing", "hang")
    gate.set()
    hanging.join()
    watch.duties.watched("hang", lambda: None, WAIT_SECONDS)()  # and it is not due again here
    watch.wait_for("resolved", "hang")
    assert_told(watch, "duties late", "hang")


@pytest.mark.slow
def test_tasks_assigned_but_not_started(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.start("tasks assigned but not started", threshold=0.5, clear=0.2)
    watch.engine.define("demo.echo", echo)
    deaf = watch.engine.agent("deaf", types=["demo.echo"])
    is_deaf = threading.Event()

    def read_nothing() -> None:
        is_deaf.set()
        time.sleep(0.05)

    monkeypatch.setattr(deaf.agent, "_read", read_nothing)
    assert is_deaf.wait(WAIT_SECONDS), "the reading before this one is over"
    watch.engine.submit("demo.echo")
    watch.wait_for("firing", "deaf")
    watch.wait_for("resolved", "deaf")  # it is fenced then, and its task waits for another
    assert_told(watch, "tasks assigned but not started", "deaf")


def test_quarantined_reports(watch: Watch) -> None:
    watch.start("quarantined reports")
    quarantine = watch.engine.broker.quarantine
    quarantine.add([Odd("report", "results 1-1", "not JSON", b"{")])
    (subject,) = {event["subject"] for event in [watch.wait_for_any("firing")]}
    quarantine.drop_all()
    watch.wait_for("resolved", subject)
    assert_told(watch, "quarantined reports", subject)


def test_reports_of_newer_agents(watch: Watch) -> None:
    watch.start("reports of newer agents")
    report = NewReport(VERSION + 1, "ended", None, "edge:b1", (), "Invalid value 'ended'", b'["ended"]', b"1-0")
    with watch.engine.database.transaction() as tx:
        kept_reports.keep(tx, [report])
    watch.wait_for("firing", "kept reports")
    with watch.engine.database.transaction() as tx:
        kept_reports.drop(tx, [one.id for one in kept_reports.kept(tx)], "test", "the agent went back")
    watch.wait_for("resolved", "kept reports")
    assert_told(watch, "reports of newer agents", "kept reports")


def test_webhooks_disabled(watch: Watch) -> None:
    watch.start("webhooks disabled")
    fields = WebhookFields("https://hooks.example.com/")
    with watch.engine.database.transaction() as tx:
        webhooks.create(tx, "ci", fields, "test")
        webhooks.disable_failing(tx, webhooks.get(tx, "ci").id, "nobody answers")
    watch.wait_for("firing", "ci")
    with watch.engine.database.transaction() as tx:
        webhooks.enable(tx, "ci", "test")
    watch.wait_for("resolved", "ci")
    assert_told(watch, "webhooks disabled", "ci")


def test_schedules_late(watch: Watch) -> None:
    watch.start("schedules late")
    fields = ScheduleFields(What("demo.echo", {}, {}), cron="@yearly", expected_seconds=60)
    with watch.engine.database.transaction() as tx:
        schedules.create(tx, "nightly", fields, "test", may_run_code=False)
        known, now = schedules.locked(tx, "nightly")
        refused = Fire(known.id, now - timedelta(hours=1), FireOutcome.REFUSED, reason="its queue drains")
        schedule_fires.add(tx, [refused])
    watch.wait_for("firing", "nightly")
    with watch.engine.database.transaction() as tx:
        schedules.delete(tx, "nightly", "test")
    watch.wait_for("resolved", "nightly")
    assert_told(watch, "schedules late", "nightly")


def test_questions_wait_long(watch: Watch) -> None:
    watch.engine.define("demo.asks", lambda given, context: given)
    watch.start("questions wait long", threshold=0.2)
    question_id = asked(watch.engine.submitter, watch.engine.database, submission={"type": "demo.asks"})
    watch.wait_for("firing", "default")
    watch.engine.submitter.questions.answer(question_id, "approved", actor=local_actor())
    watch.wait_for("resolved", "default")
    assert_told(watch, "questions wait long", "default")


def test_messages_wait_long(watch: Watch) -> None:
    watch.start("messages wait long", threshold=0.2)
    box = watch.engine.broker.mailbox("coder-1")
    box.send("tester", "coder-1", "nobody reads this")
    watch.wait_for("firing", "coder-1")
    watch.engine.broker.mailbox_admin.purge("coder-1", dead=False)
    watch.wait_for("resolved", "coder-1")
    assert_told(watch, "messages wait long", "coder-1")


def test_dead_letters(watch: Watch) -> None:
    watch.start("dead letters")
    watch.engine.redis.xadd(watch.engine.broker.keys.messages("coder-1"), {"body": b"{"})
    assert watch.engine.broker.mailbox("coder-1").receive() == []
    watch.wait_for("firing", "coder-1")
    watch.engine.broker.mailbox_admin.purge("coder-1", dead=True)
    watch.wait_for("resolved", "coder-1")
    assert_told(watch, "dead letters", "coder-1")


def learned(coverage: float, *, is_on: bool) -> LearningLive:
    """What the leader's learner says (tests/integration/test_learned_order.py has it say such)."""
    queue = QueueLearningLive("default", True, is_on, "proven" if is_on else "not_shorter", 1.0, 0.1 if is_on else 0.9)
    return LearningLive(4, 1_000, 100, 100, coverage, 1.5, queues=[queue])


def test_predictions_drift(watch: Watch) -> None:
    watch.start("predictions drift")
    assert watch.monitor is not None
    watch.monitor.observer.learned = lambda: learned(0.5, is_on=True)
    watch.wait_for("firing", "predictions")
    watch.monitor.observer.learned = lambda: learned(0.8, is_on=True)
    watch.wait_for("resolved", "predictions")
    assert_told(watch, "predictions drift", "predictions")


def test_head_starts_off(watch: Watch) -> None:
    watch.start("head starts off")
    assert watch.monitor is not None
    watch.monitor.observer.learned = lambda: learned(0.8, is_on=False)
    watch.wait_for("firing", "default")
    watch.monitor.observer.learned = lambda: learned(0.8, is_on=True)
    watch.wait_for("resolved", "default")
    assert_told(watch, "head starts off", "default")


def test_every_shipped_rule_is_tested_here() -> None:
    """Each test above names its rule, or is given it as its first parameter."""
    text = Path(__file__).read_text()
    assert [
        name for name in DEFAULTS if f'watch.start("{name}"' not in text and f'        ("{name}", ' not in text
    ] == []
