"""One namespace of a Redis server: how every command of the engine reaches it, and what everybody may ask of it.

A key that holds somebody else's value is set aside on the way (core.mending), and the command runs again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import redis

from core.keys import Keys
from core.mail import PostOffice
from core.mending import Mender, is_mendable
from core.messages import Mailbox
from core.models import Lane
from core.quarantine import Odd, Quarantine
from core.redis_client import reaching_redis
from core.stream_reading import Entry, read_streams
from core.wire import Script, Wire

SCRIPTS_DIR = Path(__file__).resolve().parent / "lua"
MENDING_TRIES = 5  # somebody may spoil a key again meanwhile
ODD_LIMIT = 1_000  # kept for `take_odd`
_Answer = TypeVar("_Answer")


class QueueBase:
    """See Queue. `policy_of(queue)` names a queue's placement policy, which decides the order in its lanes."""

    def __init__(self, client: redis.Redis, namespace: str, policy_of: Callable[[str], str]) -> None:
        self.redis = client
        self.keys = Keys(namespace)
        self._policy_of = policy_of
        self._wire = Wire(client.connection_pool)
        self._scripts = {path.stem: Script(self._wire, path.read_text()) for path in SCRIPTS_DIR.glob("*.lua")}
        self.quarantine = Quarantine(client, self.keys, self._scripts["quarantine"])
        self._mender = Mender(client, self.keys, self._wire, self._scripts["renumber"])
        self._odd: deque[Odd] = deque(maxlen=ODD_LIMIT)

    def mailbox(self, agent: str) -> Mailbox:
        """The messages for an agent of this name."""
        return Mailbox(self.redis, self.keys, agent, mending=self._mending)

    @property
    def post_office(self) -> PostOffice:
        """All mailboxes, for operators."""
        return PostOffice(self.redis, self.keys, self._mending)

    def results_length(self) -> int:
        """How many reports the leader has not consumed; raises Unavailable."""
        with reaching_redis():
            return int(self._mending(lambda: self.redis.xlen(self.keys.results)))

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
        lanes = self._lanes(self._mending(lambda: self.redis.smembers(self.keys.lanes)))

        def counted() -> list[int]:
            pipeline = self.redis.pipeline(transaction=False)
            for lane in lanes:
                pipeline.zcard(self.keys.ready(str(lane)))
            return pipeline.execute()

        return dict(zip(lanes, self._mending(counted), strict=True))

    def leftovers(self) -> dict[str, int]:
        """What is there that idle engines don't have: entries of results and inboxes, waiting tasks; by name."""
        inboxes = list(self.redis.scan_iter(f"{self.keys.inbox('')}*", count=1000))
        return {
            "results": int(self.redis.xlen(self.keys.results)),
            "inbox entries": sum(int(self.redis.xlen(inbox)) for inbox in inboxes),
            "ready tasks": sum(self.depths().values()),
            "due tasks": int(self.redis.zcard(self.keys.due)),
        }

    # what does not belong there

    def set_aside(self, odd: Iterable[Odd]) -> None:
        """Puts what can't be processed into the quarantine; `take_odd` tells of it."""
        items = list(odd)
        if items:
            self.quarantine.add(items)
            self._odd += items

    def take_odd(self) -> list[Odd]:
        """What was set aside since the last call."""
        return [self._odd.popleft() for _ in range(len(self._odd))]

    # ours

    def _names(self, *names: str) -> list[str]:
        return [f"{self.keys.prefix}{name}" if name != "heartbeat" else f"{self.keys.prefix}agent" for name in names]

    def _read(self, streams: Mapping[str, bytes], block_ms: int | None, count: int) -> list[list[Entry]]:
        """(entry id, payload) of each stream, in the order of the streams."""
        found, odd = self._mending(lambda: read_streams(self._wire, streams, block_ms, count))
        if odd:
            self.set_aside(self._mending(lambda: [self._mender.renumber(name) for name in odd]))
        return found

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Runs a script; each can be repeated."""
        return self._mending(lambda: self._scripts[name](keys, arguments))

    def _mending(self, command: Callable[[], _Answer]) -> _Answer:
        """What `command` returns; if a key holds what it should not, again after that was set aside.

        A pipeline is made inside of `command`: it has no commands left once it was executed.
        """
        for _ in range(MENDING_TRIES):
            try:
                return command()
            except redis.ResponseError as error:
                if not is_mendable(error):
                    raise
            self.set_aside(self._mender.mend())
        return command()

    def _lanes(self, names: Iterable[bytes]) -> list[Lane]:
        """Lanes by their names; what is none leaves the set of lanes, with its tasks."""
        lanes = []
        for name in names:
            try:
                lanes.append(Lane.parse(name.decode()))
            except ValueError as error:
                self.set_aside([Odd("member", "lanes", str(error), name)])
                self._forget(self.keys.lanes, name, self.keys.ready("").encode() + name)
        return lanes

    def _agent(self, agent_id: bytes, beat: bytes) -> str | None:
        """An agent's id; one that is no text is forgotten with its heartbeat."""
        try:
            return agent_id.decode()
        except ValueError as error:
            self.set_aside([Odd("heartbeat", "agents", str(error), agent_id + b" " + beat)])
            self._forget(self.keys.agents, agent_id, self.keys.heartbeat("").encode() + agent_id)
            return None

    def _forget(self, members: str, member: str | bytes, key: str | bytes) -> None:
        """Takes a member out of a set, with the key that it stands for."""
        self._mending(lambda: self.redis.srem(members, member))
        self.redis.delete(key)
