"""Runs the engine's commands in one namespace of a Redis server, with common queries.

If a key holds a foreign value, it is quarantined (core.redis.key_repair) and the command runs again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from redis.exceptions import ResponseError

from taskyard.core.ids import is_id
from taskyard.core.models import Lane
from taskyard.core.redis.agent_users import AgentUsers
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.endings import Endings
from taskyard.core.redis.key_repair import KeyRepair, is_mendable
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.mailbox import Mailbox
from taskyard.core.redis.mailbox_admin import MailboxAdmin
from taskyard.core.redis.predictions import Predictions
from taskyard.core.redis.quarantine import Odd, Quarantine
from taskyard.core.redis.raw_commands import RawCommands, Script
from taskyard.core.redis.stream_reading import Entry, read_streams

SCRIPTS_DIR = Path(__file__).resolve().parent / "lua"
MENDING_TRIES = 5  # a key may be overwritten again meanwhile
HINT_SECONDS = 0.5  # for which who waits for the end of a task waits for an answer: longer than it lets Redis wait
MAX_ODD = 1_000  # kept for `take_odd`
MAX_MEMBER_BYTES = 4_000  # of a member of a sorted set; also in peek.lua
DUE = "due"
_READY = "ready:"
_Answer = TypeVar("_Answer")


class Member(NamedTuple):
    """A member of a sorted set as it was read. `place` is the set: "due", or "ready:" and a lane."""

    place: str
    text: bytes
    score: bytes

    @property
    def task_id(self) -> str:
        """Returns the task id that it stands for; an arbitrary text if it stands for none."""
        return (self.text.partition(b"|")[0] if self.place == DUE else self.text).decode(errors="replace")


class RedisNamespace:
    """The base of Broker. `policy_of(queue)` names a queue's placement policy, which decides the order in its lanes."""

    def __init__(self, client: Client, namespace: str, policy_of: Callable[[str], str]) -> None:
        self.redis = client
        self.keys = Keys(namespace)
        self._policy_of = policy_of
        self._raw_commands = RawCommands(client.connection_pool)
        self._scripts = {
            path.stem: Script(self._raw_commands, path.read_text(encoding="utf-8"))
            for path in SCRIPTS_DIR.glob("*.lua")
        }
        self.quarantine = Quarantine(client, self.keys, self._scripts["quarantine"])
        self._mender = KeyRepair(client, self.keys, self._raw_commands, self._scripts["renumber"])
        self._odd: deque[Odd] = deque(maxlen=MAX_ODD)
        self._database = ""  # which database this leader leads

    def mailbox(self, agent: str) -> Mailbox:
        """Returns the mailbox of an agent of this name."""
        return Mailbox(self.redis, self.keys, agent, mending=self._mending)

    @property
    def mailbox_admin(self) -> MailboxAdmin:
        """Returns all mailboxes, for operators."""
        return MailboxAdmin(self.redis, self.keys, self._mending)

    @property
    def agent_users(self) -> AgentUsers:
        """Returns the users by which agents with credentials of their own come in."""
        return AgentUsers(self.redis, self.keys, [self._scripts[name].text for name in ("report", "heartbeat")])

    @property
    def endings(self) -> Endings:
        """Returns what tells of the ends of tasks."""
        commands = RawCommands(self.redis.connection_pool, HINT_SECONDS)
        return Endings(commands, self.keys, Script(commands, self._scripts["await"].text), self._mending)

    @property
    def predictions(self) -> Predictions:
        """Returns the published predictions of run times."""
        return Predictions(self.redis, self.keys)

    def results_length(self) -> int:
        """Returns the number of reports that the leader has not consumed; raises Unavailable."""
        with reaching_redis():
            return int(self._mending(lambda: self.redis.xlen(self.keys.results))) + self._own_results_length()

    def _own_results_length(self) -> int:
        pipeline = self.redis.pipeline(transaction=False)
        for name in self._mending(lambda: self.redis.smembers(self.keys.reporters)):
            pipeline.xlen(self.keys.own_results(name.decode(errors="replace")))
        return sum(count for count in pipeline.execute(raise_on_error=False) if isinstance(count, int))

    def epoch(self) -> int | None:
        """Returns the epoch of the term that this Redis knows; None if there is none."""
        known = self._mending(lambda: self.redis.get(self.keys.epoch))
        return int(known) if known is not None and known.isdigit() else None

    def ping(self) -> None:
        """Raises Unavailable if the server does not answer."""
        with reaching_redis():
            self.redis.ping()

    def run_id(self) -> str:
        """Returns the id of this start of the server, which reveals a restart from an old snapshot."""
        return str(self.redis.info("server")["run_id"])

    def place(self, lane: Lane, task_id: str) -> tuple[int | None, int]:
        """Returns how many tasks of its lane are before this one (None: not in it), and the lane's size.

        Raises Unavailable.
        """
        name = self.keys.ready(str(lane))
        with reaching_redis():
            pipeline = self.redis.pipeline(transaction=False)
            pipeline.zrank(name, task_id)
            pipeline.zcard(name)
            before, count = pipeline.execute()
        return before, int(count)

    def task_at(self, lane: Lane, position: int) -> str | None:
        """Returns the id of the task that `position` others of its lane precede; None if there is none.

        Raises Unavailable.
        """
        with reaching_redis():
            found = self._mending(lambda: self.redis.zrange(self.keys.ready(str(lane)), position, position))
        return found[0].decode(errors="replace") if found and is_id(found[0].decode(errors="replace")) else None

    def server_info(self) -> dict[str, Any]:
        """Returns the server's INFO; raises Unavailable."""
        with reaching_redis():
            return dict(self.redis.info())

    def depths(self) -> dict[Lane, int]:
        """Returns the number of ready tasks in each lane."""
        lanes = self._lanes(self._mending(lambda: self.redis.smembers(self.keys.lanes)))

        def counted() -> list[int]:
            pipeline = self.redis.pipeline(transaction=False)
            for lane in lanes:
                pipeline.zcard(self.keys.ready(str(lane)))
            return list(pipeline.execute())

        return dict(zip(lanes, self._mending(counted), strict=True))

    def leftovers(self) -> dict[str, int]:
        """Returns the counts, by name, of what idle engines don't have: result and inbox entries, waiting tasks."""
        inboxes = list(self.redis.scan_iter(f"{self.keys.inbox('')}*", count=1000))
        return {
            "results": self.results_length(),
            "inbox entries": sum(int(self.redis.xlen(inbox)) for inbox in inboxes),
            "ready tasks": sum(self.depths().values()),
            "due tasks": int(self.redis.zcard(self.keys.due)),
        }

    # sorted sets, member by member

    def sorted_sets(self, cursor: int) -> tuple[int, list[str]]:
        """Returns some of the sets that order tasks, and the next cursor; 0 is both its start and its end.

        Sets not named after a lane are removed.
        """
        cursor, names = self.redis.scan(cursor, match=f"{self.keys.ready('')}*", count=1_000)
        found = []
        for name in names:
            lane = name.removeprefix(self.keys.ready("").encode())
            try:
                found.append(f"{_READY}{Lane.parse(lane.decode())}")
            except ValueError as error:
                self.set_aside([Odd("key", name.removeprefix(self.keys.prefix.encode()).decode(errors="replace"),
                                    str(error), lane)])  # fmt: skip
                self.redis.delete(name)
        return cursor, found

    def members(self, place: str, cursor: bytes, count: int) -> tuple[bytes, list[Member]]:
        """Returns about `count` members of a set, and the next cursor; b"0" is both its start and its end."""
        arguments = [cursor, count, MAX_MEMBER_BYTES]
        cursor, flat, large = self._run("members", [f"{self.keys.prefix}{place}"], arguments)
        self.set_aside(Odd("member", place, "too large", text) for text in large)
        values = iter(flat)
        return cursor, [Member(place, text, score) for text, score in zip(values, values, strict=True)]

    def drop(self, members: Iterable[Member]) -> int:
        """Removes members that have not changed since they were read; returns how many."""
        arguments: dict[str, list[bytes]] = {}
        for member in members:
            arguments.setdefault(member.place, []).extend((member.score, member.text))
        return sum(int(self._run("drop", [f"{self.keys.prefix}{place}"], given)) for place, given in arguments.items())

    # what does not belong there

    def set_aside(self, odd: Iterable[Odd]) -> None:
        """Quarantines what can't be processed; `take_odd` reports it."""
        items = list(odd)
        if items:
            self.quarantine.add(items)
            self._odd += items

    def take_odd(self) -> list[Odd]:
        """Returns what was quarantined since the last call."""
        return [self._odd.popleft() for _ in range(len(self._odd))]

    # ours

    def _names(self, *names: str) -> list[str]:
        return [f"{self.keys.prefix}{name}" if name != "heartbeat" else f"{self.keys.prefix}agent" for name in names]

    def _read(self, streams: Mapping[str, bytes], block_ms: int | None, count: int) -> list[list[Entry]]:
        """Returns (entry id, fields) of each stream, in the order of the streams."""
        found, odd = self._mending(lambda: read_streams(self._raw_commands, streams, block_ms, count))
        if odd:
            self.set_aside(self._mending(lambda: [self._mender.renumber(name) for name in odd]))
        return found

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Runs a script; every script can be repeated."""
        return self._mending(lambda: self._scripts[name](keys, arguments))

    def _mending(self, command: Callable[[], _Answer]) -> _Answer:
        """Returns the result of `command`; runs it again after quarantining a foreign value in its key.

        `command` must create its pipeline itself: an executed pipeline has no commands left.
        """
        for _ in range(MENDING_TRIES):
            try:
                return command()
            except ResponseError as error:
                if not is_mendable(error):
                    raise
            self.set_aside(self._mender.mend())
        return command()

    def _lanes(self, names: Iterable[bytes]) -> list[Lane]:
        """Returns lanes by their names; removes invalid names from the set of lanes, with their tasks."""
        lanes = []
        for name in names:
            try:
                lanes.append(Lane.parse(name.decode()))
            except ValueError as error:
                self.set_aside([Odd("member", "lanes", str(error), name)])
                self._forget(self.keys.lanes, name, self.keys.ready("").encode() + name)
        return lanes

    def _agent(self, agent_id: bytes, heartbeat: bytes) -> str | None:
        """Returns an agent's id; deletes an invalid one with its heartbeat."""
        try:
            return agent_id.decode()
        except ValueError as error:
            self.set_aside([Odd("heartbeat", "agents", str(error), agent_id + b" " + heartbeat)])
            self._forget(self.keys.agents, agent_id, self.keys.heartbeat("").encode() + agent_id)
            return None

    def _forget(self, members: str, member: str | bytes, key: str | bytes) -> None:
        """Removes a member from a set, with the key that it stands for."""
        self._mending(lambda: self.redis.srem(members, member))
        self.redis.delete(key)
