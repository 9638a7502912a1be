"""Writes webhooks and hooks as documents (pure)."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def document_of(value: DataclassInstance) -> dict[str, Any]:
    """Returns the fields of a dataclass as JSON-able values: times in ISO 8601."""
    return {field.name: _written(getattr(value, field.name)) for field in fields(value)}


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
