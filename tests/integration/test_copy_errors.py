"""What goes wrong while the lines of a COPY are made is raised as it is, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import submission_copy
from tests.engine import Engine


@pytest.mark.parametrize("given", [iter, list], ids=["iterator", "list"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError("none left"), ValueError("a defect")])
def test_an_error_in_the_middle_is_raised(
    error: BaseException, given: Callable[[Any], Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.define("copy.work", lambda given, context: given)
    text, made = submission_copy.predicted_text, 0

    def fail(one: object) -> str:
        nonlocal made
        made += 1
        if made == 100:
            raise error
        return text(one)  # type: ignore[arg-type]

    monkeypatch.setattr(submission_copy, "predicted_text", fail)
    with pytest.raises(type(error)) as raised:
        engine.submitter.submit_many(given([{"type": "copy.work"}] * 300))
    assert raised.value is error
    monkeypatch.undo()
    assert _count(engine.database) == 0
    assert len(engine.submitter.submit_many(given([{"type": "copy.work"}] * 300))) == 300
    assert _count(engine.database) == 300


def _count(database: Database) -> int:
    with database.transaction() as tx:
        return int(tx.rows("SELECT count(*) FROM tasks WHERE type = 'copy.work'", {})[0][0])
