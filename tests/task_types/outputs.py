"""Handlers that return what can and can't be stored."""

from __future__ import annotations

import math
from typing import Any

from taskyard.worker.attempts.context import TaskContext
from tests.task_types.models import Case, Nothing, Real, Value, both

OUTPUTS: dict[str, Any] = {
    "null": None,
    "nan": float("nan"),
    "nested infinity": {"a": [1, {"b": -math.inf}]},
    "nul": "a\x00b",
    "surrogate": "\ud800",
    "huge integer": 1 << 70,
    "bytes": b"\xff",
    "object": object(),
    "nested object": {"a": [1, {"b": object()}, object()]},
    "cycle": [],
}
OUTPUTS["cycle"].append(OUTPUTS["cycle"])
OUTPUTS["cycle beside an object"] = [OUTPUTS["cycle"], object(), OUTPUTS["cycle"]]


@both("output")
def output(given: Case, context: TaskContext) -> Value:
    if given.case == "big":
        return Value(value="x" * 10_000)
    if given.case.startswith("deep "):
        value: Any = 1
        for _ in range(int(given.case.removeprefix("deep "))):
            value = [value]
        return Value(value=value)
    return Value(value=OUTPUTS[given.case])


@both("wrong_output")
def wrong_output(given: Case, context: TaskContext) -> Real:
    values: dict[str, Any] = {"none": None, "dict": {"real": 2.5}, "bad dict": {"real": "x"}, "model": Nothing()}
    if given.case == "changed":
        real = Real()
        real.real = "text"  # type: ignore[assignment]
        return real
    if given.case == "nan":
        return Real(real=math.nan)
    return values[given.case]
