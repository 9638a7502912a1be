"""Redis and PostgreSQL say "not now" in every way they know: it is waited out, and nothing is lost or dead after it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
import redis
from structlog.testing import capture_logs

from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.protocol import Deregister, Progress, Restart
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis, reaching_redis
from taskyard.core.redis.errors import is_transient
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.submission.submit import Submitter
from taskyard.worker.agents.losses import Losses
from taskyard.worker.devtools.prove.faulty_servers import FaultyPostgres, FaultyRedis
from taskyard.worker.dispatch import dispatcher
from tests.databases import Databases
from tests.engine import Engine, running_engine
from tests.servers import wait_until

SCRIPT_5 = "ERR Error running script (call to f_2aa4): @user_script:4: @user_script: 4: -"
SCRIPT_6 = "ERR Error running script (call to f_2aa4): @user_script:4: "
SCRIPT_7 = " script: 2aa4, on @user_script:4."
SAYINGS = {
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "UNKILLABLE": "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "NOAUTH": "NOAUTH Authentication required.",
    "NOPERM": "NOPERM this user has no permissions to run the 'evalsha' command",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "DENIED": "DENIED Redis is running in protected mode because protected mode is enabled",
    "UNBLOCKED": "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "clients": "ERR max number of clients reached",
    "cluster clients": "ERR max number of clients + cluster connections reached",
    "killed": SCRIPT_6 + "Script killed by user with SCRIPT KILL...",
}
WRAPPED = {
    f"{name} in a script of {version}": text
    for name in ("MISCONF", "BUSY", "NOREPLICAS", "READONLY", "OOM", "MASTERDOWN", "CLUSTERDOWN", "NOPERM", "TRYAGAIN")
    for version, text in (("5", SCRIPT_5 + SAYINGS[name]), ("7", SAYINGS[name] + SCRIPT_7))
}
# By what words of its commands each thread is known: inbox, heartbeat, outbox, dispatcher.
MARKS = {b":inbox:", b":agent:", b":results", b"PING"}
NOT_LATER = (
    "ERR wrong number of arguments for 'evalsha' command",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "BUSYGROUP Consumer Group name already exists",
    "NOSCRIPT No matching script. Please use EVAL.",
    "ERR unknown command 'READONLY', with args beginning with: ",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "ERR value is not an integer or out of range",
)


class Yard:
    """An engine behind two faulty servers, with a worker and an agent."""

    def __init__(self, engine: Engine, redis_proxy: FaultyRedis, postgres_proxy: FaultyPostgres) -> None:
        self.engine, self.redis, self.postgres = engine, redis_proxy, postgres_proxy
        self.worker = engine.worker()
        self.agent = engine.agent("patient")

    def threads(self) -> list[threading.Thread]:
        agent = self.agent.agent
        return [
            *self.worker._threads,
            self.agent._reader,
            agent.heartbeat._thread,
            agent.outbox._thread,
            *agent._slots._threads,
        ]


@pytest.fixture(scope="module")
def yard(databases: Databases, server_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with (
        databases.copy() as database_url,
        FaultyRedis(server_endpoints.redis_url) as redis_proxy,
        FaultyPostgres(database_url) as postgres_proxy,
    ):
        settings = load_settings(
            database_url=postgres_proxy.url,
            redis_url=redis_proxy.url,
            namespace=f"test-{uuid.uuid4().hex[:12]}",
            data_dir=tmp_path_factory.mktemp("not-now") / "data",
        )
        with running_engine(settings) as engine:
            engine.define("demo.echo", lambda given, context: given)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(dispatcher, "RETRY_SECONDS", 0.1)
                patch.setattr(dispatcher, "MAX_RETRY_SECONDS", 0.1)
                yield Yard(engine, redis_proxy, postgres_proxy)
            for key in engine.redis.scan_iter(f"{engine.broker.keys.prefix}*"):
                engine.redis.delete(key)


@pytest.mark.parametrize("text", [*SAYINGS.values(), *WRAPPED.values()], ids=[*SAYINGS, *WRAPPED])
def test_what_says_later_is_told_from_its_text(text: str, redis_url: str) -> None:
    with FaultyRedis(redis_url) as proxy, connect_redis(proxy.url) as client:
        proxy.refuse(text)
        broker = Broker(client, "test-later", lambda name: "least_loaded")
        for reach in (client.ping, lambda: broker.report(b"[]"), lambda: broker.send_order("a", Restart())):
            with pytest.raises(Unavailable, match="Redis can't be used"), reaching_redis():
                reach()
        proxy.allow()
        assert client.ping()
        assert broker._raw_commands.command("PING") == b"PONG"


@pytest.mark.parametrize("text", NOT_LATER)
def test_what_is_refused_for_good_is_not_waited_for(text: str, redis_url: str) -> None:
    with FaultyRedis(redis_url) as proxy, connect_redis(proxy.url) as client:
        proxy.refuse(text)
        with pytest.raises(redis.ResponseError) as raised:
            client.get("x")
        assert not is_transient(raised.value)


@pytest.mark.slow
def test_every_thread_outlives_every_answer(yard: Yard) -> None:
    """Heartbeat, inbox, outbox and dispatcher each meet each answer; what was submitted meanwhile runs in the end."""
    engine, proxy = yard.engine, yard.redis
    submitted = []
    for text in (*SAYINGS.values(), *WRAPPED.values()):
        met: set[bytes] = set()

        def meet(words: list[bytes], met: set[bytes] = met) -> bool:
            keys = b" ".join(words)
            met.update(mark for mark in MARKS if mark in keys)
            return True

        yard.agent.agent.outbox.add(Progress("no task", 1, 0.5, ""))
        proxy.refuse(text, only=meet)
        submitted.append(engine.submit("demo.echo", {"n": 1}))  # never raises once it is committed
        try:
            wait_until(lambda met=met: met == MARKS, 3)
        except AssertionError:
            pytest.fail(f"{text}: met only {met}")
    proxy.allow()

    for task_id in submitted:
        assert engine.wait_for(task_id, timeout_seconds=20).state == "completed"
    assert all(thread.is_alive() for thread in yard.threads())


@pytest.mark.parametrize("name", ["MISCONF", "READONLY", "NOAUTH", "clients"])
def test_work_goes_on_after_it_and_it_was_said_once(name: str, yard: Yard) -> None:
    engine, proxy = yard.engine, yard.redis
    with capture_logs() as logs:
        proxy.refuse(SAYINGS[name])
        submitted = engine.submit("demo.echo", {"n": 1})
        wait_until(lambda: proxy.refused > 20, 10)
        proxy.allow()
        assert engine.wait_for(submitted, timeout_seconds=20).state == "completed"

    said = [entry["event"] for entry in logs if "waiting" in entry["event"]]
    assert 0 < len(said) < 8, said


def test_all_that_is_told_after_a_commit_fails_silently(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    engine, proxy = yard.engine, yard.redis
    submitter = engine.submitter
    engine.submit("demo.echo", {})  # whatever troubled it before is over
    for text in (SAYINGS["MISCONF"], "WRONGTYPE Operation against a key holding the wrong kind of value"):
        # not what the leader reads: it would take the second for a defect
        proxy.refuse(text, only=lambda w: w[0] != b"XREAD" and (b":wake" in b" ".join(w) or b"ZREM" in w))
        one = engine.submit("demo.echo", {}, delay_seconds=3600)
        many = submitter.submit_many({"type": "demo.echo", "delay_seconds": 3600} for _ in range(3))
        submitter.reprioritise(one, "urgent", actor="me")
        submitter.commands.reprioritise_many(many, "high", actor="me", reason="r")
        submitter.cancel(one, actor="me")
        submitter.retry(one, actor="me")
        submitter.wake(many)
        submitter.commands.cancel_many([one, *many], actor="me", reason="r")
        submitter.commands.retry_many([one], actor="me", reason="r")
        assert proxy.refused > 5
        with engine.database.transaction() as tx:
            assert tasks.get_task(tx, many[0]).state == "cancelled"
        proxy.allow()
        submitter.commands.cancel_many([one], actor="me", reason="r")
    warnings = [record for record in caplog.records if record.name == "taskyard.core.submission.queue_notifier"]
    assert len(warnings) == 2, "said once for each kind of trouble"


def test_a_hint_that_is_a_defect_does_not_reach_who_submitted() -> None:
    class Broken:
        def push(self, waiting: object) -> None:
            raise AttributeError("a defect")

    QueueNotifier(Broken()).push([object()])  # type: ignore[arg-type,list-item]


def test_a_pool_reports_its_lost_agents_later(yard: Yard, tmp_path: Path) -> None:
    engine, proxy = yard.engine, yard.redis
    losses = Losses(engine.broker, tmp_path)
    for text in SAYINGS.values():
        losses._lost.append(Deregister("nobody:0", "lost"))
        proxy.refuse(text)
        losses.report()
        assert losses._lost, text
        proxy.allow()
        wait_until(lambda: losses.report() or not losses._lost, 5)  # type: ignore[func-returns-value]


def test_a_connection_that_turned_takes_all_like_it_along(redis_url: str) -> None:
    """A primary that became a replica: every connection is made anew, so that a name that moved is followed."""
    with FaultyRedis(redis_url) as proxy, connect_redis(proxy.url) as client:
        broker = Broker(client, "test-turned", lambda name: "least_loaded")
        idle = [client.connection_pool.get_connection() for _ in range(4)]
        for connection in idle:
            client.connection_pool.release(connection)
        wires = [broker._raw_commands._take() for _ in range(3)]
        for raw_commands in wires:
            raw_commands.connect()
            broker._raw_commands._idle.append(raw_commands)
        before = proxy.connections
        proxy.refuse(SAYINGS["READONLY"])
        with pytest.raises(Unavailable), reaching_redis():
            broker._raw_commands.command("PING")
        proxy.allow()

        for _ in range(3):
            assert broker._raw_commands.command("PING") == b"PONG"
        assert client.ping()

        assert proxy.connections >= before + 2, "new connections"
        # misconfiguration is no reason to connect anew
        before = proxy.connections
        proxy.refuse(SAYINGS["MISCONF"])
        with pytest.raises(Unavailable), reaching_redis():
            client.ping()
        proxy.allow()
        assert client.ping()
        assert proxy.connections == before


STATES = {
    "25006": ("cannot execute INSERT in a read-only transaction", False),
    "25P03": ("terminating connection due to idle-in-transaction timeout", True),
    "25P04": ("terminating connection due to transaction timeout", True),
    "42501": ("permission denied for table tasks", False),
    "53000": ("insufficient resources", False),
    "53100": ('could not extend file "base/5/1": No space left on device', False),
    "53200": ("out of memory", False),
    "53300": ("sorry, too many clients already", True),
    "53400": ("configuration limit exceeded", False),
    "55000": ("recovery is in progress", False),
    "57P01": ("terminating connection due to administrator command", True),
    "57P02": ("terminating connection because of crash of another server process", True),
    "57P03": ("the database system is starting up", True),
    "57P04": ("database was dropped", True),
    "57P05": ("terminating connection due to idle-session timeout", True),
    "58030": ("could not read block 0: Input/output error", False),
    "08000": ("connection exception", True),
    "08003": ("connection does not exist", True),
    "08006": ("connection failure", True),
    "08P01": ("server conn crashed?", True),
    "26000": ('prepared statement "submission_insert" does not exist', False),
    "0A000": ("cached plan must not change result type", False),
}


def test_the_dispatcher_outlives_all_that_postgresql_cannot_do_now(yard: Yard) -> None:
    engine, proxy = yard.engine, yard.postgres
    with capture_logs() as logs:
        for sqlstate, (message, fatal) in STATES.items():
            proxy.refuse(sqlstate, message, fatal=fatal, at_login=fatal)
            with pytest.raises(Unavailable, match="PostgreSQL can't be"):
                engine.submit("demo.echo", {"n": 2})
            wait_until(lambda: proxy.refused >= 3 and not yard.worker.is_leading, 10, f"{sqlstate} met nobody")
        proxy.allow()
        submitted = engine.submit("demo.echo", {"n": 2})
        assert engine.wait_for(submitted, timeout_seconds=20).state == "completed"

    assert all(thread.is_alive() for thread in yard.threads())
    assert [entry for entry in logs if entry["event"] == "dispatcher.failed"] == []


@pytest.mark.parametrize("sqlstate", ["25006", "53300", "57P01", "0A000"])
def test_work_goes_on_once_postgresql_can(sqlstate: str, yard: Yard) -> None:
    engine, proxy = yard.engine, yard.postgres
    message, fatal = STATES[sqlstate]
    proxy.refuse(sqlstate, message, fatal=fatal)
    with pytest.raises(Unavailable):
        engine.submit("demo.echo", {"n": 2})
    wait_until(lambda: not yard.worker.is_leading)
    proxy.allow()

    submitted = engine.submit("demo.echo", {"n": 2})  # the first call after it succeeds
    assert engine.wait_for(submitted, timeout_seconds=20).state == "completed"


def open_connections(database: Database, count: int) -> None:
    """Has the pool make connections, and keep them."""
    with ExitStack() as uses:
        for _ in range(count):
            uses.enter_context(database.transaction())


@pytest.mark.parametrize(
    ("sqlstate", "message", "drops"),
    [("25006", "cannot execute INSERT in a read-only transaction", True), ("53100", "No space left on device", False)],
)
def test_pooled_connections_that_turned_leave_together(
    sqlstate: str, message: str, drops: bool, database_url: str
) -> None:
    with FaultyPostgres(database_url) as proxy:
        database = Database(proxy.url)
        open_connections(database, 5)
        before = proxy.connections
        proxy.refuse(sqlstate, message)
        with pytest.raises(Unavailable), database.transaction() as tx:
            tx.rows("SELECT 1", {})
        proxy.allow()
        for _ in range(5):
            with database.transaction() as tx:
                assert tx.rows("SELECT 1", {}) == [(1,)]
        assert (proxy.connections > before) is drops
        database.close()


def test_a_dead_server_behind_a_pool_fails_one_call(database_url: str) -> None:
    database, other = Database(database_url), psycopg2.connect(_plain(database_url))
    other.autocommit = True
    open_connections(database, 5)
    with other.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'taskyard'"
        )
        assert cursor.fetchone() == (5,)
    other.close()
    failed = 0
    for _ in range(8):
        try:
            with database.transaction() as tx:
                tx.rows("SELECT 1", {})
        except Unavailable:
            failed += 1
    assert failed <= 1
    database.close()


def test_connections_that_were_made_read_only_are_not_kept(database_url: str) -> None:
    """A standby that was promoted, or a setting that was taken back: sessions stay as they began."""
    name = psycopg2.extensions.parse_dsn(_plain(database_url))["dbname"]
    other = psycopg2.connect(_plain(database_url))
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(database_url)
    open_connections(database, 4)
    with other.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    other.close()
    failed = 0
    for _ in range(8):
        try:
            with database.transaction() as tx:
                tx.rows("DELETE FROM tasks RETURNING 1", {})
        except Unavailable:
            failed += 1
    assert failed == 1
    database.close()


def test_an_error_of_the_caller_on_a_dying_connection_stays_the_callers(database_url: str) -> None:
    with FaultyPostgres(database_url) as proxy:
        database = Database(proxy.url)

        def fail() -> None:
            with database.transaction() as tx:
                tx.rows("SELECT 1", {})
                proxy.cut()
                raise KeyError("mine")

        with pytest.raises(KeyError):
            fail()
        with database.transaction() as tx:
            assert tx.rows("SELECT 1", {}) == [(1,)]
        database.close()


def test_a_submitter_without_redis_is_told_nothing_of_it(yard: Yard) -> None:
    engine = yard.engine
    lonely = Submitter(engine.settings, engine.registry, engine.database, Broker(_nowhere(), "x", lambda q: "priority"))
    task_id = lonely.submit("demo.echo", {})
    assert engine.wait_for(task_id, timeout_seconds=20).state == "completed"


def _nowhere() -> redis.Redis:
    return connect_redis("redis://127.0.0.1:1/0")


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg2://", "postgresql://")
