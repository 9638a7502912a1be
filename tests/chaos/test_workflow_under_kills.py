"""A workflow from its submission to its end by an operator's commands, while everything below it is killed."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from taskyard.core.access.identity import local_actor
from taskyard.core.config import load_settings
from taskyard.core.config import settings as process_settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import questions
from taskyard.core.questions.rules import person_of
from taskyard.core.workflows.making import ref, ref_all, task
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from taskyard.worker.devtools.prove import plan, records
from taskyard.worker.devtools.prove.run import canary
from taskyard.worker.devtools.prove.workflows import rows
from taskyard.worker.devtools.prove.workflows.handlers import ASK, NODE
from taskyard.worker.devtools.prove.workflows.oracle import judge_workflows
from taskyard.worker.devtools.prove.world import MODULES, World
from tests.drawn_workflows import Watcher
from tests.servers import wait_until

KILLED = (plan.AGENT, plan.HANDLER, plan.WORKER, plan.REDIS, plan.POSTGRES)
FAILING = 7  # of the pages
PAUSE_SECONDS = 1.0  # at least, between two kills
COMMAND_SECONDS = 240.0


class Killer:
    """Kills in a thread of its own, one kind after the other, and restarts what does not come back by itself."""

    def __init__(self, world: World, seed: int) -> None:
        self.deaths: Counter[str] = Counter()
        self.trouble = ""
        self._world = world
        self._kills = plan.kills(seed, KILLED)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def until(self, condition: Callable[[], Any], timeout_seconds: float = COMMAND_SECONDS) -> Any:
        """What a condition says once it is true; an AssertionError if this has come to grief."""

        def result() -> Any:
            assert not self.trouble, self.trouble
            return condition()

        return wait_until(result, timeout_seconds)

    def _run(self) -> None:
        try:
            for kill in self._kills:
                until = time.monotonic() + kill.pause_seconds + PAUSE_SECONDS
                while time.monotonic() < until:
                    self._world.tend()
                    if self._stop.wait(0.1):
                        return
                self._world.kill(kill)
                self.deaths[kill.kind] += 1
                canary(self._world)  # the next one when work goes on
        except Exception as error:  # the test ends by it
            self.trouble = f"{type(error).__name__}: {error}"


class Operator:
    """Types the commands of the guides; one that finds a server away is typed again."""

    def __init__(self, world: World, environment: pytest.MonkeyPatch) -> None:
        for name, value in {
            "DATABASE_URL": world.endpoints.database_url,
            "REDIS_URL": world.endpoints.redis_url,
            "DATA_DIR": str(world.folder),
            "TASK_MODULES": MODULES,
        }.items():
            environment.setenv(f"TASKYARD_{name}", value)
        process_settings.cache_clear()

    def types(self, *command: str) -> Any:
        """Returns what a command says as JSON; None if it has to be typed again."""
        run = CliRunner().invoke(app, [*command, "--json"])
        assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
        if run.exit_code == exits.UNAVAILABLE:
            return None
        assert run.exit_code == 0, (command, run.exit_code, run.output)
        return json.loads(run.stdout)

    def does(self, *command: str) -> Any:
        """Returns what a command says once the servers are there."""
        return wait_until(lambda: self.types(*command), COMMAND_SECONDS)


@contextmanager
def running(data_dir: Path) -> Iterator[World]:
    world = World(load_settings(data_dir=data_dir))
    with world:
        yield world


def definition(pages: int, gate: Path, seconds: float) -> dict[str, Any]:
    members = [task(NODE, {"number": at, "one": ref("extract"), "seconds": seconds}) for at in range(pages)]
    members[FAILING]["input"]["gate"] = str(gate)
    approval = {"manner": "approval", "of": ["operator"], "one": ref("sum")}
    return {
        "name": "nightly",
        "tasks": {
            "extract": task(NODE, {"number": 1}),
            "pages": members,
            "sum": task(NODE, {"number": 0, "parts": ref_all("pages")}),
            "approval": task(ASK, approval),
            "publish": task(NODE, {"number": 0, "one": ref("approval")}),
        },
    }


@pytest.mark.parametrize(
    ("pages", "seconds", "fewest"),
    [(30, 0.1, len(KILLED)), pytest.param(200, 0.5, 15, marks=pytest.mark.slow)],
)
def test_one_result_for_each_task_and_drawn_right_at_every_moment(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int, seconds: float, fewest: int
) -> None:
    gate, file = tmp_path / "gate", tmp_path / "nightly.yaml"
    file.write_text(yaml.safe_dump(definition(pages, gate, seconds)), encoding="utf-8")
    with running(data_dir) as world:
        operator = Operator(world, monkeypatch)
        killer = Killer(world, seed=15)
        found = operator.does("workflow", "submit", str(file), "--key", "tonight")
        watcher = Watcher(Database(world.endpoints.database_url), found["id"])
        try:
            answers = by_commands(operator, world.database, found, gate, killer, fewest)
        finally:
            killer.stop()
            watcher.stop()
        assert not killer.trouble
        wait_until(lambda: unless_away(lambda: not rows.open_workflows(world.database)), 60)
        with world.database.transaction() as tx:
            verdict = judge_workflows(
                {found["id"]: {"manner": "through", "tasks": found["tasks"]}},
                rows.read(tx),
                records.read(world.ledger),
                answers,
            )
            [(last,)] = tx.rows("SELECT output FROM tasks WHERE id = %(id)s", {"id": found["tasks"]["publish"]})
    print(f"{dict(killer.deaths)} killed; {watcher.drawings} drawings, {dict(watcher.seen)}")
    assert verdict.is_kept, verdict
    assert verdict.ends == {"completed": 1}
    assert last["total"] == pages + sum(range(pages))
    assert sorted(set(watcher.problems)) == []
    assert watcher.drawings > 5


def by_commands(
    operator: Operator, database: Database, found: dict[str, Any], gate: Path, killer: Killer, fewest: int
) -> list[list[str]]:
    """Does what the guides to workflows, retries and approvals say; returns the answers that were accepted."""
    failing = found["tasks"]["pages"][FAILING]
    publish = found["tasks"]["publish"]
    killer.until(lambda: unless_away(lambda: state_of(database, failing)) == "failed", 120)
    killer.until(lambda: unless_away(lambda: state_of(database, publish)) == "cancelled", 60)
    gate.touch()
    preview = operator.does("retry", failing, "--scope", "downstream", "--dry-run")
    again = preview["would_retry"][failing]["tasks"]
    assert [one["id"] for one in again] == [failing, *(found["tasks"][key] for key in ("sum", "approval", "publish"))]
    killer.until(lambda: unless_away(lambda: is_retried(operator, database, failing)), 120)
    [question] = [one["id"] for one in killer.until(lambda: operator.types("inbox", "list"), 240)]
    killer.until(lambda: killer.deaths.total() >= fewest, 600)
    killer.until(lambda: unless_away(lambda: is_answered(operator, database, question)), 120)
    shown = operator.does("workflow", "show", found["id"], "--follow")
    assert shown["workflow"]["state"] == "completed"
    return [[question, person_of(local_actor().name), "approved"]]


def is_retried(operator: Operator, database: Database, task_id: str) -> bool:
    """True once the retry is known to have happened: one that was cut off may have, and is not done twice."""
    if state_of(database, task_id) != "failed":
        return True
    return operator.types("retry", task_id, "--scope", "downstream", "--reason", "the disk was full") is not None


def is_answered(operator: Operator, database: Database, question: str) -> bool:
    """True once the answer is known to be recorded, as of a retry."""
    with database.transaction() as tx:
        found = questions.find(tx, question)
    if found is not None and found.answers:
        return True
    return operator.types("inbox", "answer", question, "--data", '{"word": "good"}') is not None


def state_of(database: Database, task_id: str) -> str:
    with database.transaction() as tx:
        return str(tx.rows("SELECT state FROM tasks WHERE id = %(id)s", {"id": task_id})[0][0])


def unless_away(read: Any) -> Any:
    try:
        return read()
    except Unavailable:
        return None
