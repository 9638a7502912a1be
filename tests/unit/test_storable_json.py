"""Whether a JSON text may be stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.payload.storable_json import MAX_DEPTH, MAX_INTEGER, MAX_SCALE, MIN_INTEGER, is_deeper, refusal

LIMIT = 1 << 20

scalars = (
    st.none()
    | st.booleans()
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text('ab[{"\\', max_size=3), inner))


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":"\\u0000"}', "NUL character"),
        (b'"\\\\\\u0000"', "NUL character"),
        (b'{"\\u0000":1}', "NUL character"),
        (b"NaN", "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'"\\ud800"', "surrogate"),
        (b'"\\udc00\\ud800"', "surrogate"),
        ('"\ud800"', "surrogate"),
        (nested(MAX_DEPTH + 1), "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b'[{"a":' * 33 + b"1" + b"}]" * 33, "deeper than 64"),
        (b"18446744073709551616", "integer of 20 digits"),
        (b"[-9223372036854775809]", "integer of 19 digits"),
        (b"9" * 5000, "too large"),
        (b"1e999999", "too large"),
        (b"-1e400", "too large"),
        (b"1e-16384", "after the point"),
        (b"1.5e-16383", "after the point"),
        (b"1e-99999999999999999999", "after the point"),
        (b"0." + b"3" * (MAX_SCALE + 1), "after the point"),
        (b"", "not valid JSON"),
        (b"{}x", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'"\xff"', "not valid JSON"),
        (b'"NaN', "not valid JSON"),
    ],
)
def test_refuses(text: bytes | str, reason: str) -> None:
    assert reason in (refusal(text, LIMIT) or "accepted")


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        '{"name":"Grüße 😀"}',
        b'"\\ud83d\\ude00"',
        b'"\\\\u0000"',
        b'"NaN, Infinity and \\\\u0000"',
        nested(MAX_DEPTH),
        b'["' + b"[" * 100 + b'"]',
        b'["\\"' + b"[{" * 100 + b'"]',
        b"[" + b",".join([b"[{}]"] * 1000) + b"]",
        b"18446744073709551615",
        b"-9223372036854775808",
        b'"18446744073709551616"',
        b"1e-16383",
        b"0." + b"3" * MAX_SCALE,
        b"1.7e308",
    ],
)
def test_accepts(text: bytes | str) -> None:
    assert refusal(text, LIMIT) is None


def test_limit_counts_bytes_of_utf8() -> None:
    assert refusal('"ä"', 4) is None
    assert refusal('"ä"', 3) == "is 4 bytes of JSON, more than the limit of 3"


@given(values)
def test_accepts_what_json_writes(value: object) -> None:
    assert refusal(json.dumps(value), LIMIT) is None
    assert refusal(json.dumps(value, ensure_ascii=False), LIMIT) is None


@given(values, st.integers(0, 6))
def test_depth_is_that_of_the_value(value: object, depth: int) -> None:
    assert is_deeper(json.dumps(value).encode(), depth) == (depth_of(value) > depth)


@given(st.binary(max_size=200) | st.text('[]{}":,\\u0eE+-19 dNa', max_size=60).map(str.encode))
def test_never_raises_and_accepts_only_json(text: bytes) -> None:
    if refusal(text, LIMIT) is None:
        json.loads(text, parse_constant=pytest.fail)


def depth_of(value: object) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth_of, children), default=0)
