"""A whole engine with one agent process: what a task's neighbours pay for it, and where it is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskyard.core import explain
from taskyard.core.models import AuditEvent
from taskyard.core.redis.cache import RedisCache
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.attempts.channel import FIRST_LINES, LAST_LINES
from tests import servers
from tests.databases import Databases
from tests.engine import Engine, engine_with_agent
from tests.servers import wait_until

ISOLATIONS = ("thread", "process", "async")


@pytest.fixture(scope="module")
def engine(
    server_endpoints: servers.Endpoints, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    spec = AgentSpec("one", "one", ("process.*", "thread.*", "async.*"), (), 3)
    with engine_with_agent(server_endpoints, databases, tmp_path_factory.mktemp("data"), spec) as engine:
        yield engine


def logged(engine: Engine, task_id: str) -> list[tuple[str, str]]:
    return [(e.detail["level"], e.detail["message"]) for e in engine.history(task_id) if e.event == "log"]


def handed_back(engine: Engine, task_id: str) -> list[AuditEvent]:
    return [event for event in engine.history(task_id) if event.event == "handed_back"]


def test_neighbours_of_a_blocker_are_not_charged_and_everybody_learns_of_it(engine: Engine) -> None:
    blocker = engine.submit("async.blocking_sleep", {"seconds": 4.0}, timeout_seconds=60)
    engine.wait_for(blocker, "in_progress")
    ids = [engine.submit("async.noop", {"number": n}, timeout_seconds=1, max_attempts=1) for n in range(4)]
    returned = wait_until(lambda: next((task_id for task_id in ids if handed_back(engine, task_id)), None))
    is_scheduled = engine.task(returned).state == "scheduled"
    cache = RedisCache(engine.redis, engine.broker.keys)
    why = explain.why(engine.database, engine.broker, cache, returned, engine.settings.auth).summary
    is_scheduled = is_scheduled and engine.task(returned).state == "scheduled"
    engine.wait_for_all([blocker, *ids], timeout_seconds=30)
    for task_id in ids:
        task = engine.task(task_id)
        assert task.attempt - task.refunded == 1
    [first, *_] = handed_back(engine, returned)
    reason = str((first.detail or {})["reason"])
    assert f" s by task {blocker} of type async.blocking_sleep, at " in reason
    assert "in async_blocking_sleep" in reason
    assert not is_scheduled or reason in why
    lines = [text for level, text in logged(engine, blocker) if level == "warning"]
    assert lines[-1].startswith("this task blocked its agent's event loop for ")
    assert "time.sleep(given.seconds)" in lines[-1]


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("both", [("stdout", "to output"), ("stderr", "to error\nWARNING acme.client: by a logger")]),
        ("program", [("stdout", "from a program\nand its error")]),
        ("secret", [("stdout", "password=***")]),
        ("odd", [("stdout", "\\xff\\xfe\\x00 odd\nhalf \\ud800")]),
    ],
)
def test_output_is_in_the_task_s_log(
    engine: Engine, isolation: str, case: str, expected: list[tuple[str, str]]
) -> None:
    task_id = engine.submit(f"{isolation}.prints", {"case": case})
    engine.wait_for_all([task_id])
    lines = {line for _, text in logged(engine, task_id) for line in text.split("\n")}
    if isolation != "process":
        assert sorted(logged(engine, task_id)) == sorted(expected)
    else:  # whose streams are two pipes, and whose loggers write as they come
        assert {text.partition("\n")[0] for _, text in expected} <= lines


def test_of_a_log_that_is_too_long_the_last_lines_are_kept(engine: Engine) -> None:
    task_id = engine.submit("thread.logs", {"number": 3_000})
    engine.wait_for_all([task_id])
    lines = [text for _, text in logged(engine, task_id)]
    assert len(lines) == FIRST_LINES + 1 + LAST_LINES
    assert "2,000 log lines left out" in lines
    assert {"line 0", "line 2999"} <= set(lines)
