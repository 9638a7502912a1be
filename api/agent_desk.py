"""Serves agents that come through the API: passes their reports on, and gives them their orders.

Their commands have threads of their own, so that no slow export keeps a heartbeat from arriving in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio

from taskyard.api.services import Services
from taskyard.core.protocol import Checkpoint, Reply, Report, SubmitChild, SubmitWorkflow, encode
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.decoding import Unreadable, read_orders
from taskyard.core.redis.inbox_waiting import InboxWaiting
from taskyard.core.redis.quarantine import Odd
from taskyard.core.remote_agents.identity import RemoteAgent
from taskyard.core.submission.validate import check_output
from taskyard.core.workflows.definition import types_in

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

        Requests that are refused are answered at once, and not passed on.
        """

        def store() -> None:
            refusals = {id(one): why for one in reports if (why := self._refusal(agent, one)) is not None}
            for request in reports if refusals else ():
                if isinstance(request, Checkpoint | SubmitChild | SubmitWorkflow) and id(request) in refusals:
                    self._broker.send_order(request.agent_id, Reply(request.request_id, None, refusals[id(request)]))
            passed = [one for one in reports if id(one) not in refusals]
            if passed:
                self._store_reports(agent.name, encode(passed) if refusals else payload)

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

    def _refusal(self, agent: RemoteAgent, report: Report) -> str | None:
        """Returns why a request of a running task is not passed on: a state that can't be stored, or a child that
        would run code, which the agent's role does not permit. None for everything else.
        """
        if isinstance(report, Checkpoint):
            problem = check_output(bytes(report.state), self._services.settings.output_limit_bytes)
            return None if problem is None else f"checkpoint: {problem}"
        if not isinstance(report, SubmitChild | SubmitWorkflow) or agent.may_submit_code:
            return None
        names = [report.child_type] if isinstance(report, SubmitChild) else types_in(bytes(report.call))
        for name in names:
            if self._is_guarded(name):
                return f"submit: agent {agent.name} may not submit tasks of type {name}, which run code or read files"
        return None

    def _is_guarded(self, name: str) -> bool:
        published = self._services.published
        known = self._services.registry.types.get(name)
        if known is None and published is not None:
            known = published.find(name)
        return known is not None and known.is_guarded
