"""States that differ only in what nobody can ever tell apart have one key; it makes the search finite and short.

Attempts count from the row's, boots from the agent's present one, epochs by their order; the two
agents, and the two workers, may change places. How often something failed is no part of the key:
the search meets each state first with the fewest faults.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.model.commit import MAX_HEDGES
from tests.model.rules import Setting
from tests.model.state import ALL_AGENTS, CLAIMED, STANDBY, Agent, Boot, Message, State
from tests.model.worker import has_say

Key = tuple[Any, ...]


def key_of(state: State, setting: Setting) -> Key:
    """The same for states that behave the same."""
    if setting.task == "unknown":  # the agents differ
        return _key(state, setting, (0, 1))
    holder = state.row.boot[0] if state.row.boot is not None else -1
    first, second = (
        (_agent_text(agent, state.row.attempt), holder == index) for index, agent in enumerate(state.agents)
    )
    if first != second:
        return _key(state, setting, (0, 1) if first < second else (1, 0))
    return min(_key(state, setting, (0, 1)), _key(state, setting, (1, 0)), key=repr)


def _key(state: State, setting: Setting, order: tuple[int, int]) -> Key:
    row = state.row
    reading: list[tuple[Message, ...]] = [
        worker.batch.reports if worker.batch and setting.has("P5") and has_say(state, index, setting) else ()
        for index, worker in enumerate(state.workers)
    ]
    workers = [_worker_key(state, index, setting, order) for index in (0, 1)]
    return (
        row.state,
        row.charged,
        not row.attempt,
        row.answer,
        row.hedge and (row.hedge[0] - row.attempt, _boot_key(row.hedge[1], state, order)),
        row.hedged and (row.hedged - row.attempt, row.hedged >= MAX_HEDGES),
        state.is_held,
        _boot_key(row.boot, state, order),
        state.ready,
        _reports_key(state.results, state, setting, order),
        *(
            (bool(there), there > max(_count(reports, stream) for reports in reading))
            for stream in (*order, ALL_AGENTS)
            for there in (_count(state.results, stream),)
        ),
        state.has_generation,
        tuple(sorted(workers, key=repr)),
        tuple([_agent_key(state.agents[index], row.attempt) for index in order]),
        state.submitter,
        state.sender,
        state.operator,
        state.credit,
        # what was executed matters for attempts that may be started again
        tuple(sorted([n - row.attempt for n in state.executed if n >= row.attempt - 2])),
        tuple(sorted([n - row.attempt for n in state.answered if n >= row.attempt - 2])),
        tuple(
            sorted(
                index
                for (index, boot), epoch in state.refused
                if epoch == state.epoch and boot == state.agents[index].boot
            )
        ),
        state.wrong,
        _reports_key(state.kept, state, setting, order),
    )


def _count(reports: tuple[Message, ...], stream: int) -> int:
    return sum(1 for report in reports if report.sender == stream)


def _stream_key(sender: int, order: tuple[int, int]) -> int:
    return sender if sender == ALL_AGENTS else order.index(sender)


def _boot_key(boot: Boot | None, state: State, order: tuple[int, int]) -> Key | None:
    return None if boot is None else (order.index(boot[0]), state.agents[boot[0]].boot - boot[1])


def _reports_key(messages: tuple[Message, ...], state: State, setting: Setting, order: tuple[int, int]) -> Key:
    """The reports that may still change something: with P2, P4 and P14 only those of the current attempt can."""
    row = state.row
    keeps_all = not setting.off.isdisjoint(("P2", "P4", "P14", "P18 current"))
    is_current = row.state in CLAIMED
    return tuple(
        [
            (kind, n - row.attempt, _boot_key(boot, state, order), _stream_key(sender, order))
            for kind, n, boot, sender in messages
            if keeps_all
            or kind in ("gone", "forged gone", "returned")
            or n > row.attempt
            or n == row.hedged
            or (n == row.attempt and is_current)
        ]
    )


@cache
def _agent_text(agent: Agent, current: int) -> str:
    return repr(_agent_key(agent, current))


@cache
def _agent_key(agent: Agent, current: int) -> Key:
    beat = agent.beat
    return (
        agent.is_frozen,
        agent.is_heard,
        agent.knows_generation,
        agent.is_fenced,
        None if beat is None else (beat.knows_generation, beat.has_read, *[n - current for n in beat.held]),
        tuple([n - current for n in agent.waiting]),
        tuple([n - current for n in agent.running]),
        tuple([(kind, n - current) for kind, n in agent.inbox]),
        agent.seen - current,
    )


def _worker_key(state: State, index: int, setting: Setting, order: tuple[int, int]) -> Key:
    worker, current = state.workers[index], state.row.attempt
    batch = worker.batch
    if not has_say(state, index, setting):
        return (False, STANDBY, worker.is_frozen, worker.is_old)
    is_leader = state.lock == index
    key: Key = (is_leader, worker.mode, worker.is_frozen, worker.is_old, worker.epoch == state.redis_epoch)
    key = (*key, *sorted(index for index, boot in worker.barred if boot == state.agents[index].boot))
    if batch is None:
        return key
    given_up = batch.given_up
    return (
        *key,
        _reports_key(batch.reports, state, setting, order),
        given_up and (given_up[0] - current, _boot_key(given_up[1], state, order), given_up[2]),
        _boot_key(batch.claim_for, state, order),
        tuple(sorted([(order.index(agent), n - current) for agent, n in batch.orphans])),
        (batch.claimed - current,) if batch.claimed else (),
        batch.sweeps,
        batch.is_waiting,
        batch.is_passed_over,
        _reports_key(batch.kept, state, setting, order),
        _boot_key(batch.hedge_for, state, order),
        batch.drops_hedge,
        (batch.hedged - current,) if batch.hedged else (),
    )
