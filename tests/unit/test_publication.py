"""What a committed tick tells Redis."""

from __future__ import annotations

import pytest

from taskyard.core.models import Lane, Waiting
from taskyard.core.postgres.store.dependants import Freed
from taskyard.core.protocol import Cancel, Reply, Run, Welcome, decode_orders
from taskyard.core.redis.broker import Publication
from taskyard.worker.dispatch.batch import Batch, Committed
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.publication import publication_of
from tests.unit.leader_state_support import claimed, give, heartbeat, info, placed, task_id

AGENT = "coder-1:a"
WORK = Lane("default", "demo.work")


def published(leader_state: LeaderState, batch: Batch, committed: Committed) -> tuple[Publication, list[Claim]]:
    return publication_of(leader_state, batch, committed, lambda queue: "least_loaded")


@pytest.fixture
def leader_state() -> LeaderState:
    leader_state = LeaderState(Durations())
    leader_state.add_agent(info())
    return leader_state


def test_a_claim_becomes_an_order(leader_state: LeaderState) -> None:
    slots = leader_state.agents[AGENT].slots
    batch = Batch(claims=[placed(1, slots)], consumed=[b"3-0"])
    publication, claims = published(leader_state, batch, Committed(claimed=[claimed(1)]))
    [order] = decode_orders(publication.orders[AGENT])
    assert isinstance(order, Run)
    assert (order.task_id, order.attempt, bytes(order.input)) == (task_id(1), 1, b"{}")
    assert publication.removed == {WORK: [task_id(1)]}
    assert publication.consumed == [b"3-0"]
    assert claims == [leader_state.find(task_id(1), 1)]
    assert not claims[0].is_published
    assert slots.open_tasks == 1


def test_a_row_that_was_not_claimed_leaves_the_lane_and_frees_its_agent(leader_state: LeaderState) -> None:
    slots = leader_state.agents[AGENT].slots
    batch = Batch(claims=[placed(1, slots), placed(2, slots)])
    publication, claims = published(leader_state, batch, Committed(claimed=[claimed(2)]))
    assert publication.removed == {WORK: [task_id(1), task_id(2)]}
    assert [claim.id for claim in claims] == [task_id(2)]
    assert (slots.open_tasks, slots.open_seconds) == (1, 1.0)


def test_an_offer_that_nobody_took_frees_its_agent(leader_state: LeaderState) -> None:
    slots = leader_state.agents[AGENT].slots
    batch = Batch(offers=[placed(0, slots, 2.0), placed(0, slots, 2.0)])
    freed = [Freed(claimed(1), Waiting(task_id(1), WORK, 1, 7.0, is_due_later=False))]
    publication, [claim] = published(leader_state, batch, Committed(freed=freed))
    assert [order.task_id for order in decode_orders(publication.orders[AGENT]) if isinstance(order, Run)] == [
        task_id(1)
    ]
    assert publication.removed == {}, "it was in no lane"
    assert (claim.ready, claim.expected_seconds) == (7.0, 2.0)
    assert (slots.open_tasks, slots.open_seconds) == (1, 2.0)


def test_a_claim_of_an_agent_that_ended_meanwhile_is_kept_for_the_reaper(leader_state: LeaderState) -> None:
    batch = Batch(claims=[placed(1, leader_state.agents[AGENT].slots)])
    leader_state.remove_agent(AGENT)
    publication, _ = published(leader_state, batch, Committed(claimed=[claimed(1)]))
    assert publication.orders == {}
    assert [claim.id for claim in leader_state.claims_of(AGENT)] == [task_id(1)]


def test_replies_follow_the_tick(leader_state: LeaderState) -> None:
    batch = Batch()
    batch.order(AGENT, Welcome())
    reply = Reply("r1", "the child's id")
    publication, _ = published(leader_state, batch, Committed(replies=[(AGENT, reply)]))
    assert decode_orders(publication.orders[AGENT]) == [Welcome(), reply]


def test_an_orphan_is_cancelled_where_it_is_held(leader_state: LeaderState) -> None:
    claim = give(leader_state, claimed(1))
    leader_state.add_agent(info("coder-2:b")).held_before = frozenset({(task_id(1), 1)})
    publication, _ = published(leader_state, Batch(), Committed(orphans=[(task_id(1), 1)]))
    assert {agent: decode_orders(orders) for agent, orders in publication.orders.items()} == {
        "coder-2:b": [Cancel(task_id(1), 1)]
    }
    assert leader_state.find(claim.id, 1) is None


def test_an_orphan_of_an_old_attempt_leaves_the_new_one_alone(leader_state: LeaderState) -> None:
    claim = give(leader_state, claimed(1, attempt=2))
    leader_state.agents[AGENT].held_before = frozenset(heartbeat(held=[(task_id(1), 1)]).held)
    publication, _ = published(leader_state, Batch(), Committed(orphans=[(task_id(1), 1)]))
    assert decode_orders(publication.orders[AGENT]) == [Cancel(task_id(1), 1)]
    assert leader_state.find(task_id(1), 2) is claim


def test_an_agent_that_ended_gets_no_orders(leader_state: LeaderState) -> None:
    batch = Batch(endings=[(AGENT, "lost"), (AGENT, "lost")], fenced=[AGENT])
    batch.order(AGENT, Welcome())
    batch.order("nobody:x", Welcome())
    leader_state.remove_agent(AGENT)
    publication, _ = published(leader_state, batch, Committed())
    assert publication.orders == {}
    assert publication.ended_agents == [AGENT]
    assert publication.fenced_agents == [AGENT]


def test_what_waits_is_passed_on(leader_state: LeaderState) -> None:
    waiting = [Waiting(task_id(1), WORK, 1, 5.0, False)]
    publication, _ = published(leader_state, Batch(), Committed(waiting=waiting))
    assert publication == Publication(waiting=waiting)


def test_an_empty_tick_says_nothing(leader_state: LeaderState) -> None:
    assert published(leader_state, Batch(ping=True), Committed())[0].is_empty()
