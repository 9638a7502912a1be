"""Half of a fleet is deployed: two versions of a task module, in agents of their own processes, under either leader."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.reasons import Reasons
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry, registry
from taskyard.worker.agents.pool_config import AgentSpec
from tests.engine import Engine, RunningWorker, running_engine, set_agent_environment
from tests.servers import wait_until

COMMON = """
from pydantic import BaseModel, ConfigDict
from taskyard.core.task_types.registry import RetryPolicy, task_type

ONCE = RetryPolicy(max_attempts=1)

class Number(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = 0

class Changed(Number):
    {field}
"""
DECLARE = """
@task_type("{name}", retry=ONCE, isolation="{isolation}")
def {function}(given: {model}, context: object) -> Number:
    {body}
"""


def declared(
    name: str, model: str = "Number", body: str = "return Number(n=given.n)", isolation: str = "thread"
) -> str:
    return DECLARE.format(name=name, function=name.replace(".", "_"), model=model, body=body, isolation=isolation)


OLD = (
    COMMON.format(field="pass")
    + declared("fleet.stays")
    + declared("fleet.removed")
    + declared("fleet.changed", "Changed", isolation="process")
)
NEW = (
    COMMON.format(field='mode: str = "fast"')
    + declared("fleet.stays")
    + declared("fleet.added", body="return Number(n=2 * given.n)")
    + declared("fleet.renamed")
    + declared("fleet.changed", "Changed", isolation="process")
    + declared("fleet.parent", body='context.submit("fleet.added", {"n": 4}); return Number(n=given.n)')
)
SOURCES = {"old": OLD, "new": NEW}


@pytest.fixture
def registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Registry]:
    """Both versions of the module, each in a folder of its name, and the types of each."""
    found = {}
    for version, source in SOURCES.items():
        folder = tmp_path / version
        folder.mkdir()
        (folder / "fleet_tasks.py").write_text(textwrap.dedent(source))
        monkeypatch.setattr(registry, "types", {})
        exec(compile(source, f"{version}/fleet_tasks.py", "exec"), {"__name__": f"fleet_tasks_{version}"})
        found[version] = Registry(registry.types)
    return found


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with running_engine(settings) as running:
        yield running


@contextlib.contextmanager
def agents(engine: Engine, version: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent in a process of its own, with one version of the module."""
    set_agent_environment(monkeypatch, engine.settings)
    monkeypatch.setenv("TASKYARD_TASK_MODULES", "fleet_tasks")
    monkeypatch.setenv("PYTHONPATH", str(folder / version))
    with engine.pool(AgentSpec(f"{version}-1", version, ("fleet.*",), (), 3)):
        yield


@pytest.mark.parametrize("leader", ["old", "new"])
def test_with_half_of_the_fleet_deployed_nothing_fails(
    leader: str,
    engine: Engine,
    registries: dict[str, Registry],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leading = RunningWorker(engine.settings, registries[leader], leader)
    engine._running.callback(leading.stop)
    submitters = {
        version: Submitter(engine.settings, types, engine.database, engine.broker)
        for version, types in registries.items()
    }
    new, old = submitters["new"], submitters["old"]
    with agents(engine, "old", tmp_path, monkeypatch):
        early = new.submit("fleet.added", {"n": 1}, max_attempts=1)
        refused = new.submit("fleet.changed", {"n": 1, "mode": "slow"}, max_attempts=1) if leader == "new" else early
        # under the old leader nobody but the submitter would have another version than the agent
        wait_until(lambda: leader == "old" or "handed_back" in engine.events(refused), 20)
        with agents(engine, "new", tmp_path, monkeypatch):
            added = new.submit_many([{"type": "fleet.added", "input": {"n": n}} for n in range(50)])
            changed = new.submit_many([{"type": "fleet.changed", "input": {"n": n, "mode": "slow"}} for n in range(20)])
            stays = old.submit_many([{"type": "fleet.stays", "input": {"n": n}} for n in range(10)])
            removed = old.submit_many([{"type": "fleet.removed", "input": {"n": n}} for n in range(10)])
            renamed = new.submit_many([{"type": "fleet.renamed", "input": {"n": n}} for n in range(10)])
            parent = new.submit("fleet.parent", {"n": 3}, max_attempts=1)
            everything = [*added, *changed, *stays, *removed, *renamed, parent, early]
            engine.wait_for_all(everything, timeout_seconds=60)
            assert {by(engine, task) for task in [*added, *changed, *renamed, parent, early]} == {"new-1"}
            assert {by(engine, task) for task in removed} == {"old-1"}
            assert all(cost(engine, task) == 1 for task in everything), "nothing that went back was paid for"
            assert wait_until(lambda: engine.counts().get("completed", 0) >= len(everything) + 1, 20), "the child, too"
            engine.wait_for_all([refused], timeout_seconds=60)
    with agents(engine, "new", tmp_path, monkeypatch):
        waiting = old.submit("fleet.removed", {"n": 1})
        wait_until(lambda: engine.task(waiting).state == "pending", 10)
        with engine.database.transaction() as tx:
            reason = Reasons.read(tx).of_task(engine.task(waiting))
            known = next(agent.known_types for agent in tasks_store.agents(tx) if agent.left_at is None)
        assert reason == (
            "no registered agent can run type fleet.removed: it, or this version of it, is not known to new-1"
        )
        assert known == {name: one.version for name, one in registries["new"].types.items()}
        assert engine.task(waiting).attempt == 0
    assert engine.counts().get("failed", 0) == 0


def by(engine: Engine, task_id: str) -> str:
    return (engine.task(task_id).assigned_agent_id or "").rpartition(":")[0]


def cost(engine: Engine, task_id: str) -> int:
    task = engine.task(task_id)
    return task.attempt - task.refunded


def test_an_input_that_every_version_refuses_fails_and_its_type_goes_on(
    engine: Engine, registries: dict[str, Registry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leading = RunningWorker(engine.settings, registries["old"], "old")
    engine._running.callback(leading.stop)
    old = Submitter(engine.settings, registries["old"], engine.database, engine.broker)
    with agents(engine, "old", tmp_path, monkeypatch):
        tasks = old.submit_many([{"type": "fleet.changed", "input": {"n": n}} for n in range(5)])
        engine.wait_for_all(tasks, timeout_seconds=30)
        bad = Submitter(engine.settings, registries["new"], engine.database, engine.broker).submit(
            "fleet.changed", {"n": 1, "mode": "slow"}
        )
        failed = engine.wait_for(bad, timeout_seconds=20)
        assert (failed.state, failed.error and failed.error["class"]) == ("failed", "invalid_input")
        engine.wait_for_all(old.submit_many([{"type": "fleet.changed", "input": {"n": 1}}]), timeout_seconds=20)
