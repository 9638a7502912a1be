"""What a handler hands over is kept exactly, or refused with the part that can't be kept."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from taskyard.core.errors import PermanentError
from taskyard.core.payload.encode import encode_json
from taskyard.core.payload.storable_text import storable
from taskyard.core.states import Priority
from taskyard.worker.attempts.context_payload import check_message, input_json, json_of, plain_options

ID = UUID("0199c0de-0000-7000-8000-000000000001")


class Colour(Enum):
    RED = "red"


class Text(StrEnum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


class Secretive(BaseModel):
    name: str = "x"
    password: SecretStr = SecretStr("")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"rows": [1.0, {"mean": math.nan}]}, "state.rows.1.mean: nan is not accepted, expected a finite number"),
        ([math.inf], "state.0: inf is not accepted, expected a finite number"),
        ({"a": ID}, "state.a: UUID("),
        ({"a": Colour.RED}, "state.a: <Colour.RED: 'red'> is not accepted, expected a JSON value"),
        ({"a": {1, 2}}, "state.a: {1, 2} is not accepted, expected a JSON value"),
        ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, "state.a: 2026-01-01T00:00:00+00:00"),
        ({"a": Decimal(1)}, "state.a: Decimal('1') is not accepted"),
        ({1: 2}, "state: 1 is not accepted, expected a key that is text"),
        ({"a": b"x"}, "state.a: b'x' is not accepted"),
        (1 << 64, "state: 18446744073709551616 is not accepted, expected an integer of at most 64 bits"),
        ({"a": "\ud800"}, "state.a: '\\ud800' is not accepted, expected text without lone surrogates"),
        ({"a\x00": 1}, "expected a key that is text without NUL"),
        (Secretive(), "state: Secretive("),
    ],
)
def test_what_would_not_come_back_is_refused_with_its_path(value: Any, told: str) -> None:
    with pytest.raises(PermanentError) as refused:
        json_of("state", value)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "value", [1e20, -0.0, 1e16, (1 << 64) - 1, (1, (2,)), OrderedDict(z=1, a=2), Text.RED, [Number.ONE], {"é": "🙂"}]
)
def test_what_equals_what_comes_back_is_kept(value: Any) -> None:
    read = json.loads(json_of("state", value))
    assert json.dumps(read) == json.dumps(value)


def test_an_input_may_be_an_instance_of_a_model() -> None:
    assert input_json(None) == b"{}"
    assert input_json(Secretive(name="y")) == b'{"name":"y"}'
    with pytest.raises(PermanentError, match="password"):
        input_json(Secretive(password=SecretStr("hunter2")))


def test_options_are_what_submit_takes() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    given = {"run_at": at, "after": {ID}, "requires": ("a", "b"), "priority": Priority.HIGH, "title": "x"}
    wanted = {"run_at": at.isoformat(), "after": [str(ID)], "requires": ["a", "b"], "priority": "high", "title": "x"}
    assert plain_options(given) == wanted
    with pytest.raises(PermanentError, match="timeout_seconds: nan is not accepted"):
        plain_options({"timeout_seconds": math.nan})


def test_a_message_is_checked_before_it_is_sent() -> None:
    with pytest.raises(PermanentError, match=r"message: .* bytes of JSON"):
        check_message("x" * (1 << 20))


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "L"])), st.integers(3, 40), st.booleans())
def test_a_storable_text_is_stored(text: str, limit: int, keep_end: bool) -> None:
    kept = storable(text, limit, keep_end=keep_end)
    assert len(kept.encode()) <= limit
    assert "\x00" not in kept
    assert storable(kept, limit) == kept
    assert encode_json("text", kept, 1 << 20)
    if len(text.encode("utf-8", "backslashreplace")) * 4 <= limit:
        assert kept == text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
