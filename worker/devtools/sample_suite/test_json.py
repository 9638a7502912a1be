"""Tests the standard library's `json`, for the sample workload."""

import json

import pytest


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "é", [], {}, {"a": [1, {"b": None}]}])
def test_a_value_survives(value: object) -> None:
    assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_keys_can_be_sorted() -> None:
    assert json.dumps({"b": 1, "a": 2}, sort_keys=True) == '{"a": 2, "b": 1}'
