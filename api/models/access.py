"""Defines people, services, agents, their tokens and sessions as requests and answers have them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission, Role
from taskyard.core.access.principals import Kind
from taskyard.core.access.tokens import DEFAULT_DAYS, Opens

QUEUES = "Patterns of queues that the role counts for; * is all"
TYPES = "Patterns of task types that the role counts for; * is all"


class NewPrincipal(BaseModel):
    """A person, service or agent to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 64 of the letters A to Z, digits and ._@+-", examples=["ci"])
    kind: Kind = Field(Kind.PERSON, description="person, service or agent", examples=["service"])
    role: Role = Field(Role.VIEWER, description="Each role may do what those before it may", examples=["submitter"])
    queues: list[str] = Field([EVERY], description=QUEUES, examples=[["nightly"]])
    types: list[str] = Field([EVERY], description=TYPES, examples=[["analysis.*"]])


class PrincipalChange(BaseModel):
    """What changes of a principal; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "operator"}]})

    role: Role | None = Field(None, description="The new role")
    queues: list[str] | None = Field(None, description=QUEUES)
    types: list[str] | None = Field(None, description=TYPES)
    is_disabled: bool | None = Field(
        None, description="Whether its tokens and sessions are refused; its hooks are disabled with it"
    )


class NewPassword(BaseModel):
    """A person's new password."""

    model_config = ConfigDict(extra="forbid")

    password: SecretStr = Field(max_length=5_000, description="It ends their sessions by the former one")


class PrincipalInfo(BaseModel):
    """A person, service or agent with its role."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["ci"])
    kind: str = Field(description="person, service or agent", examples=["service"])
    role: str = Field(examples=["submitter"])
    queues: list[str] = Field(description=QUEUES)
    types: list[str] = Field(description=TYPES)
    has_password: bool
    disabled_at: datetime | None
    created_at: datetime
    created_by: str


class ChangedPrincipal(PrincipalInfo):
    """A principal as it is after a change."""

    is_changed: bool = Field(description="False if it was like this already")


class NewToken(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid")

    days: float = Field(DEFAULT_DAYS, description="For how many days it is valid", examples=[30])
    note: str = Field("", description="What it is for; shown in lists", examples=["nightly build"])


class TokenInfo(BaseModel):
    """A token without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["5f1c09a4d2e8"])
    kind: str = Field(description="The kind of its principal")
    name: str = Field(description="The name of its principal", examples=["ci"])
    note: str
    opens: Opens = Field(description="What it lets in: `api` the API, `redis` an agent to Redis", examples=["api"])
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class MadeToken(TokenInfo):
    """A new token."""

    token: str = Field(description="The token itself, this once: only its hash is kept")


class SessionInfo(BaseModel):
    """A browser that is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Names it in lists, and lets nobody in")
    who: str = Field(examples=["person:ann"])
    via: str = Field(description="How it came in: a link or a password")
    role: str | None
    signed_in_at: datetime
    seen_at: datetime
    expires_at: datetime


class EndedSessions(BaseModel):
    """How many sessions ended."""

    ended: int = Field(description="Browsers that were signed out", examples=[2])


class IdentityInfo(BaseModel):
    """Who sends a request."""

    name: str = Field(description="As the audit log has it", examples=["token:ci"])
    via: str = Field(description="How they came in", examples=["token"])
    role: Role | None = Field(description="Null if no role has just these permissions", examples=["operator"])
    permissions: list[Permission]
    queues: list[str] = Field(description=QUEUES)
    types: list[str] = Field(description=TYPES)
    version: str = Field(description="The API's release", examples=["0.3.0"])
