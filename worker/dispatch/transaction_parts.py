"""Defines the parts of a tick's transaction, in the order of P6: settle → dependants → inputs → children → claim,
then the rest.

Each names the tables that it needs, so that one whose tables are locked is left out, and the others go on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import (
    dependants,
    hedges,
    holds,
    kept_reports,
    locks,
    recovery,
    schedule_fires,
    tick,
    workflows,
)
from taskyard.core.postgres.store.dependants import NONE, Ended
from taskyard.core.postgres.store.hedges import NewHedge
from taskyard.core.scheduling.hedging import Straggler
from taskyard.worker.dispatch.batch import LISTS, Arrival, Batch, Committed
from taskyard.worker.dispatch.child_parts import submit_children
from taskyard.worker.dispatch.due_schedules import SCHEDULES
from taskyard.worker.dispatch.made_inputs import make
from taskyard.worker.dispatch.recording import record, record_suspensions
from taskyard.worker.dispatch.savepoints import LOCKED, Careful, bounded, each
from taskyard.worker.dispatch.suspending import tell_outcomes

APART_TIMEOUT_MS = 20  # that one item may wait for a lock when it is tried separately
CLAIM_TIMEOUT_MS = 250  # that claims may take once one took too long
CLAIMS, DEPENDANTS, PARENTS = "claims", "tasks that wait for others", "ended parents"
ENDS = "ends of workflows"
INPUTS = "inputs made of outputs"
KEPT = "reports of newer agents"
RECORD, SWEEP = "ends of attempts", "the sweep"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the transaction. `takes` names the batch's lists that it processes, `tables` those it uses."""

    name: str
    takes: tuple[str, ...]
    tables: tuple[str, ...]
    has: Callable[[Batch, Committed], object]
    run: Callable[[DriverTransaction, Batch, Committed], None]

    def leave(self, batch: Batch, committed: Committed) -> None:
        """Leaves all of it for later."""
        committed.left_parts.add(self.name)
        for name in self.takes:
            getattr(committed.left, name).extend(getattr(batch, name))
        if self.name == DEPENDANTS:
            committed.ended += batch.ended


# effects of ended tasks


def _has_ended(batch: Batch, committed: Committed) -> object:
    return batch.ended or committed.ended


def _publish_dependants(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    left = batch.ended + Ended([], committed.ended.failed)
    # where locks are looked for, claims are the claims' part alone
    offers = [] if isinstance(tx, Careful) else [(str(offer.lane), agent.id) for offer, agent in batch.offers]
    done = dependants.settle(tx, left, "dispatcher", completed_here=committed.ended.completed, offers=offers)
    committed.may_free = done.may_free
    committed.waiting += done.waiting
    committed.freed = done.freed
    freed = [*done.waiting, *(task.waiting for task in done.freed)]
    committed.freed_lanes = Counter(task.lane for task in freed if not task.is_due_later)
    committed.cancelled += len(done.cancelled)
    committed.ended = done.left
    committed.may_lack_inputs |= done.may_lack_inputs


def _may_lack_inputs(batch: Batch, committed: Committed) -> object:
    return batch.input_checks is not None and (batch.looks_for_inputs or committed.may_lack_inputs)


def _make_inputs(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    assert batch.input_checks is not None
    made = make(tx, batch.input_checks)
    committed.waiting += made.waiting
    committed.ended += Ended([], made.failed)
    committed.has_more_inputs = made.has_more


# schedules, claims


def _fire_schedules(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    assert batch.firing is not None
    committed.fired = fired = batch.firing(tx, lambda items, run: each(tx, items, run))
    committed.waiting += fired.waiting
    committed.ended += fired.below
    committed.orphans += [(task.was.id, task.attempt) for task in fired.cancelled if task.agent_id is not None]


def _claim(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    committed.claimed = claimed = []
    wanted = [(candidate.id, agent.id) for candidate, agent in batch.claims]
    with bounded(tx, CLAIM_TIMEOUT_MS):
        refused = each(tx, wanted, lambda items: claimed.extend(tick.claim(tx, *zip(*items, strict=True))))
    committed.unclaimable += [task_id for task_id, _ in refused]


def _hedge(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.dropped_hedges:
        each(tx, batch.dropped_hedges, lambda items: hedges.drop(tx, items))
    if batch.hedges:
        wanted = [NewHedge(one.id, one.attempt, agent.id, _detail_of(one)) for one, agent, _ in batch.hedges]
        each(tx, wanted, lambda items: committed.hedged.extend(hedges.hedge(tx, items)))


def _detail_of(straggler: Straggler) -> str:
    detail = {"beside": straggler.attempt, "late_seconds": round(straggler.late_seconds, 3)}
    return orjson.dumps(detail).decode()


# changes of no task


def _note(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.stale:
        each(tx, batch.stale, lambda items: tick.note_stale(tx, items))
    if batch.logs:
        each(tx, batch.logs, lambda items: tick.add_logs(tx, items))


def _keep_agents(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    def register(arrivals: Sequence[Arrival]) -> None:
        agents = [
            {name: getattr(a.info, name) for name in a.info.__struct_fields__}
            | {"state": "online", "known_types": a.known_types, "deployed": a.deployed or None}
            for a in arrivals
        ]
        committed.joined += recovery.register_agents(tx, agents)

    def end(endings: Sequence[tuple[str, str]]) -> None:
        committed.lost += recovery.end_agents(tx, endings)

    if batch.arrivals:
        each(tx, batch.arrivals, register, committed.left.arrivals)
    if batch.endings:
        each(tx, batch.endings, end, committed.left.endings)
    if batch.arrivals:  # last, since the boot that an agent follows often ends in the same tick
        recovery.forget_boots(tx, list({one.info.name: one.id for one in batch.arrivals}.values()))


def _sweep(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.sweep is not None:
        waiting, committed.sweep_next = recovery.open_slice(tx, batch.sweep.after, batch.sweep.limit)
        committed.waiting += waiting
        if batch.members:
            committed.compared = recovery.how_they_wait(tx, list({member.task_id for member in batch.members}))


def _find_parents(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.parents_after is not None:
        committed.found_ended, committed.parents_next = dependants.ended_parents(tx, batch.parents_after)


def _end_workflows(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.workflows_after is not None:
        committed.workflows_next = workflows.end_some(tx, batch.workflows_after).next


def _compare_held(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    each(tx, batch.held, lambda items: committed.orphans.extend(recovery.not_held(tx, items)))


def _ping(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    committed.database_time = recovery.database_time(tx)


def _read_holds(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    committed.holds = holds.holds(tx)


def _read_next_fire(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    earliest = schedule_fires.earliest(tx)
    committed.next_fire = math.inf if earliest is None else earliest


def _read_agent_users(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    committed.agent_users = recovery.agent_users(tx)


def _keep_reports(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    if batch.kept:
        each(tx, batch.kept, lambda items: kept_reports.keep(tx, items))
    if batch.kept_done:
        kept_reports.done_with(tx, batch.kept_done)
    if batch.kept_wanted:
        committed.kept_bodies = kept_reports.bodies(tx, batch.kept_wanted)
    if batch.ping:
        committed.kept = kept_reports.kept(tx)


_TASKS = ("tasks", "task_events")
PARTS = (
    Part(
        RECORD,
        ("completions", "settlements", "takeovers", "started", "checkpoints"),
        _TASKS,
        lambda b, c: b.completions or b.settlements or b.takeovers or b.started or b.progress or b.checkpoints,
        record,
    ),
    Part(
        "suspended tasks",
        ("suspensions",),
        (*_TASKS, "task_dependencies", "task_signals", "questions"),
        lambda b, c: b.suspensions,
        record_suspensions,
    ),
    Part(DEPENDANTS, (), (*_TASKS, "task_dependencies"), _has_ended, _publish_dependants),
    Part(INPUTS, (), (*_TASKS, "task_dependencies", "task_inputs"), _may_lack_inputs, _make_inputs),
    Part("children", ("children",), (*_TASKS, "task_dependencies", "holds"), lambda b, c: b.children, submit_children),
    Part("outcomes asked", ("outcomes_asked",), ("tasks",), lambda b, c: b.outcomes_asked, tell_outcomes),
    Part(
        SCHEDULES,
        (),
        (*_TASKS, "task_dependencies", "holds", "schedules", "schedule_fires"),
        lambda b, c: b.firing,
        _fire_schedules,
    ),
    Part(CLAIMS, ("claims",), (*_TASKS, "task_signals", "questions"), lambda b, c: b.claims, _claim),
    Part("second attempts", ("dropped_hedges",), _TASKS, lambda b, c: b.hedges or b.dropped_hedges, _hedge),
    Part("log lines", ("stale", "logs"), ("tasks", "task_events"), lambda b, c: b.stale or b.logs, _note),
    Part(
        "agents", ("arrivals", "endings"), ("agents", "task_events"), lambda b, c: b.arrivals or b.endings, _keep_agents
    ),
    Part(
        KEPT,
        ("kept", "kept_done"),
        ("kept_reports",),
        lambda b, c: b.ping or b.kept or b.kept_done or b.kept_wanted,
        _keep_reports,
    ),
    Part(SWEEP, (), ("tasks",), lambda b, c: b.sweep, _sweep),
    Part(PARENTS, (), ("tasks", "task_dependencies"), lambda b, c: b.parents_after, _find_parents),
    Part(ENDS, (), (*_TASKS, "workflows"), lambda b, c: b.workflows_after, _end_workflows),
    Part("what agents hold", (), ("tasks",), lambda b, c: b.held, _compare_held),
    Part("the time", (), (), lambda b, c: b.ping, _ping),
    Part("holds", (), ("holds",), lambda b, c: b.ping, _read_holds),
    Part("schedules' times", (), ("schedules",), lambda b, c: b.ping or b.firing, _read_next_fire),
    Part("agents' users", (), ("principals", "tokens"), lambda b, c: b.ping, _read_agent_users),
)


def apart(tx: Careful, part: Part, batch: Batch, committed: Committed) -> bool:
    """Runs a part by itself with a short timeout; returns False if it was blocked, and is left."""
    found, refused_before = Committed(ended=committed.ended), len(tx.odd)
    tx.cursor.execute("SAVEPOINT apart")
    try:
        locks.wait_at_most(tx, APART_TIMEOUT_MS)
        part.run(tx, batch, found)
    except LOCKED:
        tx.cursor.execute("ROLLBACK TO SAVEPOINT apart")
        tx.cursor.execute("RELEASE SAVEPOINT apart")
        del tx.odd[refused_before:]  # found again when the part is run
        part.leave(batch, committed)
        return False
    tx.cursor.execute("RELEASE SAVEPOINT apart")
    ended, found.ended = found.ended, NONE
    committed.add(found)
    committed.ended = ended
    return True


assert {name for part in PARTS for name in part.takes} == set(LISTS)
