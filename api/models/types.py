"""Defines task types as answers have them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import HoldInfo
from taskyard.core.scheduling.holds import Hold
from taskyard.core.task_types.published import PublishedType
from taskyard.core.task_types.registry import TaskType
from taskyard.core.task_types.retry_policy import RETRYABLE_CLASSES


class RetryInfo(BaseModel):
    """How often and when a type's failed tasks are retried."""

    model_config = ConfigDict(from_attributes=True)

    max_attempts: int = Field(description="Attempts in all", examples=[3])
    backoff_seconds: float = Field(description="The longest pause before the second attempt; it doubles each time")
    max_backoff_seconds: float
    retry_on: list[str] = Field(description="The error classes that are retried", examples=[["timeout", "transient"]])


class TaskTypeSummary(BaseModel):
    """A task type without its schemas."""

    name: str = Field(examples=["diagnostic.echo"])
    description: str
    version: str = Field(description="Changes with what the input accepts and with the declared version")
    timeout_seconds: float = Field(description="Of one attempt, unless a task says otherwise")
    isolation: str | None = Field(
        description="process, thread or async; null if only agents know", examples=["process"]
    )
    requires: list[str] = Field(description="Tags that its agents must have")
    is_guarded: bool = Field(description="Whether its tasks need the permission code.submit")
    runs_code: bool = Field(description="Whether it executes code from its input")
    reads_host: bool = Field(description="Whether its input names what is read of the agent's host")
    memory_limit_mib: int | None
    idempotent: bool = Field(
        False, description="Whether it may run twice: a second attempt may begin beside a late one"
    )
    predict_by: list[str] = Field(
        [], description="Fields of the input that its run time depends on", examples=[["pages"]]
    )
    retry: RetryInfo
    is_published: bool = Field(False, description="Whether only agents have it: this API checks inputs by its schema")
    hold: HoldInfo | None = Field(description="The pause or drain in force")

    @classmethod
    def of(cls, known: TaskType, hold: Hold | None) -> TaskTypeSummary:
        """Returns a type as answers have it."""
        return cls(**_fields_of(known, hold))

    @classmethod
    def of_agents(cls, published: PublishedType, hold: Hold | None) -> TaskTypeSummary:
        """Returns a type that only agents have."""
        return cls(**_published_fields(published, hold))


class TaskTypeDetails(TaskTypeSummary):
    """A task type with the JSON Schemas of its input and output."""

    input_schema: dict[str, Any] = Field(description="A JSON Schema (2020-12) of the input")
    output_schema: dict[str, Any] = Field(description="A JSON Schema (2020-12) of the output")

    @classmethod
    def of(cls, known: TaskType, hold: Hold | None) -> TaskTypeDetails:
        """Returns a type as answers have it."""
        return cls(
            **_fields_of(known, hold),
            input_schema=known.input_model.model_json_schema(mode="validation"),
            output_schema=known.output_model.model_json_schema(mode="serialization"),
        )

    @classmethod
    def of_agents(cls, published: PublishedType, hold: Hold | None) -> TaskTypeDetails:
        """Returns a type that only agents have; a schema that they did not publish accepts everything."""
        known = published.known
        return cls(
            **_published_fields(published, hold),
            input_schema=known.input_schema or {},
            output_schema=known.output_schema or {},
        )


def _fields_of(known: TaskType, hold: Hold | None) -> dict[str, Any]:
    retry = known.retry
    return {
        "name": known.name,
        "description": known.description,
        "version": known.version,
        "timeout_seconds": known.timeout_seconds,
        "isolation": known.isolation.value,
        "requires": sorted(known.requires),
        "is_guarded": known.is_guarded,
        "runs_code": known.runs_code,
        "reads_host": known.reads_host,
        "memory_limit_mib": known.memory_limit_mib,
        "idempotent": known.idempotent,
        "predict_by": [names[0] for names in known.predict_by],
        "retry": RetryInfo(
            max_attempts=retry.max_attempts,
            backoff_seconds=retry.backoff_seconds,
            max_backoff_seconds=retry.max_backoff_seconds,
            retry_on=sorted(retry.retry_on),
        ),
        "hold": None if hold is None else HoldInfo.model_validate(hold),
    }


def _published_fields(published: PublishedType, hold: Hold | None) -> dict[str, Any]:
    known = published.known
    retry = RetryInfo(
        max_attempts=known.max_attempts,
        backoff_seconds=known.backoff_seconds,
        max_backoff_seconds=known.max_backoff_seconds,
        retry_on=sorted(RETRYABLE_CLASSES if known.retry_on is None else known.retry_on),
    )
    own = {"version": known.version, "description": known.description, "isolation": None, "retry": retry}
    return {**_fields_of(published.task_type, hold), **own, "is_published": True}
