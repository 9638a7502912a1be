"""PostgreSQL stores every JSON text that passes, and refuses what the check says that it would."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DataError

from taskyard.core.payload.storable_json import MAX_SCALE, refusal

LIMIT = 1 << 20


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def stored(connection: Connection, text: str) -> str | None:
    """The text as jsonb gives it back, or None if PostgreSQL refuses it."""
    try:
        return connection.exec_driver_sql("SELECT %s::jsonb::text", (text,)).scalar_one()
    except DataError:
        return None


@pytest.mark.parametrize(
    "text",
    [
        '"\\u0000"',
        '{"a\\u0000":1}',
        "NaN",
        "-Infinity",
        '"\\ud800"',
        '"\\udc00x"',
        "1e999999",
        f"1e-{MAX_SCALE + 1}",
        f"1.5e-{MAX_SCALE}",
        "0." + "3" * (MAX_SCALE + 1),
        "",
        "{}x",
    ],
)
def test_both_refuse(connection: Connection, text: str) -> None:
    assert stored(connection, text) is None
    assert refusal(text, LIMIT) is not None


@pytest.mark.parametrize(
    "text",
    [
        '"\\\\u0000"',
        '"\\ud83d\\ude00"',
        f"1e-{MAX_SCALE}",
        "0." + "3" * MAX_SCALE,
        "1.7e308",
        "18446744073709551615",
        "-9223372036854775808",
        "[" * 64 + "]" * 64,
    ],
)
def test_both_accept(connection: Connection, text: str) -> None:
    assert refusal(text, LIMIT) is None
    assert orjson.loads(stored(connection, text) or "nothing") == orjson.loads(text)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["[", "]", "{", "}", '"', ",", ":", "\\", "\\u0000", "\\ud800", "\\udc00", "null", "1"])
        | st.sampled_from(["e", "E", "-", "+", ".", "0", "999", "12345678901234567890", "16384", "NaN", " ", "ä"]),
        max_size=8,
    ).map("".join)
)
def test_nothing_passes_that_postgresql_refuses(connection: Connection, text: str) -> None:
    for candidate in (text, f"[{text}]", f'"{text}"', f"1e{text}", f"0.{text}"):
        if refusal(candidate, LIMIT) is None:
            assert stored(connection, candidate) is not None
