"""The audit log: pages, filters and exports."""

from __future__ import annotations

import csv
import io
import json

import pytest

from taskyard.api import streams
from taskyard.core import exported_rows
from taskyard.core.postgres.database import Database
from tests.api.conftest import TestClient, problem_of

V1 = "/api/v1/audit"
COUNT = 1_203
ADD_EVENTS = """
INSERT INTO task_events (at, event, actor, detail)
SELECT now() - make_interval(secs => n / 40), 'paused', '=cmd()', jsonb_build_object('name', n, 'reason', '@' || n)
FROM generate_series(1, %(count)s) n
"""


@pytest.fixture
def events(database: Database) -> None:
    with database.transaction() as tx:
        tx.rows(ADD_EVENTS, {"count": COUNT})


def test_pages_follow_each_other_without_a_gap(client: TestClient, events: None) -> None:
    names, before = [], None
    while True:
        asked = {"limit": 500} | ({"before": before} if before else {})
        page = client.get(V1, params=asked).json()
        names += [event["detail"]["name"] for event in page["events"]]
        before = page["next"]
        if before is None:
            break
    assert sorted(names) == list(range(1, COUNT + 1))


def test_the_filter_is_the_page_s(client: TestClient, loaded: dict[str, str], events: None) -> None:
    assert client.get(V1, params={"events": "resumed"}).json()["events"] == []
    of_task = client.get(V1, params={"task_id": loaded["completed"], "show": "everything"}).json()["events"]
    assert [event["event"] for event in of_task] == ["completed", "assigned", "submitted"]
    assert len(client.get(V1, params={"text": '"@77"'}).json()["events"]) == 1
    assert client.get(V1, params={"until": "1h"}).json()["events"] == []
    assert client.get(V1, params={"actor": "nobody"}).json()["events"] == []
    assert client.get(V1, params={"time": "1h", "agent": "builder"}).json()["events"] == []


@pytest.mark.parametrize(
    ("query", "field"), [({"since": "x"}, "since"), ({"task_id": "x"}, "task_id"), ({"before": "x"}, "before")]
)
def test_a_wrong_filter_is_named(client: TestClient, query: dict[str, str], field: str) -> None:
    assert problem_of(client.get(V1, params=query), 422)["errors"][0]["field"] == field


def test_json_lines_have_every_event_once(client: TestClient, events: None) -> None:
    answer = client.get(f"{V1}/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].startswith('attachment; filename="taskyard-audit-')
    names = [json.loads(line)["detail"]["name"] for line in answer.text.splitlines()]
    assert sorted(names) == list(range(1, COUNT + 1))


def test_csv_has_no_formula(client: TestClient, events: None) -> None:
    answer = client.get(f"{V1}/export", params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert tuple(rows[0]) == exported_rows.COLUMNS
    assert len(rows) == COUNT
    assert {row["actor"] for row in rows} == {"'=cmd()"}


def test_only_so_many_exports_run_at_once(client: TestClient) -> None:
    for _ in range(streams.MAX_AT_ONCE):
        assert streams._running.acquire(blocking=False)
    try:
        problem_of(client.get(f"{V1}/export"), 503)
    finally:
        for _ in range(streams.MAX_AT_ONCE):
            streams._running.release()
    for _ in range(streams.MAX_AT_ONCE + 1):  # each gives its place back
        assert client.get(f"{V1}/export").status_code == 200
