"""Settles tasks that wait for others once those have ended, in slices of a bounded size.

An open row of `task_dependencies` whose parent has ended is work left to do. No memory is needed: whoever looks for
such rows finds it again after a crash, a lock, or a child that was inserted while its parent ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.states import TERMINAL, TaskState

SLICE = 1_000  # children in one transaction: some 40 ms
PARENTS_SLICE = 1_000


class Ended(NamedTuple):
    """Ended tasks that others may wait for: `completed` ones, and those that failed or were cancelled."""

    completed: Sequence[str]
    failed: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.completed or self.failed)

    def __add__(self, other: Ended) -> Ended:  # type: ignore[override]
        return Ended([*self.completed, *other.completed], [*self.failed, *other.failed])


NONE = Ended((), ())


class Freed(NamedTuple):
    """A task that got an agent as it was freed: its claim, and how it would wait without."""

    claim: Claimed
    waiting: Waiting


class Slice(NamedTuple):
    """The result of one slice: tasks now waiting for an agent, cancelled tasks, and what is left to do."""

    waiting: list[Waiting]
    cancelled: list[str]
    left: Ended
    may_lack_inputs: bool = False  # whether a child may have become due to get its input
    freed: Sequence[Freed] = ()
    may_free: bool = True  # whether any unfinished task waits for another one


def settle(
    tx: Transaction,
    ended: Ended,
    actor: str,
    limit: int = SLICE,
    *,
    completed_here: Sequence[str] = (),
    offers: Sequence[tuple[str, str]] = (),
) -> Slice:
    """Releases children whose conditions are met, and cancels those whose can't be any more, at most `limit` of each.

    Locked rows are skipped; `left` then names the parents that still have children. `completed_here` are more parents,
    which this transaction itself completed. `offers` are pairs of a lane and the id of an agent that has room for one
    of its tasks: tasks that can start are claimed for these agents at once, those of the highest priority first.
    """
    if not (ended or completed_here) or not tx.rows(queries("dependants")["has_any"], {})[0][0]:
        # a child inserted at the same time is settled by its inserter: see look_again
        return Slice([], [], NONE, may_free=False)
    others = {*ended.completed, *ended.failed}.difference(completed_here)  # each once: its edges count once
    parents = {"ids": plain(sorted(others)), "completed_here": plain(completed_here), "limit": limit}
    changed = tx.rows(queries("dependants")["unblock"], parents | _as_arrays(offers))
    both = [*others, *completed_here]
    left = _with_children(tx, both)
    cancelled = _cancel(tx, sorted(left), actor, limit) if left else []
    if cancelled:
        left = _with_children(tx, [*left, *cancelled])
    elif left and not changed:
        tx.rows(queries("dependants")["close_useless"], {"ids": plain(sorted(left)), "limit": limit})
    completed = [parent for parent in (*ended.completed, *completed_here) if parent in left]
    failed = [parent for parent in (*ended.failed, *cancelled) if parent in left]
    waiting = [Waiting.from_row(row) for row in changed if row[1] in (TaskState.PENDING, TaskState.SCHEDULED)]
    lacks_input = any(row[1] == TaskState.BLOCKED and row[9] == 1 for row in changed)
    assigned = [row for row in changed if row[1] == TaskState.ASSIGNED]
    freed = [Freed(Claimed(*row[10:]), Waiting.from_row(row)) for row in assigned]
    return Slice(waiting, cancelled, Ended(completed, failed), lacks_input, freed)


def _as_arrays(offers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Returns offers as `unblock` reads them: for each lane how many, and behind which ones, of numbers of agents."""
    by_lane: dict[str, list[int]] = {}
    agents: dict[str, int] = {}
    for lane, agent_id in offers:
        by_lane.setdefault(lane, []).append(agents.setdefault(agent_id, len(agents) + 1))
    counts = [len(numbers) for numbers in by_lane.values()]
    return {
        "lanes": quoted(by_lane),
        "counts": plain(counts),
        "firsts": plain(accumulate(counts[:-1], initial=0)),
        "offers": plain(chain.from_iterable(by_lane.values())),
        "agents": quoted(agents),
    }


def cancel_below(tx: Transaction, parents: Sequence[str], actor: str, limit: int = SLICE) -> Slice:
    """Runs `settle` for tasks that did not complete."""
    return settle(tx, Ended([], list(parents)), actor, limit)


def check_again(tx: Transaction, children: Iterable[str]) -> list[Waiting]:
    """Settles newly inserted children whose parents have ended meanwhile; returns those now waiting for an agent."""
    rows = tx.rows(queries("dependants")["parents_of"], {"ids": plain(children)})
    return settle(tx, _ended(rows), "dispatcher").waiting  # the rest is found by the sweep


def ended_parents(tx: Transaction, after: str, limit: int = PARENTS_SLICE) -> tuple[Ended, str | None]:
    """Returns the ended ones of a slice of all parents, and the start of the next slice (None: no more)."""
    rows = tx.rows(queries("dependants")["parents_after"], {"after": after, "limit": limit})
    return _ended(rows), rows[-1][0] if len(rows) == limit else None


def _ended(rows: Sequence[tuple[str, str | None]]) -> Ended:
    completed = [id_ for id_, state in rows if state == TaskState.COMPLETED]
    failed = [id_ for id_, state in rows if state is None or (state in TERMINAL and state != TaskState.COMPLETED)]
    return Ended(completed, failed)


def _cancel(tx: Transaction, parents: Sequence[str], actor: str, limit: int) -> list[str]:
    parameters = {"ids": plain(parents), "actor": actor, "limit": limit}
    return [row[0] for row in tx.rows(queries("dependants")["cancel_below"], parameters)]


def _with_children(tx: Transaction, parents: Sequence[str]) -> set[str]:
    """Returns the parents that tasks still wait for."""
    return {row[0] for row in tx.rows(queries("dependants")["with_children"], {"ids": plain(parents)})}
