"""The ready queue, agents' inboxes, results and wake-ups: every Redis key and script of the engine.

Everything here can be rebuilt from PostgreSQL, and every write can be repeated.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from core.keys import Keys
from core.models import Lane, Waiting
from core.placement import score
from core.protocol import Cancel, Order, Restart, encode
from core.redis_client import reaching_redis
from core.wire import Script, Wire

WAKE_LIMIT = 1_000
PUSH_BATCH = 1_000
SCRIPTS_DIR = Path(__file__).resolve().parent / "lua"
PAYLOAD = b"m"
INBOX_SECONDS = 3600  # after its last order, should its agent be gone and nobody live to delete it; also in publish.lua


@dataclass(slots=True)
class Publication:
    """What one tick tells Redis after its commit."""

    consumed: list[bytes] = field(default_factory=list)  # ids of results entries
    removed: dict[Lane, list[str]] = field(default_factory=dict)  # claimed and unclaimable ids
    waiting: list[Waiting] = field(default_factory=list)  # retries, unblocked and swept tasks
    orders: dict[str, bytes] = field(default_factory=dict)  # agent id → encoded orders
    ended_agents: list[str] = field(default_factory=list)
    fenced_agents: list[str] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not (
            self.consumed or self.removed or self.waiting or self.orders or self.ended_agents or self.fenced_agents
        )


@dataclass(frozen=True, slots=True)
class Roster:
    """What the leader looks at every second, read at one instant.

    `agents` maps the id of each agent with a heartbeat to (heartbeat JSON, the last id that its
    inbox ever had); `results_tail` is the id of the last result that is there.
    """

    generation: str | None
    epoch: int | None
    canary_lives: bool
    results_tail: bytes
    lanes: list[Lane]
    agents: dict[str, tuple[bytes, bytes]]


class StaleEpoch(Exception):
    """Redis knows a newer leader, or none: a publication was refused."""


class Queue:
    """One namespace of a Redis server, as submitters, agents and the leader use it.

    `policy_of(queue)` names a queue's placement policy, which decides the order in its lanes.
    """

    def __init__(self, client: redis.Redis, namespace: str, policy_of: Callable[[str], str]) -> None:
        self.redis = client
        self.keys = Keys(namespace)
        self._policy_of = policy_of
        self._wire = Wire(client.connection_pool)
        scripts = {path.stem: Script(self._wire, path.read_text()) for path in SCRIPTS_DIR.glob("*.lua")}
        self._push, self._look, self._publish = scripts["push"], scripts["look"], scripts["publish"]
        self._report = scripts["report"]
        self._roster, self._beat, self._lead = scripts["roster"], scripts["beat"], scripts["lead"]

    # submitters

    def push(self, waiting: Sequence[Waiting]) -> None:
        """Puts tasks into their lanes, or among the due ones, and wakes the dispatcher."""
        for start in range(0, len(waiting), PUSH_BATCH):
            lanes, due = self._sorted_out(waiting[start : start + PUSH_BATCH])
            arguments: list[Any] = [WAKE_LIMIT, len(lanes)]
            for lane, members in lanes.items():
                arguments += [lane, len(members), *members]
            self._push(keys=self._names("lanes", "due", "wake", "ready"), args=[*arguments, *due])

    def forget(self, waiting: Iterable[Waiting]) -> None:
        """Takes tasks out of their lanes and the due ones (a hint: the claim's guard decides)."""
        pipeline = self.redis.pipeline(transaction=False)
        for task in waiting:
            pipeline.zrem(self.keys.ready(str(task.lane)), task.id)
            pipeline.zrem(self.keys.due, self._due_member(task))
        pipeline.execute()

    def send_cancel(self, agent_id: str, task_id: str, attempt: int) -> None:
        """Tells an agent to stop an attempt (a hint: the tick finds it too)."""
        self._send(agent_id, Cancel(task_id, attempt))

    def send_restart(self, agent_id: str) -> None:
        """Tells an agent to drain and to let its pool start it anew (lost if Redis is wiped before it reads)."""
        self._send(agent_id, Restart())

    def _send(self, agent_id: str, order: Order) -> None:
        inbox = self.keys.inbox(agent_id)
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.xadd(inbox, {PAYLOAD: encode([order])})
        pipeline.expire(inbox, INBOX_SECONDS)
        pipeline.execute()

    # agents

    def report(self, reports: bytes) -> bytes:
        """Adds reports to the results; they have arrived when this returns."""
        return self._report(keys=[self.keys.results, self.keys.nothing], args=[reports])  # type: ignore[return-value]

    def beat(self, agent_id: str, heartbeat: bytes, ttl_seconds: float) -> tuple[str, bool]:
        """Writes a heartbeat; returns the generation and whether this boot is fenced."""
        generation, fenced = self._beat(
            keys=[self.keys.heartbeat(agent_id), self.keys.agents, self.keys.generation, self.keys.fenced(agent_id)],
            args=[agent_id, heartbeat, int(ttl_seconds * 1000)],
        )
        return (generation or b"").decode(), bool(fenced)

    def read_inbox(self, agent_id: str, after: bytes, block_ms: int | None) -> list[tuple[bytes, bytes]]:
        """(entry id, encoded orders) after a position; waits for the first unless `block_ms` is None."""
        return self._read({self.keys.inbox(agent_id): after}, block_ms, 100)[0]

    def inbox_tail(self, agent_id: str) -> bytes:
        """The last id that an inbox ever had; b"0-0" if it does not exist."""
        try:
            return bytes(self.redis.xinfo_stream(self.keys.inbox(agent_id))["last-generated-id"])
        except redis.ResponseError as error:
            if "no such key" not in str(error):
                raise
            return b"0-0"

    def delete_orders(self, agent_id: str, entry_ids: Sequence[bytes]) -> None:
        """Deletes inbox entries that were read."""
        self._wire.command("XDEL", self.keys.inbox(agent_id), *entry_ids)

    # the leader

    def lead(self, epoch: int) -> tuple[bool, str, bool]:
        """Announces a term. Returns (accepted, generation in force, whether it is a new one).

        A generation belongs to one start of the server: one that came from an old snapshot counts
        as wiped.
        """
        arguments = [epoch, self.run_id(), uuid.uuid4().hex]
        keys = self._names("epoch", "generation", "agents", "inbox")
        accepted, current, is_new = self._lead(keys=keys, args=arguments)
        return bool(accepted), current.decode(), bool(is_new)

    def collect(
        self, results_after: bytes, wake_after: bytes, block_ms: int | None, count: int
    ) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, str]]]:
        """New results and wake-ups as (entry id, payload); waits for the first unless `block_ms` is None."""
        streams = {self.keys.results: results_after, self.keys.wake: wake_after}
        results, wakes = self._read(streams, block_ms, count)
        return results, [(entry, payload.decode()) for entry, payload in wakes]

    def look(self, now: float, wanted: Mapping[Lane, int]) -> tuple[list[Lane], float | None, dict[Lane, list[Any]]]:
        """Moves due tasks to their lanes and reads the heads of some lanes.

        Returns the lanes that tasks were moved to, the time of the next due one, and per lane a
        flat list: id, score, id, score …
        """
        arguments: list[Any] = [now, len(wanted)]
        for lane, count in wanted.items():
            arguments += [str(lane), count]
        moved, next_due, heads = self._look(keys=self._names("lanes", "due", "ready"), args=arguments)
        return (
            [Lane.parse(lane.decode()) for lane in moved],
            float(next_due) if next_due is not None else None,
            dict(zip(wanted, heads, strict=True)),
        )

    def publish(self, epoch: int, publication: Publication) -> None:
        """Tells Redis what a tick committed; raises StaleEpoch if this is not the leader's term."""
        lanes, due = self._sorted_out(publication.waiting)
        arguments: list[Any] = [epoch, len(publication.consumed), *publication.consumed, len(publication.removed)]
        for lane, ids in publication.removed.items():
            arguments += [str(lane), len(ids), *ids]
        arguments.append(len(lanes))
        for name, members in lanes.items():
            arguments += [name, len(members), *members]
        arguments += [len(due), *due, len(publication.orders)]
        for agent_id, orders in publication.orders.items():
            arguments += [agent_id, orders]
        arguments += [len(publication.ended_agents), *publication.ended_agents]
        arguments += [len(publication.fenced_agents), *publication.fenced_agents]
        keys = self._names("epoch", "results", "lanes", "due", "agents", "ready", "inbox", "heartbeat", "fenced")
        if not self._publish(keys=keys, args=arguments):
            raise StaleEpoch(f"epoch {epoch} is over")

    def roster(self, canary_ttl_seconds: float, *, revive_canary: bool) -> Roster:
        """Reads the roster and keeps the canary alive (starts it anew if `revive_canary`)."""
        generation, epoch, canary, tail, lanes, agents = self._roster(
            keys=self._names("generation", "epoch", "canary", "results", "lanes", "agents", "heartbeat", "inbox"),
            args=[int(canary_ttl_seconds * 1000), int(revive_canary)],
        )
        return Roster(
            generation=generation.decode() if generation is not None else None,
            epoch=int(epoch) if epoch is not None else None,
            canary_lives=bool(canary),
            results_tail=tail,
            lanes=[Lane.parse(lane.decode()) for lane in lanes],
            agents={agent_id.decode(): (beat, inbox_tail) for agent_id, beat, inbox_tail in agents},
        )

    def results_length(self) -> int:
        """How many reports the leader has not consumed; raises Unavailable."""
        with reaching_redis():
            return int(self.redis.xlen(self.keys.results))

    def ping(self) -> None:
        """Raises Unavailable if the server does not answer."""
        with reaching_redis():
            self.redis.ping()

    def run_id(self) -> str:
        """Which start of the server this is; a restart from an old snapshot shows here."""
        return str(self.redis.info("server")["run_id"])

    def place(self, lane: Lane, task_id: str) -> tuple[int | None, int]:
        """How many tasks of its lane are before this one (None: it is not in it), and how many are in the lane.

        Raises Unavailable.
        """
        name = self.keys.ready(str(lane))
        with reaching_redis():
            pipeline = self.redis.pipeline(transaction=False)
            pipeline.zrank(name, task_id)
            pipeline.zcard(name)
            before, count = pipeline.execute()
        return before, int(count)

    def server_info(self) -> dict[str, Any]:
        """What the server says of itself (INFO); raises Unavailable."""
        with reaching_redis():
            return dict(self.redis.info())

    def depths(self) -> dict[Lane, int]:
        """How many tasks are ready in each lane."""
        lanes = [lane.decode() for lane in self.redis.smembers(self.keys.lanes)]
        pipeline = self.redis.pipeline(transaction=False)
        for lane in lanes:
            pipeline.zcard(self.keys.ready(lane))
        return {Lane.parse(lane): depth for lane, depth in zip(lanes, pipeline.execute(), strict=True)}

    def leftovers(self) -> dict[str, int]:
        """What is there that idle engines don't have: entries of results and inboxes, waiting tasks; by name."""
        inboxes = list(self.redis.scan_iter(f"{self.keys.inbox('')}*", count=1000))
        return {
            "results": int(self.redis.xlen(self.keys.results)),
            "inbox entries": sum(int(self.redis.xlen(inbox)) for inbox in inboxes),
            "ready tasks": sum(self.depths().values()),
            "due tasks": int(self.redis.zcard(self.keys.due)),
        }

    # ours

    def _sorted_out(self, waiting: Iterable[Waiting]) -> tuple[dict[str, list[Any]], list[Any]]:
        lanes: dict[str, list[Any]] = {}
        due: list[Any] = []
        names: dict[Lane, str] = {}
        for task in waiting:
            if task.is_due_later:
                due += [task.ready, self._due_member(task)]
                continue
            name = names.get(task.lane) or names.setdefault(task.lane, str(task.lane))
            lanes.setdefault(name, []).extend((self._score(task), task.id))
        return lanes, due

    def _score(self, task: Waiting) -> float:
        return score(task.ready, task.priority, self._policy_of(task.lane.queue))

    def _due_member(self, task: Waiting) -> str:
        return f"{task.id}|{self._score(task)!r}|{task.lane}"

    def _names(self, *names: str) -> list[str]:
        return [f"{self.keys.prefix}{name}" if name != "heartbeat" else f"{self.keys.prefix}agent" for name in names]

    def _read(self, streams: Mapping[str, bytes], block_ms: int | None, count: int) -> list[list[tuple[bytes, bytes]]]:
        """(entry id, payload) of each stream, in the order of the streams."""
        block = () if block_ms is None else ("BLOCK", block_ms)
        answer = self._wire.command("XREAD", "COUNT", count, *block, "STREAMS", *streams, *streams.values())
        found = {name: [(entry, fields[1]) for entry, fields in entries] for name, entries in answer or ()}
        return [found.get(name.encode(), []) for name in streams]
