"""Reads how much slower or faster than others agents are at types, and how often they succeed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.learning.factors import ALL, MIN_RUNS, AgentFactors
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import agent_factors as store
from taskyard.core.views.seeing import sees_all_queues, sees_type

MAX_AGENTS, MAX_TYPES = 30, 20


@dataclass(frozen=True, slots=True)
class AgentAtType:
    """An agent at a type: its run time as a multiple of that of others (None: of too few runs to tell), and the share
    of its last `attempts` that succeeded (None without any).
    """

    slowness: float | None
    runs: int
    success: float | None
    attempts: int


@dataclass(frozen=True, slots=True)
class AgentMap:
    """Agents at types, those with most runs first; None where one has run no task of a type.

    `left_out_agents` and `left_out_types` count those with fewer runs. Speeds and rates of success `differ` if chance
    does not explain how far they are apart.
    """

    agents: Sequence[str]
    types: Sequence[str]
    cells: Sequence[Sequence[AgentAtType | None]]  # by type, then by agent
    left_out_agents: int
    left_out_types: int
    speeds_differ: bool
    successes_differ: bool


def agent_map_of(tx: Transaction, actor: Actor, agents: Collection[str]) -> AgentMap | None:
    """Returns what is known of these agents at the actor's types; None for those who do not see all queues: it is of
    all.
    """
    if not sees_all_queues(actor):
        return None
    factors = AgentFactors()
    factors.load(store.factors(tx))
    return agent_map(factors, agents, [name for agent, name in factors if agent == ALL and sees_type(actor, name)])


def agent_map(factors: AgentFactors, agents: Collection[str], types: Collection[str]) -> AgentMap:
    """Returns what is known of these agents at these types, at most MAX_AGENTS and MAX_TYPES with most runs."""
    counts_by_agent, counts_by_type = dict[str, float](), dict[str, float]()
    wanted_agents, wanted_types = set(agents), set(types)
    for agent, type_ in factors:
        own = factors.of_key(agent, type_)
        if own is not None and agent in wanted_agents and type_ in wanted_types:
            counts_by_agent[agent] = counts_by_agent.get(agent, 0.0) + own.attempts
            counts_by_type[type_] = counts_by_type.get(type_, 0.0) + own.attempts
    found_agents = sorted(counts_by_agent, key=lambda name: (-counts_by_agent[name], name))
    found_types = sorted(counts_by_type, key=lambda name: (-counts_by_type[name], name))
    shown_agents, shown_types = found_agents[:MAX_AGENTS], found_types[:MAX_TYPES]
    return AgentMap(
        shown_agents,
        shown_types,
        [[_cell(factors, agent, type_) for agent in shown_agents] for type_ in shown_types],
        len(found_agents) - len(shown_agents),
        len(found_types) - len(shown_types),
        factors.speeds.are_real,
        factors.successes.are_real,
    )


def _cell(factors: AgentFactors, agent: str, type_: str) -> AgentAtType | None:
    own = factors.of_key(agent, type_)
    if own is None:
        return None
    slowness = math.exp(factors.slowness(agent, type_)) if own.runs >= MIN_RUNS else None
    return AgentAtType(slowness, round(own.runs), own.success if own.attempts else None, round(own.attempts))
