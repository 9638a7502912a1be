"""Simulates recorded work under a policy, event by event (pure).

A task starts as soon as an agent that may take it has a free slot; it runs as long as it did. What the engine does to
save time (several tasks a tick, some sent ahead) is left out: it moves a start by milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from taskyard.core.learning.matching import CANDIDATES, IDLE_AGENTS
from taskyard.core.scheduling.placement import CHOOSERS, LEARNED, score
from taskyard.core.simulation.changes import Change, changes_of
from taskyard.core.simulation.lines import Line, take_first
from taskyard.core.simulation.matcher import Matcher
from taskyard.core.simulation.order import HeadStarts, Predictor
from taskyard.core.simulation.room import Room
from taskyard.core.simulation.workload import Workload
from taskyard.core.states import Priority

POLICIES = tuple(CHOOSERS)
_PARTS = 100  # of all arrivals, between two calls of `progress`

PolicyOf = Callable[[str], str]  # of a queue, by its name


@dataclass(slots=True)
class Outcome:
    """When each task started, in the workload's seconds (nan: never), the place of its agent, and how long it ran."""

    starts: list[float]
    agents: list[int]
    run_seconds: list[float]


def everywhere(policy: str) -> PolicyOf:
    """Returns one policy for all queues."""
    return lambda queue: policy


def no_progress(share: float) -> None:
    """Ignores how far a simulation is."""


@dataclass(slots=True)
class _Queue:
    policy: str
    offsets: list[float]  # of the score, by priority
    head_starts: HeadStarts | None
    has_matching: bool
    lines: list[Line] = field(default_factory=list)


class Simulation:
    """One run of a workload through the policies of its queues."""

    def __init__(
        self,
        workload: Workload,
        policy_of: PolicyOf,
        *,
        has_head_starts: bool = True,
        has_matching: bool = True,
        distorted: Callable[[float], float] | None = None,
    ) -> None:
        """Takes which halves of the policy `learned` are in use, and what each prediction is changed by, to see what
        becomes of wrong ones.
        """
        self._workload = workload
        self._has_head_starts = has_head_starts
        self._has_matching = has_matching and bool(workload.run_factors)  # else no agent is better than another
        self._room = Room(workload.agents)
        self._predictor = Predictor(workload, distorted)
        self._matcher = Matcher(workload)
        self._queues: dict[str, _Queue] = {}
        self._lines = self._lines_by_lane(policy_of)
        self._queue_of = [self._queues[lane.queue] for lane in workload.lane_names]
        self._takes = [
            [
                (queue, lines)
                for queue in self._queues.values()
                if (lines := [line for line in queue.lines if line.agents >> place & 1])
            ]
            for place in range(len(workload.agents))
        ]
        self._present = [0] * len(workload.agents)
        self._held = [0] * len(workload.agents)
        self._turn = 0
        self._starts = [math.nan] * len(workload)
        self._agents = [-1] * len(workload)
        self._run_seconds = list(workload.run_seconds)
        self._predicted: list[float | None] = [None] * len(workload)
        self._is_started = bytearray(len(workload))
        self._ends: list[tuple[float, int, int]] = []  # time, task, agent

    def run(self, progress: Callable[[float], None] = no_progress) -> Outcome:
        """Returns what became of each task; `progress` is told the share of the arrivals that are done."""
        enters, ends, changes = self._workload.enters, self._ends, changes_of(self._workload)
        count, step = len(enters), max(1, len(enters) // _PARTS)
        arrived = changed = 0
        next_enter = enters[0] if enters else math.inf
        next_change = changes[0].at if changes else math.inf
        while True:
            next_end = ends[0][0] if ends else math.inf
            if next_change <= next_enter and next_change <= next_end:
                if changed == len(changes):
                    break
                self._change(changes[changed])
                changed += 1
                next_change = changes[changed].at if changed < len(changes) else math.inf
            elif next_end <= next_enter:
                self._end(*heappop(ends))
            else:
                self._arrive(arrived, next_enter)
                arrived += 1
                next_enter = enters[arrived] if arrived < count else math.inf
                if arrived % step == 0:
                    progress(arrived / count)
        return Outcome(self._starts, self._agents, self._run_seconds)

    # events

    def _arrive(self, task: int, now: float) -> None:
        workload = self._workload
        lane, priority = workload.lanes[task], workload.priorities[task]
        queue, line = self._queue_of[lane], self._lines[lane]
        at = workload.ready[task] + queue.offsets[priority]
        if queue.policy == LEARNED:
            predicted = self._predicted[task] = self._predictor.predict(task)
            if queue.head_starts is not None:
                at -= queue.head_starts.of(task, predicted, priority, self._longest_wait(queue, now))
        if not line.near and not line.held:
            agent = self._idle_agent(queue, line, lane)
            if agent >= 0:
                self._start(task, agent, now)
                return
        line.add(at, task)

    def _end(self, now: float, task: int, agent: int) -> None:
        workload = self._workload
        self._room.give_back(agent)
        queue = self._queue_of[workload.lanes[task]]
        if queue.policy == LEARNED:
            is_learned = not workload.learned or workload.learned[task]
            seconds = self._run_seconds[task]
            if is_learned:
                self._predictor.learn(task, seconds)
                if queue.head_starts is not None:
                    queue.head_starts.note_end(task, seconds)
            if queue.has_matching:
                self._matcher.note_end(task, agent, seconds, self._predicted[task], succeeded=is_learned)
        if self._room.here >> agent & 1:
            following = self._next_for(agent)
            if following >= 0:
                self._start(following, agent, now)

    def _change(self, change: Change) -> None:
        if change.agent >= 0:
            counts = self._present if change.kind == "present" else self._held
            counts[change.agent] += change.by
            is_here = self._present[change.agent] > 0 and not self._held[change.agent]
            bit = 1 << change.agent
            self._room.here = self._room.here | bit if is_here else self._room.here & ~bit
            self._serve(bit, change.at)
            return
        for line in {id(line): line for line in self._lines}.values():
            if change.name == (line.queue if change.kind == "queue" else line.paused_type):
                line.held += change.by
                self._serve(line.agents, change.at)

    # placing

    def _serve(self, agents: int, now: float) -> None:
        """Gives free slots of these agents waiting tasks, as long as there are both."""
        found = True
        while found:
            found = False
            for agent in self._room.free(agents, len(self._takes)):
                task = self._next_for(agent)
                if task >= 0:
                    self._start(task, agent, now)
                    found = True

    def _start(self, task: int, agent: int, now: float) -> None:
        self._room.take(agent)
        self._starts[task] = now
        self._agents[task] = agent
        self._is_started[task] = 1
        if self._workload.run_factors:
            self._run_seconds[task] *= self._workload.run_factors[agent][self._workload.lanes[task]]
        heappush(self._ends, (now + self._run_seconds[task], task, agent))

    def _longest_wait(self, queue: _Queue, now: float) -> float:
        """Returns for how long the first task of a queue has waited that is not held."""
        first = now
        for line in queue.lines:
            if line.near and not line.held:
                ready = self._workload.ready[line.first_arrived(self._is_started)]
                first = ready if ready < first else first
        return now - first

    def _idle_agent(self, queue: _Queue, line: Line, lane: int) -> int:
        """Returns the agent that gets a task which needs not wait; -1 if it must."""
        if queue.policy == "round_robin":
            self._turn += 1
            return self._room.in_turn(line.agents, self._turn)
        if queue.has_matching and self._matcher.has_preferences:
            return self._matcher.best_agent(self._room.free(line.agents, IDLE_AGENTS), lane)
        return self._room.least_loaded(line.agents)

    def _next_for(self, agent: int) -> int:
        """Takes the task that an agent with a free slot gets, queues in turns; -1 if none waits for it."""
        queues = self._takes[agent]
        count = len(queues)
        self._turn += 1
        for place in range(self._turn, self._turn + count):
            queue, lines = queues[place % count]
            waiting = [line for line in lines if line.near and not line.held]
            if waiting:
                return self._matcher.take(waiting, agent) if queue.has_matching else take_first(waiting)
        return -1

    def _lines_by_lane(self, policy_of: PolicyOf) -> list[Line]:
        """Makes the queues and their lines; returns the line of each lane.

        Lanes of a queue that the same agents may take share one, but for types that were paused.
        """
        workload = self._workload
        paused = {pause.name for pause in workload.pauses if pause.kind == "type"}
        lines: dict[tuple[str, int, str], Line] = {}
        found = []
        for lane in workload.lane_names:
            if lane.queue not in self._queues:
                policy = policy_of(lane.queue)
                heads = HeadStarts() if policy == LEARNED and self._has_head_starts else None
                offsets = [score(0.0, priority, policy) for priority in sorted(Priority)]
                self._queues[lane.queue] = _Queue(policy, offsets, heads, policy == LEARNED and self._has_matching)
            queue = self._queues[lane.queue]
            agents = sum(1 << place for place, agent in enumerate(workload.agents) if agent.slots.can_take(lane))
            key = (lane.queue, agents, lane.type if lane.type in paused else "")
            if key not in lines:
                lines[key] = Line(*key, near_limit=CANDIDATES if queue.has_matching else 1)
                queue.lines.append(lines[key])
            found.append(lines[key])
        return found
