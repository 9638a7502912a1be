"""The audit log as a stream: each event once, however transactions overlap."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import event_stream
from taskyard.core.postgres.store.event_stream import Horizon, Position, StreamedEvent
from tests.servers import wait_until

INSERT = "INSERT INTO task_events (event, actor) VALUES (%s, 'test')"


class Reader:
    """Reads on from where it was."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as tx:
            self.horizon = event_stream.horizon(tx)

    def read(self) -> list[StreamedEvent]:
        """Returns what came since the last call."""
        with self._database.transaction() as tx:
            high = event_stream.horizon(tx)
        with self._database.transaction() as tx:
            found = event_stream.between(tx, self.horizon, high.transaction)
        self.horizon = high
        return found


def names(events: list[StreamedEvent]) -> list[str]:
    return [event.event for event in events]


def test_what_commits_late_comes_late_and_once(database: Database, settings: Settings) -> None:
    reader = Reader(database)
    slow = connect_driver(settings.database_url or "")
    with slow.cursor() as cursor:
        cursor.execute(INSERT, ("early",))
        cursor.execute("SAVEPOINT inner_one")
        cursor.execute(INSERT, ("in a savepoint",))
        cursor.execute("RELEASE SAVEPOINT inner_one")
    with database.transaction() as tx:
        tx.rows("INSERT INTO task_events (event, actor) VALUES ('late', 'test')", {})
    assert reader.read() == []  # the open transaction was there first
    slow.commit()
    slow.close()
    assert sorted(names(reader.read())) == ["early", "in a savepoint", "late"]
    assert reader.read() == []


def test_a_portion_can_be_read_from_any_place_in_it(database: Database) -> None:
    reader = Reader(database)
    low = reader.horizon
    for number in range(7):
        with database.transaction() as tx:
            tx.rows("INSERT INTO task_events (event, actor) VALUES (%(name)s, 'test')", {"name": f"e{number}"})
    whole = reader.read()
    high = reader.horizon.transaction
    for skip in range(8):
        position = Position.parse(str(Position(low, high, skip)))
        with database.transaction() as tx:
            rest = event_stream.between(tx, position.low, position.high, skip=position.count)
        assert rest == whole[skip:]


def test_nothing_is_missed_and_nothing_comes_twice_under_writers(database: Database, settings: Settings) -> None:
    written: list[str] = []
    mutex = threading.Lock()
    dice = random.Random(7)
    plans = [[(dice.random() * 0.01, dice.random() < 0.2, dice.random() < 0.3) for _ in range(40)] for _ in range(4)]
    stop = threading.Event()

    def write(writer: int) -> None:
        connection = connect_driver(settings.database_url or "")
        for number, (pause, gives_up, nests) in enumerate(plans[writer]):
            name = f"{writer}-{number}"
            with connection.cursor() as cursor:
                if nests:
                    cursor.execute("SAVEPOINT inner_one")
                cursor.execute(INSERT, (name,))
                stop.wait(pause)
            if gives_up:
                connection.rollback()
            else:
                connection.commit()
                with mutex:
                    written.append(name)
        connection.close()

    reader = Reader(database)
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    read: list[str] = []
    while any(thread.is_alive() for thread in threads):
        read += names(reader.read())
    wait_until(lambda: read.extend(names(reader.read())) or len(read) >= len(written))
    assert sorted(read) == sorted(written)


@given(
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.integers(0, 10**6),
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)),
)
def test_positions_are_read_as_they_were_written(low: int, high: int, count: int, since: datetime) -> None:
    position = Position(Horizon(low, since.replace(tzinfo=UTC)), high, count)
    read = Position.parse(str(position))
    assert (read.low.transaction, read.high, read.count) == (low, high, count)
    assert abs(read.low.since - position.low.since) <= timedelta(microseconds=8)


@pytest.mark.parametrize("text", ["", "1-2-3", "a-b-c-d", "1-2-3-99999999999999999", "9" * 30 + "-1-1-1", "1-2-3-4\n"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(SubmissionError, match="Last-Event-ID"):
        Position.parse(text)
