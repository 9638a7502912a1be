"""Tracks an agent's reading position in its inbox."""

from __future__ import annotations

import structlog

from taskyard.core.protocol import Order
from taskyard.core.redis.decoding import Unreadable, read_orders
from taskyard.core.redis.ports import AgentPort
from taskyard.core.redis.quarantine import Odd

log = structlog.get_logger(__name__)

READ_BLOCK_MS = 500
DELETE_COUNT = 32  # entries

Entry = tuple[bytes, bytes]  # id, encoded orders
BEGINNING = b"0-0"


class Inbox:
    """Reads entries from its position; `position` is the last entry that was processed."""

    def __init__(self, broker: AgentPort) -> None:
        self.position = BEGINNING
        self._broker = broker
        self._obeyed: list[bytes] = []

    def read(self, agent_id: str) -> list[Entry]:
        """Waits for entries, at most READ_BLOCK_MS. Raises redis-py's errors."""
        return self._broker.read_inbox(agent_id, self.position, READ_BLOCK_MS)

    def orders(self, agent_id: str, entry: bytes, payload: bytes) -> list[Order]:
        """Returns the orders of an entry; an invalid one is quarantined, since a restart would not change it.

        The dispatcher notices a run lost this way, and assigns it again. Raises Unavailable.
        """
        orders: list[Order] = []
        for order in read_orders(payload):
            if isinstance(order, Unreadable):
                log.error("order.set_aside", agent=agent_id, entry=entry.decode(), reason=order.reason)
                place = f"inbox:{agent_id} {entry.decode()}"
                odd = Odd("order", place, order.reason, order.text, order.task_id, order.attempt, agent_id)
                self._broker.set_aside([odd])
            else:
                orders.append(order)
        return orders

    def advance(self, agent_id: str, entries: list[Entry]) -> None:
        """Moves past entries whose orders are processed, and deletes old ones."""
        if entries:
            self.position = entries[-1][0]
            self._obeyed += [entry for entry, _ in entries]
        # one round trip for many, when there are many or nothing else to do
        obeyed = list(self._obeyed)  # the heartbeat's thread may restart the inbox meanwhile
        if obeyed and (not entries or len(obeyed) >= DELETE_COUNT):
            self._broker.delete_orders(agent_id, obeyed)
            del self._obeyed[: len(obeyed)]

    def restart(self) -> None:
        """Starts the inbox of another boot from its beginning, with nothing left to delete."""
        self.position = BEGINNING
        self._obeyed.clear()

    def resume(self, agent_id: str) -> None:
        """Continues the same inbox after a wipe: from its beginning, if its new entries come before the position.

        Ids are times of the server, so that happens only if its clock went back. What was read since the wipe is
        deleted already: from the beginning, it would never be passed again. Raises redis-py's errors.
        """
        position = self.position  # before the tail, which only grows
        if _order(self._broker.inbox_tail(agent_id)) < _order(position):
            self.restart()


def _order(entry_id: bytes) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split(b"-")))
