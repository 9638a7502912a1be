"""Breadth-first search through every state that a setting can reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from tests.model import agent, faults, worker
from tests.model.canonical import Key, key_of
from tests.model.rules import Setting
from tests.model.state import TERMINAL, State, Worker


@dataclass(frozen=True)
class Finding:
    """What a search found: a broken promise with a shortest way to it, or none in `states` states."""

    states: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


@dataclass
class _Graph:
    """The states that were reached, how each was reached first, and which progress leads to it."""

    setting: Setting
    numbers: dict[Key, int] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)  # the state of the task in each
    parents: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    backwards: list[list[int]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    is_quiet: list[bool] = field(default_factory=list)  # nothing happens there any more by itself

    def add(self, state: State, parent: int, label: str) -> tuple[int, bool]:
        """The number of a state, and whether it is new."""
        key = key_of(state, self.setting)
        number = self.numbers.setdefault(key, len(self.rows))
        is_new = number == len(self.rows)
        if is_new:
            self.rows.append(state.row.state)
            self.parents.append(parent)
            self.labels.append(label)
            self.backwards.append([])
            self.is_quiet.append(True)
            if _has_ended(state):
                self.ends.append(number)
        return number, is_new

    def trace(self, number: int) -> tuple[str, ...]:
        """The steps from the beginning to a state."""
        steps = []
        while number > 0:
            steps.append(self.labels[number])
            number = self.parents[number]
        return tuple(reversed(steps))

    def first_stuck(self) -> int | None:
        """A state from which no progress leads to an end; the first where nothing happens, if there is one."""
        can_end = bytearray(len(self.rows))
        unvisited = list(self.ends)
        for number in self.ends:
            can_end[number] = 1
        while unvisited:
            for number in self.backwards[unvisited.pop()]:
                if not can_end[number]:
                    can_end[number] = 1
                    unvisited.append(number)
        stuck = [number for number, can in enumerate(can_end) if not can]
        return next((number for number in stuck if self.is_quiet[number]), stuck[0] if stuck else None)


def first_of(setting: Setting) -> State:
    """The state in which everything begins."""
    workers = (Worker(is_old=setting.newer), Worker(is_old=setting.newer))
    return State(operator=setting.operator, credit=setting.first_credit, sender=setting.signals, workers=workers)


def explore(setting: Setting) -> Finding:
    """Searches to the end, or to the first broken promise; fewer faults come first.

    Promises: none of those that steps write into `State.wrong`; and from every state, if nothing
    more fails and nothing frozen goes on, the task can still end with nothing left behind.
    """
    graph = _Graph(setting)
    first = first_of(setting)
    graph.add(first, -1, "")
    layer = [(0, first)]  # only these are kept whole: all of them would need gigabytes
    for fault_count in range(setting.fault_limit + 1):
        for number, state in layer:  # which grows on the way
            if state.wrong:
                return Finding(len(graph.rows), state.wrong, graph.trace(number))
            for is_progress, (label, after) in _moves(state, setting):
                reached, is_new = graph.add(after, number, label)
                if is_progress and reached != number:
                    graph.is_quiet[number] = False
                    graph.backwards[reached].append(number)
                if is_new:
                    layer.append((reached, after))
        stuck = graph.first_stuck()
        if stuck is not None:
            return Finding(len(graph.rows), _stuck_words(graph.rows[stuck]), graph.trace(stuck))
        if fault_count < setting.fault_limit:
            layer = _faulted(graph, layer, setting)
    return Finding(len(graph.rows))


def _faulted(graph: _Graph, layer: list[tuple[int, State]], setting: Setting) -> list[tuple[int, State]]:
    """The states that one fault more leads to."""
    reached = []
    for number, state in layer:
        for label, after in faults.steps(state, setting):
            found, is_new = graph.add(after, number, label)
            if is_new:
                reached.append((found, after))
    return reached


def _moves(state: State, setting: Setting) -> Iterator[tuple[bool, tuple[str, State]]]:
    """Every step that is no fault, and whether it is progress: what is frozen may stay so for ever."""
    for step in chain(worker.steps(state, setting), agent.steps(state, setting), faults.people(state, setting)):
        yield True, step
    yield from faults.wakes(state)


def _has_ended(state: State) -> bool:
    """Whether the task has ended and nothing of it is left with anybody who lives."""
    return (
        state.row.state in TERMINAL
        and not state.ready
        and not state.results
        and not state.kept
        and not any(a.inbox or a.waiting or a.running for a in state.agents if not a.is_frozen)
    )


def _stuck_words(row: str) -> str:
    if row in TERMINAL:
        return f"the task is {row}, and something of it is left for ever"
    return f"the task stays {row} for ever"
