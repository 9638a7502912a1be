"""Reading the audit log: what filters say, each event once, within its time; filters that are saved."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import audit, recovery, saved_filters
from taskyard.core.postgres.store.audit import AuditEntry, EventCursor, EventPage

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
UNLIMITED_SECONDS = 60.0
NOW = datetime.now(UTC).replace(microsecond=0)
TASKS = tuple(str(uuid.UUID(int=number)) for number in (1, 2))
DETAILS = (None, {"reason": "Disk full"}, {"reason": "100% a_b"}, {"name": "reports"})


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With partitions for some of the days, so that others are in the default one."""
    database = Database(database_url)
    with database.transaction() as tx:
        recovery.ensure_partitions(tx, NOW.date() - timedelta(1), days_ahead=2)
    yield database
    database.close()


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of the last days, many of them at the same time."""
    pick = lambda values: draw(st.sampled_from(values))  # noqa: E731
    ages = sorted(draw(st.sampled_from((0, 1, 60, 3600, 90_000, 400_000))) for _ in range(draw(st.integers(0, 30))))
    return [
        {
            "task_id": pick((None, *TASKS)),
            "at": NOW - timedelta(seconds=age),
            "event": pick(("completed", "cancelled", "retried", "paused", "log")),
            "actor": pick(("ann", "bob", "dispatcher")),
            "agent_id": pick((None, "coder-1:b", "odd:name:b")),
            "detail": pick(DETAILS),
        }
        for age in reversed(ages)
    ]


FILTERS = st.builds(
    EventFilter,
    events=st.lists(st.sampled_from(("completed", "retried", "none")), max_size=2).map(tuple),
    actor=st.none() | st.sampled_from(("ann", "carl")),
    task_id=st.none() | st.sampled_from(TASKS),
    agent=st.none() | st.sampled_from(("coder-1", "odd:name", "odd")),
    text=st.none() | st.sampled_from(("disk", "%", "a_b", "REPORTS")),
    since=st.none() | st.sampled_from([NOW - timedelta(seconds=age) for age in (1, 3600, 90_000)]),
    until=st.none() | st.sampled_from([NOW - timedelta(seconds=age) for age in (0, 60, 90_000)]),
    only_operators=st.booleans(),
) | st.just(EventFilter())


def matches(event: dict[str, Any], only: EventFilter) -> bool:
    """What `only` means."""
    detail = json.dumps(event["detail"]).lower() if event["detail"] else ""
    by_people = event["task_id"] is None or event["event"] in ("cancelled", "retried", "reprioritised")
    asked = (
        not only.events or event["event"] in only.events,
        not only.actor or event["actor"] == only.actor,
        not only.task_id or event["task_id"] == only.task_id,
        not only.agent or (event["agent_id"] or "").rpartition(":")[0] == only.agent,
        not only.text or only.text.lower() in detail,
        not only.since or event["at"] >= only.since,
        not only.until or event["at"] < only.until,
        not only.only_operators or (by_people and event["actor"] != "dispatcher"),
    )
    return all(asked)


def fill(database: Database, made: list[dict[str, Any]]) -> None:
    statement = "INSERT INTO task_events SELECT * FROM jsonb_populate_recordset(NULL::task_events, %(rows)s::jsonb)"
    with database.transaction() as tx:
        tx.rows("DELETE FROM task_events", {})
        tx.rows(statement, {"rows": json.dumps(made, default=lambda value: value.isoformat())})


def find(database: Database, only: EventFilter, **options: Any) -> EventPage:
    with database.transaction() as tx:
        return audit.find_events(tx, only, **options)


def pages(database: Database, only: EventFilter, **options: Any) -> list[EventPage]:
    found = [find(database, only, **options)]
    while found[-1].next is not None:
        found.append(find(database, only, before=EventCursor.parse(str(found[-1].next)), **options))
    return found


def plain(entries: list[AuditEntry]) -> list[tuple[Any, ...]]:
    return [(e.task_id, e.at, e.event, e.actor, e.agent_id, e.detail) for e in entries]


def expected(made: list[dict[str, Any]], only: EventFilter) -> list[tuple[Any, ...]]:
    """The newest first; of the same time the one that was stored last."""
    return [tuple(event.values()) for event in reversed(made) if matches(event, only)]


@EXAMPLES
@given(made=logs(), only=FILTERS)
def test_a_look_finds_what_the_filter_says(database: Database, made: list[dict[str, Any]], only: EventFilter) -> None:
    fill(database, made)
    found = find(database, only, budget_seconds=UNLIMITED_SECONDS)
    assert plain(list(found.events)) == expected(made, only)
    assert (found.next, found.searched_to) == (None, None)
    with database.transaction() as tx:
        assert plain(list(audit.export_events(tx, only))) == expected(made, only)


@EXAMPLES
@given(made=logs(), only=FILTERS, most=st.integers(1, 4), most_bytes=st.integers(1, 60))
def test_an_export_reads_little_at_a_time(
    database: Database, made: list[dict[str, Any]], only: EventFilter, most: int, most_bytes: int
) -> None:
    fill(database, made)
    read: list[int] = []
    entries = audit._entries
    with pytest.MonkeyPatch.context() as patch, database.transaction() as tx:
        patch.setattr(audit, "EXPORT_EVENTS", most)
        patch.setattr(audit, "MIN_EXPORT_EVENTS", 1)
        patch.setattr(audit, "PORTION_BYTES", most_bytes)

        def counted(*arguments: Any) -> Any:
            rows = entries(*arguments)
            read.append(len(rows))
            return rows

        patch.setattr(audit, "_entries", counted)
        assert plain(list(audit.export_events(tx, only))) == expected(made, only)
    assert max(read, default=0) <= most


@EXAMPLES
@given(made=logs(), only=FILTERS, limit=st.integers(1, 5), budget_seconds=st.sampled_from((0.0, UNLIMITED_SECONDS)))
def test_pages_go_on_where_they_ended(
    database: Database, made: list[dict[str, Any]], only: EventFilter, limit: int, budget_seconds: float
) -> None:
    """Without any time each page looks at one span only."""
    fill(database, made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "FIRST_SPAN_SECONDS", 40_000.0)
        found = pages(database, only, limit=limit, budget_seconds=budget_seconds)
    assert plain([event for page in found for event in page.events]) == expected(made, only)
    assert all(page.searched_to is not None for page in found[:-1] if len(page.events) < limit)


def test_what_happens_meanwhile_shifts_nothing(database: Database) -> None:
    event = {"task_id": None, "at": NOW, "event": "paused", "actor": "ann", "agent_id": None}
    fill(database, [{**event, "detail": {"n": number}} for number in range(10)])
    found = [find(database, EventFilter(), limit=3)]
    while found[-1].next is not None:
        with database.transaction() as tx:
            tx.rows("INSERT INTO task_events (event, actor) VALUES ('resumed', 'bob')", {})
        found.append(find(database, EventFilter(), before=found[-1].next, limit=3))
    assert [entry.detail["n"] for page in found for entry in page.events] == list(reversed(range(10)))


def test_an_empty_log_has_no_events(database: Database) -> None:
    assert find(database, EventFilter()) == EventPage((), None, None)
    with database.transaction() as tx:
        assert list(audit.export_events(tx, EventFilter())) == []


# saved filters

FAILED = TaskFilter(states=("failed",), since="24h")  # type: ignore[arg-type]


def test_a_saved_filter_is_there_until_it_is_deleted(database: Database) -> None:
    with database.transaction() as tx:
        saved_filters.save_filter(tx, " Failed today ", FAILED, "ann")
        saved_filters.save_filter(tx, "all", TaskFilter(), "bob")
        found = saved_filters.saved_filters(tx)
    assert [(saved.name, saved.filter, saved.actor) for saved in found] == [
        ("all", TaskFilter(), "bob"),
        ("Failed today", FAILED, "ann"),
    ]
    with database.transaction() as tx:
        assert saved_filters.delete_filter(tx, "Failed today", "carl")
        assert not saved_filters.delete_filter(tx, "Failed today", "carl")
        assert [saved.name for saved in saved_filters.saved_filters(tx)] == ["all"]
    events = find(database, EventFilter(only_operators=True)).events
    assert [(entry.event, entry.actor, entry.detail["name"]) for entry in events] == [
        ("filter_deleted", "carl", "Failed today"),
        ("filter_saved", "bob", "all"),
        ("filter_saved", "ann", "Failed today"),
    ]


def test_a_saved_filter_is_overwritten_only_if_asked_to(database: Database) -> None:
    with database.transaction() as tx:
        saved_filters.save_filter(tx, "mine", FAILED, "ann")
        with pytest.raises(SubmissionError, match=r"^name: 'mine' .*a filter with this name exists already"):
            saved_filters.save_filter(tx, "mine", TaskFilter(), "bob")
        saved_filters.save_filter(tx, "mine", TaskFilter(), "bob", overwrite=True)
        [saved] = saved_filters.saved_filters(tx)
    assert (saved.filter, saved.actor) == (TaskFilter(), "bob")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\x00b", None])
def test_a_saved_filter_has_a_name(database: Database, name: Any) -> None:
    with database.transaction() as tx, pytest.raises(SubmissionError, match=r"^name: "):
        saved_filters.save_filter(tx, name, FAILED, "ann")


def test_a_filter_that_can_not_be_read_hides_no_other(database: Database) -> None:
    with database.transaction() as tx:
        tx.rows("INSERT INTO saved_filters (name, filter, actor) VALUES ('old', '{\"colour\": \"red\"}', 'ann')", {})
        saved_filters.save_filter(tx, "young", FAILED, "ann")
        old, young = saved_filters.saved_filters(tx)
    assert old.filter is None
    assert old.problem.startswith("colour: 'red' is not accepted")
    assert (young.filter, young.problem) == (FAILED, "")
