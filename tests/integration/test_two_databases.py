"""Two installations by mistake on one namespace of a Redis: one of them works, the other says what is wrong."""

from __future__ import annotations

from tests.databases import Databases
from tests.engine import Engine, running_engine
from tests.servers import wait_until

SAID = "belongs to another database"


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
