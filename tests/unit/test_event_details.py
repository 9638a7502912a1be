"""What events' details say in words."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.core.models import AuditEvent
from taskyard.core.postgres.database import queries
from taskyard.core.scheduling.hedging import DROPS, ENDED_BESIDE, TASK_CANCELLED
from taskyard.dashboard.components.event_details import details_in_words, reason_in_words
from taskyard.dashboard.pages.task.events import details_of
from tests.unit.test_attempts import HEDGED, dropped, event


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (HEDGED[-1], "attempt 1 ran for more than 7.50 s"),
        (
            event(14, "hedge_won", None, None, 2, detail={"beside": 1, "cancelled_agent": "one:b1"}),
            "attempt 1 on one is cancelled",
        ),
        (event(14, "hedge_took_over", None, None, 2, detail={"beside": 1}), "attempt 1 ended badly"),
        (dropped(14, "in_progress"), "no longer wanted"),  # of a newer release
        (event(14, "hedged", None, None, 2, detail={"beside": "…"}), '{"beside": "…"}'),
        (event(14, "cancelled", None, None, 2, detail={"reason": "no"}), '{"reason": "no"}'),
        (event(14, "assigned", None, None, 2), ""),
    ],
)
def test_an_event_of_a_task_says_what_it_is_about(given: AuditEvent, expected: str) -> None:
    assert "".join(details_of(given).split()) == "".join(expected.split())


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"since": "2030-01-01T10:00:00+00:00", "runs": 1234, "keys": 5}, "from 1,234 runs since 2030-01-01 10:00:00"),
        ({"since": "2030-01-01T10:00:00+00:00", "runs": 1, "keys": 5}, "from 1 run since"),
        ({"since": "once", "runs": 1}, None),
        ({}, None),
    ],
)
def test_learning_anew_says_from_what(detail: dict[str, Any], expected: str | None) -> None:
    told = details_in_words("relearned", detail)
    assert (told is None) if expected is None else (told is not None and told.startswith(expected))


def test_every_reason_of_the_dispatcher_is_known() -> None:
    statement = str(queries("tick")["drop_hedges"])
    assert all(f"'{reason}'" in statement for reason in (ENDED_BESIDE, TASK_CANCELLED))
    assert all(reason_in_words("hedge_dropped", {"reason": reason}) == reason for reason in DROPS)
    failed = "it failed (crashed): no\nluck"
    assert reason_in_words("hedge_dropped", {"reason": failed}) == failed
    assert reason_in_words("cancelled", {"reason": "no"}) is None
