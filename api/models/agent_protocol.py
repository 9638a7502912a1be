"""Defines what an agent exchanges with the API besides the messages of the protocol."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from taskyard.core.i18n import msg
from taskyard.core.redis.entry_ids import is_entry_id

MAX_IDS = 1_000


def _check_entry_id(text: str) -> str:
    if not is_entry_id(text):
        raise ValueError(msg("two numbers of at most 64 bits"))
    return text


EntryId = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,20}-[0-9]{1,20}$", examples=["1764240000000-0"]),
    AfterValidator(_check_entry_id),
]
AgentText = Annotated[str, Field(min_length=1, max_length=200, examples=["builder"])]


class AgentIdentity(BaseModel):
    """Who the token is, and the limits that its agent keeps to."""

    name: str = Field(description="The agent's name: that of the token", examples=["edge-1"])
    types: list[str] = Field(description="Patterns of the task types that it may register", examples=[["analysis.*"]])
    protocol_version: int = Field(description="Of the API: the version that an agent states at least", examples=[1])
    heartbeat_ttl_seconds: float = Field(description="Without a heartbeat for so long a boot is lost", examples=[10.0])
    output_limit_bytes: int = Field(description="Largest output or checkpoint, as JSON", examples=[1_048_576])
    max_wait_seconds: float = Field(description="Longest `wait` for orders", examples=[30.0])


class ReportsTaken(BaseModel):
    """Reports that were stored for the leader."""

    count: int = Field(examples=[2])


class HeartbeatAnswer(BaseModel):
    """What an agent learns by its heartbeat."""

    generation: str = Field(description="A changed one means that Redis was wiped: read orders from the beginning")
    is_fenced: bool = Field(description="Its tasks were given to others: this boot must end")


class OrderEntry(BaseModel):
    """One entry of an inbox."""

    id: EntryId
    orders: list[list[Any]] = Field(
        description="Messages of the protocol, each a list that begins with its kind",
        examples=[[["cancel", "0199c0de-0000-7000-8000-000000000001", 1]]],
    )


class Orders(BaseModel):
    """Entries of an inbox after a position, oldest first."""

    entries: list[OrderEntry]


class InboxTail(BaseModel):
    """The last position that an inbox ever had; `0-0` if it does not exist."""

    position: EntryId


class EntryIds(BaseModel):
    """Entries of an inbox that were obeyed."""

    model_config = ConfigDict(extra="forbid")

    entries: list[EntryId] = Field(min_length=1, max_length=MAX_IDS)


class NewMessage(BaseModel):
    """A message to another agent."""

    model_config = ConfigDict(extra="forbid")

    to: AgentText
    body: Any = Field(examples=[{"greeting": "hello"}])


class MessageId(BaseModel):
    """The id of a message that was sent."""

    id: EntryId


class ReceiveMessages(BaseModel):
    """How many messages to take, and which ones are being processed and must not come again."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(1, ge=1, le=100)
    held: list[EntryId] = Field([], max_length=MAX_IDS)


class ReceivedMessage(BaseModel):
    """A message of the agent's mailbox."""

    model_config = ConfigDict(from_attributes=True)

    id: EntryId
    sender: str
    body: Any
    deliveries: int = Field(description="How often it was delivered, this time included")


class ReceivedMessages(BaseModel):
    """Messages, each to be acknowledged or given back."""

    messages: list[ReceivedMessage]


class MessageIds(BaseModel):
    """Messages that were processed."""

    model_config = ConfigDict(extra="forbid")

    ids: list[EntryId] = Field(min_length=1, max_length=MAX_IDS)


class GivenBack(BaseModel):
    """Messages that were not processed, each with the number of its deliveries; they are delivered again at once."""

    model_config = ConfigDict(extra="forbid")

    messages: dict[EntryId, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(min_length=1, max_length=MAX_IDS)


class Acknowledged(BaseModel):
    """How many of the entries or messages existed."""

    count: int
