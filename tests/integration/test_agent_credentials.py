"""Agents with credentials of their own: what their user in Redis may do, and whose word counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from taskyard.core.access.agent_user import url_of_user
from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError, SubmissionError, Unavailable
from taskyard.core.postgres.store import tokens
from taskyard.core.protocol import NULL, Deregister, Done, Failure, Log, Register, Released, Started, encode
from taskyard.core.redis.agent_users import AgentUsers
from taskyard.core.redis.connection import connect_redis, reaching_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.own_agent import OwnAgentSide, agent_side, check_names, own_name
from taskyard.core.submission import authorized_access
from taskyard.worker.cli.app import app
from taskyard.worker.dispatch import agent_access
from tests.agent_users import delete_users, is_let_in, start_own_agent
from tests.engine import Engine, RunningAgent
from tests.servers import wait_until
from tests.unit.leader_state_support import info

ANN, BOB = "ann-1", "bob-1"


def admit(engine: Engine, name: str = ANN, **options: Any) -> str:
    """Gives an agent credentials; returns its URL once its user is there."""
    with engine.database.transaction() as tx:
        password, _ = authorized_access.admit_agent(tx, local_actor(), name, **options)
    url = url_of_user(engine.settings.redis_url, engine.broker.keys.agent_user(name), password)
    wait_until(lambda: is_let_in(url))
    return url


@pytest.fixture
def own(engine: Engine) -> Iterator[Callable[..., RunningAgent]]:
    """Starts agents by URLs of their own."""
    running: list[RunningAgent] = []

    def start(url: str, name: str = ANN, **options: Any) -> RunningAgent:
        agent = start_own_agent(engine, url, info(f"{name}:{'0' * 11}{len(running)}", **options))
        running.append(agent)
        return agent

    yield start
    for agent in running:
        agent.stop()


@pytest.fixture(autouse=True)
def _no_users_left(redis_url: str, namespace: str) -> Iterator[None]:
    yield
    delete_users(redis_url, namespace)


def test_an_agent_works_by_its_own_credentials(engine: Engine, own: Callable[..., RunningAgent]) -> None:
    engine.worker()
    agent = own(admit(engine))
    ids = [engine.submit("demo.echo", {"n": n}) for n in range(20)]
    engine.wait_for_all(ids)
    assert len(agent.ran) == 20
    wait_until(lambda: not engine.broker.redis.xlen(engine.broker.keys.own_results(ANN)))
    assert engine.broker.redis.sismember(engine.broker.keys.agents, agent.id) == 0


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "epoch"),
        ("GET", "generation"),
        ("SET", "generation", "x"),
        ("SADD", "agents", "x"),
        ("XADD", "results", "*", "m", "[]"),
        ("XADD", "results:bob-1", "*", "m", "[]"),
        ("XREAD", "STREAMS", "inbox:bob-1:x", "0"),
        ("GET", "agent:bob-1:x"),
        ("XADD", "messages:bob-1", "*", "m", "x"),
        ("DEL", "lanes"),
        ("XADD", "wake", "*", "m", ""),
        ("XADD", "log", "*", "l", "x"),
    ],
    ids=" ".join,
)
def test_a_user_reaches_its_own_keys_alone(engine: Engine, command: tuple[str, ...]) -> None:
    engine.worker()
    url = admit(engine)
    at = 2 if command[0] == "XREAD" else 1
    words = [*command[:at], f"{engine.broker.keys.prefix}{command[at]}", *command[at + 1 :]]
    with connect_redis(url) as client, pytest.raises(redis.exceptions.NoPermissionError, match="keys"):
        client.execute_command(*words)


@pytest.mark.parametrize(
    "words",
    ["KEYS *", "SCAN 0", "FLUSHALL", "CONFIG GET *", "EVAL return(1) 0", "ACL LIST", "CLIENT LIST", "INFO", "MONITOR",
     "SCRIPT FLUSH", "SUBSCRIBE x", "DEBUG SLEEP 1", "SHUTDOWN"],
)  # fmt: skip
def test_a_user_may_run_no_other_commands(engine: Engine, words: str) -> None:
    engine.worker()
    with connect_redis(admit(engine)) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*words.split())


def forged(engine: Engine, pair: tuple[str, int], bob: str) -> dict[str, Any]:
    task_id, attempt = pair
    mine = f"{ANN}:{'0' * 12}"
    return {
        "done in another's name": Done(task_id, attempt, NULL, None, 1.0, 1.0, agent_id=bob),
        "done in its own name": Done(task_id, attempt, NULL, None, 1.0, 1.0, agent_id=mine),
        "done in no name": Done(task_id, attempt, NULL, Failure("permanent", "no"), 1.0, 1.0),
        "started": Started(mine, [pair], 1.0),
        "returned": Released(bob, [pair]),
        "a line": Log(mine, task_id, attempt, "info", "x"),
        "a farewell": Deregister(bob, "left"),
        "a hello": Register(info(bob)),
    }


FORGED = ("done in another's name", "done in its own name", "done in no name", "started", "returned", "a line",
          "a farewell", "a hello")  # fmt: skip


@pytest.mark.parametrize("what", [*FORGED, "unreadable"])
def test_an_agent_speaks_for_nobody_else(
    engine: Engine, own: Callable[..., RunningAgent], gate: Any, what: str
) -> None:
    """Its report is set aside, with an audit event, and the task of the other one goes on."""
    engine.worker()
    ann = agent_side(admit(engine), engine.settings.namespace, engine.settings.placement_of)
    bob = engine.agent(BOB)
    task_id = engine.submit("demo.gate", {})
    engine.wait_for(task_id, "in_progress")
    if what == "unreadable":
        report = encode([["done", task_id, 1, {}, None, "no time", 1.0, None, None, bob.id]])
    else:
        report = encode([forged(engine, (task_id, 1), bob.id)[what]])
    ann.report(report)
    [item] = wait_until(engine.broker.quarantine.newest)
    assert (item.source, item.agent_id, item.task_id) == ("report", ANN, None)
    assert item.place.startswith("results ")
    assert item.place.endswith(f" {ANN}")
    assert engine.task(task_id).state == "in_progress"
    gate.open.set()
    assert engine.wait_for(task_id).state == "completed"
    assert bob.ran == [(task_id, 1)]


def test_it_gets_only_the_types_that_it_may_have(engine: Engine, own: Callable[..., RunningAgent]) -> None:
    engine.worker()
    ann = own(admit(engine, types=["demo.gate"]), types=["*"])
    task_id = engine.submit("demo.echo", {})
    bob = engine.agent(BOB)
    assert engine.wait_for(task_id).state == "completed"
    assert (ann.ran, bob.ran) == ([], [(task_id, 1)])
    with engine.database.transaction() as tx:
        authorized_access.change_role(tx, local_actor(), ANN, types=["demo.echo"])
    bob.stop()
    assert engine.wait_for(engine.submit("demo.echo", {})).state == "completed"


@pytest.mark.parametrize("by", ["disabled", "revoked"])
def test_who_is_let_in_no_more_is_cut_off(engine: Engine, by: str) -> None:
    engine.worker()
    url = admit(engine)
    with connect_redis(url) as client:
        client.ping()
        with engine.database.transaction() as tx:
            [token] = tokens.tokens(tx, ANN)
            if by == "disabled":
                assert authorized_access.disable(tx, local_actor(), ANN)
            else:
                assert authorized_access.revoke(tx, local_actor(), token.id)
        wait_until(lambda: not is_let_in(url))
        with pytest.raises(redis.RedisError):
            client.ping()
    assert not engine.broker.redis.exists(engine.broker.keys.own_results(ANN))


def test_one_of_two_passwords_is_revoked(engine: Engine) -> None:
    engine.worker()
    first = admit(engine)
    second = admit(engine)
    with connect_redis(first) as client, engine.database.transaction() as tx:
        client.ping()
        assert authorized_access.revoke(tx, local_actor(), tokens.tokens(tx, ANN)[-1].id)
    wait_until(lambda: not is_let_in(first))
    assert is_let_in(second)


def test_a_redis_that_forgot_its_users_gets_them_again(engine: Engine, own: Callable[..., RunningAgent]) -> None:
    engine.worker()
    agent = own(admit(engine))
    engine.broker.redis.acl_deluser(engine.broker.keys.agent_user(ANN))
    engine.wipe_redis()
    ids = [engine.submit("demo.echo", {"n": n}) for n in range(20)]
    engine.wait_for_all(ids, timeout_seconds=20)
    assert len(agent.ran) == 20


def test_the_next_leader_reads_what_was_reported_meanwhile(engine: Engine, gate: Any, own: Any) -> None:
    worker = engine.worker()
    agent = own(admit(engine))
    task_id = engine.submit("demo.gate", {})
    engine.wait_for(task_id, "in_progress")
    worker.stop()
    gate.open.set()
    wait_until(lambda: engine.broker.redis.xlen(engine.broker.keys.own_results(ANN)))
    engine.worker("next")
    assert engine.wait_for(task_id).state == "completed"
    assert agent.ran == [(task_id, 1)]


def test_a_password_for_redis_is_no_token(engine: Engine) -> None:
    with engine.database.transaction() as tx:
        password, made = authorized_access.admit_agent(tx, local_actor(), ANN)
        assert made.opens == "redis"
        assert tokens.find_by_token(tx, password) is None
        token, _ = authorized_access.make_token(tx, local_actor(), ANN)
        assert tokens.find_by_token(tx, token) is not None


def test_a_person_gets_no_credentials_for_redis(engine: Engine) -> None:
    with engine.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), "ann", "viewer")
        with pytest.raises(SubmissionError, match="the name of an agent, or a new one: this one is a person"):
            authorized_access.admit_agent(tx, local_actor(), "ann")


def test_it_reads_its_mailbox_and_sends_nothing(engine: Engine, own: Callable[..., RunningAgent]) -> None:
    engine.worker()
    engine.broker.mailbox(BOB).send(BOB, ANN, {"n": 1})
    side = agent_side(admit(engine), engine.settings.namespace, engine.settings.placement_of)
    box = side.mailbox(ANN)
    [message] = box.receive()
    assert (message.body, box.ack(message), box.is_empty()) == ({"n": 1}, True, True)
    with pytest.raises(SubmissionError, match="sends no messages"):
        box.send(ANN, BOB, {})


def test_a_message_that_nobody_reads_becomes_a_dead_letter(engine: Engine) -> None:
    engine.worker()
    engine.broker.redis.xadd(engine.broker.keys.messages(ANN), {"from": BOB, "body": "no JSON"})
    side = agent_side(admit(engine), engine.settings.namespace, engine.settings.placement_of)
    assert side.mailbox(ANN).receive() == []
    assert engine.broker.redis.xlen(engine.broker.keys.dead_letters(ANN)) == 1


@pytest.mark.parametrize("key", ["results:ann-1", "boots:ann-1", "generation:ann-1", "agent:ann-1:x"])
def test_what_an_agent_puts_into_its_keys_stops_nobody(engine: Engine, key: str) -> None:
    engine.worker()
    name = f"{engine.broker.keys.prefix}{key}"
    with connect_redis(admit(engine)) as client:
        client.delete(name)
        if key.startswith("boots"):
            client.set(name, "x")
        else:
            client.sadd(name, "x")
    engine.agent(BOB)
    engine.wait_for_all([engine.submit("demo.echo", {"n": n}) for n in range(20)])


def test_a_pool_has_the_agent_of_its_url_alone(settings: Settings) -> None:
    url = url_of_user("redis://:old@host:6380/2?timeout=5", Keys("main").agent_user(ANN), "s3:cret")
    assert own_name(url, "main") == ANN
    assert own_name(url, "other") is None
    assert own_name("redis://user:x@host", "main") is None
    check_names(url, "main", [ANN])
    check_names("redis://host", "main", [ANN, BOB])
    with pytest.raises(ConfigurationError, match=f"credentials of agent {ANN}, expected those of {BOB}"):
        check_names(url, "main", [ANN, BOB])


def test_a_script_may_do_no_more_than_its_user(engine: Engine) -> None:
    engine.worker()
    side = agent_side(admit(engine), engine.settings.namespace, engine.settings.placement_of)
    assert isinstance(side, OwnAgentSide)
    keys = side.keys
    with pytest.raises(redis.exceptions.NoPermissionError):
        side._scripts["report"]([keys.results, keys.nothing], [b"[]"])
    others = [keys.heartbeat("bob-1:x"), keys.agents, keys.generation, keys.fenced("bob-1:x")]
    with pytest.raises(redis.exceptions.NoPermissionError):
        side._scripts["heartbeat"](others, ["bob-1:x", b"{}", 1000])


def test_scripts_that_were_flushed_are_loaded_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_access, "RENEW_SECONDS", 0.1)
    engine.worker()
    side = agent_side(admit(engine), engine.settings.namespace, engine.settings.placement_of)
    engine.redis.script_flush()

    def reports() -> bool:
        try:
            with reaching_redis():
                return bool(side.report(b"[]"))
        except Unavailable:
            return False

    wait_until(reports)
    side.redis.close()


def test_a_leader_that_may_make_no_users_goes_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise redis.exceptions.NoPermissionError("this user has no permissions to run the 'acl' command")

    monkeypatch.setattr(AgentUsers, "enforce", refuse)
    with engine.database.transaction() as tx:
        authorized_access.admit_agent(tx, local_actor(), ANN)
    engine.worker()
    engine.agent(BOB)
    engine.wait_for_all([engine.submit("demo.echo", {})])
    [entry] = [entry for entry in engine.logs if entry["event"] == "agents.no_users"]
    assert entry["agents"] == [ANN]


def test_the_command_prints_a_url_this_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(engine.settings, name)))
    engine.worker()

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["access", *words], prog_name="taskyard")

    given = run("agent", ANN, "--type", "demo.*", "--days", "1")
    url = given.stdout.strip()
    assert own_name(url, engine.settings.namespace) == ANN
    wait_until(lambda: is_let_in(url))
    password = url.split("@")[0].rpartition(":")[2]
    assert password not in run("tokens", ANN).stdout + run("list").stdout
    assert run("agent", ANN, "--type", "no pattern").exit_code != 0
    assert run("disable", ANN).exit_code == 0
    wait_until(lambda: not is_let_in(url))


def test_a_redis_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setattr(engine.redis, "info", lambda *_: {"redis_version": "5.0.14"})
    with pytest.raises(Unavailable, match=r"Redis 5\.0\.14 can't give agents .*, which needs 6\.2 or newer"):
        engine.broker.agent_users.check_version()
