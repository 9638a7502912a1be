"""What a worker does: lead, look at the roster, and tick: gather, commit, publish."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.agent import NAMES, Step
from tests.model.commit import MAX_HEDGES, applied, is_hedgeable
from tests.model.rows import given_up, is_queued
from tests.model.rules import Setting
from tests.model.state import (
    ALL_AGENTS,
    CLAIMED,
    COMMITTED,
    DECIDED,
    IN_PROGRESS,
    LEADING,
    NOBODY,
    STANDBY,
    Batch,
    Boot,
    Message,
    State,
    Worker,
)

WORKERS = ("W1", "W2")


def steps(state: State, setting: Setting) -> Iterator[Step]:
    for index, worker in enumerate(state.workers):
        name = WORKERS[index]
        if worker.is_old and not worker.is_frozen:
            upgraded = abandoned(state, index)
            yield f"{name} is upgraded", upgraded.with_worker(index, upgraded.workers[index]._replace(is_old=False))
        if worker.is_frozen:
            if state.lock == index and setting.has("P1"):
                yield f"{name}'s session times out", state._replace(lock=NOBODY)
        elif not has_say(state, index, setting):
            if state.lock == NOBODY:
                yield f"{name} leads", _elected(state, index)
            if not setting.has("P15"):
                yield from _recover_alone(state, index, setting)
        elif worker.mode == LEADING:
            yield from _gather(state, index, setting)
        elif worker.mode == DECIDED:
            yield f"{name} commits", committed(state, index, setting)
        elif worker.mode == COMMITTED:
            yield f"{name} publishes", _publish(state, index, setting)


def has_say(state: State, index: int, setting: Setting) -> bool:
    """Whether this worker can commit or publish; one that can't is a standby, as it finds out with its next step.

    Without the lock there is no commit, which runs on the lock's connection; without the present
    epoch there is no publication.
    """
    worker = state.workers[index]
    is_known = worker.epoch == state.redis_epoch or not setting.has("P7")
    return worker.mode != STANDBY and (state.lock == index or (worker.mode == COMMITTED and is_known))


def abandoned(state: State, index: int) -> State:
    """Gives the lead up, with all that was in memory."""
    lock = NOBODY if state.lock == index else state.lock
    return state.with_worker(index, Worker(is_old=state.workers[index].is_old))._replace(lock=lock)


def _elected(state: State, index: int) -> State:
    """One epoch more in PostgreSQL, then in Redis, which after a wipe begins a new generation.

    One step: what an old leader could publish between the two, it could as well before.
    """
    epoch = state.epoch + 1
    state = state._replace(lock=index, epoch=epoch, redis_epoch=epoch, has_generation=True)
    return state.with_worker(index, Worker(LEADING, epoch, is_old=state.workers[index].is_old))


# the look at the roster


def _suspicion(state: State, setting: Setting) -> str:
    """Why the claim looks lost at this moment, or nothing."""
    row = state.row
    if row.state not in CLAIMED or row.boot is None:
        return ""
    holder = state.agents[row.boot[0]]
    beat = holder.beat if holder.boot == row.boot[1] else None
    if beat is None:
        # the canary has lived for a TTL: within it everybody has beaten who was not frozen all the while
        is_certain = all(agent.beat is not None or not agent.is_heard for agent in state.agents)
        return "silent" if setting.has("P10") and (is_certain or not setting.has("P10 canary")) else ""
    is_missed = beat.knows_generation and beat.has_read and row.attempt not in beat.held
    return "not held" if setting.has("P9") and is_missed else ""


def _recover_alone(state: State, index: int, setting: Setting) -> Iterator[Step]:
    """Without P15: a worker that does not lead recovers on a connection of its own."""
    row = state.row
    is_lost = row.state in CLAIMED and row.boot is not None and state.agents[row.boot[0]].boot != row.boot[1]
    if is_lost and not state.is_held:
        yield f"{WORKERS[index]} gives {row.attempt} up: silent", state._replace(row=given_up(row, setting), ready=True)


# the tick


def _gather(state: State, index: int, setting: Setting) -> Iterator[Step]:
    """Reads all results, gives up what looked lost before that, and decides where a ready task goes.

    The look at the roster and the reading are one step: what comes between them is read, and so can
    only save what looked lost. What comes after them is what a batch may be wrong about.
    """
    name = WORKERS[index]
    if not state.has_generation or state.redis_epoch != state.workers[index].epoch:
        yield f"{name} finds Redis wiped", abandoned(state, index)
        return
    for streams, reports, what in _readings(state, setting):
        yield from _decide(state, index, setting, streams, reports, f"{name} reads {what}")


def _readings(state: State, setting: Setting) -> Iterator[tuple[set[int], tuple[Message, ...], str]]:
    """Which results are read together: all, or, since no order holds between their own, those of one agent."""
    yield {0, 1, ALL_AGENTS}, state.results, "the results"
    for number in (0, 1) if setting.own else ():
        reports = tuple(report for report in state.results if report.sender == number)
        if len(reports) < len(state.results):
            yield {number}, reports, f"the results of {NAMES[number]}"


def _decide(
    state: State, index: int, setting: Setting, streams: set[int], reports: tuple[Message, ...], label: str
) -> Iterator[Step]:
    row, name = state.row, WORKERS[index]
    state = _with_barred(state, index, reports)
    kept = () if state.workers[index].is_old else state.kept
    batch = Batch(reports, orphans=_orphans(state) if setting.has("P11") else (), kept=kept)
    farewells = ("gone",) if setting.has("P10 proof") else ("gone", "forged gone")
    if row.boot is not None and any(
        (kind, boot) == (farewell, row.boot) for kind, _, boot, _ in reports for farewell in farewells
    ):
        batch = batch._replace(given_up=(row.attempt, row.boot, "gone"))
    why = _suspicion(state, setting)
    if row.boot is not None and why and (row.boot[0] in streams or not setting.has("P9 own")):
        drained = setting.has("P9 drained" if why == "not held" else "P10 drained")
        giving_up = (batch if drained else Batch(kept=kept))._replace(given_up=(row.attempt, row.boot, why))
        yield f"{label} and gives {row.attempt} up: {why}", _decided(state, index, giving_up)
    if not setting.has("P5"):
        state = state._replace(results=())
    if batch != Batch():
        yield label, _decided(state, index, batch)
    if setting.has("P8") and is_queued(row, setting, swept=True) and not state.ready:
        yield f"{name} sweeps", _decided(state, index, batch._replace(sweeps=True))
    if row.hedge is not None:
        yield f"{name} gives the second attempt up", _decided(state, index, batch._replace(drops_hedge=True))
    if setting.hedged and _may_hedge(state, setting):
        for number, agent in enumerate(state.agents):
            if agent.beat is not None and not agent.is_fenced and (number, agent.boot) != row.boot:
                hedging = batch._replace(hedge_for=(number, agent.boot))
                yield f"{name} hedges {row.attempt} on {NAMES[number]}", _decided(state, index, hedging)
    if state.ready:
        for number, agent in enumerate(state.agents):
            is_barred = setting.has("P16") and (number, agent.boot) in state.workers[index].barred
            if agent.beat is not None and not agent.is_fenced and not is_barred:
                claiming = batch._replace(claim_for=(number, agent.boot))
                yield f"{name} places it on {NAMES[number]}", _decided(state, index, claiming)


def _may_hedge(state: State, setting: Setting) -> bool:
    """Whether a second attempt may begin, as the leader sees it."""
    row = state.row
    return row.state == IN_PROGRESS and is_hedgeable(row, setting) and row.hedged < MAX_HEDGES


def _with_barred(state: State, index: int, reports: tuple[Message, ...]) -> State:
    """The leader remembers who can't run the task as soon as it reads that, before it places anything."""
    worker = state.workers[index]
    returned = {boot for kind, _, boot, _ in reports if kind == "returned" and boot is not None}
    return state.with_worker(index, worker._replace(barred=worker.barred | returned)) if returned else state


def _orphans(state: State) -> tuple[tuple[int, int], ...]:
    """Attempts that heartbeats hold and the row does not match.

    The leader repeats its order until a heartbeat shows the effect; once is enough here.
    """
    row = state.row
    current = (row.attempt, row.hedge[0] if row.hedge is not None else 0) if row.state in CLAIMED else ()
    return tuple(
        (index, attempt)
        for index, agent in enumerate(state.agents)
        if agent.beat is not None
        for attempt in agent.beat.held
        if attempt not in current and attempt in agent.held and ("cancel", attempt) not in agent.inbox
    )


def _decided(state: State, index: int, batch: Batch) -> State:
    return state.with_worker(index, state.workers[index]._replace(mode=DECIDED, batch=batch))


def committed(state: State, index: int, setting: Setting) -> State:
    """The transaction."""
    worker = state.workers[index]
    state, batch = applied(state, worker.batch or Batch(), setting, is_old=worker.is_old)
    return state.with_worker(index, worker._replace(mode=COMMITTED, batch=batch))


def _publish(state: State, index: int, setting: Setting) -> State:
    """One script: the epoch first, then deletions, then additions."""
    worker = state.workers[index]
    batch = worker.batch or Batch()
    is_mine = state.redis_epoch == worker.epoch
    is_kept = batch.is_passed_over and setting.has("P4 kept")
    if is_mine and setting.has("P5") and not is_kept:
        state = state._replace(results=_without(state.results, batch.reports))
    state = state._replace(ready=(state.ready and batch.claim_for is None) or batch.is_waiting)
    if batch.claimed and batch.claim_for is not None:
        state = _ordered(state, batch.claim_for, ("run", batch.claimed))
    if batch.hedged and batch.hedge_for is not None:
        state = _ordered(state, batch.hedge_for, ("run", batch.hedged))
    for number, attempt in batch.orphans:
        state = _ordered(state, (number, state.agents[number].boot), ("cancel", attempt))
    if batch.given_up is not None and batch.given_up[2] == "silent":
        number, boot = batch.given_up[1]
        agent = state.agents[number]
        if agent.boot == boot:
            state = state.with_agent(number, agent._replace(is_fenced=True))
    if not is_mine:
        return abandoned(state, index)
    return state.with_worker(index, worker._replace(mode=LEADING, batch=None))


def _without(results: tuple[Message, ...], read: tuple[Message, ...]) -> tuple[Message, ...]:
    left = list(results)
    for report in read:
        if report in left:
            left.remove(report)
    return tuple(left)


def _ordered(state: State, boot: Boot, order: tuple[str, int]) -> State:
    agent = state.agents[boot[0]]
    if agent.boot != boot[1]:
        return state  # nobody reads the inbox of a boot that is gone
    beat = agent.beat
    if beat is not None and order[0] == "run":
        beat = beat._replace(has_read=False)
    return state.with_agent(boot[0], agent._replace(inbox=(*agent.inbox, order), beat=beat))
