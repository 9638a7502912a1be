"""Defines the tables. `sql/migrations` creates them; a test compares the two."""

from taskyard.core.postgres.schema import (
    engine,
    learning,
    monitor,
    principals,
    questions,
    schedules,
    sign_in_attempts,
    sign_ins,
    webhooks,
    workflows,
)
from taskyard.core.postgres.schema.base import metadata

__all__ = [
    "engine",
    "learning",
    "metadata",
    "monitor",
    "principals",
    "questions",
    "schedules",
    "sign_in_attempts",
    "sign_ins",
    "webhooks",
    "workflows",
]
