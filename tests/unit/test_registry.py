"""Declaring task types."""

from __future__ import annotations

import functools
import logging
import math
import os
import re
import signal
import socket
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest
from pydantic import BaseModel, Field

from taskyard.core.errors import ConfigurationError, ErrorClass, UnknownTaskType
from taskyard.core.task_types.registry import MAX_TIMEOUT_SECONDS, Isolation, Registry, RetryPolicy, registry, task_type
from taskyard.core.task_types.schema_words import without_words
from taskyard.worker.attempts.context import TaskContext


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
    monkeypatch.setattr(registry, "remarks", [])


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


class Unwritable(BaseModel):
    what: Callable[[], None]


class Unfinished(BaseModel):
    later: list[Later]  # noqa: F821 (never defined)


async def yields_slowly(ask: Ask, context: TaskContext) -> Answer:
    yield


def yields(ask: Ask, context: TaskContext) -> Answer:
    yield


def takes_any_number(*ask: Ask, context: TaskContext) -> Answer: ...
def takes_context_by_name(ask: Ask, *, context: TaskContext) -> Answer: ...
def takes_three(ask: Ask, context: TaskContext, more: int = 0) -> Answer: ...
def takes_one(ask: Ask) -> Answer: ...
def takes_a_dict(ask: dict, context: TaskContext) -> Answer: ...
def returns_a_dict(ask: Ask, context: TaskContext) -> dict: ...
def returns_nothing(ask: Ask, context: TaskContext): ...
def refers_to_nothing(ask: Askk, context: TaskContext) -> Answer: ...  # noqa: F821
def takes_what_json_has_not(ask: Unwritable, context: TaskContext) -> Answer: ...
def gives_what_json_has_not(ask: Ask, context: TaskContext) -> Unwritable: ...
def takes_any_model(ask: BaseModel, context: TaskContext) -> Answer: ...


class Misbehaving:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def failing() -> Iterator[str]:
    yield "gpu"
    raise RuntimeError("no more")


NUMBER = "a number from 0.001 to 604800"
TAGS = "a list of tags"
LABEL = "1 to 64 lower-case letters, digits or ._-"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"name": "Demo"}, "name: 'Demo' is not accepted: expected lower-case words joined by dots"),
        ({"name": "demo."}, "name: 'demo.' is not accepted: expected lower-case words joined by dots"),
        ({"name": "demo.x\n"}, "name: 'demo.x\\n' is not accepted: expected lower-case words joined by dots"),
        ({"name": "x" * 201}, "(203 characters) is not accepted: expected lower-case words joined by dots"),
        ({"name": 7}, "name: 7 is not accepted: expected lower-case words joined by dots"),
        ({"timeout_seconds": 0}, f"timeout_seconds: 0 is not accepted: expected {NUMBER} (given: int)"),
        ({"timeout_seconds": True}, f"timeout_seconds: True is not accepted: expected {NUMBER} (given: bool)"),
        ({"timeout_seconds": math.nan}, f"timeout_seconds: nan is not accepted: expected {NUMBER} (given: float)"),
        ({"timeout_seconds": math.inf}, f"timeout_seconds: inf is not accepted: expected {NUMBER}"),
        ({"timeout_seconds": "60"}, f"timeout_seconds: '60' is not accepted: expected {NUMBER} (given: str)"),
        ({"timeout_seconds": Decimal(60)}, f"Decimal('60') is not accepted: expected {NUMBER} (given: Decimal)"),
        ({"timeout_seconds": numpy.int64(60)}, f"is not accepted: expected {NUMBER} (given: int64)"),
        ({"timeout_seconds": numpy.float64("nan")}, f"is not accepted: expected {NUMBER} (given: float64)"),
        (
            {"timeout_seconds": 10**5000},
            "timeout_seconds: <a int that can't be shown> is not accepted",
        ),
        ({"timeout_seconds": timedelta(1)}, f"is not accepted: expected {NUMBER} (given: timedelta)"),
        ({"timeout_seconds": Misbehaving()}, "timeout_seconds: <Misbehaving instance at "),
        ({"timeout_seconds": MAX_TIMEOUT_SECONDS + 1}, f"604801.0 is not accepted: expected {NUMBER}"),
        ({"retry": 3}, "retry: 3 is not accepted: expected a RetryPolicy (given: int)"),
        ({"retry": None}, "retry: None is not accepted: expected a RetryPolicy (given: NoneType)"),
        ({"retry": {"max_attempts": 3}}, "is not accepted: expected a RetryPolicy (given: dict)"),
        (
            {"isolation": "async"},
            "isolation 'async' runs coroutines only: leave isolation out, or write the handler with `async def`",
        ),
        ({"isolation": "Process"}, "isolation: 'Process' is not accepted: expected one of async, process, thread"),
        ({"isolation": ""}, "isolation: '' is not accepted: expected one of async, process, thread"),
        ({"isolation": ["thread"]}, "isolation: ['thread'] is not accepted: expected one of async, process, thread"),
        (
            {"isolation": "process", "handler": greet_slowly},
            "isolation 'process' can't run a coroutine: leave isolation",
        ),
        ({"requires": "abc"}, f"requires: 'abc' is not accepted: expected {TAGS} (given: str)"),
        ({"requires": b"abc"}, f"requires: b'abc' is not accepted: expected {TAGS} (given: bytes)"),
        ({"requires": {"gpu": 1}}, f"requires: {{'gpu': 1}} is not accepted: expected {TAGS} (given: dict)"),
        ({"requires": 3}, f"requires: 3 is not accepted: expected {TAGS} (given: int)"),
        ({"requires": None}, f"requires: None is not accepted: expected {TAGS} (given: NoneType)"),
        ({"requires": ["GPU"]}, f"requires.0: 'GPU' is not accepted: expected {LABEL} (given: str)"),
        ({"requires": ["a", "b|c"]}, f"requires.1: 'b|c' is not accepted: expected {LABEL}"),
        ({"requires": ["a", 1]}, f"requires.1: 1 is not accepted: expected {LABEL} (given: int)"),
        ({"requires": map(str, range(40))}, "is not accepted: expected at most 32 tags (given: map)"),
        ({"requires": failing()}, f"is not accepted: expected {TAGS}: no more (given: generator)"),
        ({"version": 2}, f"version: 2 is not accepted: expected {LABEL} (given: int)"),
        ({"version": "2 b"}, f"version: '2 b' is not accepted: expected {LABEL}"),
        ({"handler": lambda ask, context: None}, "must be annotated as"),
        ({"handler": lambda: None}, "must be annotated as"),
        ({"handler": takes_any_number}, "must be annotated as"),
        ({"handler": takes_context_by_name}, "must be annotated as"),
        ({"handler": takes_three}, "must be annotated as"),
        ({"handler": takes_one}, "must be annotated as"),
        ({"handler": takes_a_dict}, "must be annotated as"),
        ({"memory_limit_mib": 0}, "memory_limit_mib: 0 is not accepted: expected a whole number from 16 to 1048576"),
        ({"memory_limit_mib": 64.0}, "memory_limit_mib: 64.0 is not accepted: expected a whole number"),
        ({"memory_limit_mib": True}, "memory_limit_mib: True is not accepted: expected a whole number"),
        ({"memory_limit_mib": "64"}, "memory_limit_mib: '64' is not accepted: expected a whole number"),
        (
            {"memory_limit_mib": 64, "isolation": "thread"},
            "memory_limit_mib: 64 is not accepted: expected none with isolation 'thread': only 'process' can enforce",
        ),
        (
            {"memory_limit_mib": 64, "handler": greet_slowly},
            "memory_limit_mib: 64 is not accepted: expected none with isolation 'async': only 'process' can enforce",
        ),
        ({"handler": returns_a_dict}, "must be annotated as"),
        ({"handler": returns_nothing}, "must be annotated as"),
        ({"handler": refers_to_nothing}, "(its annotations can't be read: ask: NameError: name 'Askk' is not defined)"),
        ({"handler": yields}, "test_registry.yields must return its output, not yield"),
        ({"handler": yields_slowly}, "test_registry.yields_slowly must return its output, not yield"),
        ({"handler": functools.partial(greet)}, "is not accepted: expected a function annotated as"),
        ({"handler": Ask}, "is not accepted: expected a function annotated as"),
        ({"handler": 3}, "handler: 3 is not accepted: expected a function annotated as"),
        ({"handler": takes_what_json_has_not}, "expected a model that has a JSON schema: Cannot generate a JsonSchema"),
        ({"handler": gives_what_json_has_not}, "output: <class 'test_registry.Unwritable'> is not accepted"),
        ({"handler": takes_any_model}, "expected a model of your own, derived from BaseModel"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_refuses_a_declaration(options: dict[str, Any], line: str) -> None:
    handler = options.pop("handler", greet)
    with pytest.raises(ConfigurationError) as caught:
        task_type(options.pop("name", "demo.x"), **options)(handler)
    (problem,) = caught.value.problems
    assert line in problem.replace("tests.unit.", "")
    assert problem.startswith("task type ")
    assert re.search(r"test_registry\.py:\d+\)|functools|pydantic", problem), "a line says where"
    assert "\n" not in problem
    assert registry.types == {}


def test_a_decorator_without_its_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r'expected a name, as in @task_type\("acme.book"\)'):

        @task_type
        def book(ask: Ask, context: TaskContext) -> Answer: ...


def test_annotations_that_only_type_checkers_know_do_not_matter() -> None:
    def book(ask: Ask, context: OnlyForTypeCheckers) -> Answer: ...  # noqa: F821

    task_type("demo.book")(book)
    assert registry.get("demo.book").input_model is Ask


def test_a_wrapped_handler_has_the_annotations_of_what_it_wraps() -> None:
    @functools.wraps(greet)
    def wrapper(*arguments: Any, **more: Any) -> Any:
        return greet(*arguments, **more)

    task_type("demo.wrapped")(wrapper)
    assert registry.get("demo.wrapped").input_model is Ask


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"backoff_seconds": timedelta(seconds=5)}, "expected a number from 0 to 31622400 (given: timedelta)"),
        ({"backoff_seconds": -1}, "backoff_seconds: -1 is not accepted: expected a number from 0 to 31622400"),
        ({"backoff_seconds": math.nan}, "backoff_seconds: nan is not accepted"),
        ({"backoff_seconds": "5"}, "backoff_seconds: '5' is not accepted"),
        ({"backoff_seconds": 1e300}, "backoff_seconds: 1e+300 is not accepted"),
        ({"max_backoff_seconds": math.inf}, "max_backoff_seconds: inf is not accepted"),
        ({"max_backoff_seconds": None}, "max_backoff_seconds: None is not accepted"),
        ({"max_backoff_seconds": Decimal("0.5")}, "(given: Decimal)"),
        ({"max_attempts": 0}, "max_attempts: 0 is not accepted: expected a whole number from 1 to 100 (given: int)"),
        ({"max_attempts": 101}, "max_attempts: 101 is not accepted"),
        ({"max_attempts": True}, "max_attempts: True is not accepted"),
        ({"max_attempts": 3.0}, "max_attempts: 3.0 is not accepted"),
        ({"max_attempts": numpy.int32(3)}, "(given: int32)"),
        ({"retry_on": "timeout"}, "retry_on: 'timeout' is not accepted: expected a list of classes of errors"),
        ({"retry_on": ErrorClass.TIMEOUT}, "expected a list of classes of errors (given: ErrorClass)"),
        ({"retry_on": ["Timeout"]}, "retry_on.0: 'Timeout' is not accepted: expected one of agent_lost, cancelled"),
        ({"retry_on": [TimeoutError]}, "retry_on.0: <class 'TimeoutError'> is not accepted: expected one of"),
        ({"retry_on": [["timeout"]]}, "retry_on.0: ['timeout'] is not accepted: expected one of"),
        ({"retry_on": None}, "retry_on: None is not accepted"),
    ],
    ids=repr,
)
def test_refuses_a_retry_policy(values: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**values)
    (problem,) = caught.value.problems
    assert line in problem
    assert re.match(r"RetryPolicy: .* \(.*test_registry\.py:\d+\)$", problem)


def test_a_retry_policy_tells_all_its_problems_and_keeps_plain_values() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(0, "a", None, 7)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4
    policy = RetryPolicy(True + 0, numpy.float64(2), 3, ["timeout", ErrorClass.CRASHED])  # type: ignore[arg-type]
    assert policy == RetryPolicy(1, 2.0, 3.0, frozenset({ErrorClass.TIMEOUT, ErrorClass.CRASHED}))
    assert [type(value) for value in (policy.backoff_seconds, policy.max_backoff_seconds)] == [float, float]
    assert {type(one) for one in policy.retry_on} == {ErrorClass}


def test_a_policy_that_went_around_its_checks_is_refused_when_its_type_is_registered() -> None:
    policy = RetryPolicy()
    object.__setattr__(policy, "backoff_seconds", timedelta(seconds=5))
    with pytest.raises(ConfigurationError, match=r"backoff_seconds: datetime\.timedelta"):
        task_type("demo.x", retry=policy)(greet)
    assert registry.types == {}


def test_a_version_changes_with_the_input_model_and_with_what_is_declared() -> None:
    class Wider(Ask):
        more: int = 0

    def wider(ask: Wider, context: TaskContext) -> Answer: ...

    wider.__annotations__["ask"] = Wider
    for name, handler, version in (("a", greet, ""), ("b", greet, ""), ("c", greet, "2"), ("d", wider, "")):
        task_type(name, version=version)(handler)
    versions = [registry.get(name).version for name in "abcd"]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3
    assert all(re.fullmatch("[0-9a-f]{12}", version) for version in versions)


def test_a_version_stays_when_only_words_change() -> None:
    class Plain(BaseModel):
        title: str = "title"
        description: dict[str, int] = {}

    class Described(BaseModel):
        """What it is for."""

        title: str = Field("title", title="A name", description="Shown in lists", examples=["x"])
        description: dict[str, int] = Field({}, description="Sizes")

    class Renamed(BaseModel):
        title: str = "another default"
        description: dict[str, int] = {}

    schemas = [without_words(model.model_json_schema()) for model in (Plain, Described, Renamed)]
    assert schemas[0] == schemas[1] != schemas[2]
    assert schemas[0]["properties"].keys() == {"title", "description"}


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
    monkeypatch.setattr("taskyard.core.task_types.registry.BUILTIN_MODULES", ())
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
from pydantic import BaseModel, Field
from taskyard.core.task_types.registry import task_type

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
    assert re.fullmatch(
        r"TASKYARD_TASK_MODULES: task module 'user_tasks_1': does not import: "
        r"ZeroDivisionError: division by zero \(.*user_tasks_1\.py:1\)",
        division,
    )
    assert "task type 'Bad'" in bad_name
    assert "'there_is_no_such_module': does not import: ModuleNotFoundError" in missing
    assert list(registry.types) == ["user.noop"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys; sys.exit(3)", "it ends the program, like sys.exit or argparse (SystemExit: 3)"),
        (
            "import argparse; argparse.ArgumentParser().parse_args(['--what'])",
            "it ends the program, like sys.exit or argparse (SystemExit: 2)",
        ),
        ("import os; os._exit(4)", "it calls os._exit(4)"),
        ("raise GeneratorExit('x')", "GeneratorExit: x"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("def (", "SyntaxError: invalid syntax"),
        ("[" * 300, "SyntaxError: too many nested parentheses"),
        ("class E(Exception):\n    def __str__(self): raise KeyError\nraise E", "E: E"),
    ],
)
def test_a_module_that_ends_instead_of_importing_is_named(
    modules: Callable[..., list[str]], source: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.load(modules(source))
    (problem,) = caught.value.problems
    assert problem.startswith(f"TASKYARD_TASK_MODULES: task module 'user_tasks_0': does not import: {reason}")
    assert "\n" not in problem


def test_all_problems_of_a_module_are_told_and_again_when_it_is_asked_for_again(
    modules: Callable[..., list[str]],
) -> None:
    names = modules(
        USER_MODULE
        + textwrap.dedent(
            """
            from taskyard.core.task_types.registry import RetryPolicy
            POLICY = RetryPolicy(backoff_seconds="soon", max_attempts=0)

            @task_type("user.first", retry=POLICY, requires="abc")
            def first(given: Nothing, context: object) -> Nothing: ...

            @task_type("user.second", timeout_seconds=-1)
            def second(given: Nothing) -> Nothing: ...
            """
        )
    )
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            registry.load(names)
        said = ("max_attempts: ", "backoff_seconds: ", "requires: 'abc'", "must be annotated", "timeout_seconds: -1")
        assert len(caught.value.problems) == len(said)
        assert all(words in line for words, line in zip(said, caught.value.problems, strict=True))
    assert list(registry.types) == ["user.noop"]


def test_a_type_that_is_declared_twice_in_one_module_is_refused(modules: Callable[..., list[str]]) -> None:
    twice = USER_MODULE + USER_MODULE[USER_MODULE.index("@task_type") :]
    told = r"task type 'user\.noop' is defined twice in module \S+: at (\S+\.py):(\d+) and at (\S+\.py):(\d+)"
    with pytest.raises(ConfigurationError) as caught:
        registry.load(modules(twice))
    found = re.search(told, str(caught.value))
    assert found is not None
    assert found[1] == found[3]
    assert int(found[2]) < int(found[4])


def test_a_model_that_is_never_completed_is_refused_once_its_module_is_imported(
    modules: Callable[..., list[str]],
) -> None:
    later = """
from __future__ import annotations
from pydantic import BaseModel, Field
from taskyard.core.task_types.registry import task_type

class Nothing(BaseModel):
    of: LATER | None = None

@task_type("user.noop")
def noop(given: Nothing, context: object) -> Nothing: ...

class Later(BaseModel): ...
"""
    names = modules(later.replace("LATER", "Later"), later.replace("LATER", "Never").replace("user.noop", "user.other"))
    assert list(registry.load(names[:1]).types) == ["user.noop"]
    with pytest.raises(ConfigurationError, match=r"task type 'user.other' .*: input: .*that has a JSON schema"):
        registry.load(names)


def test_what_a_module_changes_of_its_process_is_undone_and_said(
    modules: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "TASKYARD_LOG_LEVEL": "debug"})
    source = """
import logging, os, signal, socket, threading
threading.excepthook = None
socket.setdefaulttimeout(0.001)
os.chdir("/")
os.umask(0)
os.environ.clear()
logging.disable()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
"""
    folder, handlers = os.getcwd(), [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCHLD)]
    registry.load(modules(source))
    assert registry.remarks == [
        "task module 'user_tasks_0' changes process-wide state when imported, which was reverted: the "
        "default timeout of sockets, the working folder, the umask, variables TASKYARD_…, logging.disable, "
        "threading.excepthook, the handler of SIGTERM, the handler of SIGCHLD"
    ]
    assert socket.getdefaulttimeout() is None
    assert os.getcwd() == folder
    assert os.environ == {"TASKYARD_LOG_LEVEL": "debug"}
    assert os.umask(0o022) == 0o022
    assert logging.root.manager.disable == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCHLD)] == handlers


def test_a_module_that_sets_handlers_of_signals_imports_in_any_thread(
    modules: Callable[..., list[str]],
) -> None:
    source = "import signal\nBEFORE = signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    names, before = modules(source), signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: registry.load(names))
    thread.start()
    thread.join(10)
    assert before == sys.modules[names[0]].BEFORE
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.signal.__module__ == "signal"


def test_what_a_module_prints_and_which_threads_it_starts_is_said(
    modules: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
import sys, threading
print("hello\\nyou")
stream = sys.stdout
event = threading.Event()
threading.Thread(target=event.wait, name="mine", daemon=True).start()
"""
    names = modules(source)
    registry.load(names)
    assert registry.remarks == [
        "task module 'user_tasks_0' prints when it is imported: hello you",
        "task module 'user_tasks_0' starts threads when it is imported: mine",
    ]
    module = sys.modules[names[0]]
    print("later", file=module.stream)
    module.event.set()
    assert capsys.readouterr() == ("later\n", "hello\nyou\n")


def test_an_import_that_takes_long_is_named(modules: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.core.task_types.modules.SLOW_SECONDS", 0.01)
    monkeypatch.setattr("taskyard.core.task_types.modules.AGAIN_SECONDS", 0.01)
    told: list[str] = []
    gate = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            gate.set()

    monkeypatch.setattr(time, "gate", gate, raising=False)
    registry.load(modules("import time; assert time.gate.wait(30)"), tell)
    line = r"task module 'user_tasks_0' \(TASKYARD_TASK_MODULES\) is still being imported after \d+ s: is it hanging\?"
    assert all(re.fullmatch(line, one) for one in told)
    assert len(told) >= 2


def test_among_many_types_the_nearest_are_named() -> None:
    error = UnknownTaskType("code.ron", [*(f"other.t{number}" for number in range(300)), "code.run"])
    assert "expected a registered type, such as code.run, " in str(error)
    assert len(str(error)) < 200


def test_an_unknown_type_hints_at_missing_task_modules() -> None:
    with pytest.raises(UnknownTaskType, match="or TASKYARD_TASK_MODULES does not name its module"):
        Registry({}).get("acme.book")
