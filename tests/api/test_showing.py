"""What the API shows: types, queues, agents, failures, figures and reports."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from typing import Any

import jsonschema_rs
import pytest

from taskyard.api.routes import reports
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.reports import FORMATS
from taskyard.core.reports.folder import write_report
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.telemetry.live_snapshot import OpenBreaker, RunningTask, write_live
from taskyard.worker.devtools.seed import seed
from tests.api.conftest import FINGERPRINT, SECRET, TestClient, problem_of
from tests.dashboard.snapshots import agent, snapshot

V1 = "/api/v1"


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(V1 + path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_types_come_with_their_schemas(client: TestClient) -> None:
    listed = get(client, "/types")
    assert [one["name"] for one in listed] == sorted(registry.load().types)
    assert {one["name"] for one in listed if one["is_guarded"]} >= {"code.run"}

    found = get(client, "/types/diagnostic.sleep")

    assert found["isolation"] in ("process", "thread", "async")
    assert found["retry"]["max_attempts"] >= 1
    check = jsonschema_rs.validator_for(found["input_schema"])
    assert check.is_valid({"seconds": 1})
    assert not check.is_valid({"seconds": "long"})
    assert "output_schema" in found
    problem_of(client.get(f"{V1}/types/no.such"), 404)


def test_queues_have_their_figures_and_lanes(client: TestClient, loaded: dict[str, str]) -> None:
    found = get(client, "/queues")
    assert found["is_led"] is False
    queues = {queue["name"]: queue for queue in found["queues"]}
    assert set(queues) == {"default", "reports"}
    default = queues["default"]
    assert (default["ready"], default["running"], default["scheduled"]) == (1, 1, 1)
    assert default["by_priority"]["urgent"] == 1
    assert {rate["minutes"] for rate in default["rates"]} == {5, 15, 60}

    details = get(client, "/queues/default")

    [lane] = details["lanes"]
    assert (lane["type"], lane["ready"], lane["is_stuck"]) == ("diagnostic.noop", 1, False)
    assert [queue["name"] for queue in get(client, "/queues", text="REP")["queues"]] == ["reports"]
    assert get(client, "/queues", state="paused")["queues"] == []
    assert len(get(client, "/queues", sort="oldest")["queues"]) == 2
    problem_of(client.get(f"{V1}/queues/none"), 404)


def test_reasons_are_in_the_language_of_the_request(client: TestClient, submitter: Submitter) -> None:
    submitter.submit("diagnostic.noop", requires=["gpu"])
    asked = [client.get(f"{V1}/queues/default", headers={"accept-language": code}) for code in ("en", "zh")]
    english, chinese = (answer.json()["lanes"][0]["reason"] for answer in asked)
    assert english
    assert chinese
    assert english != chinese
    assert asked[0].json()["lanes"][0]["is_stuck"]


def test_a_queue_has_series_over_a_range(client: TestClient, loaded: dict[str, str]) -> None:
    found = get(client, "/queues/default/series", range="1h")
    assert sum(found["arrived"]) > 0
    assert len({len(series) for series in found.values()}) == 1
    problem = problem_of(client.get(f"{V1}/queues/default/series", params={"range": "1x"}), 422)
    assert problem["errors"][0]["field"] == "range"


def test_agents_have_what_they_run(client: TestClient, loaded: dict[str, str]) -> None:
    found = get(client, "/agents")
    [agent] = found["agents"]
    assert (agent["name"], agent["slots"], agent["types"], agent["state"]) == ("builder", 3, ["diagnostic.*"], "online")
    assert agent["running"] is None  # nobody leads

    details = get(client, "/agents/builder", range="24h")

    [results] = details["results"]
    assert (results["type"], results["completed"], results["failed"]) == ("diagnostic.echo", 1, 1)
    assert results["success_rate"] == 0.5
    assert (results["run_times"]["attempts"], results["others"]["attempts"], results["slower"]) == (1, 0, None)
    assert 0 < results["run_times"]["p50_seconds"] == results["run_times"]["p95_seconds"]
    assert len(details["usage"]["at"]) == len(details["usage"]["cpu_percent"])
    assert get(client, "/agents", type="analysis.profile")["agents"] == []
    assert len(get(client, "/agents", text="BUILD", state="online")["agents"]) == 1
    problem_of(client.get(f"{V1}/agents/nobody"), 404)


def test_a_leader_s_figures_are_shown(client: TestClient, loaded: dict[str, str]) -> None:
    running = RunningTask(loaded["running"], 1, "diagnostic.echo", 1.0)
    broken = OpenBreaker("diagnostic.noop", "open", "it fails here", 1.0, 2.0)
    builder = agent(tasks=[running])
    builder.breakers.append(broken)
    live = snapshot(agents=[builder], urgent=4)
    write_live(client.app.state.services.cache, live)  # type: ignore[attr-defined]

    [found] = get(client, "/agents")["agents"]

    assert (found["running"], found["cpu_percent"], found["tasks"][0]["task_id"]) == (1, 12.5, loaded["running"])
    assert (found["breakers"][0]["type"], found["breakers"][0]["reason"]) == ("diagnostic.noop", "it fails here")
    assert get(client, "/queues/default")["ready"] == 4
    summary = get(client, "/metrics/summary")
    assert (summary["is_led"], summary["waiting"], summary["slots"], summary["running"]) == (True, {"urgent": 4}, 3, 1)
    assert summary["oldest_seconds"] >= 5


def test_failures_are_grouped(client: TestClient, loaded: dict[str, str]) -> None:
    found = get(client, "/failures")
    [group] = found["groups"]
    assert (group["fingerprint"], group["attempts"], group["tasks"], group["failed_now"]) == (FINGERPRINT, 1, 1, 1)
    assert (group["message"], group["agents"], group["is_new"]) == (f"no file {SECRET}", {"builder": 1}, True)
    assert sum(group["trend"]) == 1
    assert get(client, "/failures", **{"class": "timeout"})["groups"] == []
    assert get(client, "/failures", text="no file", type="diagnostic.echo", sort="last")["matching"] == 1
    assert get(client, "/failures", text="other")["matching"] == 0
    problem_of(client.get(f"{V1}/failures", params={"class": "bad luck"}), 422)

    details = get(client, f"/failures/{FINGERPRINT}")

    assert [task["id"] for task in details["latest"]] == [loaded["failed"]]
    assert sum(details["counts"]) == 1
    [task] = get(client, f"/failures/{FINGERPRINT}/tasks")["tasks"]
    assert task["id"] == loaded["failed"]
    problem_of(client.get(f"{V1}/failures/ffffffffffffffff"), 404)
    problem_of(client.get(f"{V1}/failures/nonsense"), 422)


def test_a_summary_has_counts_and_series(client: TestClient, loaded: dict[str, str]) -> None:
    found = get(client, "/metrics/summary", range="1h")
    assert found["is_led"] is False
    assert found["open"] == {"in_progress": 1, "pending": 2, "scheduled": 1}
    assert found["waiting"] == {"urgent": 1, "medium": 1}
    totals = found["totals"]
    assert (totals["submitted"], totals["completed"], totals["failed"], totals["cancelled"]) == (7, 1, 1, 1)
    assert totals["run"]["count"] > 0
    assert totals["failures"] == {"permanent": 1}
    assert len(found["series"]["at"]) == len(found["series"]["wait_p99"])

    of_queue = get(client, "/metrics/summary", queue="reports")

    assert (of_queue["totals"]["submitted"], of_queue["open"]) == (2, {"pending": 1})
    assert get(client, "/metrics/summary", type="diagnostic.echo")["totals"]["submitted"] == 3


@pytest.mark.parametrize("format", list(FORMATS))
def test_a_report_is_made_in_every_format(client: TestClient, database: Database, format: str) -> None:
    seed(database, 300, 2, lambda what, count: None)
    answer = client.get(f"{V1}/reports", params={"format": format, "since": "2d", "zone": "Europe/Berlin"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == FORMATS[format].media_type
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="taskyard-report-')
    assert disposition.endswith(f'.{FORMATS[format].extension}"')
    if format == "json":
        assert json.loads(answer.content)["now"]["counts"]["submitted"] > 0
    elif format == "csv":
        assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    elif format == "pdf":
        assert answer.content.startswith(b"%PDF")


def test_a_report_is_in_the_language_of_the_request(client: TestClient, loaded: dict[str, str]) -> None:
    asked = {"format": "html", "since": "1h"}
    english = client.get(f"{V1}/reports", params=asked)
    chinese = client.get(f"{V1}/reports", params=asked, headers={"accept-language": "zh-CN,en;q=0.5"})
    assert 'lang="zh"' in chinese.text
    assert 'lang="en"' in english.text


@pytest.mark.parametrize(
    ("query", "field"),
    [({"since": "x"}, "since"), ({"until": "30d"}, "until"), ({"zone": "Mars/Base"}, "zone"), ({"format": "doc"}, "")],
)
def test_a_report_of_nothing_sensible_is_refused(client: TestClient, query: dict[str, str], field: str) -> None:
    found = problem_of(client.get(f"{V1}/reports", params={"since": "24h", **query}), 422)
    assert field in found["errors"][0]["field"]


def test_the_worker_s_reports_are_listed_and_given(client: TestClient, settings: Settings) -> None:
    assert get(client, "/reports/files") == []
    write_report(settings.reports_folder, "taskyard-daily-2026-01-05.json", b"{}")
    [file] = get(client, "/reports/files")
    assert (file["period"], file["format"], file["size_bytes"]) == ("daily", "json", 2)

    answer = client.get(f"{V1}/reports/files/{file['name']}")

    assert answer.content == b"{}"
    assert answer.headers["content-disposition"] == 'attachment; filename="taskyard-daily-2026-01-05.json"'
    problem_of(client.get(f"{V1}/reports/files/taskyard-daily-2026-01-06.json"), 404)
    problem_of(client.get(f"{V1}/reports/files/..%2F.env"), 404)


def test_metrics_are_by_route(client: TestClient) -> None:
    client.get(f"{V1}/queues/none")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'route="/api/v1/queues/{name}",status="404"' in answer.text


def test_attempts_tell_how_a_task_went(client: TestClient, loaded: dict[str, str]) -> None:
    [attempt] = get(client, f"/tasks/{loaded['failed']}/attempts")
    assert (attempt["number"], attempt["outcome"], attempt["agent"]) == (1, "failed", "builder")
    assert (attempt["error_class"], attempt["message"]) == ("permanent", f"no file {SECRET}")
    [waiting] = get(client, f"/tasks/{loaded['pending']}/attempts")
    assert (waiting["outcome"], waiting["agent"], waiting["started_at"]) == ("waiting", "", None)


def test_relatives_are_found_and_cancelled_together(client: TestClient, submitter: Submitter) -> None:
    first = submitter.submit("diagnostic.noop")
    second = submitter.submit("diagnostic.noop", after=[first])
    assert [one["id"] for one in get(client, f"/tasks/{first}/relatives")["dependants"]] == [second]
    assert [one["id"] for one in get(client, f"/tasks/{second}/relatives")["awaited"]] == [first]
    answer = client.post(f"{V1}/tasks/{first}/cancel-tree", json={"reason": "test"})
    assert answer.json() == {"cancelled_below": 0}
    assert get(client, f"/tasks/{second}")["state"] == "cancelled"
    problem_of(client.post(f"{V1}/tasks/{first}/cancel-tree"), 409)


def test_a_log_is_exported_as_text(client: TestClient, loaded: dict[str, str]) -> None:
    answer = client.get(f"{V1}/tasks/{loaded['running']}/log/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="taskyard-log-{loaded["running"]}.txt"'


def test_only_so_many_reports_are_made_at_once(
    client: TestClient, loaded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(reports, "_making", threading.BoundedSemaphore(1))
    with reports._making:
        problem_of(client.get(f"{V1}/reports", params={"format": "json"}), 503)
    for _ in range(2):  # each gives its place back
        get(client, "/reports", format="json")
