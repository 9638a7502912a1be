"""Defines a report's tables, for any format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskyard.core.reports.render.wording import ValueKind, Wording


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in files, its heading in the report's language, and the kind of its values."""

    name: str
    title: str
    kind: ValueKind = ValueKind.NUMBER

    @property
    def heading(self) -> str:
        """Returns the heading with the unit, for raw numbers."""
        return f"{self.title} (s)" if self.kind is ValueKind.SECONDS else self.title


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name in files, its title in the report's language, raw values in rows."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> tuple[Any, ...]:
        """Returns the values of one column."""
        position = self.position(name)
        return tuple(row[position] for row in self.rows)

    def position(self, name: str) -> int:
        return [column.name for column in self.columns].index(name)

    def without(self, *names: str) -> Table:
        """Returns the table without some of its columns."""
        kept = [i for i, column in enumerate(self.columns) if column.name not in names]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return Table(self.name, self.title, tuple(self.columns[i] for i in kept), rows)


def columns_of(words: Wording, *columns: tuple[str, str] | tuple[str, str, ValueKind]) -> tuple[Column, ...]:
    """Returns columns with translated titles."""
    return tuple(Column(name, words(title), *kind) for name, title, *kind in columns)
