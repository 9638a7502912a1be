"""Keeps the last quarter of an hour in memory: the leader's ticks, added up by second."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from taskyard.core.telemetry.histogram import Histogram
from taskyard.worker.dispatch.outcomes import Failed
from taskyard.worker.dispatch.tick_reports import Tick

KEPT_SECONDS = 900.0
SMOOTHING = 0.05
AGENTS_REMEMBERED = 1_000
TYPES_COUNTED = 100  # others are counted as one, so that labels stay bounded
OTHER = "other"


@dataclass(slots=True)
class TypeCounts:
    """Counts the ends of attempts of one type."""

    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    wait: Histogram = field(default_factory=Histogram)
    run: Histogram = field(default_factory=Histogram)

    def add_failed(self, failed: Failed) -> None:
        """Adds an attempt that failed."""
        self.failed += 1
        self.retried += failed.will_retry
        error_class = str(failed.error_class)
        self.failures[error_class] = self.failures.get(error_class, 0) + 1
        if failed.wait_seconds is not None:
            self.wait.add(failed.wait_seconds)
        if failed.run_seconds is not None:
            self.run.add(failed.run_seconds)

    def add(self, other: TypeCounts) -> None:
        """Adds another's counts."""
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.retried += other.retried
        for error_class, count in other.failures.items():
            self.failures[error_class] = self.failures.get(error_class, 0) + count
        self.wait.merge(other.wait)
        self.run.merge(other.run)


@dataclass(slots=True)
class TickStats:
    """The ticks of some time."""

    count: int = 0
    seconds: float = 0.0
    most_seconds: float = 0.0
    commit_seconds: float = 0.0
    tasks: int = 0
    most_tasks: int = 0

    def add(self, tick: Tick) -> None:
        self.count += 1
        self.seconds += tick.seconds
        self.most_seconds = max(self.most_seconds, tick.seconds)
        self.commit_seconds += tick.commit_seconds
        self.tasks += tick.size
        self.most_tasks = max(self.most_tasks, tick.size)


class Recent:
    """Filled by the monitor from the tick log; times are monotonic seconds.

    One thread fills it while others read: they iterate over copies, each made in one step.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._slices: deque[tuple[float, dict[str, TypeCounts]]] = deque()
        self._depths: deque[tuple[float, Mapping[str, int]]] = deque()
        self._agents: deque[tuple[float, str, bool]] = deque()  # when, name, whether it was lost (or came)
        self.last_ticks = TickStats()
        self.last_seconds = 1.0
        self._taken_at = now
        self.mean_seconds: dict[str, float] = {}  # of attempts, by agent id, smoothed
        self._ended_at: dict[str, float] = {}  # the last attempt, by agent id
        self.totals: dict[str, TypeCounts] = {}  # since this worker's start, by type
        self.tick_totals = TickStats()

    def add(self, ticks: Iterable[Tick], now: float) -> None:
        """Adds the ticks since the last call."""
        counts: dict[str, TypeCounts] = {}
        self.last_ticks = TickStats()
        for tick in ticks:
            self.last_ticks.add(tick)
            self.tick_totals.add(tick)
            for (type_, agent_id), (waits, runs) in tick.successes.items():
                of_type = counts.setdefault(type_, TypeCounts())
                of_type.succeeded += len(runs)
                of_type.wait.add_all(waits)
                of_type.run.add_all(runs)
                self._note_end(agent_id, runs, now)
            self._agents += [(now, agent_id.rpartition(":")[0], False) for agent_id in tick.joined]
            self._agents += [(now, agent_id.rpartition(":")[0], True) for agent_id in tick.lost]
            for failed in tick.failed:
                counts.setdefault(failed.type, TypeCounts()).add_failed(failed)
                if failed.run_seconds is not None:
                    self._note_end(failed.agent_id, [failed.run_seconds], now)
        self.last_seconds = max(now - self._taken_at, 1e-3)
        self._taken_at = now
        if counts:
            self._slices.append((now, counts))
            self._add_to_totals(counts)
        while self._agents and self._agents[0][0] < now - KEPT_SECONDS:
            self._agents.popleft()
        while self._slices and self._slices[0][0] < now - KEPT_SECONDS:
            self._slices.popleft()

    def _note_end(self, agent_id: str, runs: list[float], now: float) -> None:
        self._ended_at[agent_id] = now
        mean = sum(runs) / len(runs)
        before = self.mean_seconds.get(agent_id, mean)
        self.mean_seconds[agent_id] = mean + (1 - SMOOTHING) ** len(runs) * (before - mean)

    def _add_to_totals(self, counts: Mapping[str, TypeCounts]) -> None:
        totals = dict(self.totals)  # read by another thread: replaced, never grown
        for type_, of_type in counts.items():
            name = type_ if type_ in totals or len(totals) < TYPES_COUNTED else OTHER
            whole = TypeCounts()
            whole.add(totals.get(name, TypeCounts()))
            whole.add(of_type)
            totals[name] = whole
        self.totals = totals

    def note_depths(self, depths: Mapping[str, int], now: float) -> None:
        """Records the current number of tasks waiting in each queue."""
        self._depths.append((now, depths))
        while self._depths[0][0] < now - KEPT_SECONDS:
            self._depths.popleft()

    def forget_agents(self, present: Iterable[str]) -> None:
        """Drops the data of agents that are gone, once there is much of it."""
        if len(self.mean_seconds) > AGENTS_REMEMBERED:
            kept = set(present)
            self.mean_seconds = {agent_id: mean for agent_id, mean in self.mean_seconds.items() if agent_id in kept}
            self._ended_at = {agent_id: at for agent_id, at in self._ended_at.items() if agent_id in kept}

    def has_ended_one(self, agent_id: str, window_seconds: float, now: float) -> bool:
        """Returns True if an attempt of this agent ended in the window."""
        return self._ended_at.get(agent_id, float("-inf")) > now - window_seconds

    def covers(self, window_seconds: float, now: float) -> bool:
        """Returns True if the whole window was recorded."""
        return now - window_seconds >= self._began

    def by_type(self, window_seconds: float, now: float) -> dict[str, TypeCounts]:
        """Returns what ended in the window, by type."""
        found: dict[str, TypeCounts] = {}
        for at, counts in reversed(self._slices.copy()):
            if at <= now - window_seconds:
                break
            for type_, of_type in counts.items():
                found.setdefault(type_, TypeCounts()).add(of_type)
        return found

    def agent_changes(self, window_seconds: float, now: float, *, lost: bool) -> dict[str, int]:
        """Returns how many boots of each agent name were lost, or registered, in the window."""
        changes = self._agents.copy()
        return dict(Counter(name for at, name, is_lost in changes if is_lost is lost and at > now - window_seconds))

    def depths(self, window_seconds: float, now: float) -> dict[str, tuple[int, int]] | None:
        """Returns (waiting then, waiting now) by queue; None if the former is unknown."""
        known = self._depths.copy()
        if not known or known[0][0] > now - window_seconds:
            return None
        then = next(depths for at, depths in reversed(known) if at <= now - window_seconds)
        last = known[-1][1]
        return {queue: (then.get(queue, 0), last.get(queue, 0)) for queue in then.keys() | last.keys()}
