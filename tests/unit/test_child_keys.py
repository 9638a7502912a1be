"""How a task's children are told apart."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from taskyard.core.errors import PermanentError, TransientError
from taskyard.worker.attempts.child_keys import ChildKeys
from taskyard.worker.attempts.context import TaskContext

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


@pytest.mark.parametrize("trouble", [None, TransientError("no answer"), PermanentError("refused")], ids=repr)
def test_a_checkpoint_tells_children_apart_whatever_becomes_of_it(trouble: Exception | None) -> None:
    """Another attempt comes by the same call, and may fare otherwise."""
    channel = Answers(trouble)
    context = TaskContext("t", "a.b", 1, channel)
    context.submit("a.c", {})
    with suppress(TransientError, PermanentError):
        context.checkpoint(1)
    context.submit("a.c", {})
    first, second = (key.split("/") for key in channel.keys)
    assert (first[0], first[2]) == ("0", "1")
    assert (second[0], second[2]) == ("1", "1")


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_child_that_is_submitted_while_a_checkpoint_is_saved_shares_its_key_with_none(before: int) -> None:
    class Meanwhile(Answers):
        def request(self, message: dict[str, Any]) -> Any:
            if message["kind"] == "checkpoint":
                context.submit("a.c", {})
            return super().request(message)

    channel = Meanwhile(None)
    context = TaskContext("t", "a.b", 1, channel)
    for _ in range(before):
        context.submit("a.c", {})
    for state in range(3):
        context.checkpoint(state)
        context.submit("a.c", {})
    assert len(set(channel.keys)) == len(channel.keys) == before + 6
    resumed = TaskContext("t", "a.b", 2, Answers(None), 0, before)
    resumed.submit("a.c", {})
    assert resumed._channel.keys == [channel.keys[before]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("trouble", [TransientError("no answer"), PermanentError("refused")], ids=repr)
def test_a_child_that_is_submitted_once_more_after_an_error_is_the_same(trouble: Exception) -> None:
    class Unlucky(Answers):
        def request(self, message: dict[str, Any]) -> Any:
            answer = super().request(message)
            if len(self.keys) == 2:
                raise trouble
            return answer

    channel = Unlucky(None)
    context = TaskContext("t", "a.b", 1, channel)
    context.submit("a.c", {})
    with pytest.raises(type(trouble)):
        context.submit("a.c", {})
    context.submit("a.c", {})
    context.submit("a.c", {})
    assert [key.split("/")[2] for key in channel.keys] == ["1", "2", "2", "3"]
    context.checkpoint(1)
    context.submit("a.c", {})
    assert channel.keys[-1].startswith("3/")  # as in an attempt without the error


def test_the_order_of_what_has_none_makes_no_other_child() -> None:
    ids = [f"01900000-0000-7000-8000-00000000000{number}" for number in range(3)]
    keys = []
    for after, requires in ((ids, {"gpu", "fast", "big"}), (ids[::-1], ["big", "gpu", "fast"])):
        channel = Answers(None)
        TaskContext("t", "a.b", 1, channel).submit("a.c", {}, after=after, requires=requires)
        keys += channel.keys
    assert keys[0] == keys[1]


def test_a_process_that_a_handler_forks_may_not_submit() -> None:
    channel = Answers(None)
    context = TaskContext("t", "a.b", 1, channel)
    context._process_id += 1  # as in a fork, which has the number of its parent here
    with pytest.raises(PermanentError, match="expected a call from the handler's own process"):
        context.submit("a.c", {})
    assert channel.keys == []


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
