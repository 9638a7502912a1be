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

import hashlib
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache
from types import ModuleType
from typing import Any, TypeVar

from pydantic import BaseModel

from taskyard.core.declarations import LABEL, Checker, caller, collecting, settle
from taskyard.core.errors import ConfigurationError, UnknownTaskType
from taskyard.core.i18n import msg
from taskyard.core.learning.keys import Fields
from taskyard.core.schedules.declarations import Schedule, declared_schedules
from taskyard.core.task_types.declared_values import declared_fields, memory_limit
from taskyard.core.task_types.modules import SETTING, ModuleRefused, import_task_module
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.core.task_types.schema_words import without_words
from taskyard.core.task_types.signatures import (
    check_models,
    defined_twice,
    is_another,
    is_complete,
    line_of,
    models_of,
    wrong_isolation,
)

BUILTIN_MODULES = (
    "taskyard.worker.handlers.analysis",
    "taskyard.worker.handlers.code",
    "taskyard.worker.handlers.diagnostic",
    "taskyard.worker.handlers.metrics",
    "taskyard.worker.handlers.testing",
)
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
MAX_NAME_LENGTH = 200  # characters
MIN_TIMEOUT_SECONDS = 0.001
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600.0

Handler = TypeVar("Handler", bound=Callable[..., object])


class Isolation(StrEnum):
    PROCESS = "process"  # a child process, killed with all its descendants when it must stop
    THREAD = "thread"  # for trusted and light handlers
    ASYNC = "async"  # a coroutine on the agent's loop


@dataclass(frozen=True, slots=True)
class TaskType:
    """A registered task type. `handler(input, context)` returns an `output_model` (or a coroutine of one).

    `declared_version` is that of its declaration. `runs_code`: it executes code from its input. `reads_host`: its input
    names what it reads of the host. `memory_limit_mib`: see worker.isolation.memory. `predict_by`: fields of the input
    that its run time depends on. `idempotent`: two attempts at once do no harm.
    """

    name: str
    handler: Callable[..., object]
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    timeout_seconds: float
    retry: RetryPolicy
    isolation: Isolation
    requires: frozenset[str]
    description: str
    declared_version: str = ""
    runs_code: bool = False
    reads_host: bool = False
    memory_limit_mib: int | None = None
    schedules: tuple[Schedule, ...] = ()
    predict_by: Fields = ()
    idempotent: bool = False

    @property
    def is_shipped(self) -> bool:
        """Returns True if it is one of ours, whose texts the catalogues have."""
        return self.handler.__module__ in BUILTIN_MODULES

    @property
    def is_guarded(self) -> bool:
        """Returns True if its tasks need the permission code.submit."""
        return self.runs_code or self.reads_host

    @property
    def version(self) -> str:
        """Returns 12 hex digits that change with what the input model accepts and with the declared version."""
        return _version(self.input_model, self.declared_version)


@dataclass(slots=True)
class Registry:
    """Task types by name. The decorator fills the one of each process: `registry`.

    `remarks` are lines about what loaded modules should not do.
    """

    types: dict[str, TaskType] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    _refused: dict[str, tuple[ModuleType, list[str]]] = field(default_factory=dict)

    def add(self, task_type: TaskType) -> None:
        """Adds a type; raises ConfigurationError if its values are invalid or another function has the name."""
        known = self.types.get(task_type.name)
        if known is not None and is_another(known.handler, task_type.handler):
            settle([defined_twice(task_type.name, known.handler, task_type.handler)])
            return
        if not isinstance(task_type.retry, RetryPolicy):
            check = Checker(msg("task type {name!r}", name=task_type.name))
            check.refuse("retry", task_type.retry, msg("a RetryPolicy"))
            check.is_fine()
            return
        # checked again: bypassing the constructor must not bring values that no tick can calculate with
        policy = RetryPolicy(*(getattr(task_type.retry, each.name) for each in fields(RetryPolicy)))
        self.types[task_type.name] = task_type if policy == task_type.retry else replace(task_type, retry=policy)

    def get(self, name: str) -> TaskType:
        """Returns the type of this name; raises UnknownTaskType."""
        try:
            return self.types[name]
        except (KeyError, TypeError):
            own = any(getattr(one.handler, "__module__", "") not in BUILTIN_MODULES for one in self.types.values())
            raise UnknownTaskType(name, self.types, has_task_modules=own) from None

    def load(self, modules: Iterable[str] = (), on_slow: Callable[[str], None] | None = None) -> Registry:
        """Imports the shipped modules and `modules`; raises ConfigurationError with every problem of all of them.

        `on_slow` gets a line about an import that takes long, from another thread (default: the log).
        """
        problems: list[str] = []
        for module in BUILTIN_MODULES:
            importlib.import_module(module)
        for module in modules:
            problems += [
                msg("{setting}: task module {name!r}: {problem}", setting=SETTING, name=module, problem=problem)
                for problem in self._import(module, on_slow)
            ]
        if problems:
            raise ConfigurationError(problems)
        return self

    def _import(self, name: str, on_slow: Callable[[str], None] | None) -> Sequence[str]:
        """Returns the problems of a module. A refused one is refused again, as long as it stays imported."""
        refused = self._refused.get(name)
        if refused is not None and sys.modules.get(name) is refused[0]:
            return refused[1]
        before = set(self.types)
        with collecting() as problems:
            try:
                self.remarks += import_task_module(name, on_slow)
            except ModuleRefused as error:
                if isinstance(error.__cause__, ConfigurationError):
                    problems += error.__cause__.problems
                else:
                    problems.append(msg("does not import: {reason}", reason=str(error)))
            for new in sorted(self.types.keys() - before):
                known = self.types[new]
                check = Checker(_where(known.name, known.handler))
                check_models((known.input_model, known.output_model), check)
                problems += check.problems
        if problems and name in sys.modules:
            self._refused[name] = sys.modules[name], problems
        return problems


registry = Registry()


def task_type(
    name: str,
    *,
    timeout_seconds: float = 300.0,
    retry: RetryPolicy = RetryPolicy(),
    isolation: Isolation | str | None = None,
    requires: Iterable[str] = (),
    version: str = "",
    runs_code: bool = False,
    reads_host: bool = False,
    memory_limit_mib: int | None = None,
    schedule: str | Schedule | Iterable[str | Schedule] = (),
    predict_by: Iterable[str] = (),
    idempotent: bool = False,
) -> Callable[[Handler], Handler]:
    """Registers the decorated function as the handler of task type `name`; raises ConfigurationError.

    The first parameter's annotation is the input model, the return annotation the output model (both pydantic).
    `isolation` is "process" for plain functions and "async" for coroutines unless given. `requires` are tags that an
    agent must have. Agents of different `version` are told apart, as those whose input models differ always are.
    `runs_code`: code from its input is executed. `reads_host`: its input names what is read of the host.
    `memory_limit_mib` is what an attempt may use beyond what its process has at the start (isolation "process" only).
    `schedule` is a cron expression, a Schedule or several. `predict_by` are fields of the input that its run time
    depends on. `idempotent`: a second attempt may run beside one that takes unusually long; the first result counts.
    """
    if callable(name):
        check = Checker(f"@task_type ({caller(__file__)})")
        check.refuse("name", name, msg('a name, as in @task_type("acme.book")'))
        check.is_fine()
        return name

    def register(handler: Handler) -> Handler:
        may = {"runs_code": runs_code, "reads_host": reads_host, "idempotent": idempotent}
        declared = _declared(
            name, handler, timeout_seconds, retry, isolation, requires, version, may, memory_limit_mib, predict_by
        )
        if declared is not None:
            registry.add(replace(declared, schedules=declared_schedules(_where(name, handler), name, schedule)))
        return handler

    return register


def _declared(
    name: str,
    handler: Callable[..., object],
    timeout_seconds: object,
    retry: object,
    isolation: object,
    requires: object,
    version: object,
    may: Mapping[str, Any],
    memory_limit_mib: object,
    predict_by: object,
) -> TaskType | None:
    """Returns the declared task type; None if it has problems, which are collected or raised."""
    check = Checker(_where(name, handler))
    models = models_of(handler, check)
    if models is not None and is_complete(models):  # other types are known once their module is imported
        check_models(models, check)
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or not NAME_PATTERN.fullmatch(name):
        check.refuse(
            "name", name, msg("lower-case words joined by dots, {limit} characters at most", limit=MAX_NAME_LENGTH)
        )
    seconds = check.number("timeout_seconds", timeout_seconds, MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS)
    if not isinstance(retry, RetryPolicy):
        check.refuse("retry", retry, msg("a RetryPolicy"))
    is_coroutine = inspect.iscoroutinefunction(handler)
    chosen: str | None = Isolation.ASYNC if is_coroutine else Isolation.PROCESS
    if isolation is not None:
        chosen = check.chosen("isolation", isolation, [one.value for one in Isolation])
        if chosen is not None and is_coroutine != (chosen == Isolation.ASYNC):
            check.problems.append(wrong_isolation(check.where, chosen, is_coroutine))
    tags = check.tags("requires", requires)
    if not isinstance(version, str) or (version and not LABEL.fullmatch(version)):
        check.refuse("version", version, msg("1 to 64 lower-case letters, digits or ._-"))
    for name_, value in may.items():
        if not isinstance(value, bool):
            check.refuse(name_, value, msg("True or False"))
    memory_mib = memory_limit(memory_limit_mib, chosen, check)
    fields_ = declared_fields(predict_by, models and models[0], check)
    if not check.is_fine() or models is None or chosen is None:
        return None
    return TaskType(
        name=str.__str__(name),
        handler=handler,
        input_model=models[0],
        output_model=models[1],
        timeout_seconds=seconds,
        retry=retry,  # type: ignore[arg-type]
        isolation=Isolation(chosen),
        requires=tags,
        description=(inspect.getdoc(handler) or "").split("\n\n")[0],
        declared_version=str.__str__(version),
        memory_limit_mib=memory_mib,
        predict_by=fields_,
        **may,
    )


@lru_cache(maxsize=1024)
def _version(model: type[BaseModel], declared: str) -> str:
    schema = json.dumps(without_words(model.model_json_schema()), sort_keys=True, default=str)
    return hashlib.blake2b(f"{declared}\n{schema}".encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()


def _where(name: object, handler: object) -> str:
    line = line_of(handler) or caller(__file__)
    return msg("task type {name!r} ({place})", name=name if isinstance(name, str) else type(name).__name__, place=line)
