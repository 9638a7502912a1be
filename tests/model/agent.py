"""What an agent does: read orders, announce, run, report, send heartbeats."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.rules import Setting
from tests.model.state import ALL_AGENTS, CLAIMED, Agent, Beat, Message, State

Step = tuple[str, State]
NAMES = "AB"
MANY = 8  # attempts: no setting needs as many


def steps(state: State, setting: Setting) -> Iterator[Step]:
    for index, agent in enumerate(state.agents):
        if agent.is_frozen:
            if agent.is_heard:
                yield f"{NAMES[index]}'s heartbeat expires", _expired(state, index)
            continue
        if agent.inbox:
            yield _read(state, index, setting)
        for attempt in agent.waiting:
            if setting.task == "unknown" and index == 0:
                yield _hand_back(state, index, attempt, setting)
            elif agent.is_heard or not setting.has("P12 lease"):
                yield _start(state, index, attempt, setting)
        for attempt in agent.running:
            if setting.task == "hindered" and attempt == 1:
                yield _give_up(state, index, attempt, setting)
            if setting.task != "endless":
                yield _finish(state, index, attempt, setting)
        beating = _beat(state, index, setting)
        if beating != state:
            yield f"{NAMES[index]} sends a heartbeat", beating


def _expired(state: State, index: int) -> State:
    return state.with_agent(index, state.agents[index]._replace(beat=None, is_heard=False))


def restarted(state: State, index: int) -> State:
    """The next boot, whose keys are its own; it has beaten once, as it does before its hello."""
    boot = state.agents[index].boot + 1
    return state.with_agent(index, Agent(boot=boot, knows_generation=state.has_generation, beat=Beat(False, True, ())))


def _read(state: State, index: int, setting: Setting) -> Step:
    agent = state.agents[index]
    (kind, attempt), rest = agent.inbox[0], agent.inbox[1:]
    agent = agent._replace(inbox=rest)
    label = f"{NAMES[index]} reads: {kind} {attempt}"
    if kind == "run":
        if attempt > agent.seen or not setting.has("P12 seen"):
            agent = agent._replace(waiting=(*agent.waiting, attempt), seen=max(attempt, agent.seen))
        return label, state.with_agent(index, agent)
    if attempt in agent.held and state.row.state in CLAIMED and state.row.attempt == attempt:
        state = state._replace(wrong=f"attempt {attempt} is cancelled, which is the current one")
    waiting, running = (tuple(n for n in pairs if n != attempt) for pairs in (agent.waiting, agent.running))
    return label, state.with_agent(index, agent._replace(waiting=waiting, running=running))


def _stream(index: int, setting: Setting) -> int:
    return index if setting.own else ALL_AGENTS


def _hand_back(state: State, index: int, attempt: int, setting: Setting) -> Step:
    """Reports that it can't run the attempt, and forgets it."""
    agent = state.agents[index]
    boot = (index, agent.boot)
    if (boot, state.epoch) in state.refused:
        state = state._replace(wrong="an agent gets again what it said it can't run")
    state = state._replace(
        results=(*state.results, Message("returned", attempt, boot, _stream(index, setting))),
        refused=state.refused | {(boot, state.epoch)},
    )
    waiting = tuple(n for n in agent.waiting if n != attempt)
    return f"{NAMES[index]} can't run {attempt}", state.with_agent(index, agent._replace(waiting=waiting))


def _give_up(state: State, index: int, attempt: int, setting: Setting) -> Step:
    """Hands back what it began and another task keeps from going on: it is meant to be executed again."""
    agent = state.agents[index]
    report = Message("returned", attempt, sender=_stream(index, setting))
    state = state._replace(results=(*state.results, report), credit=state.credit + 1)
    running = tuple(n for n in agent.running if n != attempt)
    return f"{NAMES[index]} can't go on with {attempt}", state.with_agent(index, agent._replace(running=running))


def _start(state: State, index: int, attempt: int, setting: Setting) -> Step:
    """Announces the attempt and runs it: one step, so no pause comes between the look at the lease and the start."""
    agent, label = state.agents[index], f"{NAMES[index]} starts {attempt}"
    if attempt in state.executed:
        state = state._replace(wrong=f"attempt {attempt} is executed twice")
    elif not state.credit:
        too_often = "the task is tried more often than it may be"
        state = state._replace(
            wrong=too_often if setting.max_attempts else "an execution is repeated though none was cut off"
        )
    if not setting.operator:  # whose credit has no end
        state = state._replace(credit=max(0, state.credit - 1))
    state = state._replace(executed=state.executed | {attempt})
    if setting.has("P12 announced"):
        state = state._replace(results=(*state.results, Message("started", attempt, sender=_stream(index, setting))))
    if setting.task == "poison":
        farewell = Message("gone", 0, (index, agent.boot), _stream(index, setting))
        state = state._replace(results=(*state.results, farewell))
        return f"{label} and dies of it", restarted(state, index)
    first = agent.waiting.index(attempt)
    agent = agent._replace(
        waiting=agent.waiting[:first] + agent.waiting[first + 1 :], running=(*agent.running, attempt)
    )
    return label, state.with_agent(index, agent)


def _finish(state: State, index: int, attempt: int, setting: Setting) -> Step:
    """Ends the run; one that suspends does so until an attempt was claimed with what it waits for."""
    agent = state.agents[index]
    kind = "suspended" if setting.suspends and attempt not in state.answered else "done"
    state = state._replace(results=(*state.results, Message(kind, attempt, sender=_stream(index, setting))))
    running = tuple(n for n in agent.running if n != attempt)
    return f"{NAMES[index]} reports {attempt} {kind}", state.with_agent(index, agent._replace(running=running))


def _beat(state: State, index: int, setting: Setting) -> State:
    """Writes the heartbeat and learns from the answer. Without an answer for a TTL: a new boot, as it goes on."""
    agent = state.agents[index]
    if agent.is_fenced:
        return restarted(state, index)
    if not agent.is_heard and setting.has("P12 lease"):
        agent = Agent(agent.boot + 1, knows_generation=agent.knows_generation, running=agent.running, seen=agent.seen)
    has_read = not any(kind == "run" for kind, _ in agent.inbox)
    beat = Beat(agent.knows_generation, has_read, agent.held)
    return state.with_agent(index, agent._replace(beat=beat, knows_generation=state.has_generation, is_heard=True))
