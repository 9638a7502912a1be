"""Learns which agents are slower at which types than others are, and fail more of them (pure).

Of each run: x = log(its run time / the one predicted for it), which knows no agent. A type's own mean of x is how wrong
its predictions are for everybody just now; x less that, d, says something about the agent. Means of d are shrunk twice,
as in `shrunk_means`: an agent's over all types towards 0, and an agent's of one type towards the former:

    slowness(agent, type) = (n · mean d of both + STRENGTH · slowness(agent)) / (n + STRENGTH)

Without taking the type's own mean away, p99 doubled in simulations: whatever ran longer than predicted waited for ever.

An agent's success rate p at a type is the mean of its posterior, with ATTEMPTS attempts of the type's own rate as its
prior (beta-binomial): few attempts change little. It takes 1/p attempts until one succeeds, so the expected time until
then is larger than elsewhere by the factor exp(handicap):

    handicap(agent, type) = slowness(agent, type) + log(p of the type / p of the agent at the type)

Either term is 0 as long as agents do not differ in it by more than chance explains (`differences`): equal agents keep
the order of tasks as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.learning.differences import Differences
from taskyard.core.learning.matching import MIN_GAIN
from taskyard.core.learning.prediction import MAX_SECONDS

MEMORY = 200.0  # runs, of an agent; attempts, of everything
TYPE_MEMORY = 5.0  # runs, of a type: its mean has to follow the tasks that come together and resemble each other
STRENGTH = 30.0  # runs
ATTEMPTS = 10.0
MIN_RUNS = 10.0  # of an agent and a type, or attempts: fewer say nothing about differences
MAX_LOG = 5.0  # of x: a run 150 times as long as predicted says no more about its agent than that
MAX_PAIRS = 10_000  # of agents and types
COMPARED = 4  # attempts of an agent at a type, between two looks at whether and how much it differs
REFRESHED = 1_000  # results of all agents, between two reckonings of all handicaps
ALL = ""  # in the place of an agent or a type

Key = tuple[str, str]  # agent, type


@dataclass(slots=True)
class Factor:
    """What is known of an agent and a type: `log_ratio` is the mean of `runs` d, of a type alone of x.

    `variance` is that of d, kept of types alone. `success` is the share of the last `attempts` that succeeded. Both
    counts end at what is remembered.
    """

    runs: float = 0.0
    log_ratio: float = 0.0
    variance: float = 0.0
    attempts: float = 0.0
    success: float = 0.0

    def add_run(self, log_ratio: float, memory: float) -> None:
        """Adds a run that succeeded."""
        runs = self.runs + 1.0
        self.runs = runs = runs if runs < memory else memory
        self.log_ratio += (log_ratio - self.log_ratio) / runs

    def add_attempt(self, succeeded: bool) -> None:
        """Adds the end of an attempt."""
        attempts = self.attempts + 1.0
        self.attempts = attempts = attempts if attempts < MEMORY else MEMORY
        self.success += (succeeded - self.success) / attempts

    def problem(self) -> str | None:
        """Returns why it can't be used; None if it can."""
        if not (0 <= self.runs <= MEMORY and 0 <= self.attempts <= MEMORY):
            return f"{self.runs} runs, {self.attempts} attempts"
        if not (abs(self.log_ratio) <= 2 * MAX_LOG and 0 <= self.variance <= (2 * MAX_LOG) ** 2):
            return f"log ratio {self.log_ratio}, variance {self.variance}"
        return None if 0 <= self.success <= 1 else f"success {self.success}"


@dataclass(slots=True)
class _Pair:
    """The factors that an attempt changes: of its type, its agent, and both.

    `learned` is the number of its last attempt among those of all pairs, `attempts` counts its own.
    """

    of_type: Factor
    of_agent: Factor
    own: Factor
    learned: int = 0
    attempts: int = 0


class AgentFactors:
    """Compares agents by what became of their attempts.

    Agents go by their names, whatever their boots. Beyond `max_pairs` of agents and types, the tenth that learned
    longest ago is forgotten, with the types and agents that are in no other pair.
    """

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._factors: dict[Key, Factor] = {}
        self._pairs: dict[Key, _Pair] = {}
        self._handicaps: dict[str, dict[str, float]] = {}  # by agent and type
        self._max_pairs = max_pairs
        self._attempts = 0
        self._changed: set[Key] = set()
        self.forgotten: set[Key] = set()  # since somebody cleared it
        self.speeds = Differences()
        self.successes = Differences()

    def load(self, rows: Mapping[Key, Factor]) -> dict[Key, str]:
        """Adds stored factors, the one that learned longest ago first; returns why each of the others is ignored."""
        ignored = {}
        for key, factor in rows.items():
            problem = factor.problem()
            if problem is None:
                self._factors[key] = factor
            else:
                ignored[key] = problem
        for agent, task_type in list(self._factors):
            if agent != ALL and task_type != ALL:
                self._compare((agent, task_type), self._pair(agent, task_type))
        self._changed.clear()
        self._handicaps.clear()
        return ignored

    def take_changed(self) -> dict[Key, Factor]:
        """Returns the factors that learned since this was called last."""
        changed = {(agent, ALL) for agent, _ in self._changed} | {(ALL, task_type) for _, task_type in self._changed}
        found = {key: self._factors[key] for key in (*sorted(changed), *sorted(self._changed)) if key in self._factors}
        self._changed.clear()
        return found

    @property
    def are_different(self) -> bool:
        """Returns True if some handicap may be other than 0."""
        return self.speeds.are_real or self.successes.are_real

    def note_success(self, agent: str, task_type: str, seconds: float, predicted_seconds: float | None) -> None:
        """Adds an attempt that succeeded, with its run time and what had been predicted for it, if anything was."""
        pair = self._pair(agent, task_type)
        of_type, own = pair.of_type, pair.own
        of_type.add_attempt(True)
        own.add_attempt(True)
        if predicted_seconds is not None and 0 < seconds <= MAX_SECONDS and 0 < predicted_seconds <= MAX_SECONDS:
            log_ratio = math.log(seconds / predicted_seconds)
            if not -MAX_LOG < log_ratio < MAX_LOG:
                log_ratio = math.copysign(MAX_LOG, log_ratio)
            if of_type.runs:
                deviation = log_ratio - of_type.log_ratio
                of_type.variance += (deviation * deviation - of_type.variance) / of_type.attempts
                own.add_run(deviation, MEMORY)
                pair.of_agent.add_run(deviation, MEMORY)
            of_type.add_run(log_ratio, TYPE_MEMORY)
        if pair.attempts % COMPARED == 0:
            self._compare((agent, task_type), pair)

    def note_failure(self, agent: str, task_type: str) -> None:
        """Adds an attempt that failed."""
        pair = self._pair(agent, task_type)
        pair.of_type.add_attempt(False)
        pair.own.add_attempt(False)
        if pair.attempts % COMPARED == 0:
            self._compare((agent, task_type), pair)

    def slowness(self, agent: str, task_type: str) -> float:
        """Returns the logarithm of how much longer an agent takes for a type than others do; 0 of an unknown one."""
        whole, own = self._factors.get((agent, ALL)), self._factors.get((agent, task_type))
        slowness = whole.runs * whole.log_ratio / (whole.runs + STRENGTH) if whole else 0.0
        return (own.runs * own.log_ratio + STRENGTH * slowness) / (own.runs + STRENGTH) if own else slowness

    def success(self, agent: str, task_type: str) -> float:
        """Returns the share of attempts at a type that an agent is expected to succeed at, above 0 and below 1."""
        rate, own = _success_of(self._factors.get((ALL, task_type))), self._factors.get((agent, task_type))
        return (own.attempts * own.success + ATTEMPTS * rate) / (own.attempts + ATTEMPTS) if own else rate

    def handicaps(self, agent: str, task_types: Sequence[str]) -> list[float]:
        """Returns for each type the logarithm of how much more time an agent needs than others, failures included.

        A type's is as of one of the agent's last COMPARED results of it, or later: all are reckoned anew every
        REFRESHED results. Each is 0 as far as agents do not differ.
        """
        known = self._known_of(agent)
        for task_type in task_types:
            if task_type not in known:
                known[task_type] = self._handicap(agent, task_type)
        return [known[task_type] for task_type in task_types]

    def handicap(self, agent: str, task_type: str) -> float:
        """Returns an agent's handicap for one type."""
        return self.handicaps(agent, (task_type,))[0]

    def best_agent(self, agents: Sequence[str], task_type: str) -> int:
        """Returns the place of the agent with the least handicap for a type; the first one, unless that costs much."""
        best, first, least = 0, 0.0, math.inf
        for place, agent in enumerate(agents):
            known = self._handicaps.get(agent) or self._known_of(agent)
            handicap = known.get(task_type)
            if handicap is None:
                handicap = known[task_type] = self._handicap(agent, task_type)
            if not place:
                first = handicap
            if handicap < least:
                best, least = place, handicap
        return best if first - least >= MIN_GAIN else 0

    def _known_of(self, agent: str) -> dict[str, float]:
        known = self._handicaps.get(agent)
        if known is None:
            if len(self._handicaps) >= self._max_pairs:
                self._handicaps.clear()  # of agents that are gone
            known = self._handicaps[agent] = {}
        return known

    def _handicap(self, agent: str, task_type: str) -> float:
        handicap = self.slowness(agent, task_type) if self.speeds.are_real else 0.0
        if self.successes.are_real:
            of_type = _success_of(self._factors.get((ALL, task_type)))
            handicap += math.log(of_type / self.success(agent, task_type))
        return handicap

    def of_key(self, agent: str, task_type: str) -> Factor | None:
        """Returns what is known of an agent and a type; ALL stands for each of them."""
        return self._factors.get((agent, task_type))

    def __len__(self) -> int:
        return len(self._factors)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._factors)

    def _pair(self, agent: str, task_type: str) -> _Pair:
        """Returns the factors that an attempt of an agent at a type changes."""
        key = (agent, task_type)
        pair = self._pairs.get(key)
        if pair is None:
            if len(self._pairs) >= self._max_pairs:
                self._forget()
            of_type, of_agent, own = (
                self._factors.setdefault(part, Factor()) for part in ((ALL, task_type), (agent, ALL), key)
            )
            pair = self._pairs[key] = _Pair(of_type, of_agent, own)
        self._attempts += 1
        pair.learned = self._attempts
        pair.attempts += 1
        self._changed.add(key)
        if self._attempts % REFRESHED == 0:
            self._handicaps.clear()
        elif pair.attempts % COMPARED == 0 and agent in self._handicaps:
            self._handicaps[agent].pop(task_type, None)
        return pair

    def _forget(self) -> None:
        oldest = sorted(self._pairs, key=lambda key: self._pairs[key].learned)[: max(1, self._max_pairs // 10)]
        for key in oldest:
            del self._pairs[key]
            self.speeds.drop(key)
            self.successes.drop(key)
        self._changed -= set(oldest)
        kept = {
            part for agent, task_type in self._pairs for part in ((agent, ALL), (ALL, task_type), (agent, task_type))
        }
        gone = self._factors.keys() - kept
        self.forgotten |= gone
        for key in gone:
            del self._factors[key]

    def _compare(self, key: Key, pair: _Pair) -> None:
        """Notes how far an agent's means of a type are off the type's, if there are enough of both."""
        of_type, own = pair.of_type, pair.own
        before = self.speeds.are_real, self.successes.are_real
        if own.runs >= MIN_RUNS and of_type.variance > 0:
            self.speeds.note(key, own.log_ratio * own.log_ratio * own.runs / of_type.variance)
        if own.attempts >= MIN_RUNS:
            rate = _success_of(of_type)
            self.successes.note(key, (own.success - rate) ** 2 * own.attempts / (rate * (1 - rate)))
        if before != (self.speeds.are_real, self.successes.are_real):
            self._handicaps.clear()


def _success_of(of_type: Factor | None) -> float:
    """Returns the success rate of a type, of whatever agents, with half an attempt added to either outcome."""
    return (of_type.attempts * of_type.success + 0.5) / (of_type.attempts + 1) if of_type else 0.5
