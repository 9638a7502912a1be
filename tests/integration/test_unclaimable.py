"""Rows that PostgreSQL refuses to have changed, or takes long to change, as a trigger of somebody's may have it."""

from __future__ import annotations

import time

import pytest

from taskyard.core.models import Waiting
from taskyard.worker.dispatch.unclaimable import MAX_PAUSE_SECONDS, Unclaimable
from tests.engine import Engine

TRIGGER = """
CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF new.title = 'odd' AND new.state = 'assigned' THEN {does}; END IF; RETURN new; END $$;
CREATE TRIGGER odd BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION odd();
"""
CASES = {"slow": "PERFORM pg_sleep(30)", "refused": "RAISE EXCEPTION 'not this one'"}


@pytest.mark.parametrize("does", CASES.values(), ids=CASES)
def test_one_row_that_cannot_be_claimed_stops_no_other(engine: Engine, does: str) -> None:
    with engine.database.transaction() as tx:
        tx.rows(TRIGGER.format(does=does), {})
    engine.worker()
    engine.agent(max_concurrency=4)
    odd = engine.submit("demo.echo", {"n": 0}, title="odd")
    before = [engine.submit("demo.echo", {"n": n}) for n in range(20)]
    engine.wait_for_all(before, timeout_seconds=30)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        engine.wait_for(engine.submit("demo.echo", {"n": 1}), timeout_seconds=20)
    assert engine.task(odd).state == "pending"
    items = [item for item in engine.broker.quarantine.newest(1_000) if odd in item.text]
    assert 1 <= len(items) <= 5, "it is tried again less and less often"
    assert "takes too long" in items[0].reason or "not this one" in items[0].reason
    with engine.database.transaction() as tx:
        tx.rows("DROP TRIGGER odd ON tasks", {})
    engine.wait_for(odd, timeout_seconds=60)


def test_pauses_grow_and_end() -> None:
    known = Unclaimable()
    task = Waiting("a", None, 1, 0.0, False)  # type: ignore[arg-type]
    now, pauses = 0.0, []
    for _ in range(9):
        known.note(["a"], [], now)
        assert known.without_paused([task], now) == []
        pauses.append(known._tasks["a"][0])
        now += pauses[-1]
        assert known.without_paused([task], now) == [task]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, MAX_PAUSE_SECONDS]
    known.note([], ["a"], now)
    assert "a" not in known
