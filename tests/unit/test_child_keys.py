"""How a task's children are told apart."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from core.errors import PermanentError, TransientError
from worker.agents.child_keys import ChildKeys
from worker.agents.context import TaskContext

CHILD: dict[str, Any] = {"type": "a.b", "input": b'{"x":1,"y":2}', "options": {}}


def test_equal_children_are_counted_and_others_are_not() -> None:
    keys = ChildKeys(0)
    first, second, other = keys.key_of(**CHILD), keys.key_of(**CHILD), keys.key_of(**{**CHILD, "type": "a.c"})
    assert len({first, second, other}) == 3
    again = ChildKeys(0)
    assert again.key_of(**{**CHILD, "type": "a.c"}) == other  # in another order
    assert again.key_of(**{**CHILD, "input": b'{"y":2,"x":1}'}) == first
    assert ChildKeys(1).key_of(**CHILD) not in (first, second)


class Answers:
    """A channel that answers as it is told to, and keeps the keys."""

    def __init__(self, trouble: Exception | None) -> None:
        self.trouble = trouble
        self.keys: list[str] = []

    def emit(self, message: dict[str, Any]) -> None:
        raise AssertionError("nothing is emitted")

    def request(self, message: dict[str, Any]) -> Any:
        if message["kind"] == "checkpoint":
            if self.trouble is not None:
                raise self.trouble
            return True
        self.keys.append(message["key"])
        return "child"

    def is_cancelled(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("trouble", "is_new"),
    [(None, True), (TransientError("no answer"), True), (PermanentError("refused"), False)],
    ids=["saved", "unknown", "refused"],
)
def test_children_are_told_apart_from_a_checkpoint_that_may_count(trouble: Exception | None, is_new: bool) -> None:
    channel = Answers(trouble)
    context = TaskContext("t", "a.b", 1, channel)
    context.submit("a.c", {})
    with suppress(TransientError, PermanentError):
        context.checkpoint(1)
    context.submit("a.c", {})
    first, second = (key.split("/") for key in channel.keys)
    assert (first[0], first[2]) == ("0", "1")
    assert (second[0], second[2]) == (("1", "1") if is_new else ("0", "2"))


def test_a_checkpoint_that_is_saved_again_is_the_same() -> None:
    """An attempt that resumes from one saves it once more before it goes on."""
    keys = []
    for children in (0, 0):
        channel = Answers(None)
        context = TaskContext("t", "a.b", 1, channel, {"page": 3}, children)
        context.checkpoint({"page": 3})
        context.submit("a.c", {})
        keys += channel.keys
    assert keys[0] == keys[1]
