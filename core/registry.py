"""Task types: the `@task_type` decorator and the registry that it fills.

A handler is a function of its validated input and a context; its annotations are its models:

    class Greeting(BaseModel):
        name: str

    class Greeted(BaseModel):
        text: str

    @task_type("demo.greet", timeout_seconds=10)
    def greet(greeting: Greeting, context: TaskContext) -> Greeted:
        return Greeted(text=f"Hello, {greeting.name}")
"""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel

from core.errors import ConfigurationError, ErrorClass, UnknownTaskType
from core.texts import said

BUILTIN_MODULES = (
    "worker.handlers.analysis",
    "worker.handlers.code",
    "worker.handlers.diagnostic",
    "worker.handlers.metrics",
    "worker.handlers.testing",
)
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
RETRYABLE = frozenset({ErrorClass.TIMEOUT, ErrorClass.CRASHED, ErrorClass.TRANSIENT, ErrorClass.AGENT_LOST})
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600.0


class Isolation(StrEnum):
    PROCESS = "process"  # a child process, killed with everything it started when it must stop
    THREAD = "thread"  # trusted and light
    ASYNC = "async"  # a coroutine on the agent's loop


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a failed task is tried again.

    The delay before retry n is drawn from 0 … min(max_backoff_seconds, backoff_seconds · 2ⁿ⁻¹):
    see `core.retry`.
    """

    max_attempts: int = 3
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 300.0
    retry_on: frozenset[ErrorClass] = RETRYABLE


@dataclass(frozen=True, slots=True)
class TaskType:
    """A registered task type. `handler(input, context)` returns an `output_model` (or a coroutine of one)."""

    name: str
    handler: Callable[..., object]
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    timeout_seconds: float
    retry: RetryPolicy
    isolation: Isolation
    requires: frozenset[str]
    description: str
    runs_code: bool = False
    reads_host: bool = False


@dataclass(slots=True)
class Registry:
    """Task types by name. One per process is filled by the decorator: `registry`."""

    types: dict[str, TaskType] = field(default_factory=dict)

    def add(self, task_type: TaskType) -> None:
        """Adds a type; raises ConfigurationError if another function already has the name."""
        known = self.types.get(task_type.name)
        if known is not None and _origin(known.handler) != _origin(task_type.handler):
            raise ConfigurationError(
                [
                    said(
                        "task type {name!r} is defined twice: in {first} and in {second}",
                        name=task_type.name,
                        first=_origin(known.handler),
                        second=_origin(task_type.handler),
                    )
                ]
            )
        self.types[task_type.name] = task_type

    def get(self, name: str) -> TaskType:
        """The type of this name; raises UnknownTaskType."""
        try:
            return self.types[name]
        except (KeyError, TypeError):
            raise UnknownTaskType(name, self.types) from None

    def load(self, modules: Iterable[str] = ()) -> Registry:
        """Imports the shipped modules and `modules`; raises ConfigurationError naming each that fails."""
        problems: list[str] = []
        for module in (*BUILTIN_MODULES, *modules):
            try:
                importlib.import_module(module)
            except ConfigurationError as error:
                problems += error.problems
            except Exception as error:  # a user's module may fail in any way; all are reported together
                reason = f"{type(error).__name__}: {error}"
                problems.append(said("task module {name!r} does not import: {reason}", name=module, reason=reason))
        if problems:
            raise ConfigurationError(problems)
        return self


registry = Registry()


def task_type(
    name: str,
    *,
    timeout_seconds: float = 300.0,
    retry: RetryPolicy = RetryPolicy(),
    isolation: Isolation | str | None = None,
    requires: Iterable[str] = (),
    runs_code: bool = False,
    reads_host: bool = False,
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Registers the decorated function as the handler of task type `name`.

    The first parameter's annotation is the input model, the return annotation the output model
    (both pydantic). `isolation` is "process" for plain functions and "async" for coroutines
    unless given. `requires` are tags that an agent must have. `runs_code` says that the input is run as code,
    `reads_host` that it may name files of the agent's host. Raises ConfigurationError.
    """

    def register(handler: Callable[..., object]) -> Callable[..., object]:
        input_model, output_model = _models(name, handler)
        is_coroutine = inspect.iscoroutinefunction(handler)
        default = Isolation.ASYNC if is_coroutine else Isolation.PROCESS
        chosen = Isolation(isolation) if isolation else default
        problems = []
        if not NAME_PATTERN.fullmatch(name):
            problems.append(said("task type {name!r}: expected lower-case words joined by dots", name=name))
        if not 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS:
            problems.append(
                said(
                    "task type {name!r}: timeout_seconds {seconds} is not in 0 … {most:g}",
                    name=name,
                    seconds=timeout_seconds,
                    most=MAX_TIMEOUT_SECONDS,
                )
            )
        if is_coroutine != (chosen is Isolation.ASYNC):
            problems.append(said("task type {name!r}: isolation 'async' and coroutine handlers go together", name=name))
        if problems:
            raise ConfigurationError(problems)
        registry.add(
            TaskType(
                name=name,
                handler=handler,
                input_model=input_model,
                output_model=output_model,
                timeout_seconds=timeout_seconds,
                retry=retry,
                isolation=chosen,
                requires=frozenset(requires),
                description=(inspect.getdoc(handler) or "").split("\n\n")[0],
                runs_code=runs_code,
                reads_host=reads_host,
            )
        )
        return handler

    return register


def _models(name: str, handler: Callable[..., object]) -> tuple[type[BaseModel], type[BaseModel]]:
    hints = typing.get_type_hints(handler)
    parameters = list(inspect.signature(handler).parameters)
    found = (hints.get(parameters[0]) if parameters else None, hints.get("return"))
    if len(parameters) != 2 or not all(inspect.isclass(m) and issubclass(m, BaseModel) for m in found):
        raise ConfigurationError(
            [
                said(
                    "task type {name!r}: the handler {handler} must be annotated as "
                    "(input: a pydantic model, context: TaskContext) -> a pydantic model",
                    name=name,
                    handler=_origin(handler),
                )
            ]
        )
    return typing.cast("tuple[type[BaseModel], type[BaseModel]]", found)


def _origin(handler: Callable[..., object]) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"
