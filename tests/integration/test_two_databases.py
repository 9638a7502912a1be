"""Two databases on one namespace of a Redis, or two on one database: one worker works, the other says what is wrong."""

from __future__ import annotations

import pytest

from taskyard.worker.dispatch import term
from tests.databases import Databases
from tests.engine import Engine, RunningWorker, running_engine
from tests.servers import wait_until

SAID = "belongs to another database"


@pytest.mark.slow
def test_no_leader_of_another_database_leads_beside_this_one(engine: Engine, databases: Databases) -> None:
    first = engine.worker()
    engine.agent()
    with databases.copy() as url, running_engine(engine.settings.model_copy(update={"database_url": url})) as other:
        second = other.worker()
        wait_until(lambda: any(SAID in str(entry) for entry in other.logs))
        for _ in range(3):
            task_ids = [engine.submit("demo.echo", {"n": n}) for n in range(10)]
            engine.wait_for_all(task_ids)
            assert {engine.task(task_id).attempt for task_id in task_ids} == {1}
        assert first.is_leading
        assert not second.is_leading
        assert SAID in second.dispatcher.progress.waits_for
        assert "TASKYARD_NAMESPACE" in second.dispatcher.progress.waits_for
        first.stop()
        wait_until(lambda: second.is_leading, 30, "the namespace is free once its leader is gone")


def test_a_standby_with_another_redis_says_that_nobody_leads_there(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term, "APART_SECONDS", 0.5)
    first = engine.worker()
    namespace = f"{engine.settings.namespace}-other"
    with running_engine(engine.settings.model_copy(update={"namespace": namespace})) as other:
        second = RunningWorker(other.settings, other.registry, "second")
        try:
            wait_until(lambda: "through another Redis or namespace" in second.dispatcher.progress.waits_for)
            assert not second.is_leading
            assert first.is_leading
        finally:
            second.stop()
        other.wipe_redis()


def test_a_standby_with_the_same_redis_has_nothing_to_say(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term, "APART_SECONDS", 0.0)
    engine.worker()
    second = engine.worker("second")
    wait_until(lambda: any("standing by" in str(entry) for entry in engine.logs))
    assert not any("another Redis" in str(entry) for entry in engine.logs)
    assert not second.is_leading
