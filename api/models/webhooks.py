"""Defines webhooks, their deliveries and hooks as requests and answers have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from taskyard.api.models.common import ReasonText
from taskyard.core.access.identity import EVERY
from taskyard.core.states import Priority
from taskyard.core.webhooks.schemes import Scheme
from taskyard.core.webhooks.webhook import OUTCOMES

NAME = "1 to 64 lower-case letters, digits or ._-"
URL = "Where it is sent: https, and a public address unless the installation allows others"
QUEUES = "Patterns of queues whose tasks are told; * is all"
TYPES = "Patterns of task types that are told; * is all"
OUTCOMES_TEXT = "Which ends are told"
OUTPUT = "Whether a completed task's output is sent along; that needs payload.read"
EVENTS = "Patterns of events that submit a task, such as push, pull_request.opened or invoice.*; others are ignored"
TEMPLATE = "The task's input, in which texts such as {{ body.repository.full_name }} stand for what is sent"


class NewWebhook(BaseModel):
    """A webhook to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description=NAME, examples=["ci"])
    url: str = Field(description=URL, examples=["https://hooks.example.com/taskyard"])
    queues: list[str] = Field([EVERY], description=QUEUES, examples=[["nightly"]])
    types: list[str] = Field([EVERY], description=TYPES, examples=[["analysis.*"]])
    outcomes: list[str] = Field(list(OUTCOMES), description=OUTCOMES_TEXT, examples=[["failed"]])
    has_output: bool = Field(False, description=OUTPUT)


class WebhookChange(BaseModel):
    """What changes of a webhook; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"outcomes": ["failed"]}]})

    url: str | None = Field(None, description=URL)
    queues: list[str] | None = Field(None, description=QUEUES)
    types: list[str] | None = Field(None, description=TYPES)
    outcomes: list[str] | None = Field(None, description=OUTCOMES_TEXT)
    has_output: bool | None = Field(None, description=OUTPUT)
    is_disabled: bool | None = Field(None, description="Whether nothing is sent")
    reason: ReasonText = Field("", description="Why it is disabled; kept in the audit log")


class WebhookInfo(BaseModel):
    """A webhook without its secret."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["ci"])
    url: str
    queues: list[str] = Field(description=QUEUES)
    types: list[str] = Field(description=TYPES)
    outcomes: list[str] = Field(description=OUTCOMES_TEXT)
    has_output: bool = Field(description=OUTPUT)
    former_until: datetime | None = Field(description="Until when the secret before the last rotation also signs")
    disabled_at: datetime | None
    disabled_by: str | None = Field(description="worker: nobody answered, for the reason that follows")
    disabled_because: str | None
    failing_since: datetime | None = Field(description="Since when nothing arrived that was tried")
    last_delivered_at: datetime | None = Field(description="When a message arrived last; null if none ever did")
    created_at: datetime
    created_by: str
    pending: int = Field(description="Messages that have not arrived yet")


class MadeWebhook(WebhookInfo):
    """A webhook with its new secret."""

    secret: str = Field(description="Signs the messages; it is shown this once")


class ChangedWebhook(WebhookInfo):
    """A webhook as it is after a change."""

    is_changed: bool = Field(description="False if it was like this already")


class DeliveryInfo(BaseModel):
    """A message of a webhook."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="The header webhook-id, the same at every try")
    webhook: str = Field(description="The name of its webhook")
    event: str = Field(description="The type of the message", examples=["task.completed"])
    task_id: str | None
    state: str = Field(description="pending, delivered or failed", examples=["delivered"])
    attempts: int
    created_at: datetime
    due_at: datetime = Field(description="When it is tried next, while it is pending")
    tried_at: datetime | None
    status: int | None = Field(description="Of the last answer")
    answer: str | None = Field(description="The beginning of the last answer, or why there was none")


class DeliveryId(BaseModel):
    """The delivery that was made."""

    id: str = Field(description="The id of the delivery")


class NewHook(BaseModel):
    """A hook to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description=NAME, examples=["github-push"])
    scheme: Scheme = Field(description="How the sender signs", examples=["github"])
    type: str = Field(description="The type of the tasks that it submits", examples=["diagnostic.echo"])
    template: dict[str, Any] = Field(description=TEMPLATE, examples=[{"value": "{{ body.repository.full_name }}"}])
    queue: str = Field("default", description="Their queue")
    priority: str = Field(Priority.MEDIUM.label, description="low, medium, high or urgent")
    events: list[str] = Field([EVERY], description=EVENTS, examples=[["push"]])
    secret: SecretStr | None = Field(
        None, max_length=500, description="One that the sender made, as Stripe does; left out: a new one"
    )


class HookChange(BaseModel):
    """What changes of a hook; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"events": ["push"]}]})

    type: str | None = Field(None, description="The type of the tasks that it submits")
    template: dict[str, Any] | None = Field(None, description=TEMPLATE)
    queue: str | None = Field(None, description="Their queue")
    priority: str | None = Field(None, description="low, medium, high or urgent")
    events: list[str] | None = Field(None, description=EVENTS)
    is_disabled: bool | None = Field(None, description="Whether every call is refused")


class HookInfo(BaseModel):
    """A hook without its secret."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["github-push"])
    scheme: str = Field(description="How the sender signs", examples=["github"])
    type: str
    queue: str
    priority: str
    template: dict[str, Any] = Field(description=TEMPLATE)
    events: list[str] = Field(description=EVENTS)
    may_run_code: bool = Field(description="Whether its maker may submit tasks that run code, and so may it")
    former_until: datetime | None = Field(description="Until when the secret before the last rotation also counts")
    disabled_at: datetime | None
    used_at: datetime | None
    refused_at: datetime | None
    created_at: datetime
    created_by: str


class MadeHook(HookInfo):
    """A hook with its secret."""

    secret: str = Field(description="With which the sender signs; it is shown this once")


class ChangedHook(HookInfo):
    """A hook as it is after a change."""

    is_changed: bool = Field(description="False if it was like this already")


class NewSecret(BaseModel):
    """A secret in place of another."""

    model_config = ConfigDict(extra="forbid")

    secret: SecretStr | None = Field(
        None, max_length=500, description="One that the sender made; left out: a new one is made"
    )


class Secret(BaseModel):
    """A new secret."""

    secret: str = Field(description="The new secret, this once; the former one also counts for 24 hours")


class Accepted(BaseModel):
    """What became of a call of a hook."""

    id: str | None = Field(None, description="The task that it submitted, now or when it came first")
    ignored: str | None = Field(None, description="The event, if the hook submits no task for it")
