"""Measures what the leader's own work costs for each agent and each queue, in processor time: no agent runs."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from taskyard.core.models import Lane
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import AgentInfo, Heartbeat, encode
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.roster import Roster
from taskyard.core.scheduling.placement import Candidate, Rotation, place
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.dispatch.agents_live import agents_live
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.placement_pass import MAX_INPUTS_BYTES, MAX_LOOKED_AT
from taskyard.worker.dispatch.recovery import Recovery

AGENTS = (10, 100, 1_000, 3_000)
QUEUES = (1, 100, 1_000, 3_000)
SLOTS = 3
RUNNING = 2  # of each agent's slots
REPEATS = 9
PLACED = 500  # tasks in one tick, at most half of what is free
COVER_SECONDS = 0.02
TTL_SECONDS = 10.0
RUN_SECONDS = 5.0
TASK_TYPE = "bench.work"
GENERATION = "bench"


class Crowd:
    """A leader's memory of some agents, each of which runs RUNNING tasks and has a slot free."""

    def __init__(self, agents: int) -> None:
        self.count = agents
        self.state = LeaderState(Durations({TASK_TYPE: RUN_SECONDS}))
        self.recovery = Recovery(self.state, lambda name: RetryPolicy(), TTL_SECONDS)
        self.rotation = Rotation()
        self.infos = [_info(number) for number in range(agents)]
        self.read = 0
        for number, info in enumerate(self.infos):
            slots = self.state.add_agent(info).slots
            for slot in range(RUNNING):
                slots.give(RUN_SECONDS)
                row = Claimed(_id(RUNNING * number + slot), 1, TASK_TYPE, "{}", 60.0, None, 1, info.id, 3, 0, 0, 0)
                claim = self.state.open(row, RUN_SECONDS)
                claim.is_published, claim.started, claim.started_at = True, 1.0, 1.0

    def place(self, tasks: int) -> float:
        """Places tasks of one queue, and takes them back; returns the processor time of the placement."""
        lane = Lane("default", TASK_TYPE)
        candidates = [Candidate(_id(number), lane, float(number), RUN_SECONDS) for number in range(tasks)]
        began = time.thread_time()
        placed = place(candidates, self.state.crews, lambda queue: "least_loaded", self.rotation, COVER_SECONDS)
        seconds = time.thread_time() - began
        if len(placed) != tasks:
            raise AssertionError(f"{len(placed)} of {tasks} tasks were placed")
        for candidate, slots in placed:
            slots.take_back(candidate.expected_seconds)
        return seconds

    def heat(self, queues: int) -> None:
        """Makes so many lanes hot."""
        self.state.hot_lanes.update(Lane(f"tenant-{number}", TASK_TYPE) for number in range(queues))

    def want(self) -> float:
        """Asks once what could be placed, as each tick does; returns the processor time."""
        began = time.thread_time()
        self.state.wanted(COVER_SECONDS, MAX_LOOKED_AT, MAX_INPUTS_BYTES)
        return time.thread_time() - began

    def beats(self) -> Iterator[Heartbeat]:
        """Yields a new heartbeat of each agent."""
        self.read += 1
        for number, info in enumerate(self.infos):
            held = [(_id(RUNNING * number + slot), 1) for slot in range(RUNNING)]
            yield Heartbeat(info, GENERATION, "0-0", held, RUNNING, False, 1.0, 1 << 26, self.read)

    def fill(self) -> None:
        """Gives each agent another long task, so that no slot is free."""
        for agent in self.state.agents.values():
            agent.slots.give(RUN_SECONDS)

    def roster(self, broker: Broker) -> Roster:
        """Reads the agents, as the leader does every second."""
        return broker.roster(TTL_SECONDS, revive_canary=True, turn=self.recovery.next_turn())

    def look(self, roster: Roster) -> None:
        """Draws all conclusions from one reading of the agents."""
        now = 1.0 + self.read
        batch = Batch()
        self.recovery.inspect(roster, GENERATION, now, batch)
        self.recovery.conclude(roster.results_tail, batch)
        if len(agents_live(self.state, now, now)) != self.count or batch.endings or batch.settlements:
            raise AssertionError("the leader drew wrong conclusions")


def measure_scale(environment: Environment) -> list[Result]:
    """Measures placement, the question what could be placed, and the roster over many agents and queues."""
    environment.broker.lead(0)
    gc.collect()
    gc.freeze()  # as a worker does once it has started
    try:
        return [*_agents(environment.broker), *_queues()]
    finally:
        gc.unfreeze()


def _agents(broker: Broker) -> Iterator[Result]:
    for count in AGENTS:
        crowd = Crowd(count)
        tasks = min(PLACED, count // 2)
        words = f"{count:,} agents"
        together = _least(partial(crowd.place, tasks))
        yield Result(f"place_{count}", 1e6 * together / tasks, "µs", f"a task, {tasks} of them in a tick: {words}")
        alone = _least(partial(crowd.place, 1))
        yield Result(f"place_alone_{count}", 1e6 * alone, "µs", f"a task that is alone in its tick: {words}")
        yield from _roster(crowd, broker, words)


def _roster(crowd: Crowd, broker: Broker, words: str) -> Iterator[Result]:
    """Measures the roster of heartbeats that are keys of Redis, whose own time is apart."""
    broker.redis.flushall()
    _write(broker, crowd)
    crowd.look(crowd.roster(broker))  # the first one reads everything
    of_redis, reading, looking = [], [], []
    for _ in range(REPEATS):
        _write(broker, crowd)
        before = _redis_seconds(broker)
        began = time.thread_time()
        roster = crowd.roster(broker)
        reading.append(time.thread_time() - began)
        of_redis.append(_redis_seconds(broker) - before)
        began = time.thread_time()
        crowd.look(roster)
        looking.append(time.thread_time() - began)
    for name, seconds, what in (
        ("redis", of_redis, "of Redis to read the roster"),
        ("read", reading, "to read the roster"),
        ("look", looking, "to draw its conclusions"),
    ):
        yield Result(
            f"roster_{name}_{crowd.count}", 1e3 * statistics.median(seconds), "ms", f"a second {what}: {words}"
        )


def _queues() -> Iterator[Result]:
    """Measures how a tick finds what could be placed, with free slots and without."""
    for count in QUEUES:
        for agents in (10, AGENTS[-1]):
            crowd = Crowd(agents)
            crowd.heat(count)
            words = f"{count:,} queues with work, {agents:,} agents"
            seconds = _least(crowd.want)
            yield Result(f"wanted_{count}_{agents}", 1e3 * seconds, "ms", f"a tick, slots are free: {words}")
            crowd.fill()
            seconds = _least(crowd.want)
            yield Result(f"wanted_full_{count}_{agents}", 1e3 * seconds, "ms", f"a tick, no slot is free: {words}")


def _least(measure: Callable[[], float]) -> float:
    """Returns the least of some measurements: other programs only make them longer."""
    return min(measure() for _ in range(REPEATS))


def _redis_seconds(broker: Broker) -> float:
    used = broker.redis.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _write(broker: Broker, crowd: Crowd) -> None:
    """Writes a heartbeat of each agent, as it would itself."""
    pipeline = broker.redis.pipeline(transaction=False)
    for beat in crowd.beats():
        pipeline.set(broker.keys.heartbeat(beat.agent.id), encode(beat), ex=int(TTL_SECONDS))
        pipeline.sadd(broker.keys.agents, beat.agent.id)
    pipeline.execute()


def _id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def _info(number: int) -> AgentInfo:
    name = f"crowd-{number}"
    return AgentInfo(f"{name}:{number:012x}", name, f"{number:012x}", "crowd", "here", 1, ["bench.*"], [], SLOTS)
