"""Any JSON value goes through every way of the engine and comes out as it went in, or is refused where it enters.

TASKYARD_TEST_EXACT_VALUES says how many values are tried.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from taskyard.core.errors import PermanentError, SubmissionError
from taskyard.core.payload.json_literals import read_json
from taskyard.core.redis.mailbox import Mailbox
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.cli.text import pretty_json
from tests.effort import EXACT_VALUES
from tests.engine import Engine, Payload

NUMBERS = st.one_of(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e20, 1e16, -0.0, 0.0, 1e308, 5e-324, (1 << 64) - 1, -(1 << 63), (1 << 53) + 1, 1.0]),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20) | st.sampled_from(
    ["\\u0000", '"', "\u2028\u2029", "\ufeff", "\x7f\x1b[31m", "e\u0301", "🙂", "__proto__", "NaN", "-Infinity"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
BAD = st.one_of(
    st.integers(min_value=1 << 64),
    st.integers(max_value=-(1 << 63) - 1),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), "a\x00b", "\ud800", "x\udfff", {"\x00": 1}, {1: 2}]),
    st.sampled_from([b"x", {1, 2}, object(), 1j]),
)
FEW = settings(
    max_examples=EXACT_VALUES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Ways:
    """An engine whose task hands its input on by every way, and what arrived there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.seen: dict[str, str] = {}
        engine.define("demo.child", self._child)
        engine.define("demo.ways", self._hand_on)
        engine.define("demo.bad", self._hand_on_bad)
        engine.worker()
        engine.agent(max_concurrency=4)
        self.mailbox = Mailbox(engine.redis, engine.broker.keys, "reader")
        self.bad: Any = None
        self.told: list[str] = []

    def _child(self, given: Payload, context: TaskContext) -> Payload:
        self.seen["child"] = json.dumps(given.model_dump())
        return given

    def _hand_on(self, given: Payload, context: TaskContext) -> Payload:
        value = given.model_dump()
        if context.attempt == 1:
            self.seen["handler"] = json.dumps(value)
            context.submit("demo.child", value)
            context.send("reader", value)
            context.checkpoint(value)
            raise RuntimeError("once more")
        self.seen["checkpoint"] = json.dumps(context.last_checkpoint)
        return given

    def _hand_on_bad(self, given: Payload, context: TaskContext) -> Payload:
        value = {"inner": [self.bad]}
        for hand_on in (
            lambda: context.checkpoint(value),
            lambda: context.submit("demo.child", value),
            lambda: context.send("reader", value),
        ):
            with pytest.raises(PermanentError) as refused:
                hand_on()
            self.told.append(str(refused.value))
        return Payload()


@pytest.fixture
def ways(engine: Engine) -> Ways:
    return Ways(engine)


@FEW
@given(value=VALUES)
def test_what_goes_in_comes_out(ways: Ways, value: Any) -> None:
    engine, wanted = ways.engine, {"z": 1, "value": value, "a": [value]}
    text = json.dumps(wanted)
    ways.seen.clear()
    task_id = engine.submit("demo.ways", wanted)
    task = engine.wait_for(task_id, timeout_seconds=30)
    assert task.state == "completed", task.error
    child_id = next(row for row in _children(engine, task_id))
    child = engine.wait_for(child_id, timeout_seconds=30)
    [message] = ways.mailbox.receive(block_seconds=5.0)
    ways.mailbox.ack(message)
    assert ways.seen == dict.fromkeys(("handler", "child", "checkpoint"), text)
    for came in (task.input, task.output, task.checkpoint, child.input, child.output, message.body):
        assert json.dumps(came) == text
    assert json.dumps(engine.submitter.result(task_id, 1).output) == text
    assert json.dumps(read_json("input", text, 1 << 20)) == text  # as the command line and files read it
    assert json.dumps(json.loads(pretty_json(task.output))) == text  # as the command line shows it


@FEW
@given(bad=BAD)
def test_what_can_not_be_kept_is_refused_where_it_enters(ways: Ways, bad: Any) -> None:
    engine = ways.engine
    before = _count(engine)
    for value in ({"value": bad}, {"value": [1, {"a": bad}]}):
        with pytest.raises(SubmissionError) as refused:
            engine.submit("demo.ways", value)
        assert "input.value" in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1
        with pytest.raises(SubmissionError, match=r"^submissions\.1\."):
            engine.submitter.submit_many([{"type": "demo.echo"}, {"type": "demo.ways", "input": value}])
    assert _count(engine) == before
    ways.bad, ways.told = bad, []
    assert engine.wait_for(engine.submit("demo.bad"), timeout_seconds=30).state == "completed"
    assert [line.partition(":")[0].split(".")[:3] for line in ways.told] == [
        [root, "inner", "0"] for root in ("checkpoint", "input", "message")
    ]
    assert all(len(line.splitlines()) == 1 and line.isprintable() for line in ways.told)
    assert _count(engine) == before + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "each key only once"),
        ('{"a": {"b": [{"c": 1, "c": 1}]}}', "each key only once"),
        ('{"a": 18446744073709551616}', "does not fit 64 bits"),
        ('{"a": 1e309}', "too large for a double"),
        ('{"a": NaN}', "NaN, which is not valid JSON"),
        ('{"a": -Infinity}', "Infinity, which is not valid JSON"),
        ('{"a": "\\u0000"}', "holds a NUL character"),
        ('{"a": "\\ud800"}', "a lone surrogate"),
        ("[" * 65 + "]" * 65, "nested deeper than 64 levels"),
        ('{"a": 1,}', "is not valid JSON"),
        ("", "is not valid JSON"),
    ],
)
def test_written_json_is_read_exactly_or_refused(text: str, told: str) -> None:
    with pytest.raises(SubmissionError, match=told) as refused:
        read_json("input", text, 1 << 20)
    assert str(refused.value).startswith("input")


def _children(engine: Engine, task_id: str) -> list[str]:
    with engine.database.transaction() as tx:
        return [row[0] for row in tx.rows("SELECT id FROM tasks WHERE workflow_id = %(id)s::uuid", {"id": task_id})]


def _count(engine: Engine) -> int:
    return sum(engine.counts().values())
