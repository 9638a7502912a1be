"""Serves agents that come through the API: passes their reports on, and gives them their orders.

Their commands have threads of their own, so that no slow export keeps a heartbeat from arriving in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio

from taskyard.api.services import Services
from taskyard.core.protocol import Reply, Report, SubmitChild, encode
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.decoding import Unreadable, read_orders
from taskyard.core.redis.inbox_waiting import InboxWaiting
from taskyard.core.redis.quarantine import Odd
from taskyard.core.remote_agents.identity import RemoteAgent

THREADS = 16
Value = TypeVar("Value")


class AgentDesk:
    """What routes do for agents; made in the event loop. Every method raises Unavailable if Redis is away."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._broker = services.broker
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._inboxes = InboxWaiting(services.redis_url, services.broker.keys)

    async def run(self, command: Callable[[], Value]) -> Value:
        """Returns the result of a command that needs Redis, run in a thread."""

        def reaching() -> Value:
            with reaching_redis():
                return command()

        return await anyio.to_thread.run_sync(reaching, limiter=self._limiter)

    async def pass_on(self, agent: RemoteAgent, reports: Sequence[Report], payload: bytes) -> None:
        """Stores checked reports for the leader; `payload` is what they were read from.

        A child that the agent's role does not permit is answered at once, and not passed on.
        """

        def store() -> None:
            barred = [one for one in reports if isinstance(one, SubmitChild) and self._is_barred(agent, one)]
            passed = [one for one in reports if not any(one is other for other in barred)]
            for child in barred:
                refusal = f"submit: agent {agent.name} may not submit tasks of type {child.child_type}: they run code"
                self._broker.send_order(child.agent_id, Reply(child.request_id, None, refusal))
            if passed:
                self._store_reports(agent.name, encode(passed) if barred else payload)

        await self.run(store)

    async def heartbeat(self, agent_id: str, payload: bytes) -> tuple[str, bool]:
        """Writes a heartbeat; returns the generation and whether the boot is fenced."""
        ttl_seconds = self._services.settings.agent_ttl_seconds
        return await self.run(lambda: self._broker.heartbeat(agent_id, payload, ttl_seconds))

    async def orders(self, agent_id: str, after: bytes, wait_seconds: float) -> bytes:
        """Returns the entries of an inbox after a position as JSON; waits for the first for some seconds."""
        entries = await self._read(agent_id, after)
        if not entries and wait_seconds > 0:
            await self._inboxes.wait(agent_id, after, wait_seconds)
            entries = await self._read(agent_id, after)
        found = [b'{"id":"%s","orders":%s}' % (entry, orders) for entry, orders in entries]
        return b'{"entries":[' + b",".join(found) + b"]}"

    async def close(self) -> None:
        """Closes the connections that wait."""
        await self._inboxes.close()

    def _store_reports(self, name: str, payload: bytes) -> None:
        """Writes reports of the agent `name` to where the leader reads them: the only place that knows."""
        self._broker.report(payload)

    async def _read(self, agent_id: str, after: bytes) -> list[tuple[bytes, bytes]]:
        def read() -> list[tuple[bytes, bytes]]:
            entries = self._broker.read_inbox(agent_id, after, None)
            return [(entry, self._readable(agent_id, entry, payload)) for entry, payload in entries]

        return await self.run(read)

    def _readable(self, agent_id: str, entry: bytes, payload: bytes) -> bytes:
        """Returns the valid orders of an entry as JSON; others are quarantined."""
        orders = read_orders(payload)
        odd = [order for order in orders if isinstance(order, Unreadable)]
        if not odd:
            return payload
        place = f"inbox:{agent_id} {entry.decode()}"
        self._broker.set_aside(
            Odd("order", place, one.reason, one.text, one.task_id, one.attempt, agent_id) for one in odd
        )
        return encode([order for order in orders if not isinstance(order, Unreadable)])

    def _is_barred(self, agent: RemoteAgent, child: SubmitChild) -> bool:
        """Returns True if a child would run code, which the agent's role does not permit."""
        if agent.may_submit_code:
            return False
        known = self._services.registry.types.get(child.child_type) or self._services.published.find(child.child_type)
        return known is not None and known.is_guarded
