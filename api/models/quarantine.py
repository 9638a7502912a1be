"""Defines quarantined items and messages between agents as requests and answers have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

EXAMPLE_ENTRY = "1764150000000-0"


class QuarantinedItem(BaseModel):
    """Something that could not be processed."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ENTRY])
    at: float = Field(description="Epoch seconds by the clock of the Redis server")
    source: str = Field(description="What it is: report, order, member, heartbeat, key, row …", examples=["report"])
    place: str = Field(description="Where it was found")
    reason: str = Field(description="Why it could not be processed")
    text: str = Field(description="The beginning of its content; empty without the permission payload.read")
    size_bytes: int = Field(description="Of its whole content")
    task_id: str | None
    attempt: int | None
    agent_id: str | None
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")


class QuarantinedItems(BaseModel):
    """The newest items, and how many there are."""

    items: list[QuarantinedItem]
    count: int


class DroppedItems(BaseModel):
    """What was deleted."""

    dropped: int = Field(description="How many there were")


class MailboxInfo(BaseModel):
    """The messages to one agent that it has not processed."""

    model_config = ConfigDict(from_attributes=True)

    agent: str = Field(examples=["analyst-1"])
    messages: int
    being_read: int = Field(description="Messages that a running attempt has received")
    oldest_seconds: float | None = Field(description="The age of the oldest message")
    bytes: int = Field(description="About how much memory they take")
    dead_letters: int = Field(description="Messages that were given up")


class LetterInfo(BaseModel):
    """A message, or a dead letter, which has a reason."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ENTRY])
    agent: str
    sender: str
    age_seconds: float
    body: str = Field(description="The beginning of its JSON text; empty without the permission payload.read")
    deliveries: int | None
    reason: str | None
    message_id: str = Field(description="The id that it was sent under")
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")


class RedriveOrder(BaseModel):
    """Which dead letters are sent again."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(examples=[EXAMPLE_ENTRY])]] | None = Field(
        None, min_length=1, max_length=1_000, description="Only these; all without them"
    )


class RedrivenInfo(BaseModel):
    """What became of dead letters."""

    model_config = ConfigDict(from_attributes=True)

    sent: int = Field(description="How many were sent again")
    refused: list[str] = Field(description="Why others were not, a line each")


class Purged(BaseModel):
    """What was removed."""

    removed: int
