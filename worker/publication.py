"""What a committed tick tells Redis: pure bookkeeping on the ledger."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw

from core.placement import ready_of
from core.protocol import Cancel, Order, Run, encode
from core.queue import Publication
from worker.batch import Batch, Committed, lanes_of
from worker.ledger import Claim, Ledger


def publication_of(
    ledger: Ledger, batch: Batch, committed: Committed, policy_of: Callable[[str], str]
) -> tuple[Publication, list[Claim]]:
    """The publication of a tick, and the claims that it opened (published once it is sent).

    `policy_of(queue)` names a queue's placement policy.
    """
    orders: dict[str, list[Order]] = batch.orders
    claims = _open_claims(ledger, batch, committed, orders, policy_of)
    for agent_id, reply in committed.replies:
        orders.setdefault(agent_id, []).append(reply)
    for task_id, attempt in committed.orphans:
        _cancel_orphan(ledger, task_id, attempt, orders)
    publication = Publication(
        consumed=batch.consumed,
        removed={} if committed.left.claims else lanes_of(batch),  # not even tried: they stay where they are
        waiting=committed.waiting,
        # one that ended meanwhile, or that nobody knows, has no inbox
        orders={agent_id: encode(listed) for agent_id, listed in orders.items() if agent_id in ledger.agents},
        ended_agents=sorted({agent_id for agent_id, _ in batch.endings}),
        fenced_agents=batch.fenced,
    )
    return publication, claims


def _open_claims(
    ledger: Ledger,
    batch: Batch,
    committed: Committed,
    orders: dict[str, list[Order]],
    policy_of: Callable[[str], str],
) -> list[Claim]:
    placed = {candidate.id: (candidate, agent) for candidate, agent in batch.claims}
    claims = []
    for row in committed.claimed:
        candidate, _ = placed.pop(row.id)
        ready = ready_of(candidate.score, row.priority, policy_of(candidate.lane.queue))
        claims.append(ledger.open(row, candidate.expected_seconds, ready))
        run = Run(row.id, row.attempt, row.type, Raw(row.input), row.timeout_seconds, row.checkpoint, row.priority)
        orders.setdefault(row.agent_id, []).append(run)
    # a row that somebody else holds, or that is not waiting any more: its agent has room after all
    for candidate, agent in placed.values():
        agent.take_back(candidate.expected_seconds)
    return claims


def _cancel_orphan(ledger: Ledger, task_id: str, attempt: int, orders: dict[str, list[Order]]) -> None:
    """P11: an agent holds a pair that the row does not match; an operator cancelled it, or it came late."""
    claim = ledger.find(task_id, attempt)
    if claim is not None:
        ledger.close(claim)
    for agent in ledger.agents.values():
        if (task_id, attempt) in agent.held_before:
            orders.setdefault(agent.info.id, []).append(Cancel(task_id, attempt))
