"""The database's time on a host whose clock is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from taskyard.core.clock import Clock
from taskyard.core.server_clock import ASK_AGAIN_SECONDS, ServerClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Elapsed:
    """Elapsed time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_it_is_the_databases_time_carried_on_by_elapsed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = Elapsed()
    clock = ServerClock(elapsed)
    clock.set_from(lambda: NOON)
    monkeypatch.setattr(Clock, "now", lambda self: NOON + timedelta(minutes=20))

    elapsed.seconds += 10

    assert clock.now() == NOON + timedelta(seconds=10)


def test_an_answer_is_of_the_middle_of_its_question() -> None:
    elapsed = Elapsed()
    clock = ServerClock(elapsed)

    def slow() -> datetime:
        elapsed.seconds += 2
        return NOON.astimezone(timezone(timedelta(hours=5)))

    clock.set_from(slow)

    assert clock.now() == NOON + timedelta(seconds=1)
    assert clock.now().utcoffset() == timedelta()


def test_it_is_asked_again_and_until_then_the_hosts() -> None:
    elapsed = Elapsed()
    clock = ServerClock(elapsed)
    assert clock.is_due
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 1

    clock.set_from(lambda: NOON)
    assert not clock.is_due
    elapsed.seconds += ASK_AGAIN_SECONDS
    assert clock.is_due

    with pytest.raises(OSError, match="away"):
        clock.set_from(lambda: (_ for _ in ()).throw(OSError("away")))
    assert clock.now() == NOON + timedelta(seconds=ASK_AGAIN_SECONDS)
