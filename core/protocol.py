"""Defines the messages between dispatcher and agents: JSON arrays, several messages to a stream entry.

Inputs and outputs travel as raw JSON, so that the dispatcher carries them without parsing them. A (task id,
attempt) pair names one execution everywhere. Each field has a range that its decoder checks (see also
core.redis.decoding), within what the receiver and PostgreSQL can hold.

New fields come last and have defaults, so that newer agents and older dispatchers understand each other during an
upgrade, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from taskyard.core.protocol_presence import AgentInfo as AgentInfo
from taskyard.core.protocol_presence import Heartbeat as Heartbeat
from taskyard.core.protocol_presence import SeatComing as SeatComing
from taskyard.core.protocol_presence import SeatHere as SeatHere
from taskyard.core.protocol_presence import SeatsReport as SeatsReport
from taskyard.core.protocol_presence import farewell_of as farewell_of
from taskyard.core.protocol_presence import usable_slots as usable_slots
from taskyard.core.protocol_suspension import AskChildren as AskChildren
from taskyard.core.protocol_suspension import Suspended as Suspended
from taskyard.core.protocol_suspension import Until as Until
from taskyard.core.protocol_suspension import UntilChildren as UntilChildren
from taskyard.core.protocol_suspension import UntilSignal as UntilSignal
from taskyard.core.protocol_suspension import UntilTime as UntilTime
from taskyard.core.protocol_values import MAX_BYTES as MAX_BYTES
from taskyard.core.protocol_values import MAX_FAILURE_LENGTH as MAX_FAILURE_LENGTH
from taskyard.core.protocol_values import MAX_INTEGER as MAX_INTEGER
from taskyard.core.protocol_values import MAX_LISTED as MAX_LISTED
from taskyard.core.protocol_values import MAX_NAME_LENGTH as MAX_NAME_LENGTH
from taskyard.core.protocol_values import MAX_SECONDS as MAX_SECONDS
from taskyard.core.protocol_values import MAX_TEXT_LENGTH as MAX_TEXT_LENGTH
from taskyard.core.protocol_values import Attempt as Attempt
from taskyard.core.protocol_values import Count as Count
from taskyard.core.protocol_values import Failure as Failure
from taskyard.core.protocol_values import FireTime as FireTime
from taskyard.core.protocol_values import LongText as LongText
from taskyard.core.protocol_values import Name as Name
from taskyard.core.protocol_values import Pair as Pair
from taskyard.core.protocol_values import Position as Position
from taskyard.core.protocol_values import Seconds as Seconds
from taskyard.core.protocol_values import SignalName as SignalName
from taskyard.core.protocol_values import TaskId as TaskId
from taskyard.core.protocol_values import Text as Text
from taskyard.core.protocol_values import UsedSignals as UsedSignals
from taskyard.core.protocol_values import is_storable as is_storable

VERSION = 1  # what an agent of this version puts into its AgentInfo; 0: it does not sign its results


# dispatcher → agent


class Run(msgspec.Struct, array_like=True, tag="run", gc=False):
    """Runs an attempt. `checkpoint` is JSON text that an earlier attempt saved after this many `children`.

    `resumed` is JSON text, None if the task was never suspended and has no signals: `now` is the database's time in
    epoch seconds, `received` lists [number, name, id, kind, data, sender, epoch seconds] of signals, and `used` has by
    name the number of the last one that was used before the checkpoint. `scheduled_for` is the fire time for which a
    schedule submitted the task, in epoch seconds.
    """

    task_id: TaskId
    attempt: Attempt
    task_type: Name
    input: msgspec.Raw
    timeout_seconds: Annotated[float, Meta(gt=0, le=MAX_SECONDS)]
    checkpoint: str | None
    priority: Annotated[int, Meta(ge=0, le=3)]
    children: Annotated[int, Meta(ge=0)] = 0
    resumed: str | None = None
    scheduled_for: FireTime | None = None


class Cancel(msgspec.Struct, array_like=True, tag="cancel", gc=False):
    """Stops this attempt if it still runs, and discards it if it does not."""

    task_id: TaskId
    attempt: Attempt


class Welcome(msgspec.Struct, array_like=True, tag="welcome", gc=False):
    """Confirms that the dispatcher has registered this boot."""


class Reply(msgspec.Struct, array_like=True, tag="reply", gc=False):
    """The answer to a request of a running task: a value, or why it was refused."""

    request_id: Name
    value: Any = None
    refused: str | None = None


class Drain(msgspec.Struct, array_like=True, tag="drain", gc=False):
    """Asks the agent to hand back tasks it has not started."""


class Restart(msgspec.Struct, array_like=True, tag="restart", gc=False):
    """Asks the agent to drain as on SIGTERM and end its process, which its pool replaces."""


Order = Run | Cancel | Welcome | Reply | Drain | Restart


# agent → dispatcher


class KnownType(msgspec.Struct, omit_defaults=True):
    """A task type that an agent declares: its version, and details of its declaration."""

    name: str
    version: str
    requires: list[str]
    max_attempts: int = 3
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 300.0
    retry_on: list[str] | None = None  # classes of errors; None: the default ones
    timeout_seconds: float = 300.0
    # for submitters that do not have the type themselves; None: from an older agent
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    description: str = ""
    is_guarded: bool = False
    max_retry_afters: int = 10
    predict_by: list[list[str]] = []  # fields of the input: of each the names that it may have
    idempotent: bool = False


class Register(msgspec.Struct, array_like=True, tag="hello", gc=False):
    """A new boot of an agent, and the types that it declares; None from older agents."""

    agent: AgentInfo
    known_types: list[KnownType] | None = None


class Started(msgspec.Struct, array_like=True, tag="started", gc=False):
    """These attempts are about to run; sent and acknowledged before they do."""

    agent_id: Name
    pairs: list[Pair]
    at: float  # epoch seconds; an agent's clock may say anything, what is recorded is within PostgreSQL's range


class Done(msgspec.Struct, array_like=True, tag="done", gc=False):
    """An attempt ended: `failure` is None for a success. Unknown resource usage is None.

    `agent_id` is the boot that got the order; empty only from agents of version 0.
    """

    task_id: TaskId
    attempt: Attempt
    output: msgspec.Raw
    failure: Failure | None
    started_at: float  # epoch seconds, as in Started
    run_seconds: Seconds
    cpu_seconds: Seconds | None = None
    peak_memory_bytes: Count | None = None
    agent_id: Name = ""


class Released(msgspec.Struct, array_like=True, tag="returned", gc=False):
    """Attempts that the agent hands back without having started or finished them.

    Because it drains, or, if a type is named, since it can't run that one, for the reason given. With
    `pause_seconds` something is in the way of tasks of their types: it should get none for so long. With a reason
    alone it has no place for what it has not started.
    """

    agent_id: Name
    pairs: list[Pair]
    task_type: str | None = None
    reason: str = ""
    pause_seconds: Seconds = 0.0


class Progress(msgspec.Struct, array_like=True, tag="progress", gc=False):
    """The progress of an attempt. `agent_id` as in Done."""

    task_id: TaskId
    attempt: Attempt
    fraction: Annotated[float, Meta(ge=0, le=1)]
    message: Text
    agent_id: Name = ""


class Log(msgspec.Struct, array_like=True, tag="log", gc=False):
    """A line that a handler logged."""

    agent_id: Name
    task_id: TaskId
    attempt: Attempt
    level: Text
    message: Text


class Checkpoint(msgspec.Struct, array_like=True, tag="checkpoint", gc=False):
    """Answered with a Reply to `agent_id` once it is committed.

    `holder` is the boot that got the order, if another; `children` is how many were submitted before it, and `signals`
    by name the number of the last one that was used before it.
    """

    agent_id: Name
    request_id: Name
    task_id: TaskId
    attempt: Attempt
    state: msgspec.Raw
    holder: Name = ""
    children: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    signals: UsedSignals = {}


class SubmitChild(msgspec.Struct, array_like=True, tag="submit", gc=False):
    """A running task submits a child; answered with the child's id once it is committed. See Checkpoint."""

    agent_id: Name
    request_id: Name
    task_id: TaskId
    attempt: Attempt
    ordinal: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    child_type: Name
    input: Any
    options: dict[str, Any]
    holder: Name = ""
    key: Name = ""  # tells it apart from the parent's other children; agents of version 0 have only the ordinal


class SubmitWorkflow(msgspec.Struct, array_like=True, tag="submit_workflow", gc=False):
    """A running task submits a workflow; answered with its id and those of its tasks. See SubmitChild.

    `call` has name, title and tasks: by key, or a list that is a group.
    """

    agent_id: Name
    request_id: Name
    task_id: TaskId
    attempt: Attempt
    call: msgspec.Raw
    holder: Name = ""
    key: Name = ""


class Deregister(msgspec.Struct, array_like=True, tag="gone", gc=False):
    """The end of a boot: reported by itself (`state` "left") or by its supervisor ("lost").

    `proof` is the secret that both have had since its start; see AgentInfo.farewell.
    """

    agent_id: Name
    state: Name
    proof: Name = ""


AttemptEnd = Done | Suspended  # of an attempt
Request = Checkpoint | SubmitChild | SubmitWorkflow | AskChildren  # answered with a Reply
Report = Register | Started | AttemptEnd | Released | Progress | Log | Request | Deregister


def _reader(shape: Any) -> Callable[[bytes], Any]:
    """Returns a decoder that raises ValueError, and nothing else, for data of another shape."""
    decode = msgspec.json.Decoder(shape).decode

    def read(payload: bytes) -> Any:
        try:
            return decode(payload)
        except RecursionError:
            raise ValueError("nested too deep to be read") from None

    return read


encode = msgspec.json.Encoder().encode
decode_orders: Callable[[bytes], list[Order]] = _reader(list[Order])
decode_reports: Callable[[bytes], list[Report]] = _reader(list[Report])
decode_heartbeat: Callable[[bytes], Heartbeat] = _reader(Heartbeat)
NULL = msgspec.Raw(b"null")
