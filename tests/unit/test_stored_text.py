"""Texts that are stored with what they were made of read back as the same texts, and are translated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.i18n import Moment, TranslatableText, Word, msg
from taskyard.core.payload.culprits import refused
from taskyard.core.stored_text import restored, written
from taskyard.core.translation import translated

VALUES = st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()


@given(VALUES, VALUES)
def test_a_text_reads_back_as_it_was(one: object, other: object) -> None:
    text = msg("{one} and {others}", one=one, others=msg("not {other}", other=other))
    stored = orjson.loads(orjson.dumps(written(text)))
    found = restored(str(text), stored)
    assert isinstance(found, TranslatableText)
    assert found == text


def test_words_and_moments_stay_what_they_are() -> None:
    at = datetime(2030, 1, 2, tzinfo=UTC)
    text = msg("{state} at {time}", state=Word("failed"), time=Moment(at, "then"))
    found = restored(str(text), written(text))
    shown = translated(found, lambda template: template.upper().replace("STATE", "state").replace("TIME", "time"), str)
    assert shown == f"FAILED AT {at}"


def test_an_error_is_translated_in_all_of_its_parts() -> None:
    error = refused("queue", "full", msg("a queue that is not {what}", what=msg("draining")))
    found = restored(str(error), written(error.text))
    assert translated(found, lambda template: f"<{template}>").count("<") == 3


@pytest.mark.parametrize(
    "stored",
    [None, 7, [], {}, {"template": "{a}"}, {"template": "{a}", "values": {}}, {"template": 1, "values": {}},
     {"template": "{a:d}", "values": {"a": "x"}}, {"template": "{", "values": {}}],
)  # fmt: skip
def test_what_another_release_stored_stays_english(stored: Any) -> None:
    assert restored("as it was", stored) == "as it was"
    assert written("plain") is None
