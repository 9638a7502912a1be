"""Stores what is learned of run times, and how well predictions held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson

from taskyard.core.learning.model import Known
from taskyard.core.learning.results import Held
from taskyard.core.learning.shrunk_means import RunningMean
from taskyard.core.learning.sketches import Sketch
from taskyard.core.models import Lane
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries

RELEARNED = "relearned"  # the name of the state that says when everything was learned anew


class EndedTask(NamedTuple):
    """A task of which an attempt ended: what it was predicted from and to take."""

    id: str
    type: str
    queue: str
    created_by: str
    size: str | None
    predicted_seconds: float | None
    predicted_low: float | None
    predicted_high: float | None
    predicted_mean: float | None
    timeout_seconds: float


class RunningTask(NamedTuple):
    """A running task: its lane, and what its run time is predicted by."""

    id: str
    lane: Lane
    type: str
    created_by: str
    size: str | None


class RecordedRun(NamedTuple):
    """A run of the past; `input_json` only of types that are predicted by fields of their input."""

    type: str
    created_by: str
    run_seconds: float | None
    is_completed: bool
    timeout_seconds: float
    input_length: int
    input_json: str | None


class LastEnded(NamedTuple):
    """A task that completed: its prediction and how long it ran, in seconds."""

    id: str
    type: str
    predicted_seconds: float
    predicted_low: float
    predicted_high: float
    run_seconds: float


class DayHeld(NamedTuple):
    """How the predictions of a type held on a day."""

    type: str
    day: date
    held: Held


def sketches(tx: Transaction) -> dict[str, Known]:
    """Returns what is known by key, the one that learned longest ago first."""
    return {row[0]: _known(*row[1:]) for row in tx.rows(queries("learning")["sketches"], {})}


def runs(tx: Transaction, keys: Collection[str]) -> dict[str, int]:
    """Returns how many run times of these keys were learned; without those of which none was."""
    return dict(tx.rows(queries("learning")["runs"], {"keys": list(keys)}))


def save_sketches(tx: Transaction, known: Mapping[str, Known]) -> None:
    """Stores what is known of some keys, in the order in which they learned."""
    rows = list(known.items())
    parameters = {
        "keys": quoted(key for key, _ in rows),
        "runs": plain(one.runs for _, one in rows),
        "means": plain(one.mean.mean for _, one in rows),
        "mean_runs": plain(one.mean.runs for _, one in rows),
        "weights": quoted(_weights_json(one.sketch) for _, one in rows),
    }
    tx.rows(queries("learning")["save_sketches"], parameters)


def forget_sketches(tx: Transaction, keys: Collection[str] | None) -> None:
    """Deletes what is known of these keys; None: of all."""
    tx.rows(queries("learning")["forget_sketches"], {"keys": None if keys is None else list(keys)})


def ended(tx: Transaction, ids: Sequence[str]) -> list[EndedTask]:
    """Returns those of these tasks that still exist."""
    return [EndedTask(*row) for row in tx.rows(queries("learning")["ended"], {"ids": plain(ids)})]


def running(tx: Transaction, ids: Sequence[str]) -> list[RunningTask]:
    """Returns those of these tasks that could do with a second attempt: they never wait for anything."""
    rows = tx.rows(queries("learning")["running"], {"ids": plain(ids)})
    return [
        RunningTask(id_, Lane(queue, type_, tuple(requires)), type_, creator, size)
        for id_, queue, type_, requires, creator, size in rows
    ]


def starts(tx: Transaction, ids: Sequence[str]) -> list[tuple[str, bool, float | None]]:
    """Returns for these tasks whether they wait still, and when they started (epoch seconds; None: they have not)."""
    return [(row[0], row[1], row[2]) for row in tx.rows(queries("learning")["starts"], {"ids": plain(ids)})]


def add_hours(tx: Transaction, hours: Mapping[tuple[float, str], Held]) -> None:
    """Adds results, by the hour (epoch seconds) in which tasks ended and their type."""
    rows = list(hours.items())
    parameters = {
        "hours": plain(hour for (hour, _), _ in rows),
        "types": quoted(type_ for (_, type_), _ in rows),
        "tasks": plain(held.tasks for _, held in rows),
        "below": plain(held.below for _, held in rows),
        "above": plain(held.above for _, held in rows),
        "errors": plain(held.log_error for _, held in rows),
        "biases": plain(held.log_bias for _, held in rows),
        "places": quoted(plain(held.places) for _, held in rows),
    }
    tx.rows(queries("learning")["add_hours"], parameters)


def days(tx: Transaction, since: datetime, until: datetime, zone: str) -> list[DayHeld]:
    """Returns how predictions held by type and day of a time zone, in this order."""
    rows = tx.rows(queries("learning")["days"], {"since": since, "until": until, "zone": zone})
    return [DayHeld(type_, day, Held(*figures)) for type_, day, *figures in rows]


def last_ended(
    tx: Transaction,
    since: datetime,
    until: datetime,
    limit: int,
    types: Sequence[str] | None = None,
    queues: Sequence[str] | None = None,
) -> list[LastEnded]:
    """Returns the last `limit` tasks of a span that completed with a prediction; of some types and queues, or all."""
    parameters = {"since": since, "until": until, "limit": limit, "types": types, "queues": queues}
    return [LastEnded(*row) for row in tx.rows(queries("learning")["last_ended"], parameters)]


def prune_hours(tx: Transaction, before: datetime) -> None:
    """Deletes what is older than that."""
    tx.rows(queries("learning")["prune_hours"], {"before": before})


def state(tx: Transaction, name: str) -> Any:
    """Returns a stored part of the state; None if there is none."""
    rows = tx.rows(queries("learning")["state"], {"name": name})
    return rows[0][0] if rows else None


def set_state(tx: Transaction, name: str, value: Any) -> None:
    """Stores a part of the state as JSON."""
    tx.rows(queries("learning")["set_state"], {"name": name, "value": orjson.dumps(value).decode()})


def history(
    tx: Transaction, since: datetime, until: datetime, field_types: Iterable[str], limit: int
) -> list[RecordedRun]:
    """Returns runs that ended in a span, the first `limit`; `field_types` are predicted by fields of their input."""
    parameters = {"since": since, "until": until, "types": list(field_types), "limit": limit}
    return [RecordedRun(*row) for row in tx.rows(queries("learning")["history"], parameters)]


def first_event(tx: Transaction) -> datetime | None:
    """Returns when the audit log begins; None if it is empty."""
    first: datetime | None = tx.rows(queries("learning")["first_event"], {})[0][0]
    return first


def note(tx: Transaction, event: str, actor: str, detail: Any) -> None:
    """Writes the audit row of a change to what is learned."""
    parameters = {"event": event, "actor": actor, "detail": orjson.dumps(detail).decode()}
    tx.rows(queries("learning")["note"], parameters)


def _known(runs: int, mean_seconds: float, mean_runs: float, weights: Any) -> Known:
    """Returns what a row holds, plausible or not."""
    found: dict[int, float] = {}
    for bucket, weight in weights.items() if isinstance(weights, dict) else ():
        number = int(bucket) if bucket.lstrip("-").isdigit() else 10**9  # which no check lets through
        if weight != 0:  # as one that had faded was stored
            found[number] = float(weight) if isinstance(weight, int | float) else float("nan")
    return Known(RunningMean(mean_runs, mean_seconds), Sketch(found), runs)


def _weights_json(sketch: Sketch) -> str:
    rounded = {str(bucket): round(weight, 6) for bucket, weight in sketch.faded().items()}
    return orjson.dumps({bucket: weight for bucket, weight in rounded.items() if weight}).decode()
