"""Agents' users in Redis: the doctor sees whether they are there, and the work of one that is cut off goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from taskyard.core.access.agent_user import url_of_user
from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.health.checks import Check, agent_user_checks
from taskyard.core.postgres.store import tokens
from taskyard.core.submission import authorized_access
from taskyard.core.views import system
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.doctor.report import server_checks
from tests.agent_users import delete_users, is_let_in, start_own_agent
from tests.engine import Engine, Payload, RunningAgent, running_engine
from tests.servers import wait_until
from tests.unit.leader_state_support import info

ANN, BOB = "ann-1", "bob-1"
NAME = "Redis users of agents"
TTL_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _no_users_left(redis_url: str, namespace: str) -> Iterator[None]:
    yield
    delete_users(redis_url, namespace)


def admit(engine: Engine) -> str:
    """Gives an agent credentials; returns its password."""
    with engine.database.transaction() as tx:
        return authorized_access.admit_agent(tx, local_actor(), ANN)[0]


def revoke(engine: Engine) -> None:
    with engine.database.transaction() as tx:
        assert authorized_access.revoke(tx, local_actor(), tokens.tokens(tx, ANN)[0].id)


def own_url(engine: Engine, user: str, password: str) -> str:
    return url_of_user(engine.settings.redis_url or "", user, password)


def seen(engine: Engine, url: str | None = None) -> Check | None:
    """The check of agents' users, by the user of a URL."""
    settings = engine.settings
    redis_url = url or settings.redis_url or ""
    found = list(agent_user_checks(settings.database_url or "", redis_url, settings.namespace))
    assert len(found) <= 1
    return found[0] if found else None


def found_in(engine: Engine) -> str:
    check = seen(engine)
    return "" if check is None else f"{'! ' if check.warning else ''}{check.found}"


def test_without_such_agents_there_is_nothing_to_check(engine: Engine) -> None:
    assert seen(engine) is None


def test_users_that_are_there_are_fine(engine: Engine) -> None:
    engine.worker()
    password = admit(engine)
    wait_until(lambda: found_in(engine) == "agents with credentials of their own: 1")
    assert NAME in [check.name for check in server_checks(engine.settings)]
    assert NAME in [check.name for check in system.server_checks(engine.settings)]
    assert seen(engine, own_url(engine, engine.broker.keys.agent_user(ANN), password)) is None, "an agent sees none"
    revoke(engine)
    wait_until(lambda: found_in(engine) == "")


def test_users_that_nobody_made_or_ended_are_named(engine: Engine) -> None:
    admit(engine)
    assert found_in(engine) == f"! not as PostgreSQL has them: {ANN}"
    worker = engine.worker()
    wait_until(lambda: found_in(engine) == "agents with credentials of their own: 1")
    worker.stop()
    revoke(engine)
    check = seen(engine)
    assert check is not None
    assert check.found == f"not as PostgreSQL has them: {ANN}"
    assert "the command ACL" in check.advice


def test_a_user_who_may_not_see_them_is_named(engine: Engine) -> None:
    narrow = f"{engine.broker.keys.prefix[:-1]}-narrow"
    engine.redis.acl_setuser(narrow, enabled=True, passwords=["+right"], keys=["*"], commands=["+@all", "-acl"])
    try:
        url = own_url(engine, narrow, "right")
        assert seen(engine, url) is None, "nobody needs it yet"
        admit(engine)
        check = seen(engine, url)
    finally:
        engine.redis.acl_deluser(narrow)
    assert check is not None
    assert (check.name, check.ok, check.warning) == (NAME, True, True)
    assert narrow in check.found
    assert "right" not in check.found


def test_a_task_of_an_agent_that_is_cut_off_is_retried_elsewhere(settings: Settings) -> None:
    release = threading.Event()
    started: list[str] = []

    def work(given: Payload, context: TaskContext) -> Payload:
        started.append(context.task_id)
        if len(started) == 1:
            release.wait(60)
        return Payload()

    with running_engine(settings.model_copy(update={"agent_ttl_seconds": TTL_SECONDS})) as engine:
        engine.define("demo.work", work)
        engine.worker()
        ann = own_agent(engine, own_url(engine, engine.broker.keys.agent_user(ANN), admit(engine)))
        task_id = engine.submit("demo.work", {})
        wait_until(lambda: engine.task(task_id).state == "in_progress")
        bob = engine.agent(BOB)
        revoke(engine)
        task = engine.wait_for(task_id, timeout_seconds=30)
        release.set()  # what the cut-off one still finishes reaches nobody
        assert (task.state, task.attempt) == ("completed", 2)
        assert bob.ran == [(task_id, 2)]
        assert ann.ran == [(task_id, 1)]


def own_agent(engine: Engine, url: str) -> RunningAgent:
    """An agent with credentials of its own."""
    wait_until(lambda: is_let_in(url))
    agent = start_own_agent(engine, url, info(f"{ANN}:{'0' * 12}"))
    engine._running.callback(agent.stop)
    return agent
