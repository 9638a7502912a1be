"""What the types take and give, and how a handler becomes two types."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, field_validator

from taskyard.core.task_types.registry import task_type


class Nothing(BaseModel):
    pass


class Number(BaseModel):
    number: int = 0


class Seconds(BaseModel):
    seconds: float


class Place(BaseModel):
    where: str
    seconds: float


class Where(BaseModel):
    path: str


class Case(BaseModel):
    case: str


class Value(BaseModel):
    value: Any = None


class Fussy(BaseModel):
    """A model whose own code breaks."""

    text: str = ""

    @field_validator("text")
    @classmethod
    def check(cls, text: str) -> str:
        raise RuntimeError("the validator is broken")


class Real(BaseModel):
    real: float = Field(default=0.0)


def both(name: str, **options: Any) -> Any:
    """Registers a plain handler as `thread.<name>` and `process.<name>`."""

    def register(handler: Any) -> Any:
        for isolation in ("thread", "process"):
            task_type(f"{isolation}.{name}", isolation=isolation, **options)(handler)
        return handler

    return register
