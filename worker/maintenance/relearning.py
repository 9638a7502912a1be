"""Learns run times anew from the audit log, in place of all that was learned before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskyard.core.learning.keys import Fields, input_size, levels_of, size_of_bytes
from taskyard.core.learning.model import RunTimeModel
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import learning, tasks
from taskyard.core.postgres.store.learning import RELEARNED, RecordedRun
from taskyard.core.task_types.registry import Registry

WINDOW = timedelta(minutes=10)
MAX_RUNS = 20_000  # of a window: the first ones say as much as all
SAVED_AT_ONCE = 500  # keys

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Relearned:
    """How many runs were learned from, how many keys that made (0: nothing was replaced), and whether some windows had
    more than that.
    """

    runs: int
    keys: int
    is_sample: bool


def relearn(database: Database, registry: Registry, since: datetime, actor: str, progress: Progress) -> Relearned:
    """Replaces what is known by what has ended since a time; a leader takes it over within seconds.

    `progress` is called with the share that is done. Sizes are those of the types' declarations now. Raises
    Unavailable; what was known stays then, and also if nothing has ended that can be learned from.
    """
    model, runs, is_sample = RunTimeModel(), 0, False
    fields = {one.name: one.predict_by for one in registry.types.values() if one.predict_by}
    with database.transaction() as tx:
        until = tasks.now(tx)
        since = max(since, learning.first_event(tx) or until)
    start = since
    while start < until:
        end = min(until, start + WINDOW)
        with database.transaction() as tx:
            found = learning.history(tx, start, end, list(fields), MAX_RUNS)
        for run in found:
            seconds = run.run_seconds if run.is_completed else max(run.run_seconds or 0.0, run.timeout_seconds)
            if seconds is not None:
                model.learn(levels_of(run.type, run.created_by, _size(run, fields)), seconds)
                runs += 1
        is_sample = is_sample or len(found) == MAX_RUNS
        progress((end - since) / (until - since))
        start = end
    if len(model):
        with database.transaction() as tx:
            _replace(tx, model, actor, since, runs)
    return Relearned(runs, len(model), is_sample)


def _size(run: RecordedRun, fields: dict[str, Fields]) -> str:
    if run.input_json is None:
        return size_of_bytes(run.input_length)
    return input_size(fields[run.type], run.input_json)


def _replace(tx: Transaction, model: RunTimeModel, actor: str, since: datetime, runs: int) -> None:
    learning.forget_sketches(tx, None)
    keys = list(model)
    for start in range(0, len(keys), SAVED_AT_ONCE):
        some = keys[start : start + SAVED_AT_ONCE]
        learning.save_sketches(tx, {key: known for key in some if (known := model.known(key)) is not None})
    detail = {"since": since.isoformat(), "runs": runs, "keys": len(model)}
    learning.set_state(tx, RELEARNED, {**detail, "at": tasks.now(tx).isoformat()})
    learning.note(tx, "relearned", actor, detail)
