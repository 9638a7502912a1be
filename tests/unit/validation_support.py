"""Task types and a short way to submit, for the tests of submissions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field, field_validator

from taskyard.core.new_task import Submission
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import Isolation, Registry, RetryPolicy, TaskType

NOW = datetime(2026, 1, 1, tzinfo=UTC)
limits = Limits(input_limit_bytes=4096, output_limit_bytes=4096)
registry = Registry()


class Nothing(BaseModel):
    pass


class Small(BaseModel):
    text: str = Field(max_length=100)
    count: int = 3
    limit: float | None = None


class Row(BaseModel):
    name: str


class Rows(BaseModel):
    rows: list[Row]


class Anything(BaseModel):
    value: Any = None


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int = Field(1, alias="the-number")

    @computed_field
    @property
    def doubled(self) -> int:
        return self.number * 2


class Numbers(RootModel[list[float]]):
    pass


class Raising(BaseModel):
    value: int

    @field_validator("value")
    @classmethod
    def _check(cls, value: int) -> int:
        return 1 // value


MODELS: dict[str, type[BaseModel]] = {
    "demo.any": Anything,
    "demo.any2": Anything,
    "demo.nothing": Nothing,
    "demo.numbers": Numbers,
    "demo.raising": Raising,
    "demo.rows": Rows,
    "demo.small": Small,
    "demo.strict": Strict,
}


def handle(given: BaseModel, context: object) -> BaseModel:
    """The handler of every type here; nobody calls it."""
    return given


def add(name: str, model: type[BaseModel], **changes: Any) -> None:
    """Adds a task type with a timeout of 300 s unless changed."""
    values = {"timeout_seconds": 300.0, "requires": frozenset(), **changes}
    registry.add(
        TaskType(
            name=name,
            handler=handle,
            input_model=model,
            output_model=model,
            retry=RetryPolicy(),
            isolation=Isolation.PROCESS,
            description="",
            **values,
        )
    )


for _name, _model in MODELS.items():
    add(_name, _model)
add("demo.tagged", Small, timeout_seconds=10.0, requires=frozenset({"linux", "gpu"}))


def submit(type: Any = "demo.nothing", input: Any = None, **options: Any) -> Submission:
    """Validates a submission against the types above."""
    return validate_submission(type, input, **{"registry": registry, "limits": limits, "now": NOW, **options})
