"""The rules of webhooks that need no server: when to try again, how many at once, who is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier

from taskyard.core.postgres.store.webhook_deliveries import Due
from taskyard.core.webhooks import backoff
from taskyard.core.webhooks.body import encoded
from taskyard.core.webhooks.key import new_secret, webhook_key
from taskyard.core.webhooks.signing import signature_headers
from taskyard.worker.webhooks.courier import LINES_OF_ONE, wanted_lines

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_about_twenty_tries_in_a_day() -> None:
    total, attempt = 0.0, 0
    while total <= backoff.GIVE_UP_SECONDS:
        attempt += 1
        total += backoff.delay_seconds(attempt, 0.5)
    assert 15 <= attempt <= 25
    assert backoff.delay_seconds(1, 0.0) == 5


@given(st.integers(1, 1000), st.floats(0, 1))
def test_delays_grow_within_the_jitter(attempt: int, chance: float) -> None:
    least, delay = backoff.delay_seconds(attempt, 0.0), backoff.delay_seconds(attempt, chance)
    assert least <= delay <= least * 1.2
    assert backoff.delay_seconds(attempt + 1, 0.0) >= least


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("999999999999999999999", 86_400.0),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert backoff.retry_after_seconds(text, NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_fails(text: str) -> None:
    found = backoff.retry_after_seconds(text, NOW)
    assert found is None or 0 <= found <= backoff.GIVE_UP_SECONDS


def test_those_with_the_fewest_lines_go_first() -> None:
    due = [Due("busy", False, 4), Due("idle", False, 4), Due("few", False, 1), Due("failing", True, 4)]
    wanted = wanted_lines(due, {"busy": 2})
    assert wanted[:3] == ["failing", "few", "idle"]
    assert {name: wanted.count(name) for name in wanted} == {"busy": 2, "idle": LINES_OF_ONE, "few": 1, "failing": 1}
    assert wanted_lines(due, {"busy": 4, "idle": 9, "few": 1, "failing": 1}) == []


@given(st.binary(max_size=200), st.integers(1, 3))
def test_each_secret_verifies(body: bytes, count: int) -> None:
    secrets = [new_secret() for _ in range(count)]
    stamp = str(int((datetime.now(UTC) + timedelta(seconds=1)).timestamp()))
    text = orjson.dumps(body.hex())
    headers = signature_headers(secrets, "id", stamp, text)
    for secret in secrets:
        assert len(webhook_key(secret)) == 32
        assert Verifier(secret).verify(text, headers) == body.hex()


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers(0, 9), max_size=3), st.none() | st.lists(st.text()))
def test_a_body_is_json_with_the_output_inside(data: dict[str, Any], output: Any) -> None:
    body = {"data": {"id": "x", **data}, "type": "task.completed", "timestamp": NOW.isoformat()}
    text = None if output is None else orjson.dumps(output).decode()
    read = orjson.loads(encoded(body, text))
    assert read["type"] == "task.completed"
    assert list(read) == ["type", "timestamp", "data"]
    assert read["data"] == {**body["data"], **({} if output is None else {"output": output})}
