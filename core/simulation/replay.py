"""Replays recorded work under the acting policy and under another one, and says how far to trust that (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from taskyard.core.learning.factors import AgentFactors
from taskyard.core.simulation.figures import MIN_WAIT_SECONDS, Row, compare
from taskyard.core.simulation.order import Predictor
from taskyard.core.simulation.simulate import Outcome, PolicyOf, Simulation, no_progress
from taskyard.core.simulation.workload import Workload

RECORDED = "recorded"
REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Replay:
    """The figures of what was recorded, of the acting policies replayed, and of another policy.

    `base` and `compared` name the last two in the rows; they are the same if the other policy is the acting one.
    `never_started` counts tasks that found no agent in one of the replays, and are in no figure.
    """

    rows: list[Row]
    tasks: int
    never_started: int
    agents: int
    base: str
    compared: str

    @property
    def has_waited(self) -> bool:
        """Returns True if some task waited long enough for a policy to matter, on record or replayed."""
        waits = self.rows[0].waits
        return any(figures.longest >= MIN_WAIT_SECONDS for figures in waits.values())

    def distrusted(self, row: Row) -> list[str]:
        """Returns the figures of a row in which the acting policy's replay is off the record: not to be trusted."""
        return row.waits[self.base].distrusted(row.waits[RECORDED])

    def as_json(self) -> dict[str, Any]:
        return {
            "tasks": self.tasks,
            "never_started": self.never_started,
            "agents": self.agents,
            "acting": self.base,
            "policy": self.compared,
            "has_waited": self.has_waited,
            "rows": [row.as_json() | {"not_to_be_trusted": self.distrusted(row)} for row in self.rows],
        }


def replay(
    workload: Workload,
    acting_of: PolicyOf,
    policy: str,
    queue: str | None = None,
    progress: Callable[[float], None] = no_progress,
) -> Replay:
    """Returns what the acting policies of the queues and another one make of recorded work, of one queue or of all.

    With a queue only that one has the other policy, and only its figures are returned; its tasks compete with the
    others' for agents all the same. `progress` is told the share that is done.
    """

    def policy_of(name: str) -> str:
        return policy if queue is None or name == queue else acting_of(name)

    apply_agents_speeds(workload)
    names = {lane.queue for lane in workload.lane_names}
    is_other = any(policy_of(name) != acting_of(name) for name in names)
    parts = 2 if is_other else 1
    outcomes = {
        RECORDED: recorded_outcome(workload),
        REPLAYED: Simulation(workload, acting_of).run(lambda share: progress(share / parts)),
    }
    compared = REPLAYED
    if is_other:
        compared = policy
        outcomes[policy] = Simulation(workload, policy_of).run(lambda share: progress((1 + share) / parts))
    rows = compare(workload, outcomes, queue)
    counted = [
        place
        for place, lane in enumerate(workload.lanes)
        if (not workload.counted or workload.counted[place])
        and (queue is None or workload.lane_names[lane].queue == queue)
    ]
    progress(1.0)
    tasks = rows[0].waits[RECORDED].count
    return Replay(rows, tasks, len(counted) - tasks, len({one.name for one in workload.agents}), REPLAYED, compared)


def recorded_outcome(workload: Workload) -> Outcome:
    """Returns the starts, agents and run times as they were."""
    factors, lanes, agents = workload.run_factors, workload.lanes, workload.recorded_agents
    seconds = list(workload.run_seconds)
    if factors:
        seconds = [ran * factors[agent][lane] for ran, agent, lane in zip(seconds, agents, lanes, strict=True)]
    return Outcome(list(workload.recorded_starts), list(agents), seconds)


def apply_agents_speeds(workload: Workload) -> None:
    """Estimates from the record how fast each agent is, so that a task that another one runs takes as long as there.

    Tasks on the agent that ran them take as long as they did. Nothing changes if agents differ by no more than chance
    explains.
    """
    factors = _Learned(workload).factors
    if not factors.speeds.are_real:
        return
    slowness = {
        name: [math.exp(factors.slowness(name, lane.type)) for lane in workload.lane_names]
        for name in {agent.name for agent in workload.agents}
    }
    workload.run_factors = [slowness[agent.name] for agent in workload.agents]
    workload.run_seconds = [
        seconds / workload.run_factors[agent][lane]
        for seconds, agent, lane in zip(workload.run_seconds, workload.recorded_agents, workload.lanes, strict=True)
    ]


class _Learned:
    """What is known of the agents in the end, each prediction made on arrival from what had ended by then."""

    def __init__(self, workload: Workload) -> None:
        self.factors = AgentFactors()
        self._workload = workload
        self._predictor = Predictor(workload)
        self._predicted: list[float | None] = []
        self._names = [agent.name for agent in workload.agents]
        self._types = [lane.type for lane in workload.lane_names]
        ends: list[tuple[float, int]] = []
        for task, enters in enumerate(workload.enters):
            while ends and ends[0][0] <= enters:
                self._note_end(heappop(ends)[1])
            self._predicted.append(self._predictor.predict(task))
            heappush(ends, (workload.recorded_starts[task] + workload.run_seconds[task], task))
        while ends:
            self._note_end(heappop(ends)[1])

    def _note_end(self, task: int) -> None:
        workload = self._workload
        if workload.learned[task]:
            seconds = workload.run_seconds[task]
            self._predictor.learn(task, seconds)
            name, type_ = self._names[workload.recorded_agents[task]], self._types[workload.lanes[task]]
            self.factors.note_success(name, type_, seconds, self._predicted[task])
