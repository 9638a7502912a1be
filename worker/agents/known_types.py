"""Declares to the leader the task types that an agent knows."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.core.protocol import KnownType
from taskyard.core.task_types.registry import Registry
from taskyard.core.task_types.retry_policy import RETRYABLE_CLASSES
from taskyard.core.task_types.schemas import input_schema, output_schema


def known_types(registry: Registry, matches: Callable[[str], bool]) -> list[KnownType]:
    """Returns the declaration of those types of this process that the agent's patterns match."""
    return [
        KnownType(
            name=one.name,
            version=one.version,
            max_attempts=one.retry.max_attempts,
            backoff_seconds=one.retry.backoff_seconds,
            max_backoff_seconds=one.retry.max_backoff_seconds,
            retry_on=None if one.retry.retry_on == RETRYABLE_CLASSES else sorted(one.retry.retry_on),
            timeout_seconds=one.timeout_seconds,
            requires=sorted(one.requires),
            input_schema=input_schema(one.input_model),
            output_schema=output_schema(one.output_model),
            description=one.description,
            is_guarded=one.is_guarded,
            max_retry_afters=one.retry.max_retry_afters,
            predict_by=[list(names) for names in one.predict_by],
            idempotent=one.idempotent,
        )
        for one in registry.types.values()
        if matches(one.name)
    ]
