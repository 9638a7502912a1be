"""Implements the operations on the installation over HTTP, through the client."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from taskyard.client import Client
from taskyard.client.calls import Call
from taskyard.client.exchange import Reply
from taskyard.core.errors import ItemNotFound, SubmissionError, TaskyardError, UnknownTaskType
from taskyard.core.ids import parsed_id
from taskyard.core.models import AgentRecord, Lane
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode
from taskyard.worker.cli.ports.site import (
    AgentResults,
    AgentsSeen,
    MadeReport,
    ShownAlert,
    ShownLane,
    ShownSilence,
    Status,
)

MAX_ALERTS = 10_000
_ALERT = (
    "id", "rule", "subject", "severity", "state", "message", "value", "threshold", "fired_at", "acknowledged_at",
    "acknowledged_by", "resolved_at", "message_id", "message_parameters",
)  # fmt: skip
_SILENCE = ("id", "rule", "subject", "until", "actor", "reason", "since")
_TYPE = (
    "name", "isolation", "timeout_seconds", "max_attempts", "requires", "memory_limit_mib", "idempotent", "predict_by",
    "description",
)  # fmt: skip
_ITEM = ("id", "at", "source", "place", "reason", "text", "size_bytes", "task_id", "attempt", "agent_id", "is_masked")
_TIMES = ("fired_at", "acknowledged_at", "resolved_at", "until", "since")
_PLACES = {HoldKind.QUEUE: "/queues", HoldKind.TYPE: "/types", HoldKind.AGENT: "/agents"}


class RemoteSite:
    """The installation whose API a client reaches; see `SitePort`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def status(self) -> Status:
        found = self._get("/system/status")
        leader = found["leader"]
        return Status(
            states=found["states"],
            lanes=[
                ShownLane(
                    Lane(one["queue"], one["type"], tuple(one["requires"])),
                    one["count"],
                    _time(one["oldest"]),
                    one["why"],
                )
                for one in found["lanes"]
            ],
            agents=[_boot(one) for one in found["agents"]],
            holds=[_hold(one) for one in found["holds"]],
            epoch=leader["epoch"],
            leader=leader["worker"],
            since=_time(leader["since"]),
            is_led=leader["is_led"],
        )

    def agents(self, *, every: bool) -> AgentsSeen:
        found = self._get("/agent-boots", all=every)
        results = [AgentResults(**one) for one in found["results"]]
        return AgentsSeen([_boot(one) for one in found["boots"]], results, found["breakers"], found["problem"])

    def holds(self) -> list[Hold]:
        return [_hold(one) for one in self._get("/holds")]

    def check_type(self, name: str) -> None:
        """The API refuses a type that nobody knows when it is held."""

    def is_queue_known(self, name: str) -> bool:
        if any(hold.kind is HoldKind.QUEUE and hold.name == name for hold in self.holds()):
            return True
        return any(True for _ in self._client.search(queues=[name], page_tasks=1))

    def hold(self, kind: HoldKind, name: str, mode: HoldMode, reason: str) -> bool:
        if kind is HoldKind.AGENT:
            return self._control(name, "pause" if mode is HoldMode.PAUSED else "drain", reason)
        path = f"{_PLACES[kind]}/{quote(name, safe='')}/hold"
        try:
            changed = self._client.request("PUT", path, json={"mode": mode.value, "reason": reason})
        except ItemNotFound:
            if kind is HoldKind.TYPE:
                raise self._unknown_type(name) from None
            raise
        return bool(changed["is_changed"])

    def release(self, kind: HoldKind, name: str, reason: str) -> bool:
        if kind is HoldKind.AGENT:
            try:
                return self._control(name, "resume", reason)
            except SubmissionError:
                return False
        path = f"{_PLACES[kind]}/{quote(name, safe='')}/hold"
        return bool(self._client.request("DELETE", path, params={"reason": reason})["is_changed"])

    def restart(self, name: str, reason: str) -> list[str]:
        path = f"/agents/{quote(name, safe='')}/restart"
        try:
            return list(self._client.request("POST", path, json={"reason": reason})["boots"])
        except ItemNotFound:
            raise SubmissionError("agent", name, "the name of an agent that is running") from None

    def pools(self) -> list[dict[str, Any]]:
        return [_pool(one) for one in self._get("/pools")]

    def scale_pool(self, kind: str, count: int, reason: str) -> bool:
        path = f"/pools/{quote(kind, safe='')}/scale"
        return bool(self._client.request("POST", path, json={"count": count, "reason": reason})["is_changed"])

    def reset_pool(self, kind: str, reason: str) -> bool:
        path = f"/pools/{quote(kind, safe='')}/reset"
        return bool(self._client.request("POST", path, json={"reason": reason})["is_changed"])

    def alerts(self, *, every: bool, limit: int) -> list[ShownAlert]:
        if every:
            found = self._get("/alerts", show="all", limit=limit)["alerts"]
        else:
            found = self._get("/alerts", show="open", limit=MAX_ALERTS)["alerts"]
            found = sorted(sorted(found, key=lambda one: one["id"]), key=_fired_at, reverse=True)[:limit]
        return [ShownAlert(_record(one, _ALERT), one["title"], one["message"]) for one in found]

    def acknowledge(self, alert_id: str, reason: str) -> tuple[str, str, bool]:
        known = parsed_id(alert_id)
        if known is None:
            raise SubmissionError("alert", alert_id, "an id (a UUID)")
        try:
            found = self._get(f"/alerts/{known}")
            changed = self._client.request("POST", f"/alerts/{known}/ack", json={"reason": reason})
        except ItemNotFound:
            raise SubmissionError("alert", alert_id, "the id of an alert") from None
        return found["id"], found["state"], bool(changed["is_changed"])

    def acknowledge_rule(self, rule: str, reason: str) -> int:
        given = {"rule": rule, "reason": reason}
        return int(self._client.request("POST", "/alerts/ack", json=given)["acknowledged"])

    def silence(
        self, rule: str, subject: str, seconds: float | None, reason: str, *, confirm: str = ""
    ) -> ShownSilence:
        given: dict[str, Any] = {"rule": rule, "subject": subject, "reason": reason}
        if seconds is not None:
            given["seconds"] = seconds
        if confirm:  # older APIs do not know it
            given["confirm"] = confirm
        return _silence(self._client.request("POST", "/alerts/silences", json=given))

    def end_silence(self, silence_id: str) -> bool:
        path = f"/alerts/silences/{quote(silence_id, safe='')}"
        return bool(self._client.request("DELETE", path)["is_changed"])

    def silences(self) -> list[ShownSilence]:
        return [_silence(one) for one in self._get("/alerts/silences")]

    def types(self) -> list[dict[str, Any]]:
        return [_type(one) for one in self._get("/types")]

    def type_schemas(self, name: str) -> dict[str, Any]:
        try:
            found = self._get(f"/types/{quote(name, safe='')}")
        except ItemNotFound:
            raise self._unknown_type(name) from None
        return {**_type(found), "input": found["input_schema"], "output": found["output_schema"]}

    def report(self, since: str, until: str, format: str, queue: str | None, type: str | None, zone: str) -> MadeReport:
        given = {"since": since, "until": until, "format": format, "queue": queue, "type": type, "zone": zone}
        query = [(name, value) for name, value in given.items() if value]
        try:
            return self._client.ask(Call("GET", "/reports", _not_read, query, given=given, read_reply=_report))
        except SubmissionError as error:
            raise _as_typed(error) from None

    def quarantined(self, limit: int) -> tuple[list[dict[str, Any]], int]:
        found = self._get("/quarantine", limit=limit)
        return [_record(one, _ITEM) for one in found["items"]], found["count"]

    def quarantined_item(self, item_id: str) -> dict[str, Any]:
        return _record(self._get(f"/quarantine/{quote(item_id, safe='')}"), _ITEM)

    def drop_quarantined(self, item_ids: Sequence[str] | None) -> int:
        if item_ids is None:
            return int(self._client.request("DELETE", "/quarantine")["dropped"])
        dropped = 0
        for item_id in item_ids:
            try:
                path = f"/quarantine/{quote(item_id, safe='')}"
                dropped += int(self._client.request("DELETE", path)["dropped"])
            except ItemNotFound:  # as of a list whose other items are dropped all the same
                continue
        return dropped

    # ours

    def _get(self, path: str, **query: Any) -> Any:
        return self._client.request("GET", path, params=query)

    def _control(self, name: str, what: str, reason: str) -> bool:
        path = f"/agents/{quote(name, safe='')}/{what}"
        try:
            return bool(self._client.request("POST", path, json={"reason": reason})["is_changed"])
        except ItemNotFound:
            raise SubmissionError("agent", name, "the name of an agent that has been registered") from None

    def _unknown_type(self, name: str) -> TaskyardError:
        known = [one["name"] for one in self._get("/types") if not one["is_published"]]
        return UnknownTaskType(name, known)


def _not_read(_body: bytes) -> MadeReport:
    raise ValueError("its name is in the headers")


def _report(reply: Reply) -> MadeReport:
    _kind, _, name = reply.headers.get("content-disposition", "").partition("filename=")
    if not name:
        raise ValueError("an answer without a name")
    return MadeReport(name.strip('"'), reply.body, reply.headers.get("x-taskyard-empty") == "true")


def _as_typed(error: SubmissionError) -> SubmissionError:
    """Returns the error of a report's range with the names of the command's options."""
    field = {"since": "from", "until": "to"}.get(error.field, error.field)
    return SubmissionError(field, error.value, error.expected)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _fired_at(found: dict[str, Any]) -> datetime:
    return _time(found["fired_at"])


def _record(found: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Returns these values, in this order, with times as the commands print them."""
    return {
        name: _time(found[name]).isoformat() if name in _TIMES and found[name] is not None else found[name]
        for name in names
    }


def _silence(found: dict[str, Any]) -> ShownSilence:
    return ShownSilence(_record(found, _SILENCE), found["title"])


def _type(found: dict[str, Any]) -> dict[str, Any]:
    unknown = {"idempotent": False, "predict_by": []}  # to an API of an older release
    shown = {**unknown, **found, "max_attempts": found["retry"]["max_attempts"]}
    shown["description"] = " ".join(found["description"].split())
    return {name: shown[name] for name in _TYPE}


def _pool(found: dict[str, Any]) -> dict[str, Any]:
    chosen = found["chosen"]
    return found if chosen is None else {**found, "chosen": {**chosen, "since": _time(chosen["since"]).isoformat()}}


def _hold(found: dict[str, Any]) -> Hold:
    since, kind, mode = _time(found["since"]), HoldKind(found["kind"]), HoldMode(found["mode"])
    return Hold(kind, found["name"], mode, found["actor"], found["reason"], since)


def _boot(found: dict[str, Any]) -> AgentRecord:
    left = found["left_at"]
    times = {"registered_at": _time(found["registered_at"]), "left_at": None if left is None else _time(left)}
    return AgentRecord(**{**found, **times, "types": tuple(found["types"]), "tags": tuple(found["tags"])})
