"""What dispatcher and agents say to each other: JSON arrays, several messages to a stream entry.

Inputs and outputs travel as raw JSON, so that the dispatcher carries them without parsing them.
A (task id, attempt) pair names one execution everywhere.
"""

from __future__ import annotations

from typing import Any

import msgspec

Pair = tuple[str, int]
MAX_INTEGER = (1 << 31) - 1  # PostgreSQL's
NAME_LIMIT = 1_000  # characters


def is_storable(name: str) -> bool:
    """Whether a name that came from outside can be stored as text."""
    return "\x00" not in name and len(name) <= NAME_LIMIT


class Failure(msgspec.Struct, array_like=True, gc=False):
    """How an attempt failed: an ErrorClass, one line for people, and the traceback if there is one."""

    error_class: str
    message: str
    traceback: str | None = None


# dispatcher → agent


class Run(msgspec.Struct, array_like=True, tag="run", gc=False):
    """One attempt to be run. `checkpoint` is JSON text that an earlier attempt saved after so many `children`."""

    task_id: str
    attempt: int
    task_type: str
    input: msgspec.Raw
    timeout_seconds: float
    checkpoint: str | None
    priority: int
    children: int = 0


class Cancel(msgspec.Struct, array_like=True, tag="cancel", gc=False):
    """Stop this attempt if it still runs, and forget it if it does not."""

    task_id: str
    attempt: int


class Welcome(msgspec.Struct, array_like=True, tag="welcome", gc=False):
    """The dispatcher knows this boot from now on."""


class Reply(msgspec.Struct, array_like=True, tag="reply", gc=False):
    """The answer to a request of a running task: a value, or why it was refused."""

    request_id: str
    value: Any = None
    refused: str | None = None


class Drain(msgspec.Struct, array_like=True, tag="drain", gc=False):
    """Hand back what has not been started."""


class Restart(msgspec.Struct, array_like=True, tag="restart", gc=False):
    """Drain as on SIGTERM, then end the process, which its pool replaces."""


Order = Run | Cancel | Welcome | Reply | Drain | Restart


# agent → dispatcher


class Hello(msgspec.Struct, array_like=True, tag="hello", gc=False):
    """A new boot of an agent."""

    agent: AgentInfo


class Started(msgspec.Struct, array_like=True, tag="started", gc=False):
    """These attempts are about to run; sent and acknowledged before they do."""

    agent_id: str
    pairs: list[Pair]
    at: float  # epoch seconds


class Done(msgspec.Struct, array_like=True, tag="done", gc=False):
    """An attempt ended: `failure` is None for a success. What it used is None where that can't be told."""

    task_id: str
    attempt: int
    output: msgspec.Raw
    failure: Failure | None
    started_at: float  # epoch seconds
    run_seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None


class Returned(msgspec.Struct, array_like=True, tag="returned", gc=False):
    """Attempts that the agent hands back without having started them."""

    agent_id: str
    pairs: list[Pair]


class Progress(msgspec.Struct, array_like=True, tag="progress", gc=False):
    task_id: str
    attempt: int
    fraction: float
    message: str


class Log(msgspec.Struct, array_like=True, tag="log", gc=False):
    agent_id: str
    task_id: str
    attempt: int
    level: str
    message: str


class Checkpoint(msgspec.Struct, array_like=True, tag="checkpoint", gc=False):
    """Answered with a Reply once it is committed. `children` is how many were submitted before it."""

    agent_id: str
    request_id: str
    task_id: str
    attempt: int
    state: msgspec.Raw
    children: int = 0


class SubmitChild(msgspec.Struct, array_like=True, tag="submit", gc=False):
    """A running task submits another one; answered with the child's id once it is committed."""

    agent_id: str
    request_id: str
    task_id: str
    attempt: int
    ordinal: int
    child_type: str
    input: Any
    options: dict[str, Any]


class Gone(msgspec.Struct, array_like=True, tag="gone", gc=False):
    """A boot ended: it said so itself (`state` "left") or its supervisor saw it exit ("lost")."""

    agent_id: str
    state: str


Report = Hello | Started | Done | Returned | Progress | Log | Checkpoint | SubmitChild | Gone


class AgentInfo(msgspec.Struct):
    """Who an agent is; part of its hello and of every heartbeat."""

    id: str  # name:boot_id
    name: str
    boot_id: str
    kind: str
    host: str
    pid: int
    types: list[str]  # patterns such as "analysis.*"
    tags: list[str]
    max_concurrency: int

    def is_storable(self) -> bool:
        """Whether PostgreSQL can hold it: an agent may be of another version, or nobody of ours."""
        texts = (self.id, self.name, self.boot_id, self.kind, self.host, *self.types, *self.tags)
        return all(map(is_storable, texts)) and 0 <= self.pid <= MAX_INTEGER and 0 < self.max_concurrency <= MAX_INTEGER


class Heartbeat(msgspec.Struct):
    """Written every second with a TTL; what the dispatcher reconciles its claims against."""

    agent: AgentInfo
    generation: str
    read_position: str  # the last inbox entry that was read
    held: list[Pair]  # from reading an order until the result's arrival is acknowledged
    running: int
    draining: bool
    cpu_percent: float
    memory_bytes: int
    number: int = 0  # of this heartbeat since the boot's start: two that say the same are told apart


encode = msgspec.json.Encoder().encode
decode_orders = msgspec.json.Decoder(list[Order]).decode
decode_reports = msgspec.json.Decoder(list[Report]).decode
decode_heartbeat = msgspec.json.Decoder(Heartbeat).decode
NULL = msgspec.Raw(b"null")
