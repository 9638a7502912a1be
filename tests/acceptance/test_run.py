"""The main job as its user runs it: from nothing, through Ctrl-C, through kill -9."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.main import Main
from tests.servers import running_endpoints, wait_until


def test_a_run_from_nothing_ends_cleanly_on_ctrl_c_and_the_next_goes_on(main: Main) -> None:
    first = main.start()
    main.wait_until_up()
    done = main.submit("diagnostic.echo", value={"a": [1, "ü"]})
    main.wait_for_state(done, "completed")
    assert main.task(done).output == {"value": {"a": [1, "ü"]}}
    running = main.submit("diagnostic.sleep", seconds=4)
    main.wait_for_state(running, "in_progress")
    waiting = json.loads(main.command("submit", "diagnostic.noop", "--delay", "3", "--json").stdout)["id"]

    os.killpg(first.pid, signal.SIGINT)  # what a terminal does
    assert first.wait(timeout=30) == 0, main.log.read_text()
    assert running_endpoints(main.data_dir) is None
    wait_until(lambda: not main.leftovers(), 10, "nothing is left running")

    main.start()
    main.wait_until_up()
    assert main.task(running).state == "completed", "it finished within the grace period"
    assert main.task(running).attempt == 1
    main.wait_for_state(waiting, "completed")


@pytest.mark.slow
def test_kill_9_of_the_whole_group_loses_nothing(main: Main) -> None:
    first = main.start()
    main.wait_until_up()
    running = [main.submit("diagnostic.sleep", seconds=8) for _ in range(3)]
    main.wait_for_state(running[-1], "in_progress")  # the first may have ended, where starting a command takes long

    os.killpg(first.pid, signal.SIGKILL)
    first.wait(timeout=10)

    main.start()
    main.wait_until_up()
    for task_id in running:
        main.wait_for_state(task_id, "completed")
    events = json.loads(main.command("history", running[0], "--json").stdout)
    assert sum(event["to_state"] == "completed" for event in events) == 1


@pytest.mark.slow
def test_a_second_worker_stands_by_and_takes_over(main: Main) -> None:
    first = main.start()
    main.wait_until_up()
    wait_until(lambda: b"leader.elected" in main.log.read_bytes(), 20, "the first leads")
    main.start()
    wait_until(lambda: b"standing by" in main.log.read_bytes(), 20, "the second stands by")

    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=10)

    wait_until(lambda: main.log.read_bytes().count(b"leader.elected") == 2, 10, "the second leads")
    main.wait_for_state(main.submit("diagnostic.echo", value=1), "completed")


def test_a_wrong_configuration_is_refused_in_clear_lines(main: Main) -> None:
    main.environment["TASKYARD_AGENT_TTL_SECONDS"] = "soon"
    main.environment["TASKYARD_REDIS_URL"] = "http://here"

    answer = main.command("run")

    assert answer.returncode == 2
    assert "TASKYARD_AGENT_TTL_SECONDS: 'soon' is not accepted" in answer.stderr
    assert "TASKYARD_REDIS_URL" in answer.stderr
    assert "Traceback" not in answer.stderr


LIBRARIES = '''
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import select
from structlog import get_logger
from rich.console import Console
from pydantic import BaseModel
import alembic.op, jsonschema_rs, prometheus_client, psutil, redis.asyncio, redis.cluster

from taskyard import TaskContext, task_type


class Number(BaseModel):
    n: int


class Text(BaseModel):
    text: str


def work(given: Number, context: TaskContext) -> Text:
    """Uses them in several threads at once."""
    import sqlalchemy.orm, sqlalchemy.ext.asyncio

    return Text(text=str(select(sqlalchemy.literal(given.n))))


for isolation in ("thread", "process"):
    task_type(f"own.{isolation}", isolation=isolation)(work)
'''


def test_task_modules_import_what_the_worker_uses_itself(main: Main, tmp_path: Path) -> None:
    (tmp_path / "own_tasks.py").write_text(LIBRARIES)
    pool = Path(main.environment["TASKYARD_POOL_FILE"])
    pool.write_text(pool.read_text().replace('"diagnostic.*"', '"own.*"'))
    main.environment |= {"TASKYARD_TASK_MODULES": "own_tasks", "PYTHONPATH": str(tmp_path)}
    main.start("--migrate")
    main.wait_until_up()
    ids = [main.submit(f"own.{isolation}", n=1) for isolation in ("thread", "process", "thread")]
    for task_id in ids:
        main.wait_for_state(task_id, "completed")
        assert main.task(task_id).output == {"text": "SELECT :param_1 AS anon_1"}
