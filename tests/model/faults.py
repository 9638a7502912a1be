"""What may go wrong, and what operators and submitters do of their own will."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import worker as workers
from tests.model.agent import NAMES, Step, restarted
from tests.model.rules import Setting
from tests.model.state import (
    ALL_AGENTS,
    CANCELLED,
    CLAIMED,
    COMMITTED,
    DECIDED,
    PENDING,
    STANDBY,
    SUSPENDED,
    TERMINAL,
    Batch,
    Message,
    State,
)

ALL = (
    "worker crash",
    "worker freeze",
    "unknown commit",
    "agent crash",
    "agent exit",
    "agent freeze",
    "submitter crash",
    "wipe",
    "report twice",
    "order twice",
    "row lock",
)
FORGED = ("forged end", "forged farewell")


def steps(state: State, setting: Setting) -> Iterator[Step]:
    """The faults that may happen now."""
    for fault in setting.faults:
        yield from _FAULTS[fault](state, setting)


def wakes(state: State) -> Iterator[tuple[bool, Step]]:
    """What is frozen may go on at any time, or never; but not all of a kind stay frozen for ever."""
    for index, worker in enumerate(state.workers):
        if worker.is_frozen:
            after = state.with_worker(index, worker._replace(is_frozen=False))
            yield all(w.is_frozen for w in state.workers), (f"{workers.WORKERS[index]} goes on", after)
    for index, agent in enumerate(state.agents):
        if agent.is_frozen:
            after = state.with_agent(index, agent._replace(is_frozen=False))
            yield all(a.is_frozen for a in state.agents), (f"{NAMES[index]} goes on", after)


def people(state: State, setting: Setting) -> Iterator[Step]:
    """The submitter's push, which may come at any time after its commit; an operator's transitions."""
    if state.submitter:
        who = "sender" if state.row.answer else "submitter"
        yield f"the {who} pushes", state._replace(ready=True, submitter=False)
    if state.is_held:
        yield "somebody lets the row go", state._replace(is_held=False)
        return  # operators and senders wait for it
    if state.sender:
        yield _signalled(state, setting)
    what, _, later = state.operator.partition(" ")
    row = state.row
    if what == "cancel" and (row.state not in TERMINAL or not setting.has("P13")):
        wrong = f"a task that is {row.state} is cancelled" if row.state in TERMINAL else state.wrong
        yield "an operator cancels", state._replace(row=row._replace(state=CANCELLED), operator=later, wrong=wrong)
    if what == "retry" and row.state == CANCELLED:
        retried = row._replace(state=PENDING, charged=0, boot=None)
        yield "an operator retries", state._replace(row=retried, operator=later)


def _signalled(state: State, setting: Setting) -> Step:
    """A signal is stored, and wakes the task if it is suspended; an ended task gets none."""
    row, state = state.row, state._replace(sender=state.sender - 1)
    if row.state in TERMINAL:
        return "a signal is refused", state
    if row.answer and setting.task == "signal":
        wrong = state.wrong if setting.has("P19 once") else "a signal counts twice"
        return "a signal comes again", state._replace(wrong=wrong)
    if row.state == SUSPENDED:
        row, state = row._replace(state=PENDING, boot=None), state._replace(submitter=True)
    return "a signal comes", state._replace(row=row._replace(answer=True))


def _worker_crash(state: State, setting: Setting) -> Iterator[Step]:
    for index, worker in enumerate(state.workers):
        if worker.mode != STANDBY and not worker.is_frozen:
            yield f"{workers.WORKERS[index]} crashes", workers.abandoned(state, index)


def _worker_freeze(state: State, setting: Setting) -> Iterator[Step]:
    for index, worker in enumerate(state.workers):
        if not worker.is_frozen:
            yield f"{workers.WORKERS[index]} freezes", state.with_worker(index, worker._replace(is_frozen=True))


def _unknown_commit(state: State, setting: Setting) -> Iterator[Step]:
    """The connection breaks while the commit is answered: it was applied, or not."""
    for index, worker in enumerate(state.workers):
        if worker.is_frozen or state.lock != index:
            continue
        name = workers.WORKERS[index]
        if worker.mode != DECIDED or worker.batch is None:
            continue
        applied = workers.committed(state, index, setting)
        if setting.has("P14"):
            yield f"{name} does not learn that its commit was applied", workers.abandoned(applied, index)
            yield f"{name} does not learn that its commit was not applied", workers.abandoned(state, index)
        else:
            batch = worker.batch
            believed: Batch = batch._replace(claimed=state.row.attempt + 1 if batch.claim_for else 0)
            after = state.with_worker(index, worker._replace(mode=COMMITTED, batch=believed))
            yield f"{name} takes a commit as applied that was not", after


def _cut_off(state: State, index: int) -> State:
    """Whatever the agent executes now may have to be repeated."""
    return state._replace(credit=state.credit + (0 if state.operator else len(state.agents[index].running)))


def _agent_crash(state: State, setting: Setting) -> Iterator[Step]:
    for index, agent in enumerate(state.agents):
        if not agent.is_frozen:
            yield f"{NAMES[index]} crashes with its host", restarted(_cut_off(state, index), index)


def _agent_exit(state: State, setting: Setting) -> Iterator[Step]:
    for index, agent in enumerate(state.agents):
        if not agent.is_frozen:
            report = Message("gone", 0, (index, agent.boot), index if setting.own else ALL_AGENTS)
            after = restarted(_cut_off(state, index), index)
            yield f"{NAMES[index]} crashes, which is reported", after._replace(results=(*state.results, report))


def _agent_freeze(state: State, setting: Setting) -> Iterator[Step]:
    for index, agent in enumerate(state.agents):
        if not agent.is_frozen:
            after = _cut_off(state, index).with_agent(index, agent._replace(is_frozen=True))
            yield f"{NAMES[index]} freezes", after


def _submitter_crash(state: State, setting: Setting) -> Iterator[Step]:
    if state.submitter:
        yield "the submitter crashes before it pushes", state._replace(submitter=False)


def _wipe(state: State, setting: Setting) -> Iterator[Step]:
    row = state.row
    # a result that is lost must be had again; a start that is lost leaves its attempt unpaid
    lost = ("started",) if setting.task == "poison" else ("done", "suspended")
    is_lost = row.state in CLAIMED and any(
        kind in lost and attempt == row.attempt for kind, attempt, _, _ in state.results
    )
    first, second = (
        agent._replace(inbox=(), knows_generation=False, beat=None, is_fenced=False) for agent in state.agents
    )
    yield (
        "Redis is wiped",
        state._replace(
            ready=False,
            results=(),
            redis_epoch=0,
            has_generation=False,
            agents=(first, second),
            credit=state.credit + is_lost,
        ),
    )


def _report_twice(state: State, setting: Setting) -> Iterator[Step]:
    for report in dict.fromkeys(state.results):
        if report.boot is None:
            after = state._replace(results=(*state.results, report))
            yield f"{report.kind} {report.attempt} arrives again", after


def _order_twice(state: State, setting: Setting) -> Iterator[Step]:
    for index, agent in enumerate(state.agents):
        if agent.inbox:
            twice = agent._replace(inbox=(agent.inbox[0], *agent.inbox))
            yield f"{NAMES[index]} gets an order twice", state.with_agent(index, twice)


def _row_lock(state: State, setting: Setting) -> Iterator[Step]:
    """Somebody's transaction holds the row, until it ends at any time."""
    if not state.is_held:
        yield "somebody holds the row", state._replace(is_held=True)


def _forged_end(state: State, setting: Setting) -> Iterator[Step]:
    """Somebody who does not hold the claim reports its end."""
    if state.row.state in CLAIMED:
        report = Message("forged done", state.row.attempt)
        yield f"somebody else reports {state.row.attempt} done", state._replace(results=(*state.results, report))


def _forged_name(state: State, setting: Setting) -> Iterator[Step]:
    """An agent reports the end of another one's attempt in its own results, and in the other one's name."""
    if state.row.state in CLAIMED and state.row.boot is not None:
        other = 1 - state.row.boot[0]
        report = Message("done in another's name", state.row.attempt, sender=other)
        label = f"{NAMES[other]} reports {state.row.attempt} done in {NAMES[1 - other]}'s name"
        yield label, state._replace(results=(*state.results, report))


def _forged_farewell(state: State, setting: Setting) -> Iterator[Step]:
    """Somebody says that a boot is gone, which is not."""
    if state.row.state in CLAIMED and state.row.boot is not None:
        report = Message("forged gone", 0, state.row.boot)
        name = NAMES[state.row.boot[0]]
        yield f"somebody else says that {name} is gone", state._replace(results=(*state.results, report))


_FAULTS = {
    "worker crash": _worker_crash,
    "worker freeze": _worker_freeze,
    "unknown commit": _unknown_commit,
    "agent crash": _agent_crash,
    "agent exit": _agent_exit,
    "agent freeze": _agent_freeze,
    "submitter crash": _submitter_crash,
    "wipe": _wipe,
    "report twice": _report_twice,
    "order twice": _order_twice,
    "row lock": _row_lock,
    "forged end": _forged_end,
    "forged farewell": _forged_farewell,
    "forged name": _forged_name,
}
