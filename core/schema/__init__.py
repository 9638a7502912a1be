"""The tables. `sql/migrations` creates them; a test compares the two."""

from core.schema import access, engine, monitor
from core.schema.base import metadata

__all__ = ["access", "engine", "metadata", "monitor"]
