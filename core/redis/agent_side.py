"""Gives an agent what it needs of Redis: its inbox, its heartbeat, and where it reports."""

from __future__ import annotations

from collections.abc import Sequence

from redis.exceptions import ResponseError

from taskyard.core.redis.namespace import RedisNamespace
from taskyard.core.redis.raw_commands import Pending

PAYLOAD = b"m"
MAX_GENERATION_BYTES = 200  # limits for a valid one, as in lead.lua
INBOX_READ = 100  # entries at a time


class AgentSide(RedisNamespace):
    """The agent's part of Broker, for agents that reach all of Redis."""

    @property
    def _results(self) -> str:
        """Returns the key of the stream that it reports to."""
        return self.keys.results

    def report(self, reports: bytes) -> bytes:
        """Adds reports to the results; they are stored when this returns."""
        return bytes(self._run("report", [self._results, self.keys.nothing], [reports]))

    def begin_report(self, reports: bytes) -> Pending:
        """Sends reports; they are stored once the answer of what this returns is here. Raises redis-py's errors."""
        return self._scripts["report"].begin([self._results, self.keys.nothing], [reports])

    def heartbeat(self, agent_id: str, heartbeat: bytes, ttl_seconds: float) -> tuple[str, bool]:
        """Writes a heartbeat; returns the generation and whether this boot is fenced."""
        return self._beat(agent_id, heartbeat, ttl_seconds, self.keys.agents, self.keys.generation)

    def _beat(
        self, agent_id: str, heartbeat: bytes, ttl_seconds: float, boots: str, generation_key: str
    ) -> tuple[str, bool]:
        generation, fenced = self._run(
            "heartbeat",
            [self.keys.heartbeat(agent_id), boots, generation_key, self.keys.fenced(agent_id)],
            [agent_id, heartbeat, int(ttl_seconds * 1000)],
        )
        return (generation or b"")[:MAX_GENERATION_BYTES].decode(errors="replace"), bool(fenced)

    def read_inbox(self, agent_id: str, after: bytes, block_ms: int | None) -> list[tuple[bytes, bytes]]:
        """Returns (entry id, encoded orders) after a position; waits for the first unless `block_ms` is None."""
        [entries] = self._read({self.keys.inbox(agent_id): after}, block_ms, INBOX_READ)
        return [(entry, fields[1]) for entry, fields in entries]

    def inbox_tail(self, agent_id: str) -> bytes:
        """Returns the last id that an inbox ever had; b"0-0" if it does not exist."""
        try:
            return bytes(self.redis.xinfo_stream(self.keys.inbox(agent_id))["last-generated-id"])
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return b"0-0"

    def delete_orders(self, agent_id: str, entry_ids: Sequence[bytes]) -> None:
        """Deletes inbox entries that were read."""
        self._mending(lambda: self._raw_commands.command("XDEL", self.keys.inbox(agent_id), *entry_ids))
