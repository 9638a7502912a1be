"""Implements the operations on questions over HTTP, through the client."""

from __future__ import annotations

from typing import Any

from taskyard.client import Client
from taskyard.worker.cli.remote.records import path_of, record_of

_QUESTION = (
    "id", "task_id", "task_type", "task_title", "queue", "key", "question", "context", "schema", "of", "needs",
    "not_by_submitter", "submitted_by", "delegated_to", "state", "asked_at", "deadline", "ended_at",
    "unreached", "lacking", "refused", "answers", "is_yours",
)  # fmt: skip
_TIMES = ("asked_at", "deadline", "ended_at")
_ANSWER = ("person", "decision", "data", "reason", "at")


class RemoteQuestions:
    """The questions of the installation whose API a client reaches; see `QuestionPort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, state: str, limit: int) -> list[dict[str, Any]]:
        found = self._client.request("GET", path_of("questions"), params={"state": state, "limit": limit})
        return [_record(one) for one in found]

    def get(self, question_id: str) -> dict[str, Any]:
        return _record(self._client.request("GET", path_of("questions", question_id)))

    def answer(self, question_id: str, decision: str, data: Any, reason: str) -> dict[str, Any]:
        given = {"decision": decision, "data": data, "reason": reason}
        return _record(self._client.request("POST", path_of("questions", question_id, "answer"), json=given))

    def delegate(self, question_id: str, to: str, reason: str) -> bool:
        given = {"to": to, "reason": reason}
        found = self._client.request("POST", path_of("questions", question_id, "delegate"), json=given)
        return bool(found["is_changed"])


def _record(found: dict[str, Any]) -> dict[str, Any]:
    record = record_of(found, _QUESTION, _TIMES)
    return {**record, "answers": [record_of(one, _ANSWER, ("at",)) for one in found["answers"]]}
