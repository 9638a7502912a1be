"""A creator with too many waiting tasks is told so; others, and known tasks, are not concerned."""

from contextlib import closing

import pytest
import sqlalchemy as sa

from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry


@pytest.fixture
def submitter(engine):
    """Of a product with a limit of three."""
    registry.load()
    limited = engine.settings.model_copy(update={"pending_limit_per_creator": 3})
    with closing(Database(engine.settings.database_url)) as database:
        yield Submitter(limited, registry, database, engine.broker)


def submit(submitter, count=1, by="ann", **options):
    return [submitter.submit("diagnostic.noop", {}, created_by=by, **options) for _ in range(count)]


def test_the_fourth_waiting_task_is_refused(submitter):
    submit(submitter, 3)
    with pytest.raises(SubmissionError) as caught:
        submit(submitter)
    text = str(caught.value)
    assert "created_by: 'ann'" in text
    assert "fewer than 3 waiting tasks, but this one has 3" in text
    assert "TASKYARD_PENDING_LIMIT_PER_CREATOR" in text
    assert "\n" not in text
    submit(submitter, 3, by="bob")
    submit(submitter, 3, by="")
    with pytest.raises(SubmissionError):
        submit(submitter, by="")


@pytest.mark.parametrize("copyable", [True, False])
def test_bulk_is_refused_as_a_whole_with_its_position(submitter, engine, copyable):
    extra = {} if copyable else {"delay_seconds": 1}
    items = [{"type": "diagnostic.noop", "created_by": "ann", **extra} for _ in range(5)]
    with pytest.raises(SubmissionError, match=r"submissions\.3\.created_by"):
        submitter.submit_many(items)
    with connect_engine(engine.settings.database_url).connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM tasks")) == 0
    assert len(submitter.submit_many(items[:3])) == 3


def test_what_ended_makes_room_and_known_keys_are_found(submitter):
    first = submitter.submit("diagnostic.noop", {}, created_by="ann", idempotency_key="k")
    submit(submitter, 2)
    assert submitter.submit("diagnostic.noop", {}, created_by="ann", idempotency_key="k") == first
    with pytest.raises(SubmissionError, match="created_by"):
        submitter.submit("diagnostic.noop", {}, created_by="ann", idempotency_key="other")
    submitter.cancel(first, actor="test")
    submit(submitter)


def test_scheduled_and_blocked_tasks_count(submitter):
    parent = submit(submitter, delay_seconds=1000)[0]
    submit(submitter, after=[parent])
    submit(submitter, delay_seconds=1000)
    with pytest.raises(SubmissionError):
        submit(submitter)


def test_without_a_limit_nothing_is_asked(engine, monkeypatch):
    from taskyard.core.postgres.store import pending_limits

    monkeypatch.setattr(pending_limits, "queries", None)
    with closing(Database(engine.settings.database_url)) as database:
        submitter = Submitter(engine.settings, registry.load(), database, engine.broker)
        submit(submitter, 10)
        submitter.submit_many([{"type": "diagnostic.noop"}] * 10)
