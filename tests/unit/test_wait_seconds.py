"""How long a caller waits is checked where it is said."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy
import pytest

from taskyard.client import AsyncClient, Client
from taskyard.core.errors import ConfigurationError, SubmissionError
from taskyard.core.payload.seconds import MAX_SECONDS, finite_seconds

ODD = ("5", None, math.nan, math.inf, True, [1])
SOME_ID = "01900000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("seconds", [0, -1, 2.5, Fraction(1, 4), numpy.int64(3)])
def test_a_number_is_accepted(seconds: float) -> None:
    assert finite_seconds("timeout_seconds", seconds) == seconds


def test_a_time_beyond_all_clocks_is_for_ever() -> None:
    assert finite_seconds("timeout_seconds", 10**400) == MAX_SECONDS
    assert finite_seconds("timeout_seconds", -(10**400)) == -MAX_SECONDS


@pytest.mark.parametrize("value", ODD)
def test_a_client_names_what_it_was_given_instead(value: object) -> None:
    with Client("http://127.0.0.1:1", retry_seconds=0) as client, pytest.raises(SubmissionError) as caught:
        client.result(SOME_ID, value)  # type: ignore[arg-type]
    assert str(caught.value).startswith("timeout_seconds: ")
    assert str(caught.value).endswith("is not accepted, expected a finite number of seconds")


@pytest.mark.parametrize("name", ["timeout_seconds", "retry_seconds"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_not_made_with_something_else(name: str, kind: type) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}: 'x' is not accepted, expected a finite number of seconds"):
        kind("http://127.0.0.1:1", **{name: "x"})
