"""Schedules that task types and files declare, applied by the worker that leads."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import schedules
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.schedules.declarations import Schedule, declared_schedules
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.worker.maintenance.declared_schedules import DeclaredSchedules
from tests.engine import NO_BACKOFF, Payload

FILE = '[[schedule]]\nname = "hourly"\ntype = "demo.report"\ncron = "@hourly"\n'


def reporting(*declared: Schedule) -> Registry:
    """A registry with the type demo.report."""
    type_ = TaskType(
        "demo.report",
        lambda given, context: given,
        Payload,
        Payload,
        60.0,
        NO_BACKOFF,
        Isolation.THREAD,
        frozenset(),
        "",
        schedules=declared,
    )
    return Registry({"demo.report": type_})


def apply(settings: Settings, database: Database, registry: Registry, term: int = 1) -> dict[str, str]:
    """The schedules' owners after a worker has begun to lead."""
    with connect_redis(settings.redis_url) as client:
        broker = Broker(client, settings.namespace, settings.placement_of)
        DeclaredSchedules(settings, registry, database, broker, lambda: term).apply()
    with database.transaction() as tx:
        return {one.name: one.owner for one in schedules.schedules(tx)}


def test_types_and_a_file_own_what_they_declare(settings: Settings, database: Database, tmp_path: Path) -> None:
    two = Schedule("30 7 * * mon-fri", time_zone="Europe/Berlin"), Schedule(interval_seconds=60, name="often")
    assert apply(settings, database, reporting(*two), term=0) == {}, "who does not lead applies nothing"
    assert apply(settings, database, reporting(*two)) == {
        "demo.report": "code:demo.report",
        "often": "code:demo.report",
    }
    with database.transaction() as tx:
        assert schedules.pause(tx, "often", "ann")
    assert apply(settings, database, reporting(two[1])) == {"often": "code:demo.report"}
    with database.transaction() as tx:
        assert not schedules.get(tx, "often").is_enabled
    file = tmp_path / "Nightly.toml"
    file.write_text(FILE, encoding="utf-8")
    with_file = settings.model_copy(update={"schedules_file": file})
    assert apply(with_file, database, reporting()) == {"hourly": "file:nightly"}
    file.write_text(FILE.replace("@hourly", "61 * * * *"), encoding="utf-8")
    with capture_logs() as logs:
        assert apply(with_file, database, reporting()) == {"hourly": "file:nightly"}
    assert "line 4: schedule.0.cron" in logs[0]["reason"]


@pytest.mark.parametrize("given", ["61 * * * *", Schedule(), Schedule("@daily", time_zone="Berlin"), 5, [b"x"],
                                   [Schedule("@daily"), "@hourly"], Schedule("@daily", name="A b")])  # fmt: skip
def test_a_bad_declaration_is_refused_where_it_is(given: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        declared_schedules("task type 'a' (a.py:1)", "demo.a", given)
    [problem] = caught.value.problems
    assert problem.startswith("task type 'a' (a.py:1): schedule: ")
    assert "\n" not in problem
