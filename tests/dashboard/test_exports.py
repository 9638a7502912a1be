"""The exports of the audit log, from a real server."""

from __future__ import annotations

import csv
import http.client
import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pandas as pd
import pytest
import uvicorn
from starlette.applications import Starlette

from taskyard.core import exported_rows
from taskyard.core.access.identity import Actor
from taskyard.core.errors import Unavailable
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tick
from taskyard.core.postgres.store.audit import AuditEntry
from taskyard.dashboard.pages.audit import data
from taskyard.dashboard.server import exports
from tests.dashboard.conftest import NOBODY_URLS, OpenPage
from tests.servers import wait_until

FORMULA = '=HYPERLINK("http://127.0.0.1:1")'
COUNT = 3 * exports.CHUNK_ROWS + 7
ADD_EVENTS = """
INSERT INTO task_events (at, event, actor, detail)
SELECT now() - make_interval(secs => n / 40), 'paused', %(actor)s, jsonb_build_object('name', n, 'reason', '@' || n)
FROM generate_series(1, %(count)s) n
"""
Get = Callable[..., tuple[int, http.client.HTTPMessage, str]]


@pytest.fixture
def server_url() -> Iterator[str]:
    """A server with the exports and nothing else."""
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=exports.routes()), host="127.0.0.1", port=0, log_level="critical")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, message="the server listens")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def get(server_url: str, open_page: OpenPage) -> Get:
    """Gets a path of the server as (status, headers, text)."""
    open_page("audit")  # points the process at this test's servers

    def get_(path: str) -> tuple[int, http.client.HTTPMessage, str]:
        try:
            with urllib.request.urlopen(server_url + path, timeout=60) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    return get_


@pytest.fixture
def events(database: Database) -> None:
    """COUNT of them, some at the same time."""
    with database.transaction() as tx:
        tx.rows(ADD_EVENTS, {"count": COUNT, "actor": FORMULA})


def test_csv_has_every_event_once_and_no_formula(get: Get, events: None) -> None:
    status, headers, text = get("/export/audit.csv")

    assert status == 200
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"].startswith('attachment; filename="taskyard-audit-')
    assert text.startswith("\ufeff")  # a spreadsheet knows by it that it is UTF-8
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert list(pd.read_csv(io.BytesIO(text.encode())).columns) == list(exported_rows.COLUMNS)
    assert sorted(int(json.loads(row["detail"])["name"]) for row in rows) == list(range(1, COUNT + 1))
    assert {row["actor"] for row in rows} == {f"'{FORMULA}"}
    assert all(row["reason"] == f"'@{json.loads(row['detail'])['name']}" for row in rows)
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)


def test_json_lines_have_every_event_once_as_it_is(get: Get, events: None) -> None:
    status, headers, text = get("/export/audit.jsonl")

    assert status == 200
    assert headers["content-disposition"].endswith('.jsonl"')
    entries = [json.loads(line) for line in text.splitlines()]
    assert sorted(entry["detail"]["name"] for entry in entries) == list(range(1, COUNT + 1))
    assert {entry["actor"] for entry in entries} == {FORMULA}


def test_filters_are_those_of_the_page(get: Get, loaded: dict[str, str]) -> None:
    def found(**params: str) -> list[str]:
        _status, _headers, text = get(f"/export/audit.jsonl?{urlencode(params)}")
        return [json.loads(line)["event"] for line in text.splitlines()]

    assert found() == ["cancelled"]
    assert found(show="everything", events="completed") == ["completed"]
    assert sorted(found(show="everything", task_id=loaded["running"])) == ["assigned", "started", "submitted"]
    assert found(time="between", until="2020-01-01T00:00:00+00:00") == []


def test_nothing_fits(get: Get, database: Database) -> None:
    assert get("/export/audit.csv")[2].splitlines() == ["\ufeff" + ",".join(exported_rows.COLUMNS)]
    assert get("/export/audit.jsonl")[2] == ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("bogus=1", "bogus: '1' is not accepted"),
        ("show=all", "show: 'all' is not accepted, expected one of operators, everything"),
        ("time=2h", "time: '2h' is not accepted"),
        ("task_id=1", "expected a task id"),
        ("time=between&since=yesterday", "expected a time with a time zone"),
        ("actor=a&actor=b", "actor: 'given twice' is not accepted, expected each parameter once"),
        ("text=" + quote("a\x00"), "NUL"),
        ("text=" + "x" * 300, "a text of 1 to 200 characters"),
    ],
)
def test_bad_parameters_are_refused(get: Get, database: Database, query: str, expected: str) -> None:
    for kind in ("csv", "jsonl"):
        status, _headers, text = get(f"/export/audit.{kind}?{query}")
        assert status == 400
        assert expected in text
        assert text.count("\n") == 1


def test_without_servers_it_says_so(server_url: str, open_page: OpenPage) -> None:
    open_page("audit", **NOBODY_URLS)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server_url}/export/audit.csv", timeout=60)
    assert caught.value.code == 503
    assert "can't be reached" in caught.value.read().decode()


def endless(
    gate: threading.Event, failure: Exception | None = None
) -> Callable[[EventFilter, Actor], Iterator[AuditEntry]]:
    """Entries that go on once the gate is open, and may end with an error."""

    def export(only: EventFilter, who: Actor) -> Iterator[AuditEntry]:
        entry = AuditEntry(None, datetime.now(UTC), "paused", None, None, None, "ann", None, {"reason": "x" * 1000})
        for _number in range(exports.CHUNK_ROWS):
            yield entry
        assert gate.wait(60)
        if failure is not None:
            raise failure
        while True:
            yield entry

    return export


def test_an_export_that_breaks_is_not_taken_for_a_whole_one(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    gate.set()
    monkeypatch.setattr(data, "export", endless(gate, Unavailable("gone")))
    for _again in range(exports.MAX_AT_ONCE + 1):  # each gives its place back
        with pytest.raises(http.client.IncompleteRead):
            get("/export/audit.csv")


def test_too_many_at_once_are_refused_until_one_is_over(
    get: Get, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(data, "export", endless(gate))
    running = [urllib.request.urlopen(f"{server_url}/export/audit.csv") for _number in range(exports.MAX_AT_ONCE)]

    status, headers, text = get("/export/audit.csv")
    assert status == 503
    assert headers["retry-after"] == "10"
    assert "other exports are running" in text

    gate.set()
    for answer in running:
        with suppress(OSError):
            answer.close()  # who goes away in the middle gives the place back
    monkeypatch.undo()

    for _number in range(exports.MAX_AT_ONCE):
        wait_until(lambda: exports._running.acquire(blocking=False), message="both places are free again")
    for _number in range(exports.MAX_AT_ONCE):
        exports._running.release()


def test_a_task_s_log_is_downloaded_whole_and_in_order(get: Get, loaded: dict[str, str], database: Database) -> None:
    count = 2 * exports.CHUNK_ROWS + 3
    details = [json.dumps({"level": "info", "message": f"line {n}"}) for n in range(count)]
    with database.transaction() as tx:
        tick.add_logs(tx, [(loaded["running"], "log", 1, "agent:a", "a:b", detail) for detail in details])
    status, headers, text = get(f"/export/log.txt?id={loaded['running']}")
    assert status == 200
    assert headers["content-disposition"].endswith(f'"taskyard-log-{loaded["running"]}.txt"')
    assert [line.partition(" #1 info: ")[2] for line in text.splitlines()] == [f"line {n}" for n in range(count)]
    assert get(f"/export/log.txt?id={loaded['pending']}")[2] == ""


@pytest.mark.parametrize(
    "query", ["", "?id=", "?id=nobody", "?id=%00", "?other=1", "?id={0}&id={0}", "?id={0}&other=1"]
)
def test_what_names_no_task_gets_no_log(get: Get, query: str) -> None:
    status, _, text = get(f"/export/log.txt{query.format('01a2184f-0ce5-77fc-bebe-810311526066')}")
    assert status == 400
    assert text.startswith("id: ")
