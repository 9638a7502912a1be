"""Builds what a committed tick publishes to Redis: pure bookkeeping on the leader's state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from msgspec import Raw

from taskyard.core.models import Lane
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import Cancel, Order, Pair, Run, encode
from taskyard.core.redis.broker import Publication, Refused
from taskyard.core.redis.quarantine import Odd
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.placement import Candidate, ready_of
from taskyard.worker.dispatch.batch import Batch, Committed, Unpublished, lanes_of
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.decisions import DEFAULT_POLICY, hand_back
from taskyard.worker.dispatch.hedges import Hedge
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.unprocessable import ESCAPES, reason_of, settle


def publication_of(
    leader_state: LeaderState, batch: Batch, committed: Committed, policy_of: Callable[[str], str]
) -> tuple[Publication, list[Claim]]:
    """Returns the publication of a tick, and the claims that it opened (published once it is sent).

    Claims that can't be sent to their agents are left in `committed.unpublished`. `policy_of(queue)` names a
    queue's placement policy.
    """
    orders: dict[str, list[Order]] = batch.orders
    claims = _open_claims(leader_state, batch, committed, orders, policy_of)
    claims += _open_hedges(leader_state, batch, committed, orders)
    leader_state.hedges.won += len(committed.promoted)
    for one in committed.promoted:
        orders.setdefault(one.agent_id, []).append(Cancel(one.id, one.beside))
        leader_state.hedges.note_cancelled((one.id, one.beside))
    for agent_id, reply in committed.replies:
        orders.setdefault(agent_id, []).append(reply)
    _cancel_orphans(leader_state, committed.orphans, orders)
    publication = Publication(
        consumed=leader_state.kept.without_kept(batch.consumed),
        removed={} if committed.left.claims else lanes_of(batch),  # not even tried: they stay in place
        waiting=committed.waiting,
        # an agent that ended meanwhile, or is unknown, has no inbox
        orders={agent_id: encode(listed) for agent_id, listed in orders.items() if agent_id in leader_state.agents},
        ended_agents=sorted({agent_id for agent_id, _ in batch.endings}),
        fenced_agents=batch.fenced,
        ended=[done.id for done in batch.completions] + [one.id for one in batch.settlements if one.ends_task],
    )
    return publication, claims


def _open_claims(
    leader_state: LeaderState,
    batch: Batch,
    committed: Committed,
    orders: dict[str, list[Order]],
    policy_of: Callable[[str], str],
) -> list[Claim]:
    claimed = {row.id: row for row in committed.claimed}
    claims: list[Claim] = []
    for candidate, agent in batch.claims:  # in the order in which an agent is to run them; rows come back by id
        row = claimed.pop(candidate.id, None)
        if row is None:  # locked, or no longer waiting: its agent has room after all
            agent.take_back(candidate.expected_seconds)
            continue
        claim = leader_state.open(row, candidate.expected_seconds)
        if row.type != candidate.lane.type:
            reason = f"it was queued as a task of type {candidate.lane.type}"
            committed.unpublished.append(Unpublished(claim, reason, goes_back=True))
            continue
        try:
            claim.ready = ready_of(candidate.score, row.priority, policy_of(candidate.lane.queue), row.head_start)
            orders.setdefault(row.agent_id, []).append(_run_of(row))
            claims.append(claim)
        except ESCAPES as error:
            committed.unpublished.append(Unpublished(claim, reason_of(error)))
    return claims + _open_freed(leader_state, batch, committed, orders)


def _open_freed(
    leader_state: LeaderState, batch: Batch, committed: Committed, orders: dict[str, list[Order]]
) -> list[Claim]:
    """Opens the claims of tasks that took offers, and takes back the other offers."""
    offers: dict[tuple[Lane, str], list[tuple[Candidate, AgentSlots]]] = {}
    for offer, agent in batch.offers:
        offers.setdefault((offer.lane, agent.id), []).append((offer, agent))
    claims = []
    for row, waiting in committed.freed:
        offer, _ = offers[waiting.lane, row.agent_id].pop()
        claim = leader_state.open(row, offer.expected_seconds, waiting.ready)
        try:
            orders.setdefault(row.agent_id, []).append(_run_of(row))
            claims.append(claim)
        except ESCAPES as error:
            committed.unpublished.append(Unpublished(claim, reason_of(error)))
    for unused in offers.values():
        for offer, agent in unused:
            agent.take_back(offer.expected_seconds)
    return claims


def _open_hedges(
    leader_state: LeaderState, batch: Batch, committed: Committed, orders: dict[str, list[Order]]
) -> list[Claim]:
    """Opens the second attempts that began; the agents chosen for the others have room again."""
    begun = {row.id: row for row in committed.hedged}
    opened: list[Claim] = []
    for straggler, agent, expected_seconds in batch.hedges:
        row = begun.get(straggler.id)
        if row is None:
            agent.take_back(expected_seconds)
            continue
        first = leader_state.find(straggler.id, straggler.attempt)
        if first is None:
            agent.take_back(expected_seconds)
            leader_state.hedges.note_dropped(row, None)
            continue
        hedge = Hedge(row, first, expected_seconds, batch.began)
        leader_state.hedges.open(hedge)
        orders.setdefault(row.agent_id, []).append(_run_of(row))
        opened.append(hedge)
    leader_state.hedges.begun += len(begun)
    return opened


def _run_of(row: Claimed) -> Run:
    return Run(
        row.id,
        row.attempt,
        row.type,
        Raw(row.input),
        row.timeout_seconds,
        row.checkpoint,
        row.priority,
        row.checkpoint_children,
        row.resumed,
        row.scheduled_for,
    )


def settle_unpublished(leader_state: LeaderState, unpublished: Unpublished, batch: Batch) -> None:
    """Ends a claim that was never sent to its agent: back into the queue, or for good."""
    claim = unpublished.claim
    if leader_state.find(*claim.pair) is not claim:
        return
    if unpublished.goes_back:
        batch.settlements.append(hand_back(claim, DEFAULT_POLICY, unpublished.reason, 0.0))
        leader_state.close(claim)
    else:
        ids = (claim.id, claim.attempt, claim.agent_id)
        batch.odd.append(Odd("row", "tasks", unpublished.reason, b"", *ids))
        settle(leader_state, claim, unpublished.reason, batch)


def publish_apart(publish: Callable[[Publication], None], publication: Publication) -> list[tuple[Publication, str]]:
    """Publishes; if Redis refuses it, in halves: returns the smallest refused parts, each with the reason.

    Parts that were published already are published again, which changes nothing.
    """
    try:
        publish(publication)
    except Refused as error:
        halves = _halved(publication)
        if halves is None:
            return [(publication, str(error))]
        return publish_apart(publish, halves[0]) + publish_apart(publish, halves[1])
    return []


def _halved(publication: Publication) -> tuple[Publication, Publication] | None:
    """Returns two publications that together are this one; None if it can't be split."""
    units = [(f.name, unit) for f in fields(publication) for unit in _units(getattr(publication, f.name))]
    if len(units) < 2:
        return None
    middle = len(units) // 2
    return _composed(units[:middle]), _composed(units[middle:])


def _units(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        return list(value)
    if value and all(isinstance(ids, list) for ids in value.values()):
        return [(lane, id_) for lane, ids in value.items() for id_ in ids]
    return list(value.items())


def _composed(units: list[tuple[str, Any]]) -> Publication:
    publication = Publication()
    for name, unit in units:
        whole = getattr(publication, name)
        if name == "removed":
            lane, id_ = unit
            whole.setdefault(lane, []).append(id_)
        elif isinstance(whole, dict):
            whole.update([unit])
        else:
            whole.append(unit)
    return publication


def odd_of(part: Publication, reason: str) -> Odd:
    """Returns a refused part of a publication, for the quarantine."""
    for agent_id, orders in part.orders.items():
        return Odd("order", f"inbox:{agent_id}", reason, orders, agent_id=agent_id)
    [(name, unit)] = [(f.name, unit) for f in fields(part) for unit in _units(getattr(part, f.name))]
    return Odd("publication", name, reason, repr(unit).encode("utf-8", "backslashreplace"))


def _cancel_orphans(leader_state: LeaderState, orphans: Sequence[Pair], orders: dict[str, list[Order]]) -> None:
    """Cancels orphans (P11): pairs that an agent holds and no row matches, after a cancellation or a late report."""
    if not orphans:
        return
    for task_id, attempt in orphans:
        claim = leader_state.find(task_id, attempt)
        if claim is not None:
            leader_state.close(claim)
    pairs = frozenset(orphans)
    for agent in leader_state.agents.values():
        if held := pairs & agent.held_before:
            orders.setdefault(agent.info.id, []).extend(Cancel(*pair) for pair in sorted(held))
