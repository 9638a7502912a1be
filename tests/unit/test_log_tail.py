"""A log line as it is kept in Redis."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.redis.log_tail import MAX_LINE_BYTES, LogLine


class Odd:
    def __str__(self) -> str:
        return "odd"


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3_000) | st.just(Odd())
values: st.SearchStrategy[Any] = (
    scalars | st.lists(scalars, max_size=5) | st.dictionaries(st.text(), scalars, max_size=3)
)


@given(st.text(max_size=5_000), st.dictionaries(st.text(max_size=300), values, max_size=40))
def test_a_line_is_json_and_never_too_long(event: str, fields: dict[str, Any]) -> None:
    text = LogLine(1.0, "info", event, "worker here", "here", fields).encoded()
    assert len(text) <= MAX_LINE_BYTES
    read = LogLine(**orjson.loads(text))
    assert (read.at, read.level, read.process, read.host) == (1.0, "info", "worker here", "here")


def test_what_fits_is_kept_as_it_is() -> None:
    line = LogLine(1.5, "error", "x.y", "agent a", "here", {"tasks": 3, "by": {"a": [1, None]}, "odd": Odd()})
    read = LogLine(**orjson.loads(line.encoded()))
    assert read.fields == {"tasks": 3, "by": {"a": [1, None]}, "odd": "odd"}
    assert (read.event, read.at) == ("x.y", 1.5)


def test_a_long_traceback_keeps_its_end() -> None:
    line = LogLine(
        1.0, "error", "x.y", "agent a", "here", {"exception": "Traceback\n" + "x\n" * 5_000 + "ValueError: no"}
    )
    read = LogLine(**orjson.loads(line.encoded()))
    assert read.fields["exception"].startswith("Traceback\n")
    assert read.fields["exception"].endswith("ValueError: no")
