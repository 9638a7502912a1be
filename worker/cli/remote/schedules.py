"""Implements the operations on schedules over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskyard.client import Client
from taskyard.core.errors import ItemNotFound
from taskyard.core.payload.culprits import refused
from taskyard.core.schedules.schedule import check_schedule, check_schedule_name
from taskyard.worker.cli.remote.records import path_of, record_of
from taskyard.worker.cli.remote.tasks import INPUT_LIMIT_BYTES

_SCHEDULE = (
    "name", "when", "what", "cron", "interval_seconds", "time_zone", "catch_up", "catch_up_limit", "overlap",
    "jitter_seconds", "starts_at", "ends_at", "expected_seconds", "is_enabled", "owner", "next_fire_at", "created_at",
    "created_by",
)  # fmt: skip
_FIRE = ("fire_time", "outcome", "origin", "task_id", "workflow_id", "reason", "recorded_at", "state", "run_seconds")
_TIMES = ("starts_at", "ends_at", "next_fire_at", "created_at", "fire_time", "recorded_at")


class RemoteSchedules:
    """The schedules of the installation whose API a client reaches; see `SchedulePort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def input_limit_bytes(self) -> int:
        return INPUT_LIMIT_BYTES

    def add(self, name: str, given: Mapping[str, Any]) -> None:
        check_schedule_name(name)
        check_schedule(**given)
        self._client.request("POST", path_of("schedules"), json={"name": name, **given})

    def list_all(self) -> list[dict[str, Any]]:
        return [record_of(one, _SCHEDULE, _TIMES) for one in self._client.request("GET", path_of("schedules"))]

    def get(self, name: str) -> dict[str, Any]:
        return record_of(self._of("GET", name), _SCHEDULE, _TIMES)

    def change(self, name: str, given: Mapping[str, Any]) -> bool:
        return bool(self._of("PATCH", name, json=dict(given))["is_changed"])

    def switch(self, name: str, *, is_enabled: bool, reason: str = "") -> bool:
        given = {"is_enabled": is_enabled, **({"reason": reason} if reason else {})}
        return bool(self._of("PATCH", name, json=given)["is_changed"])

    def remove(self, name: str) -> None:
        self._of("DELETE", name)

    def run(self, name: str) -> dict[str, str]:
        ran = self._of("POST", name, "run")
        return {"id": ran["id"], "kind": ran["kind"]}

    def next_fires(self, name: str, count: int) -> list[str]:
        times = self._of("GET", name, "next", count=count)["fire_times"]
        return [datetime.fromisoformat(at).isoformat() for at in times]

    def fires(self, name: str, limit: int) -> list[dict[str, Any]]:
        return [record_of(one, _FIRE, _TIMES) for one in self._of("GET", name, "fires", limit=limit)]

    def count_backfill(self, name: str, since: str, until: str) -> dict[str, Any]:
        found = self._of("POST", name, "backfill", json={"since": since, "until": until, "is_counted_only": True})
        return {"count": found["count"], "submitted_before": found["submitted_before"]}

    def backfill(self, name: str, since: str, until: str) -> list[str]:
        return list(self._of("POST", name, "backfill", json={"since": since, "until": until})["ids"])

    def apply(
        self, file: str, declared: Mapping[str, Mapping[str, Any]], *, is_dry_run: bool = False
    ) -> dict[str, list[str]]:
        given = {"schedules": declared, "is_dry_run": is_dry_run}
        done = self._client.request("PUT", path_of("schedules", "files", file), json=given)
        return {name: list(done[name]) for name in ("added", "changed", "removed")}

    def _of(self, method: str, name: str, *rest: str, json: Any = None, **query: Any) -> Any:
        path = path_of("schedules", check_schedule_name(name), *rest)
        try:
            return self._client.request(method, path, params=query, json=json)
        except ItemNotFound:
            raise refused("name", name, "the name of a schedule") from None
