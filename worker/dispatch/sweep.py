"""Sweeps (P8): restores a slice of the unfinished rows to Redis, and compares some of Redis with its rows.

Without it, members of a sorted set that are never due would stay there for ever.
"""

from __future__ import annotations

from collections import Counter

import structlog

from taskyard.core.ids import is_id
from taskyard.core.models import Waiting
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.redis.namespace import DUE, Member
from taskyard.core.redis.ports import LeaderPort
from taskyard.core.redis.quarantine import Odd
from taskyard.core.scheduling.placement import MAX_SCORE
from taskyard.worker.dispatch.batch import Batch, Committed
from taskyard.worker.dispatch.term import Term
from taskyard.worker.dispatch.transaction_parts import ENDS, SWEEP

PAGE = 500  # members in one sweep, more or less
STEPS = 10  # sets in one sweep

log = structlog.get_logger(__name__)


class Sweeper:
    """Goes round through the rows and the members of Redis' sets. Raises redis-py's errors."""

    def __init__(self, broker: LeaderPort) -> None:
        self._broker = broker
        self._sets: list[str] = []  # found and not yet processed
        self._next_sets = 0
        self._next_members = b"0"

    def begin(self, term: Term, batch: Batch) -> None:
        """Makes a batch sweep the next slice."""
        batch.sweep = term.sweep.next_slice()
        batch.parents_after = term.unsettled_parents.next_sweep()
        batch.looks_for_inputs = True
        batch.workflows_after = term.workflows_after
        if not term.sweep.is_rebuilding:
            in_flight = term.leader_state.claiming
            batch.members = [m for m in self._taken(self._read()) if m.task_id not in in_flight]

    def conclude(self, term: Term, batch: Batch, committed: Committed) -> None:
        """Stores, after the commit and before its publication, where the next slice begins, and tidies Redis."""
        if batch.workflows_after is not None and ENDS not in committed.left_parts:
            term.workflows_after = committed.workflows_next or NIL
        if batch.sweep is None or SWEEP in committed.left_parts:
            return
        term.sweep.note(committed.sweep_next)
        if not batch.members:
            return
        leftover: list[Member] = []
        again: dict[str, Waiting] = {}
        for member in batch.members:
            if member.task_id in term.leader_state.claiming:
                continue  # this batch's own: its publication removes it
            task = committed.compared.get(member.task_id)
            is_right, is_in_order = self._broker.is_at_its_place(member, task) if task is not None else (False, False)
            if is_right and is_in_order:
                continue
            leftover.append(member)  # a publication adds only what is missing
            if task is not None:
                again[task.id] = task
        committed.waiting += again.values()
        if leftover:
            self._set_aside_unknown([member for member in leftover if member.task_id not in committed.compared])
            log.info(
                "sweep.tidied", removed=self._broker.drop(leftover), first=leftover[0].text.decode(errors="replace")
            )

    def _set_aside_unknown(self, members: list[Member]) -> None:
        """Reports for each set that it had members without tasks: a restored database has many."""
        counts = Counter(member.place for member in members)
        firsts = {member.place: member.text for member in reversed(members)}
        self._broker.set_aside(
            Odd("member", place, f"no such task ({count} members, this is the first)", firsts[place])
            for place, count in counts.items()
        )

    def _read(self) -> list[Member]:
        """Returns the next members; at the end of a round none."""
        found: list[Member] = []
        for _ in range(STEPS):
            if not self._sets:
                is_begin = self._next_sets == 0
                self._next_sets, self._sets = self._broker.sorted_sets(self._next_sets)
                self._sets += [DUE] if is_begin else []
            if self._sets:
                self._next_members, members = self._broker.members(self._sets[-1], self._next_members, PAGE)
                found += members
                if self._next_members == b"0":
                    self._sets.pop()
            if len(found) >= PAGE or not (self._sets or self._next_sets):
                break
        return found

    def _taken(self, members: list[Member]) -> list[Member]:
        """Returns those that may stand for a task; invalid ones are removed."""
        good: list[Member] = []
        odd: list[Member] = []
        for member in members:
            is_one = is_id(member.task_id) and -MAX_SCORE < float(member.score) < MAX_SCORE
            (good if is_one else odd).append(member)
        self._broker.set_aside(
            Odd("member", member.place, f"invalid task id or time: {member.score.decode()}", member.text)
            for member in odd
        )
        self._broker.drop(odd)
        return good
