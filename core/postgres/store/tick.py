"""Makes the transitions of the dispatcher's tick, many tasks at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import DriverTransaction, Query, Transaction, queries


class Completion(NamedTuple):
    """A success to be recorded; `output` is JSON text."""

    id: str
    attempt: int
    output: str
    started_at: float
    run_seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    beside: int = 0  # the number of the current attempt, if this one is the second one beside it


@dataclass(slots=True)
class Settlement:
    """A failed attempt to be recorded: final, to be retried, or handed back.

    If `agent_id` is set, the row must still belong to that boot. `error` and `detail` are JSON texts. `to_state` is
    failed, scheduled (after `delay_seconds`) or pending. `refund` is 1 if the attempt does not count, `counted_refund`
    is 1 if it is one of the refunds that have a limit.
    """

    id: str
    attempt: int
    to_state: str
    event: str
    agent_id: str | None = None
    error: str | None = None
    detail: str | None = None
    delay_seconds: float | None = None
    refund: int = 0
    counted_refund: int = 0
    started_at: float | None = None
    run_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    has_second: bool = False  # another attempt runs beside it

    @property
    def ends_task(self) -> bool:
        """Returns True if the task fails by it."""
        return self.to_state == "failed" and not self.has_second


class Claimed(NamedTuple):
    """A claimed row: what the agent needs, and what the dispatcher must remember."""

    id: str
    attempt: int
    type: str
    input: str
    timeout_seconds: float
    checkpoint: str | None
    priority: int
    agent_id: str
    max_attempts: int
    refunded: int
    refunds: int
    checkpoint_children: int  # submitted before the checkpoint
    retry_afters: int = 0
    resumed: str | None = None  # as in core.protocol.Run
    scheduled_for: float | None = None  # in epoch seconds
    head_start: float = 0.0  # in seconds


class Stale(NamedTuple):
    """A report that matches no current attempt."""

    id: str
    attempt: int
    agent_id: str | None
    reported: str


def complete(tx: Transaction, completions: Sequence[Completion]) -> set[str]:
    """Records successes; returns the ids recorded.

    The others' attempts are not current, or their rows are locked.
    """
    [[completed]] = tx.rows(queries("tick")["settle_completed"], _as_arrays(completions))
    return _ids_of(completed)


def _as_arrays(completions: Sequence[Completion]) -> dict[str, str]:
    ids, attempts, outputs, started, run_seconds, cpu_seconds, peaks, _ = zip(*completions, strict=True)
    return {
        "ids": plain(ids),
        "attempts": plain(attempts),
        "outputs": quoted(outputs),
        "started": plain(started),
        "run_seconds": plain(run_seconds),
        "cpu_seconds": plain(cpu_seconds),
        "peaks": plain(peaks),
    }


def settle(tx: Transaction, settlements: Sequence[Settlement]) -> tuple[set[str], list[Waiting], list[str]]:
    """Records the other outcomes; returns the settled ids, the tasks that wait again, and the failed ids."""
    rows = tx.rows(
        queries("tick")["settle"],
        {
            "ids": plain(s.id for s in settlements),
            "attempts": plain(s.attempt for s in settlements),
            "agents": quoted(s.agent_id for s in settlements),
            "to_states": plain(s.to_state for s in settlements),
            "errors": quoted(s.error for s in settlements),
            "delays": plain(s.delay_seconds for s in settlements),
            "refunds": plain(s.refund for s in settlements),
            "counted": plain(s.counted_refund for s in settlements),
            "started": plain(s.started_at for s in settlements),
            "events": plain(s.event for s in settlements),
            "details": quoted(s.detail for s in settlements),
            "run_seconds": plain(s.run_seconds for s in settlements),
            "cpu_seconds": plain(s.cpu_seconds for s in settlements),
            "peaks": plain(s.peak_memory_bytes for s in settlements),
        },
    )
    waiting = [Waiting.from_row(row) for row in rows if row[1] != "failed"]
    return {row[0] for row in rows}, waiting, [row[0] for row in rows if row[1] == "failed"]


def start(tx: Transaction, started: Sequence[tuple[str, int, float]]) -> set[str]:
    """Records (id, attempt, epoch seconds) of attempts that started; returns the ids that were recorded."""
    ids, attempts, times = zip(*started, strict=True)
    parameters = {"ids": plain(ids), "attempts": plain(attempts), "started": plain(times)}
    return {row[0] for row in tx.rows(queries("tick")["start"], parameters)}


def lock_current(tx: Transaction, pairs: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
    """Returns the (id, attempt) pairs that are a current claim, and locks them until the end of the transaction.

    A cancellation waits for that. Tasks whose rows are locked already are left out: see `still_current`.
    """
    ids, attempts = zip(*pairs, strict=True)
    rows = tx.rows(queries("tick")["lock_current"], {"ids": plain(ids), "attempts": plain(attempts)})
    return {(row[0], row[1]) for row in rows}


def still_current(tx: Transaction, pairs: Sequence[tuple[str, int]]) -> dict[str, str]:
    """Returns the states, by id, of the (id, attempt) pairs that are a task's current claim.

    A task that a statement skipped and that is found here is locked; one that is not found is settled for good.
    """
    ids, attempts = zip(*pairs, strict=True)
    return dict(tx.rows(queries("tick")["still_current"], {"ids": plain(ids), "attempts": plain(attempts)}))


def note_stale(tx: Transaction, stale: Sequence[Stale]) -> None:
    """Records reports that were late, duplicate, or from a fenced agent."""
    ids, attempts, agents, reported = zip(*stale, strict=True)
    tx.rows(
        queries("tick")["note_stale"],
        {"ids": plain(ids), "attempts": plain(attempts), "agents": quoted(agents), "reported": quoted(reported)},
    )


def update_progress(tx: Transaction, progress: Sequence[tuple[str, int, float, str]]) -> None:
    """Stores the last (id, attempt, fraction, message) of running attempts, one per task.

    A locked row keeps its old value: newer progress will follow.
    """
    ids, attempts, fractions, messages = zip(*progress, strict=True)
    tx.rows(
        queries("tick")["update_progress"],
        {"ids": plain(ids), "attempts": plain(attempts), "fractions": plain(fractions), "messages": quoted(messages)},
    )


def save_checkpoints(tx: Transaction, checkpoints: Sequence[tuple[str, int, str, int, str | None]]) -> set[str]:
    """Stores the last (id, attempt, JSON, children before it, JSON of used signals) of running attempts, one per task.

    Returns the ids that were saved.
    """
    ids, attempts, states, children, signals = zip(*checkpoints, strict=True)
    rows = tx.rows(
        queries("tick")["save_checkpoints"],
        {
            "ids": plain(ids),
            "attempts": plain(attempts),
            "checkpoints": quoted(states),
            "children": plain(children),
            "signals": quoted(signals),
        },
    )
    return {row[0] for row in rows}


def add_logs(tx: Transaction, logs: Sequence[tuple[str | None, str, int | None, str, str, str]]) -> None:
    """Appends log lines that are no transitions: (id, event, attempt, actor, agent id, detail JSON).

    Id and attempt are None for events without a task.
    """
    ids, events, attempts, actors, agents, details = zip(*logs, strict=True)
    tx.rows(
        queries("tick")["add_logs"],
        {
            "ids": plain(ids),
            "events": quoted(events),
            "attempts": plain(attempts),
            "actors": quoted(actors),
            "agents": quoted(agents),
            "details": quoted(details),
        },
    )


def claim(tx: Transaction, ids: Sequence[str], agents: Sequence[str]) -> list[Claimed]:
    """Gives tasks to agents (parallel lists); only the returned rows were claimed."""
    rows = tx.rows(queries("tick")["claim"], {"ids": plain(ids), "agents": quoted(agents)})
    return [Claimed._make(row) for row in rows]


class PlainTick(NamedTuple):
    """The parameters of a tick of successes and claims alone, each as arrays; None: there are none."""

    completions: dict[str, str] | None
    claims: dict[str, str] | None

    @classmethod
    def of(cls, completions: Sequence[Completion], ids: Sequence[str], agents: Sequence[str]) -> PlainTick:
        """Writes the parameters for successes, and for tasks to give to agents (parallel lists)."""
        claims = {"ids": plain(ids), "agents": quoted(agents)} if ids else None
        return cls(_as_arrays(completions) if completions else None, claims)


def run_plain(tx: DriverTransaction, one: PlainTick) -> tuple[set[str] | None, bool | None, list[Claimed]]:
    """Runs `complete` and `claim` in one round trip; outside a transaction they are one.

    Returns what both do, and between that whether any unfinished task waits for another one: which is known only once
    the rows of those that ended are locked (P6).
    """
    if one.completions is None:
        return None, None, [Claimed._make(row) for row in tx.rows(queries("tick")["claim"], one.claims or {})]
    last = queries("tick")["after_completed"] if one.claims is None else _claim_after_completed()
    *claimed, (_, _, completed, may_free, *_) = tx.together(
        (queries("tick")["settle_completed"], one.completions), (last, one.claims or {})
    )
    return _ids_of(completed), may_free is not None, [Claimed._make(row) for row in claimed]


@lru_cache
def _claim_after_completed() -> Query:
    claim, after = queries("tick")["claim"], queries("tick")["after_completed"]
    return Query.named("tick", "claim_after_completed", f"{claim}\nUNION ALL\n{after}")


def _ids_of(text: str) -> set[str]:
    return set(text.split(",")) if text else set()
