"""Times at both ends of the calendar, which no time zone can convert: one line wherever a time is given."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import TestClient, problem_of

V1 = "/api/v1"
EDGES = (
    "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z",
)  # fmt: skip
FILTERED = ("/tasks", "/audit", "/audit/export", "/reports")
RULE: dict[str, Any] = {"what": {"type": "diagnostic.noop"}, "cron": "@daily"}
SPAN = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize("edge", EDGES)
def test_filters(client: TestClient, edge: str) -> None:
    for path in FILTERED:
        names = ("since", "until", "ended_since", "ended_until") if path == "/tasks" else ("since", "until")
        for name in names:
            [error] = problem_of(client.get(V1 + path, params={name: edge}), 422)["errors"]
            assert error["field"] == name, path
            assert "\n" not in error["expected"]


@pytest.mark.parametrize("edge", EDGES)
def test_what_is_made_or_changed(client: TestClient, edge: str) -> None:
    assert client.post(f"{V1}/schedules", json={"name": "mine", **RULE}).status_code == 201
    given: dict[tuple[str, str, str], Any] = {
        ("POST", "/tasks", "run_at"): {"type": "diagnostic.noop", "run_at": edge},
        ("POST", "/schedules", "starts_at"): {"name": "new", **RULE, "starts_at": edge},
        ("POST", "/schedules", "ends_at"): {"name": "new", **RULE, "ends_at": edge},
        ("POST", "/schedules/preview", "starts_at"): {**RULE, "starts_at": edge},
        ("PATCH", "/schedules/mine", "ends_at"): {"ends_at": edge},
        ("POST", "/schedules/mine/backfill", "since"): {**SPAN, "since": edge},
        ("POST", "/schedules/mine/backfill", "until"): {**SPAN, "until": edge},
        ("PUT", "/schedules/files/a", "schedules.new.starts_at"): {"schedules": {"new": {**RULE, "starts_at": edge}}},
    }
    for (method, path, field), body in given.items():
        [error] = problem_of(client.request(method, V1 + path, json=body), 422)["errors"]
        assert error["field"] == field, (method, path)
        assert edge in error["value"], "as it was written"
    [error] = problem_of(client.get(f"{V1}/schedules/mine/fires", params={"before": edge}), 422)["errors"]
    assert error["field"] == "before"


def test_what_a_backfill_counts_says_what_it_is(client: TestClient) -> None:
    assert client.post(f"{V1}/schedules", json={"name": "mine", **RULE}).status_code == 201
    first = client.post(f"{V1}/schedules/mine/backfill", json=SPAN).json()
    assert (first["count"], first["submitted_before"], len(first["ids"])) == (2, 0, 2)
    again = client.post(f"{V1}/schedules/mine/backfill", json=SPAN).json()
    assert (again["count"], again["submitted_before"], again["ids"]) == (0, 2, [])


@pytest.mark.parametrize("as_of", [*EDGES, "2030-01-01T00:00:00"])
def test_the_moment_of_a_preview(client: TestClient, loaded: dict[str, str], as_of: str) -> None:
    chosen = {"action": "cancel", "filter": {"states": ["pending"], "since": "1h"}}
    matching = client.post(f"{V1}/tasks/bulk/preview", json=chosen).json()["matching"]
    assert matching
    given = {**chosen, "reason": "test", "matching": {**matching, "as_of": as_of}}
    answer = client.post(f"{V1}/tasks/bulk", json=given)
    assert [one["field"] for one in problem_of(answer, 422)["errors"]] == ["matching.as_of"]
