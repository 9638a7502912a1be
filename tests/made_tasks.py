"""Made-up rows of tasks, written straight into the table, and what filters and orders mean, once more in Python."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.postgres.database import Transaction
from taskyard.core.states import TERMINAL, WAITING, Priority, TaskState

START = datetime(2026, 3, 1, tzinfo=UTC)
TYPES = ("code.run", "code.metrics", "a.b")
QUEUES = ("default", "reports")
AGENTS = ("coder-1", "coder-10", "odd:name")
CREATORS = ("", "ann", "Bob%")
TITLES = (None, "Nightly REPORT", "100% of a_b", "back\\slash")
MESSAGES = ("disk is full", "Disk quota", "a_b", "")
FINGERPRINTS = ("f1", "f2")
TAGS = ("gpu", "big")
INPUTS = ({}, {"name": "x", "rows": [{"a": 1}, {"a": 5}]}, {"name": "y", "rows": [{"a": 2}]}, {"flag": False}, [1, 2])
OUTPUTS = (None, {"ok": True}, {"ok": False}, {"rows": []})
WORKFLOWS = tuple(str(uuid.UUID(int=number)) for number in (1, 2))

# Paths with what they mean.
PATHS: dict[str, Callable[[Any], bool]] = {
    "$.rows[*].a > 3": lambda v: any(row["a"] > 3 for row in _dict(v).get("rows", ())),
    "$.rows[*] ? (@.a == 2)": lambda v: any(row["a"] == 2 for row in _dict(v).get("rows", ())),
    '$.name == "x"': lambda v: _dict(v).get("name") == "x",
    "$.flag": lambda v: bool(_dict(v).get("flag")),
    "$.ok == true": lambda v: _dict(v).get("ok") is True,
    "strict $.name": lambda v: bool(_dict(v).get("name")),  # fails where there is none
}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@st.composite
def rows(draw: st.DrawFn, max_size: int = 40) -> list[dict[str, Any]]:
    """Tasks as the engine could have left them, in order of submission."""
    count = draw(st.integers(0, max_size))
    return [_row(draw, number) for number in range(count)]


def _row(draw: st.DrawFn, number: int) -> dict[str, Any]:
    pick = lambda values: draw(st.sampled_from(values))  # noqa: E731
    state = pick(tuple(TaskState))
    created = START + timedelta(seconds=60 * number + draw(st.integers(0, 59)))
    started = created + timedelta(seconds=draw(st.integers(0, 600)))
    has_started = state in ("in_progress", "completed", "failed") or (state == "cancelled" and draw(st.booleans()))
    has_agent = has_started or state == "assigned"
    has_error = state == "failed" or (state in ("cancelled", "scheduled") and draw(st.booleans()))
    error = {"class": pick(("timeout", "transient")), "message": pick(MESSAGES), "fingerprint": pick(FINGERPRINTS)}
    return {
        "id": made_id(created, number),
        "queue": pick(QUEUES),
        "type": pick(TYPES),
        "title": pick(TITLES),
        "state": state.value,
        "priority": int(pick(tuple(Priority))),
        "input": pick(INPUTS),
        "output": pick(OUTPUTS) if state == "completed" else None,
        "error": error if has_error else None,
        "suspension": {"kind": "signal", "name": "approved"} if state == "suspended" else None,
        "requires": sorted(draw(st.sets(st.sampled_from(TAGS)))),
        "attempt": int(has_agent),
        "refunded": 0,
        "refunds": 0,
        "max_attempts": 3,
        "timeout_seconds": 60.0,
        "run_at": created + timedelta(hours=1) if state == "scheduled" else None,
        "ready_at": created + timedelta(seconds=draw(st.integers(0, 600))),
        "workflow_id": pick((None, *WORKFLOWS)),
        "waiting_on": int(state == "blocked"),
        "created_by": pick(CREATORS),
        "assigned_agent_id": f"{pick(AGENTS)}:{'0' * 12}" if has_agent else None,
        "created_at": created,
        "assigned_at": created if has_agent else None,
        "started_at": started if has_started else None,
        "finished_at": started + timedelta(seconds=draw(st.integers(0, 600))) if state in TERMINAL else None,
    }


def made_id(created: datetime, number: int) -> str:
    """A UUIDv7 of a time."""
    return str(uuid.UUID(int=(int(created.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number))


def insert(tx: Transaction, made: Sequence[dict[str, Any]]) -> None:
    """Stores such rows."""
    document = json.dumps(made, default=lambda value: value.isoformat())
    tx.rows(
        "INSERT INTO tasks SELECT * FROM jsonb_populate_recordset(NULL::tasks, %(rows)s::jsonb)", {"rows": document}
    )


def filters() -> st.SearchStrategy[TaskFilter]:
    """Any filter that can match some of these rows: mostly of few fields, sometimes of all."""
    times = st.sampled_from([START + timedelta(minutes=minutes) for minutes in (0, 3, 10, 30)])
    texts = ("report", "CODE", "a_b", "%", "\\", "disk", made_id(START, 0)[:8], "nothing")
    fields = {
        "states": _some(tuple(TaskState)),
        "types": _some((*TYPES, "none.such")),
        "queues": _some(QUEUES),
        "priorities": _some(tuple(Priority)),
        "agent": st.sampled_from((*AGENTS, "coder", "odd")),
        "error_class": st.sampled_from(("timeout", "transient", "crashed")),
        "fingerprint": st.sampled_from((*FINGERPRINTS, "f3")),
        "tag": st.sampled_from((*TAGS, "small")),
        "created_by": st.sampled_from(("ann", "Bob%", "bob")),
        "since": times,
        "until": times,
        "text": st.sampled_from(texts),
        "input_path": st.sampled_from(tuple(PATHS)),
        "output_path": st.sampled_from(tuple(PATHS)),
        "workflow_id": st.sampled_from(WORKFLOWS),
        "ended_since": times,
        "ended_until": times,
    }
    few = st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True)
    names = few | st.lists(st.sampled_from(sorted(fields)), max_size=5, unique=True)
    return names.flatmap(lambda chosen: st.builds(TaskFilter, **{name: fields[name] for name in chosen}))


def _some(values: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)


def matches(row: dict[str, Any], only: TaskFilter) -> bool:
    """What `only` means."""
    error = row["error"] or {}
    text = (only.text or "").lower()
    searched = (row["title"], row["type"], row["id"], error.get("message"))
    asked = (
        not only.states or row["state"] in only.states,
        not only.types or row["type"] in only.types,
        not only.queues or row["queue"] in only.queues,
        not only.priorities or row["priority"] in only.priorities,
        not only.agent or (row["assigned_agent_id"] or "").rpartition(":")[0] == only.agent,
        not only.error_class or error.get("class") == only.error_class,
        not only.fingerprint or error.get("fingerprint") == only.fingerprint,
        not only.tag or only.tag in row["requires"],
        not only.created_by or row["created_by"] == only.created_by,
        not only.since or row["created_at"] >= only.since,
        not only.until or row["created_at"] < only.until,
        not only.text or any(text in value.lower() for value in searched if value),
        not only.input_path or PATHS[only.input_path](row["input"]),
        not only.output_path or PATHS[only.output_path](row["output"]),
        not only.workflow_id or row["workflow_id"] == only.workflow_id,
        not only.ended_since or (row["finished_at"] is not None and row["finished_at"] >= only.ended_since),
        not only.ended_until or (row["finished_at"] is not None and row["finished_at"] < only.ended_until),
    )
    return all(asked)


def sort_key(row: dict[str, Any], sort: Sort, now: datetime) -> tuple[float, str] | None:
    """What the greatest comes first of; None is left out."""
    started, finished = row["started_at"], row["finished_at"]
    ends = now if row["state"] == "in_progress" else finished
    keys = {
        Sort.NEWEST: 0.0,
        Sort.PRIORITY: float(row["priority"]),
        Sort.WAITING: -row["ready_at"].timestamp() if row["state"] in WAITING else None,
        Sort.LONGEST: (ends - started).total_seconds() if started and ends else None,
        Sort.FINISHED: finished.timestamp() if finished else None,
    }
    return None if keys[sort] is None else (keys[sort], row["id"])


def expected(made: Sequence[dict[str, Any]], only: TaskFilter, sort: Sort, now: datetime) -> list[str]:
    """The ids that a search finds, in order."""
    found = [row for row in made if matches(row, only)]
    if sort is Sort.OLDEST:
        return [row["id"] for row in found]
    keys = [key for row in found if (key := sort_key(row, sort, now)) is not None]
    return [id_ for _, id_ in sorted(keys, reverse=True)]
