"""Implements circuit breakers: an agent that keeps failing at a type that others handle gets no more of it (pure).

The pattern is Nygard's ("Release It!", 2007): closed → open → one probe at a time → closed again. The comparison with
other agents is an addition: failures that all agents have are the tasks' fault and open no breaker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.core.errors import ErrorClass
from taskyard.core.i18n import N_
from taskyard.core.message_templates import MessageTemplate, rendered

FAILURES = 5  # in a row
FAILED_TASKS = 3  # different ones among them: one bad task is not the agent's fault
WINDOW_SECONDS = 600.0
OTHERS_SUCCESSES = 3  # successes that other agents must have had, and more than their failures
REMEMBERED = 50  # outcomes of an agent and type
OPEN_SECONDS = 30.0
MAX_OPEN_SECONDS = 600.0
# Error classes that say nothing about the agent.
BLAMELESS = frozenset({ErrorClass.CANCELLED, ErrorClass.INVALID_INPUT})
FAILING = MessageTemplate(
    "breaker.failing",
    N_("its last {failures} attempts failed ({classes}), while {successes} of {others} by other agents succeeded"),
)
PROBE_SUCCEEDED = MessageTemplate("breaker.probe_succeeded", N_("its probe succeeded"))
_REASONS = {template.id: template for template in (FAILING, PROBE_SUCCEEDED)}

Outcomes = deque[tuple[float, str | None, str]]  # (monotonic seconds, error class or None, task id)


@dataclass(slots=True)
class Breaker:
    """An open circuit breaker. Times are monotonic seconds; a probe may be sent from `retry_at` on."""

    agent: str
    type: str
    reason: str
    since: float
    retry_at: float
    open_seconds: float
    is_probing: bool = False


@dataclass(slots=True)
class Breakers:
    """Holds the recent outcomes of failing types, by agent name, and the open breakers."""

    open: dict[tuple[str, str], Breaker] = field(default_factory=dict)  # by agent and type; `_of_agents` follows it
    _of_agents: dict[str, dict[str, Breaker]] = field(default_factory=dict)
    _recent: dict[str, dict[str, Outcomes]] = field(default_factory=dict)  # type → agent → outcomes

    def note(self, agent: str, task_type: str, error_class: str | None, task_id: str, now: float) -> Breaker | None:
        """Records the outcome of an attempt (`error_class` None: success); returns a breaker that it opened or
        closed.

        A type is watched only after its first failure, so that successes of other types cost nothing.
        """
        agents = self._recent.get(task_type)
        if agents is None:
            if error_class is None:
                return None
            agents = self._recent[task_type] = {}
        if error_class in BLAMELESS:
            return None
        outcomes = agents.get(agent)
        if outcomes is None:
            outcomes = agents[agent] = deque(maxlen=REMEMBERED)
        outcomes.append((now, error_class, task_id))
        breaker = self.open.get((agent, task_type))
        if breaker is not None:
            return self._answered(breaker, error_class is None, now)
        if error_class is not None and (reason := self._verdict(agent, agents, now)) is not None:
            breaker = Breaker(agent, task_type, reason, now, now + OPEN_SECONDS, OPEN_SECONDS)
            self.open[agent, task_type] = breaker
            self._of_agents.setdefault(agent, {})[task_type] = breaker
            return breaker
        return None

    def watches(self, task_type: str) -> bool:
        """Returns True if successes of this type must be recorded."""
        return task_type in self._recent

    def of_agent(self, agent: str) -> list[Breaker]:
        """Returns the open breakers of an agent."""
        return list(self._of_agents.get(agent, {}).values())

    def forget_old(self, now: float) -> None:
        """Drops outcomes too old to count, and stops watching types without a failure in the window."""
        for task_type, agents in list(self._recent.items()):
            for outcomes in agents.values():
                while outcomes and outcomes[0][0] < now - WINDOW_SECONDS:
                    outcomes.popleft()
            is_open = any(breaker.type == task_type for breaker in self.open.values())
            if not is_open and all(error is None for outcomes in agents.values() for _, error, _ in outcomes):
                del self._recent[task_type]

    def _answered(self, breaker: Breaker, is_success: bool, now: float) -> Breaker | None:
        if is_success:
            del self.open[breaker.agent, breaker.type]
            of_agent = self._of_agents[breaker.agent]
            del of_agent[breaker.type]
            if not of_agent:
                del self._of_agents[breaker.agent]
            self._recent[breaker.type][breaker.agent].clear()
            return breaker
        if breaker.is_probing:
            breaker.is_probing = False
            breaker.open_seconds = min(MAX_OPEN_SECONDS, 2 * breaker.open_seconds)
            breaker.retry_at = now + breaker.open_seconds
        return None

    def _verdict(self, agent: str, agents: dict[str, Outcomes], now: float) -> str | None:
        """Returns why the agent's breaker must open; None if it need not."""
        last = [outcome for outcome in agents[agent] if outcome[0] >= now - WINDOW_SECONDS][-FAILURES:]
        if len(last) < FAILURES or any(error is None for _, error, _ in last):
            return None
        if len({task_id for _, _, task_id in last}) < FAILED_TASKS:
            return None
        others = list(_errors(agents, agent, now))
        successes = others.count(None)
        if successes < OTHERS_SUCCESSES or successes <= len(others) - successes:
            return None
        classes = sorted({str(error) for _, error, _ in last})
        return FAILING(failures=FAILURES, classes=", ".join(classes), successes=successes, others=len(others))


def _errors(agents: dict[str, Outcomes], but: str, now: float) -> Iterable[str | None]:
    """Yields the error class of every outcome of other agents in the window, None for a success."""
    for name, outcomes in agents.items():
        if name != but:
            yield from (error for at, error, _ in outcomes if at >= now - WINDOW_SECONDS)


def breaker_reason(text: str, reason_id: str | None, parameters: Mapping[str, Any] | None) -> str:
    """Returns a sent or stored reason in translatable form; `text` if it came without a known id."""
    return rendered(_REASONS, text, reason_id, parameters)
