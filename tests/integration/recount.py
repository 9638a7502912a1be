"""Events, and a recount of them one by one: what the roll-ups must hold."""

from __future__ import annotations

import random
import time
import uuid
from collections import defaultdict
from typing import Any

import orjson
import pytest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import rollups
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE
from taskyard.core.telemetry.histogram import Histogram

# Two hours before a midnight, and not long ago: everything since is rolled up, too.
START = (time.time() // DAY - 2) * DAY - 2 * HOUR
SPAN_SECONDS = 5 * HOUR
EVENTS = 3_000
MEASURES = ("wait_seconds", "run_seconds", "total_seconds")


def random_events(draw: random.Random, since: float, until: float, count: int = EVENTS) -> list[dict[str, Any]]:
    """Events as the engine writes them, with some that are not counted."""
    events = []
    for _ in range(count):
        event = draw.choice(["submitted", "completed", "failed", "attempt_failed", "cancelled", "assigned"])
        ends = event in ("completed", "failed", "attempt_failed")
        classes = ["timeout", "crashed"] if event in ("failed", "attempt_failed") else [None]
        events.append(
            {
                "at": round(draw.uniform(since, until - 0.001), 3),
                "event": event,
                "agent_id": f"agent-{draw.randrange(3)}:boot" if event != "submitted" else None,
                "queue": None if event == "assigned" else draw.choice(["default", "other"]),
                "type": None if event == "assigned" else draw.choice(["a.b", "c.d"]),
                "class": draw.choice(classes),
                "mark": draw.choice(["f1", "f2", "f3", ""]),
                "message": f"no {draw.randrange(1000)}",
                "task_id": str(uuid.UUID(int=draw.getrandbits(128))),
                "wait_seconds": round(draw.lognormvariate(-3, 2), 6) if ends else None,
                "run_seconds": round(draw.lognormvariate(0, 2), 6) if ends else None,
                "total_seconds": round(draw.lognormvariate(1, 2), 6) if event in ("completed", "failed") else None,
                "cpu_seconds": 0.25 if ends else None,
                "peak_memory_bytes": draw.randrange(1 << 40) if ends else None,
            }
        )
    return events


def store(database: Database, events: list[dict[str, Any]]) -> None:
    with database.transaction() as tx:
        tx.rows(
            "INSERT INTO task_events (task_id, at, event, actor, agent_id, queue, type, detail, wait_seconds,"
            " run_seconds, total_seconds, cpu_seconds, peak_memory_bytes)"
            " SELECT task_id, to_timestamp(at), event, 'test', agent_id, queue, type,"
            " jsonb_build_object('class', class, 'fingerprint', nullif(mark, ''), 'message', message),"
            " wait_seconds, run_seconds, total_seconds, cpu_seconds, peak_memory_bytes"
            " FROM jsonb_to_recordset(%(events)s::jsonb) AS e(task_id uuid, at float8, event text, agent_id text,"
            " queue text, type text, class text, mark text, message text, wait_seconds real, run_seconds real,"
            " total_seconds real, cpu_seconds real, peak_memory_bytes bigint)",
            {"events": orjson.dumps(events).decode()},
        )


def recount(events: list[dict[str, Any]], level: int) -> dict[Any, dict[str, Any]]:
    """What a level must hold, counted one by one."""
    found: dict[Any, dict[str, Any]] = {}
    for e in events:
        if e["type"] is None:
            continue
        agent = "" if e["event"] == "submitted" else e["agent_id"].partition(":")[0]
        key = (e["at"] // level * level, e["queue"], e["type"], agent)
        row = found.setdefault(key, {"counts": defaultdict(int), "failures": defaultdict(int), "peak": None})
        row["counts"]["retried" if e["event"] == "attempt_failed" else e["event"]] += 1
        if e["class"]:
            row["failures"][e["class"]] += 1
            row["counts"]["timed_out"] += e["class"] == "timeout"
        for measure in MEASURES:
            if e[measure] is not None:
                row.setdefault(measure, Histogram()).add(e[measure])
        if e["peak_memory_bytes"] is not None:
            row["peak"] = max(row["peak"] or 0, e["peak_memory_bytes"])
            row["cpu"] = row.get("cpu", 0.0) + e["cpu_seconds"]
    return found


def rolled(database: Database, level: int) -> dict[Any, dict[str, Any]]:
    names = ("submitted", "completed", "failed", "retried", "timed_out", "cancelled")
    histograms = ", ".join(
        f"{m.removesuffix('_seconds')}_buckets, {m.removesuffix('_seconds')}_counts" for m in MEASURES
    )
    with database.transaction() as tx:
        rows = tx.rows(
            f"SELECT date_part('epoch', at), queue, type, agent, failures, peak_memory_bytes, cpu_seconds,"
            f" {', '.join(names)}, {', '.join(MEASURES)}, {histograms} FROM metric_counts"
            f" WHERE level_seconds = {level}",
            {},
        )
    found = {}
    for at, queue, type_, agent, failures, peak, cpu, *rest in rows:
        row: dict[str, Any] = {"counts": {n: c for n, c in zip(names, rest, strict=False) if c}}
        row |= {"failures": failures, "peak": peak, "cpu": cpu}
        sums, arrays = rest[6:9], rest[9:]
        for measure, seconds, buckets, counts in zip(MEASURES, sums, arrays[::2], arrays[1::2], strict=True):
            row[measure] = Histogram(dict(zip(buckets, counts, strict=True)), seconds)
        found[at, queue, type_, agent] = row
    return found


def assert_equal(database: Database, events: list[dict[str, Any]]) -> None:
    """Every level holds what a recount of the events of its whole units gives."""
    with database.transaction() as tx:
        reached = rollups.levels(tx)
    assert set(reached) == set(LEVELS)
    for level in LEVELS:
        wanted = recount([e for e in events if level == MINUTE or e["at"] < reached[level]], level)
        found = rolled(database, level)
        assert found.keys() == wanted.keys(), level
        for key, row in wanted.items():
            assert found[key]["counts"] == {n: c for n, c in row["counts"].items() if c}, key
            assert found[key]["failures"] == row["failures"]
            assert found[key]["peak"] == row["peak"]
            assert found[key]["cpu"] == row.get("cpu", 0.0)
            for measure in MEASURES:
                histogram = row.get(measure, Histogram())
                assert found[key][measure].counts == histogram.counts
                assert found[key][measure].total_seconds == pytest.approx(histogram.total_seconds, rel=1e-5)

    assert_failures_equal(database, events, reached)


def failures_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in events if e["event"] in ("failed", "attempt_failed") and e["mark"] and e["type"]]


def assert_failures_equal(database: Database, events: list[dict[str, Any]], reached: dict[int, float]) -> None:
    """The same for the failures by fingerprint, and for what is known of each."""
    for level in LEVELS:
        wanted: dict[Any, tuple[int, int]] = {}
        for e in failures_of(events):
            if level == MINUTE or e["at"] < reached[level]:
                key = (e["at"] // level * level, e["mark"], e["agent_id"].partition(":")[0])
                attempts, tasks = wanted.get(key, (0, 0))
                wanted[key] = (attempts + 1, tasks + (e["event"] == "failed"))
        with database.transaction() as tx:
            rows = tx.rows(
                "SELECT date_part('epoch', at), fingerprint, agent, attempts, tasks FROM failure_counts"
                " WHERE level_seconds = %(level)s",
                {"level": level},
            )
        assert {tuple(row[:3]): tuple(row[3:]) for row in rows} == wanted, level
    with database.transaction() as tx:
        found = tx.rows(
            "SELECT fingerprint, date_part('epoch', first_seen), date_part('epoch', last_seen), type, class, message,"
            " example_task_id FROM failure_groups",
            {},
        )
    assert {row[0] for row in found} == {e["mark"] for e in failures_of(events)}
    for mark, first, last, *latest in found:
        of_group = sorted((e for e in failures_of(events) if e["mark"] == mark), key=lambda e: e["at"])
        assert (first, last) == (pytest.approx(of_group[0]["at"]), pytest.approx(of_group[-1]["at"]))
        assert latest == [of_group[-1][name] for name in ("type", "class", "message", "task_id")]
