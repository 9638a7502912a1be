"""Gives access to the engine's Redis keys and scripts: ready queue, agents' inboxes, results and wake-ups.

Everything here can be rebuilt from PostgreSQL, and every write can be repeated.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.exceptions import DataError, ResponseError

from taskyard.core.errors import LeadershipLost
from taskyard.core.models import Lane, Waiting
from taskyard.core.protocol import Cancel, Order, Restart, encode
from taskyard.core.redis.agent_side import PAYLOAD, AgentSide
from taskyard.core.redis.errors import is_transient
from taskyard.core.redis.namespace import DUE, Member
from taskyard.core.redis.pushes import Lanes, due_member, members_of, score_of, sorted_out
from taskyard.core.redis.quarantine import Odd
from taskyard.core.redis.results import by_stream
from taskyard.core.redis.roster import EVERYBODY, NO_OWN, Roster, Turn
from taskyard.core.redis.wakes import Wake, woken
from taskyard.core.waiting_alike import WaitingAlike, in_batches

MAX_WAKES = 1_000
PUSH_BATCH = 1_000
MAX_HEARTBEAT_BYTES = 4 << 20
MAX_OWN_BOOTS = 10  # of an agent with credentials of its own: one at a time, and what is left of those before
INBOX_SECONDS = 3600  # after its last order, in case its agent is gone and no leader deletes it; also in publish.lua


@dataclass(slots=True)
class Publication:
    """The writes of one tick to Redis after its commit."""

    consumed: list[bytes] = field(default_factory=list)  # entries of the results, as `collect` returned them
    removed: dict[Lane, list[str]] = field(default_factory=dict)  # claimed and unclaimable ids
    waiting: list[Waiting] = field(default_factory=list)  # retries, unblocked and swept tasks
    orders: dict[str, bytes] = field(default_factory=dict)  # agent id → encoded orders
    ended_agents: list[str] = field(default_factory=list)
    fenced_agents: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  # ids of tasks, for those who wait for them

    def is_empty(self) -> bool:
        parts = (self.consumed, self.removed, self.waiting, self.orders, self.ended_agents, self.fenced_agents)
        return not (any(parts) or self.ended)


class StaleEpoch(Exception):
    """A refused publication: Redis knows a newer leader, or none."""


class Refused(Exception):
    """Raised if Redis refuses a write for good; a part of it may have been applied."""


class Broker(AgentSide):
    """One namespace of a Redis server, for submitters, agents and the leader.

    `policy_of(queue)` names a queue's placement policy, which decides the order in its lanes.
    """

    # submitters

    def push(self, waiting: Sequence[Waiting]) -> None:
        """Adds tasks to their lanes, or to the due ones, and wakes the dispatcher."""
        for start in range(0, len(waiting), PUSH_BATCH):
            self._run("push", *self._pushed(waiting[start : start + PUSH_BATCH]))

    def push_soon(self, waiting: Sequence[Waiting], repeat: Callable[[Sequence[Waiting]], object]) -> None:
        """Sends tasks as `push` does and returns without the last answer.

        If sending some turns out to have failed, `repeat` runs for them at a later call, and must not raise.
        """
        for start in range(0, len(waiting), PUSH_BATCH):
            part = waiting[start : start + PUSH_BATCH]
            self._scripts["push"].send(*self._pushed(part), partial(repeat, part))

    def push_alike_soon(self, alike: Iterable[WaitingAlike], repeat: Callable[[Sequence[Waiting]], object]) -> None:
        """Sends many tasks as `push_soon` does, and waits for none of the answers."""
        self._scripts["push"].send_all(
            (*self._added(members_of(batch, self._policy_of), ()), partial(_repeat_each, repeat, batch))
            for batch in in_batches(alike, PUSH_BATCH)
        )

    def forget(self, waiting: Iterable[Waiting]) -> None:
        """Removes tasks from their lanes and the due ones; optional, since the claim's guard decides."""
        tasks = list(waiting)

        def forget() -> None:
            pipeline = self.redis.pipeline(transaction=False)
            for task in tasks:
                pipeline.zrem(self.keys.ready(str(task.lane)), task.id)
                pipeline.zrem(self.keys.due, due_member(task, self._policy_of))
            pipeline.execute()

        self._mending(forget)

    def send_cancel(self, agent_id: str, task_id: str, attempt: int) -> None:
        """Asks an agent to stop an attempt; optional, since the tick finds it too."""
        self.send_order(agent_id, Cancel(task_id, attempt))

    def send_restart(self, agent_id: str) -> None:
        """Asks an agent to drain and be restarted by its pool; lost if Redis is wiped before the agent reads it."""
        self.send_order(agent_id, Restart())

    def send_order(self, agent_id: str, order: Order) -> None:
        """Adds an order to an agent's inbox."""
        inbox = self.keys.inbox(agent_id)

        def send() -> None:
            pipeline = self.redis.pipeline(transaction=False)
            pipeline.xadd(inbox, {PAYLOAD: encode([order])})
            pipeline.expire(inbox, INBOX_SECONDS)
            pipeline.execute()

        self._mending(send)

    # the leader

    def lead(self, epoch: int, database: str = "", reporters: Iterable[str] = ()) -> tuple[bool, str, bool]:
        """Announces a term; returns (accepted, generation in force, whether it is new).

        A generation belongs to one start of the server: one from an old snapshot counts as wiped. `database`
        identifies the leader's database; raises LeadershipLost if the leader of another database is here.
        `reporters` are the names of the agents with results of their own.
        """
        self._database = database
        arguments = [epoch, self.run_id(), uuid.uuid4().hex, database, *reporters]
        keys = self._names("epoch", "generation", "agents", "canary", "reporters", "inbox", "boots")
        accepted, current, is_new, odd = self._run("lead", keys, arguments)
        if accepted < 0:
            raise LeadershipLost(
                f"the namespace {self.keys.namespace!r} of this Redis belongs to another database, whose leader is at "
                "work: give each installation a namespace (TASKYARD_NAMESPACE) or a Redis of its own"
            )
        if odd:
            self.set_aside([Odd("key", "epoch", "it held no epoch: it was replaced", odd)])
        return bool(accepted), current.decode(), bool(is_new)

    def collect(
        self,
        results_after: bytes,
        wake_after: bytes,
        block_ms: int | None,
        count: int,
        own_after: Mapping[str, bytes] = NO_OWN,
    ) -> tuple[list[tuple[bytes, bytes]], list[Wake]]:
        """Returns new results as (entry, payload), and wake-ups; waits for the first unless `block_ms` is None.

        An entry of an agent's own results (`own_after`: positions by name) is the id, a space and the name. An invalid
        wake-up is quarantined.
        """
        streams = {self.keys.results: results_after, self.keys.wake: wake_after}
        streams.update((self.keys.own_results(name), after) for name, after in own_after.items())
        common, wakes, *own = self._read(streams, block_ms, count)
        results = [(entry, fields[1]) for entry, fields in common]
        for agent, entries in zip(own_after, own, strict=True):
            results += [(b"%s %s" % (entry, agent.encode()), fields[1]) for entry, fields in entries]
        return results, [woken for entry, fields in wakes if (woken := self._woken(entry, fields)) is not None]

    def _woken(self, entry: bytes, fields: Sequence[bytes]) -> Wake | None:
        try:
            return woken(entry, fields)
        except ValueError as error:
            self.set_aside([Odd("wake-up", f"wake {entry.decode()}", str(error), fields[1])])
            self._mending(lambda: self.redis.xdel(self.keys.wake, entry))  # the next leader would find it again
            return None

    def peek(self, now: float, wanted: Mapping[Lane, int]) -> tuple[list[Lane], float | None, dict[Lane, list[Any]]]:
        """Moves due tasks to their lanes and reads the first tasks of some lanes.

        Returns the lanes that tasks were moved to, the time of the next due one, and per lane a flat list: id,
        score, id, score …
        """
        arguments: list[Any] = [now, len(wanted)]
        for lane, count in wanted.items():
            arguments += [str(lane), count]
        moved, next_due, heads, odd = self._run("peek", self._names("lanes", "due", "ready"), arguments)
        self.set_aside(Odd("member", "due", "not as id|score|lane", member) for member in odd)
        return (
            self._lanes(moved),
            float(next_due) if next_due is not None else None,
            dict(zip(wanted, heads, strict=True)),
        )

    def publish(self, epoch: int, publication: Publication) -> None:
        """Publishes what a tick committed.

        Raises StaleEpoch if this is not the leader's term, and Refused if no retry can help.
        """
        lanes, due = sorted_out(publication.waiting, self._policy_of)
        arguments: list[Any] = [epoch, *by_stream(publication.consumed), len(publication.removed)]
        for lane, ids in publication.removed.items():
            arguments += [str(lane), len(ids), *ids]
        arguments.append(len(lanes))
        for name, members in lanes.items():
            arguments += [name, len(members), *members]
        arguments += [len(due), *due, len(publication.orders)]
        for agent_id, orders in publication.orders.items():
            arguments += [agent_id, orders]
        arguments += [len(publication.ended_agents), *publication.ended_agents]
        arguments += [len(publication.fenced_agents), *publication.fenced_agents, ",".join(publication.ended)]
        keys = self._names("epoch", "results", "lanes", "due", "agents", "awaited")
        keys += self._names("ready", "inbox", "heartbeat", "fenced", "boots", "ended")
        try:
            accepted = self._run("publish", keys, arguments)
        except (DataError, ValueError, TypeError) as error:
            raise Refused(f"{type(error).__name__}: {error}") from error
        except ResponseError as error:
            if is_transient(error):
                raise
            raise Refused(str(error)) from error
        if not accepted:
            raise StaleEpoch(f"epoch {epoch} is over")

    def roster(
        self,
        canary_ttl_seconds: float,
        *,
        revive_canary: bool,
        reporters: Collection[str] = (),
        turn: Turn = EVERYBODY,
    ) -> Roster:
        """Reads the roster and renews the canary (recreates it if `revive_canary`).

        `reporters` are the names of the agents with results of their own; `turn` says whose heartbeats are read.
        """
        arguments = [int(canary_ttl_seconds * 1000), int(revive_canary), MAX_HEARTBEAT_BYTES, self._database]
        generation, epoch, canary, tail, lanes, agents, others, own_tails = self._run(
            "roster",
            self._names("generation", "epoch", "canary", "results", "lanes", "agents", "heartbeat", "inbox", "boots"),
            [*arguments, MAX_OWN_BOOTS, turn.readings, turn.number, *reporters],
        )
        return Roster(
            generation=generation.decode(errors="replace") or None,
            epoch=int(epoch) if epoch.isdigit() else None,
            canary_lives=bool(canary),
            results_tail=tail,
            lanes=self._lanes(lanes),
            agents={
                name: (heartbeat, inbox_tail)
                for agent_id, heartbeat, inbox_tail in agents
                if (name := self._agent(agent_id, heartbeat)) is not None
            },
            others=frozenset(agent_id.decode(errors="replace") for agent_id in others),
            own_tails=dict(zip(reporters, own_tails, strict=True)),
        )

    def is_at_its_place(self, member: Member, task: Waiting) -> tuple[bool, bool]:
        """Returns whether a member shows how this task waits, and whether its score is right, too.

        A task whose time has come may still be among the due ones, already in its lane, or both.
        """
        if member.place == DUE:
            is_right = task.is_due_later and member.text == due_member(task, self._policy_of).encode()
            return is_right, float(member.score) == task.ready
        has_score = float(member.score) == score_of(task, self._policy_of)
        is_right = member.place == f"ready:{task.lane}" and member.text == task.id.encode()
        return is_right and (has_score or not task.is_due_later), has_score

    def drop_heartbeat(self, agent_id: str) -> None:
        """Deletes an invalid heartbeat; a running agent writes another one within a second."""
        self._forget(self.keys.agents, agent_id, self.keys.heartbeat(agent_id))

    def drop_members(self, lane: Lane, members: Sequence[bytes]) -> None:
        """Removes members that are no tasks from a lane."""
        self._mending(lambda: self.redis.zrem(self.keys.ready(str(lane)), *members))

    # ours

    def _pushed(self, waiting: Sequence[Waiting]) -> tuple[list[str], list[Any]]:
        """Returns the keys and arguments of a push."""
        return self._added(*sorted_out(waiting, self._policy_of))

    def _added(self, lanes: Lanes, due: Iterable[Any]) -> tuple[list[str], list[Any]]:
        arguments: list[Any] = [MAX_WAKES, len(lanes)]
        for lane, members in lanes.items():
            arguments += [lane, len(members), *members]
        return self._names("lanes", "due", "wake", "ready"), [*arguments, *due]


def _repeat_each(repeat: Callable[[Sequence[Waiting]], object], groups: Iterable[WaitingAlike]) -> None:
    repeat([task for group in groups for task in group.each()])
