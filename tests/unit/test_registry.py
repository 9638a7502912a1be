"""Declaring task types."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from core.errors import ConfigurationError, ErrorClass, UnknownTaskType
from core.registry import MAX_TIMEOUT_SECONDS, Isolation, RetryPolicy, registry, task_type
from worker.agents.context import TaskContext


class Ask(BaseModel):
    name: str


class Answer(BaseModel):
    text: str


def greet(ask: Ask, context: TaskContext) -> Answer:
    """Says hello.

    More about it.
    """
    return Answer(text=f"Hello, {ask.name}")


async def greet_slowly(ask: Ask, context: TaskContext) -> Answer:
    return greet(ask, context)


@pytest.fixture(autouse=True)
def _own_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types that a test registers do not outlive it."""
    monkeypatch.setattr(registry, "types", {})


def test_the_annotations_are_the_models() -> None:
    assert task_type("demo.greet")(greet) is greet
    declared = registry.get("demo.greet")
    assert (declared.input_model, declared.output_model) == (Ask, Answer)
    assert (declared.handler, declared.description) == (greet, "Says hello.")
    assert (declared.timeout_seconds, declared.isolation) == (300.0, Isolation.PROCESS)
    assert (declared.retry, declared.requires) == (RetryPolicy(), frozenset())


def test_everything_that_can_be_declared() -> None:
    policy = RetryPolicy(max_attempts=5, retry_on=frozenset({ErrorClass.TIMEOUT}))
    task_type("a.b_2", timeout_seconds=1, retry=policy, isolation="thread", requires=["gpu", "gpu"])(greet)
    declared = registry.get("a.b_2")
    assert (declared.timeout_seconds, declared.retry) == (1, policy)
    assert (declared.isolation, declared.requires) == (Isolation.THREAD, frozenset({"gpu"}))


def test_a_coroutine_is_isolated_as_one() -> None:
    task_type("demo.slow")(greet_slowly)
    assert registry.get("demo.slow").isolation is Isolation.ASYNC


@pytest.mark.parametrize(
    ("name", "options", "handler", "problem"),
    [
        ("Demo", {}, greet, "expected lower-case words joined by dots"),
        ("demo.", {}, greet, "expected lower-case words joined by dots"),
        ("demo.x\n", {}, greet, "expected lower-case words joined by dots"),
        ("demo.x", {"timeout_seconds": 0}, greet, "timeout_seconds 0 is not in 0"),
        ("demo.x", {"timeout_seconds": float("nan")}, greet, "timeout_seconds nan is not in 0"),
        ("demo.x", {"timeout_seconds": MAX_TIMEOUT_SECONDS + 1}, greet, "is not in 0"),
        ("demo.x", {"isolation": "async"}, greet, "isolation 'async' and coroutine handlers go together"),
        ("demo.x", {"isolation": "process"}, greet_slowly, "isolation 'async' and coroutine handlers go together"),
        ("demo.x", {}, lambda ask, context: None, "must be annotated as"),
        ("demo.x", {}, lambda: None, "must be annotated as"),
    ],
)
def test_refuses_a_declaration(
    name: str, options: dict[str, Any], handler: Callable[..., object], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        task_type(name, **options)(handler)
    assert problem in str(caught.value)
    assert registry.types == {}


def test_reports_every_problem_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        task_type("Demo", timeout_seconds=-1, isolation="async")(greet)
    assert len(caught.value.problems) == 3


def test_a_name_belongs_to_one_handler() -> None:
    task_type("demo.greet")(greet)
    task_type("demo.greet", timeout_seconds=5)(greet)  # as when a module is imported again
    assert registry.get("demo.greet").timeout_seconds == 5
    with pytest.raises(ConfigurationError, match=r"'demo.greet' is defined twice: in .*greet and in .*greet_slowly"):
        task_type("demo.greet")(greet_slowly)


@pytest.mark.parametrize("name", ["demo.nope", "", None, ["demo.greet"]])
def test_an_unknown_type_lists_the_known_ones(name: Any) -> None:
    task_type("demo.greet")(greet)
    with pytest.raises(UnknownTaskType, match=r"expected one of demo\.greet"):
        registry.get(name)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Writes importable modules and returns their names; forgets them afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("core.registry.BUILTIN_MODULES", ())
    names: list[str] = []

    def write(*sources: str) -> list[str]:
        for source in sources:
            names.append(f"user_tasks_{len(names)}")
            (tmp_path / f"{names[-1]}.py").write_text(source)
        return names

    yield write
    for name in names:
        sys.modules.pop(name, None)


USER_MODULE = """
from pydantic import BaseModel
from core.registry import task_type

class Nothing(BaseModel):
    pass

@task_type("user.noop")
def noop(given: Nothing, context: object) -> Nothing:
    return given
"""


def test_loads_users_modules(modules: Callable[..., list[str]]) -> None:
    assert registry.load(modules(USER_MODULE)) is registry
    assert list(registry.types) == ["user.noop"]


def test_reports_every_module_that_does_not_import(modules: Callable[..., list[str]]) -> None:
    broken = USER_MODULE.replace("user.noop", "Bad")
    with pytest.raises(ConfigurationError) as caught:
        registry.load([*modules(USER_MODULE, "1/0", broken), "there_is_no_such_module"])
    division, bad_name, missing = caught.value.problems
    assert division == "task module 'user_tasks_1' does not import: ZeroDivisionError: division by zero"
    assert "task type 'Bad'" in bad_name
    assert "'there_is_no_such_module' does not import: ModuleNotFoundError" in missing
    assert list(registry.types) == ["user.noop"]
