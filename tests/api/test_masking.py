"""What those without payload.read see of inputs, outputs, logs and errors: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.core.postgres.database import Database
from taskyard.core.views.masking import MASK, masked_detail, masked_error
from taskyard.worker.devtools.seed import seed
from tests.api.conftest import FINGERPRINT, SECRET, Sender, TestClient, problem_of
from tests.each import for_each

V1 = "/api/v1"
PATHS = (
    "/tasks",
    "/tasks/{failed}",
    "/tasks/{running}",
    "/tasks/{completed}",
    "/tasks/{completed}/result",
    "/tasks/{failed}/result",
    "/tasks/{failed}/history",
    "/tasks/{completed}/history",
    "/tasks/{running}/why",
    "/tasks/{failed}/attempts",
    "/tasks/{failed}/relatives",
    f"/failures/{FINGERPRINT}",
    f"/failures/{FINGERPRINT}/tasks",
    "/failures",
    "/agents/builder",
    "/metrics/summary",
)
WITHOUT_ANY = {
    "/tasks/{completed}/history",
    "/tasks/{running}/why",
    "/tasks/{failed}/relatives",
    "/agents/builder",
    "/metrics/summary",
}
each_path = for_each("path", PATHS, str)


@pytest.fixture
def viewer(sent_by: Sender) -> TestClient:
    return sent_by("viewer")


@each_path
def test_a_viewer_reads_no_payload(path: str, viewer: TestClient, client: TestClient, loaded: dict[str, str]) -> None:
    answer = viewer.get(V1 + path.format(**loaded))
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    assert SECRET not in str(answer.headers)


def test_others_read_them(sent_by: Sender, loaded: dict[str, str]) -> None:
    submitter = sent_by("submitter")
    for path in PATHS:
        if path not in WITHOUT_ANY:
            assert SECRET in submitter.get(V1 + path.format(**loaded)).text, path


def test_reports_have_no_messages_of_errors(viewer: TestClient, client: TestClient, database: Database) -> None:
    seed(database, 500, 2, lambda what, count: None)
    asked = {"since": "2d", "format": "json"}
    hidden, shown = (each.get(f"{V1}/reports", params=asked).json()["failures"] for each in (viewer, client))
    assert len(hidden) == len(shown) > 0
    assert {line["message"] for line in hidden} == {MASK}
    assert MASK not in {line["message"] for line in shown}


def test_what_is_hidden_is_marked(viewer: TestClient, client: TestClient, loaded: dict[str, str]) -> None:
    found = viewer.get(f"{V1}/tasks/{loaded['failed']}").json()
    assert (found["is_masked"], found["input"], found["output"], found["checkpoint"]) == (True, None, None, None)
    assert found["error"] == {
        "class": "permanent", "fingerprint": FINGERPRINT, "message": MASK, "traceback": MASK
    }  # fmt: skip
    assert viewer.get(f"{V1}/tasks/{loaded['running']}").json()["progress_message"] == MASK
    assert viewer.get(f"{V1}/tasks/{loaded['completed']}/result").json()["is_masked"]
    [group] = viewer.get(f"{V1}/failures").json()["groups"]
    assert (group["message"], group["is_masked"], group["error_class"]) == (MASK, True, "permanent")
    events = viewer.get(f"{V1}/tasks/{loaded['failed']}/history").json()
    assert all(event["is_masked"] for event in events)
    assert not client.get(f"{V1}/tasks/{loaded['failed']}").json()["is_masked"]


@pytest.mark.parametrize("path", ["/tasks/{failed}/log", "/reports/files"])
def test_what_is_nothing_but_payload_is_refused(path: str, viewer: TestClient, loaded: dict[str, str]) -> None:
    assert "payload.read" in problem_of(viewer.get(V1 + path.format(**loaded)), 403)["detail"]


def test_a_search_does_not_tell_what_is_hidden(viewer: TestClient, client: TestClient, loaded: dict[str, str]) -> None:
    for name in ("input_path", "output_path"):
        problem_of(viewer.get(f"{V1}/tasks", params={name: f'$.value == "{SECRET}"'}), 403)
    for text, count in (("no file", 0), ("running", 1), (loaded["failed"], 1)):
        assert len(viewer.get(f"{V1}/tasks", params={"text": text}).json()["tasks"]) == count
    assert len(client.get(f"{V1}/tasks", params={"text": "no file"}).json()["tasks"]) == 1
    assert viewer.get(f"{V1}/failures", params={"text": "no file"}).json()["matching"] == 0
    assert viewer.get(f"{V1}/failures", params={"text": FINGERPRINT}).json()["matching"] == 1


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, None),
        ({}, {}),
        ({"class": "timeout", "message": "x", "new": 1}, {"class": "timeout", "message": MASK, "new": MASK}),
    ],
)
def test_only_what_is_known_to_be_plain_is_shown(given: dict[str, Any] | None, shown: dict[str, Any] | None) -> None:
    assert masked_error(given) == shown
    assert masked_detail("failed", given) == shown


def test_what_a_second_attempt_failed_with_is_hidden() -> None:
    given = {"reason": f"it failed (permanent): no file\n{SECRET}"}
    assert masked_detail("hedge_dropped", given) == {"reason": f"it failed (permanent): {MASK}"}
    plain = {"reason": "the attempt beside it has ended"}
    assert masked_detail("hedge_dropped", plain) == plain
    assert masked_detail("hedged", {"beside": 1, "late_seconds": 7.5}) == {"beside": 1, "late_seconds": 7.5}
