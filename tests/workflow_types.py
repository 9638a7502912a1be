"""Task types for tests of workflows: rows are extracted, each becomes a page, and pages are added up."""

from __future__ import annotations

import threading

from pydantic import BaseModel

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.attempts.context import TaskContext


class Source(BaseModel):
    count: int
    text: str = "row"


class Row(BaseModel):
    number: int
    text: str


class Rows(BaseModel):
    rows: list[Row]
    total: int | None = None


class Page(BaseModel):
    row: Row
    size: int = 1


class Length(BaseModel):
    length: int


class Lengths(BaseModel):
    parts: list[Length]


class Total(BaseModel):
    total: int


class Failing(BaseModel):
    name: str


class Any_(BaseModel):
    value: object = None


class Gates:
    """What handlers of a test wait for, and which of them fail, by name."""

    def __init__(self) -> None:
        self.fails: set[str] = set()
        self.open = threading.Event()
        self.open.set()


def workflow_registry(gates: Gates | None = None) -> Registry:
    """A registry of the types of this module."""
    gates = gates or Gates()

    def extract(source: Source, _: TaskContext) -> Rows:
        return Rows(rows=[Row(number=n, text=source.text) for n in range(source.count)], total=source.count)

    def page(given: Page, _: TaskContext) -> Length:
        gates.open.wait(30)
        return Length(length=given.row.number * given.size)

    def add_up(given: Lengths, _: TaskContext) -> Total:
        return Total(total=sum(one.length for one in given.parts))

    def maybe(given: Failing, _: TaskContext) -> Total:
        gates.open.wait(30)
        if given.name in gates.fails:
            raise PermanentError(f"{given.name} fails")
        return Total(total=1)

    def echo(given: Any_, _: TaskContext) -> Any_:
        return given

    registry = Registry()
    for name, handler, taken, returned in (
        ("test.extract", extract, Source, Rows),
        ("test.page", page, Page, Length),
        ("test.add_up", add_up, Lengths, Total),
        ("test.maybe", maybe, Failing, Total),
        ("test.echo", echo, Any_, Any_),
    ):
        retry = RetryPolicy(backoff_seconds=0.0)
        registry.add(TaskType(name, handler, taken, returned, 60.0, retry, Isolation.THREAD, frozenset(), ""))
    return registry
