"""Whatever is declared is refused in one clear line, or works end to end: a task of that type runs on a real engine.

`TASKYARD_TEST_DECLARATIONS=2000` tries so many of each; the test suite tries a few.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
import structlog
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, RootModel

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rules import load_rules
from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import ConfigurationError, ErrorClass, IllegalTransition
from taskyard.core.patterns import can_match_type
from taskyard.core.protocol import AgentInfo, Done, Register, Run, decode_reports, encode
from taskyard.core.task_types.registry import Isolation, Registry, RetryPolicy, TaskType, registry, task_type
from taskyard.worker.agents.known_types import known_types
from taskyard.worker.agents.pool_config import load_pool
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.execution import context_of, execute, execute_async
from taskyard.worker.dispatch.fleet_types import FleetTypes
from tests.effort import DECLARATIONS
from tests.engine import Engine, InlineAgent
from tests.servers import wait_until

cases = settings(
    max_examples=DECLARATIONS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Plain(BaseModel):
    n: int = 0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Root(RootModel[dict[str, int]]):
    root: dict[str, int] = {}


class Arbitrary(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    what: structlog.BoundLogger | None = None


def ran(given: Any, context: TaskContext) -> Any:
    return given


async def ran_async(given: Any, context: TaskContext) -> Any:
    return given


def annotated(function: Any, given_model: object, output_model: object) -> Any:
    """The function with these annotations."""

    if asyncio.iscoroutinefunction(function):

        async def handler(given: Any, context: TaskContext) -> Any:
            return await function(given, context)

    else:

        def handler(given: Any, context: TaskContext) -> Any:  # type: ignore[misc]
            return function(given, context)

    handler.__annotations__ = {"given": given_model, "context": TaskContext, "return": output_model}
    return handler


texts = st.text(max_size=12) | st.sampled_from(["abc", "gpu", "", "a|b", "a,b", "GPU", "\x00", "\ud800", "x" * 300])
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324]),
    texts,
    st.binary(max_size=4),
    st.decimals(),
    st.fractions(),
    st.timedeltas(),
    st.complex_numbers(),
    st.sampled_from([numpy.int64(3), numpy.float64(3), numpy.float32(1), numpy.bool_(True), numpy.array([1, 2])]),
    st.sampled_from([Decimal("1.5"), Fraction(1, 2), timedelta(seconds=5), object(), ErrorClass.TIMEOUT]),
    st.sampled_from([Plain, Plain(), len, {}, [], (), set(), range(3), lambda: 1]),
    st.lists(texts, max_size=3),
    st.dictionaries(texts, st.integers(), max_size=2),
    st.lists(texts, max_size=3).map(iter),
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values that do, and among them some that hardly can."""
    return st.integers(0, 9).flatmap(lambda draw: odd if draw == 9 else good)


names = mostly(st.from_regex(r"[a-z][a-z0-9_]{0,8}(\.[a-z][a-z0-9_]{0,8}){0,2}", fullmatch=True))
tags = mostly(st.lists(st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True), max_size=4))
policies = st.fixed_dictionaries(
    {},
    optional={
        "max_attempts": mostly(st.integers(1, 100)),
        "backoff_seconds": mostly(st.floats(0, 1e6)),
        "max_backoff_seconds": mostly(st.floats(0, 1e6)),
        "retry_on": mostly(st.lists(st.sampled_from([*ErrorClass, *(str(one) for one in ErrorClass)]), max_size=4)),
    },
)
own_models = st.sampled_from([Plain, Open, Closed, Root])
models = st.one_of(own_models, st.sampled_from([BaseModel, Arbitrary, dict, None]), odd)
good_handlers = st.builds(
    lambda function, model: annotated(function, model, model), st.sampled_from([ran, ran_async]), own_models
)
handlers = st.one_of(
    mostly(good_handlers),
    mostly(good_handlers),
    mostly(good_handlers),
    st.builds(annotated, st.just(ran), models, models),
    st.sampled_from([ran, len, print, Plain, functools.partial(ran), lambda given, context: given]),
)
declarations = st.fixed_dictionaries(
    {"name": names},
    optional={
        "timeout_seconds": mostly(st.floats(1, 604800) | st.integers(1, 604800)),
        "isolation": mostly(st.sampled_from([*Isolation, "thread"])),
        "requires": tags,
        "version": mostly(st.from_regex(r"[a-z0-9.]{0,8}", fullmatch=True)),
        "memory_limit_mib": mostly(st.integers(16, 1 << 20)),
    },
)


def is_refused_in_one_line(error: ConfigurationError, start: str = "") -> None:
    assert error.problems
    for line in error.problems:
        assert line.startswith(start)
        assert line.isprintable(), ascii(line)
        assert 10 < len(line) < 1000
        assert "Traceback" not in line
        line.encode()


class AnyAgent(InlineAgent):
    """Runs coroutines, too."""

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        known = self._types.get(run.task_type)
        if known.isolation is Isolation.ASYNC:
            return asyncio.run(execute_async(known, run, context_of(run, channel), 1 << 20))
        return execute(known, run, context_of(run, channel), 1 << 20)


class EveryTag(frozenset[str]):
    """The tags of an agent that has all of them."""

    def issuperset(self, other: object) -> bool:
        return True


@pytest.fixture
def running(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine with a leader and an agent that takes whatever is declared."""
    worker = engine.worker()
    agent = engine.agent(agent_class=AnyAgent)
    term = worker.dispatcher.term
    assert term is not None
    term.leader_state.agents[agent.id].slots.tags = EveryTag()
    monkeypatch.setattr(registry, "types", {})
    return engine


def fails(given: Any, context: TaskContext) -> Any:
    raise RuntimeError("as it should")


@cases
@given(declaration=declarations, policy=mostly(policies), handler=handlers)
def test_a_task_type_is_refused_in_one_line_or_works(
    running: Engine, declaration: dict[str, Any], policy: Any, handler: Any
) -> None:
    registry.types.clear()
    try:
        is_policy = isinstance(policy, dict) and policy.keys() <= {*RetryPolicy.__slots__}
        decorate = task_type(**declaration, retry=RetryPolicy(**policy) if is_policy else policy)
        assert decorate(handler) is handler
    except ConfigurationError as error:
        is_refused_in_one_line(error)
        assert registry.types == {}
        return
    (declared,) = registry.types.values()
    failing = replace(declared, name="declared.fails", handler=fails, isolation=Isolation.THREAD, memory_limit_mib=None)
    running.registry.types.clear()
    running.registry.types[declared.name] = declared
    running.registry.add(failing)
    done = running.submit(declared.name, {})
    failed = running.submit(failing.name, {})
    ended = running.wait_for(done)
    is_echo = declared.input_model is declared.output_model  # the handler returns what it is given
    assert ended.state == "completed" or (not is_echo and ended.error and ended.error["class"] == "invalid_output")
    assert running.wait_for(failed, "scheduled", "failed", "pending").state
    wait_until(lambda: {"attempt_failed", "failed"} & set(running.events(failed)), 10)
    with contextlib.suppress(IllegalTransition):  # it has failed for good
        running.submitter.cancel(failed, actor="test")
    _is_known_to_a_fleet(declared)
    event("works")


def _is_known_to_a_fleet(declared: TaskType) -> None:
    """What an agent says of the type, after its way over the wire, is the type to a leader that does not have it."""
    hello = Register(AgentInfo("a:1", "a", "1", "k", "h", 1, ["*"], [], 1), known_types(registry, lambda name: True))
    (heard,) = decode_reports(encode([hello]))
    fleet = FleetTypes(Registry())
    fleet.learn("a:1", heard.known_types)
    found = fleet.get(declared.name)
    assert (found.retry, found.requires, found.timeout_seconds) == (
        declared.retry,
        declared.requires,
        declared.timeout_seconds,
    )
    assert fleet.version_at("a:1", declared.name) == declared.version


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) else repr(value)


toml_odd = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)


def in_toml(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda draw: toml_odd if draw == 9 else good)


patterns = st.text("abc.*?[]!-09_A", min_size=1, max_size=6)
kinds = st.fixed_dictionaries(
    {"kind": in_toml(st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)), "types": in_toml(st.lists(patterns))},
    optional={
        "count": in_toml(st.integers(0, 9)),
        "tags": in_toml(st.lists(st.sampled_from(["gpu", "a.b", "GPU"]), max_size=2)),
        "max_concurrency": in_toml(st.integers(1, 1024)),
        "colour": toml_odd,
    },
)


@cases
@given(st.lists(kinds, max_size=3), st.text(max_size=5))
def test_a_pool_file_is_refused_in_one_line_or_its_agents_can_take_tasks(
    tmp_path: Path, agents: list[Any], more: str
) -> None:
    file = tmp_path / "pool.toml"
    file.write_text(f"agents = {toml(agents)}\n{more}", encoding="utf-8")
    try:
        specs = load_pool(file)
    except ConfigurationError as error:
        is_refused_in_one_line(error, f"pool file {file}: ")
        return
    assert len({spec.name for spec in specs}) == len(specs)
    for spec in specs:
        info = AgentInfo(
            f"{spec.name}:1", spec.name, "1", spec.kind, "h", 1, [*spec.types], [*spec.tags], spec.max_concurrency
        )
        assert info.is_storable()
        assert all(map(can_match_type, spec.types))


rules = st.fixed_dictionaries(
    {"name": in_toml(st.text("ab c", min_size=1, max_size=5)), "kind": in_toml(st.sampled_from([*KINDS]))},
    optional={
        "threshold": in_toml(st.floats(0, 5) | st.just(10**400)),
        "clear": in_toml(st.floats(0, 1)),
        "for_seconds": in_toml(st.floats(0, 1000)),
        "window_seconds": in_toml(st.integers(1, 900)),
        "least_count": in_toml(st.integers(1, 9)),
        "subjects": in_toml(st.lists(patterns, max_size=2)),
        "severity": in_toml(st.sampled_from(["info", "warning", "critical"])),
        "channels": in_toml(st.just(["ops"])),
    },
)
channels = st.dictionaries(
    st.just("ops") | st.text(max_size=3),
    in_toml(
        st.fixed_dictionaries(
            {"kind": in_toml(st.sampled_from(["log", "webhook", "email"]))},
            optional={
                "url": in_toml(st.sampled_from(["https://h/x", "http://h:99999", "https://", "https://[", "h"])),
                "secret_env": in_toml(st.just("KEY")),
                "host": in_toml(st.just("h")),
                "port": in_toml(st.just(25)),
                "sender": in_toml(st.just("a@b")),
                "recipients": in_toml(st.just(["a@b"])),
                "timeout_seconds": in_toml(st.just(3)),
            },
        )
    ),
    max_size=2,
)


@cases
@given(st.lists(rules, max_size=3), channels)
def test_alert_rules_are_refused_in_one_line_or_can_fire(tmp_path: Path, given: list[Any], channels: Any) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(f"rules = {toml(given)}\nchannels = {toml(channels)}\n", encoding="utf-8")
    try:
        loaded = load_rules(file, {"KEY": "k"})
    except ConfigurationError as error:
        is_refused_in_one_line(error, f"{file}: ")
        return
    for rule in loaded.rules:
        assert 0 < rule.threshold < math.inf
        assert rule.clear <= rule.threshold
        assert not KINDS[rule.kind].is_share or rule.threshold <= 1


environment = st.dictionaries(
    st.sampled_from([name.upper() for name in Settings.model_fields]),
    st.one_of(
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(
            ["", "0", "1", "nan", "inf", "-1", "1e400", "9" * 400, "{}", "[]", '{"a": 1}', '{"a": "priority"}']
        ),
        st.sampled_from(["a.b,c", "daily", "pdf,csv", "true", "no", "127.0.0.1", "::1", "debug", "least_loaded"]),
    ),
    max_size=4,
)


@cases
@given(environment)
def test_settings_are_refused_in_one_line_or_are_within_bounds(variables: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(f"TASKYARD_{name}", value)
        try:
            loaded = load_settings()
        except ConfigurationError as error:
            is_refused_in_one_line(error, "TASKYARD_")
            return
    assert math.isfinite(loaded.agent_ttl_seconds + loaded.grace_seconds)
    assert loaded.dashboard_host
    assert loaded.metrics_host
    assert loaded.placement_of("default") in ("round_robin", "least_loaded", "priority")
