"""The tables. `sql/migrations` creates them; a test compares the two."""

from core.schema import engine, monitor
from core.schema.base import metadata

__all__ = ["engine", "metadata", "monitor"]
