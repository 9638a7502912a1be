"""Crews follow their agents: whatever happened to them, placement decides as if it had asked each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskyard.core.models import Lane
from taskyard.core.scheduling import crews as crews_module
from taskyard.core.scheduling.agent_slots import MAX_AHEAD_BYTES, AgentSlots
from taskyard.core.scheduling.crews import Crews
from taskyard.core.scheduling.placement import CHOOSERS, Candidate, Rotation, place
from tests.unit.simple_placement import place_simply, room_simply

TYPES = ["code.run", "code.check", "csv.read"]
TAGS = ["gpu", "python"]
EXPECTED_SECONDS = [25e-6, 0.001, 0.02, 1.0, 3600.0]

types = st.sets(st.sampled_from(TYPES)).map(frozenset)
tags = st.sets(st.sampled_from(TAGS)).map(lambda found: tuple(sorted(found)))
lanes = st.builds(Lane, st.sampled_from(["a", "b", "c"]), st.sampled_from(TYPES), tags)
expected = st.sampled_from(EXPECTED_SECONDS)
covers = st.sampled_from([-1.0, 0.0, 0.01, 0.05, 0.1, 1.0])
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Crowd:
    """Some agents, their crews, and what happens to them."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.agents: list[AgentSlots] = []
        self.given: list[tuple[AgentSlots, float]] = []
        self.crews = Crews()
        self.rotation = Rotation(draw(st.integers(0, 5)), draw(st.integers(0, 5)))
        self.placed = self.tasks = self.arrived = 0
        self.events: list[Callable[[], None]] = [
            self.arrives, self.arrives, self.leaves, self.ends, self.is_given, self.changes, self.places, self.places
        ]  # fmt: skip

    def any_agent(self) -> AgentSlots | None:
        return self.draw(st.sampled_from(self.agents)) if self.agents else None

    def arrives(self) -> None:
        self.arrived += 1
        agent = AgentSlots(
            f"agent-{self.draw(st.integers(0, 9))}-{self.arrived}",
            tuple(sorted(self.draw(st.sets(st.sampled_from([*TYPES, "code.*", "*"]), min_size=1)))),
            frozenset(self.draw(tags)),
            self.draw(st.integers(1, 4)),
        )
        self.agents.append(agent)
        self.crews.add(agent)

    def leaves(self) -> None:
        if (agent := self.any_agent()) is not None:
            self.agents.remove(agent)
            self.crews.remove(agent)

    def is_given(self) -> None:
        if (agent := self.any_agent()) is not None:
            seconds = self.draw(expected)
            agent.give(seconds)
            self.given.append((agent, seconds))

    def ends(self) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            if self.given:
                agent, seconds = self.given.pop(self.draw(st.integers(0, len(self.given) - 1)))
                agent.take_back(seconds)

    def changes(self) -> None:
        if (agent := self.any_agent()) is None:
            return
        what = self.draw(st.integers(0, 8))
        if what == 0:
            agent.accepts_work = self.draw(st.booleans())
        elif what == 1:
            agent.barred = self.draw(types)
        elif what == 2:
            agent.probes = self.draw(types)
            agent.barred -= agent.probes
        elif what == 3:
            agent.known_types = self.draw(st.none() | types)
        elif what == 4:
            agent.refused = dict.fromkeys(self.draw(types), "it can't")
        elif what == 5:
            agent.allowed = self.draw(st.none() | types.map(tuple))
        elif what == 6:
            agent.tags = frozenset(self.draw(tags))
        elif what == 7:
            agent.resize(self.draw(st.integers(1, 4)))
        else:
            agent.add_bytes(MAX_AHEAD_BYTES + 1 - 2 * agent.open_bytes)

    def places(self) -> None:
        drawn = self.draw(st.lists(st.tuples(lanes, st.integers(0, 9), expected), max_size=12))
        candidates = [Candidate(str(self.tasks + n), *one) for n, one in enumerate(drawn)]
        self.tasks += len(candidates)
        policy, cover_seconds = self.draw(st.sampled_from(sorted(CHOOSERS))), self.draw(covers)
        copies = [copied(agent) for agent in self.agents]
        simple = Rotation(self.rotation.next_agent, self.rotation.next_queue)
        wanted = place_simply(candidates, copies, policy, simple, cover_seconds)

        placed = place(candidates, self.crews, lambda queue: policy, self.rotation, cover_seconds)

        assert [(candidate.id, agent.id) for candidate, agent in placed] == wanted
        assert self.rotation == simple
        assert [described(agent) for agent in self.agents] == [described(copy) for copy in copies]
        self.given += [(agent, candidate.expected_seconds) for candidate, agent in placed]

    def asks(self) -> None:
        """Compares what all lanes have room for."""
        cover_seconds, limit = self.draw(covers), self.draw(st.integers(1, 12))
        self.crews.refresh(cover_seconds)
        for lane in (Lane("a", name, requires) for name in TYPES for requires in ((), ("gpu",), ("gpu", "python"))):
            for seconds in EXPECTED_SECONDS:
                room = self.crews.of(lane).room(lane.type, seconds, cover_seconds, limit)
                assert room == min(limit, room_simply(lane, self.agents, seconds, cover_seconds))


def copied(agent: AgentSlots) -> AgentSlots:
    """Returns an agent like this one, that nobody follows."""
    copy = AgentSlots(
        agent.id,
        agent.types,
        agent.tags,
        agent.max_concurrency,
        accepts_work=agent.accepts_work,
        open_tasks=agent.open_tasks,
        open_seconds=agent.open_seconds,
        known_types=agent.known_types,
        refused=agent.refused,
    )
    copy.barred, copy.probes, copy.allowed = agent.barred, agent.probes, agent.allowed
    copy.open_bytes = agent.open_bytes
    return copy


def described(agent: AgentSlots) -> tuple[object, ...]:
    return agent.id, agent.open_tasks, agent.open_seconds, agent.barred, agent.probes


@unhurried
@given(st.data())
def test_crews_decide_as_if_every_agent_was_asked(data: st.DataObject) -> None:
    crowd = Crowd(data.draw)
    for _ in range(data.draw(st.integers(1, 25))):
        data.draw(st.sampled_from(crowd.events))()
        if data.draw(st.booleans()):
            crowd.asks()
    crowd.places()


@unhurried
@given(st.data())
def test_what_is_kept_is_bounded_and_made_anew(data: st.DataObject) -> None:
    """As above, while the crews forget everything all the time."""
    limits = crews_module.MAX_LANES_KNOWN, crews_module.MAX_EMPTY_KINDS
    crews_module.MAX_LANES_KNOWN, crews_module.MAX_EMPTY_KINDS = 2, 0
    try:
        crowd = Crowd(data.draw)
        for _ in range(data.draw(st.integers(1, 25))):
            data.draw(st.sampled_from(crowd.events))()
            crowd.asks()
    finally:
        crews_module.MAX_LANES_KNOWN, crews_module.MAX_EMPTY_KINDS = limits


def test_a_failure_leaves_all_agents_as_they_were() -> None:
    agents = [AgentSlots(f"a{number}", ("*",), frozenset(), 2) for number in range(3)]
    crews = Crews(agents)
    waiting = [Candidate(str(number), Lane("good", "code.run"), float(number), 1.0) for number in range(3)]
    bad = Candidate("bad", Lane("odd", "code.run"), 9.0, 1.0)

    def policy_of(queue: str) -> str:
        return {"good": "least_loaded"}[queue]

    for _ in range(2):
        try:
            place([*waiting, bad], crews, policy_of, Rotation(), 0.01)
        except KeyError:
            pass
        else:
            raise AssertionError("it did not fail")
        assert [(agent.open_tasks, agent.open_seconds) for agent in agents] == [(0, 0.0)] * 3
    assert [agent.id for _, agent in place(waiting, crews, policy_of, Rotation(), 0.01)] == ["a0", "a1", "a2"]


def test_the_order_of_agents_that_come_and_go_does_not_grow() -> None:
    agents = [AgentSlots(f"a{number}", ("*",), frozenset(), 10) for number in range(5)]
    crews = Crews(agents)
    lane = Lane("default", "code.run")
    for number in range(2_000):
        [(_, agent)] = place([Candidate(str(number), lane, 0.0, 1.0)], crews, lambda queue: "priority", Rotation(), 0.0)
        agent.take_back(1.0)
    assert len(crews.of(lane)._heap) <= 2 * len(agents) + 64
