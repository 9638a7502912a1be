"""Retries: never more than allowed, never later than the cap; equal failures have equal fingerprints."""

from __future__ import annotations

import random
import re
import traceback
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import ErrorClass
from taskyard.core.scheduling.retry import MAX_REFUNDS, Decision, backoff_seconds, decide, fingerprint
from taskyard.core.task_types.retry_policy import RETRYABLE_CLASSES, RetryPolicy

DEFAULT = RetryPolicy()
draws = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    backoff_seconds=st.floats(0, 1e6),
    max_backoff_seconds=st.floats(0, 1e6),
    retry_on=st.frozensets(st.sampled_from(ErrorClass)),
)


@given(policies, st.integers(0, 10**9), draws)
def test_backoff_stays_in_its_bounds(policy: RetryPolicy, failures: int, draw: float) -> None:
    delay = backoff_seconds(policy, failures, draw)
    assert 0 <= delay <= policy.max_backoff_seconds
    assert delay <= policy.backoff_seconds * 2.0 ** min(max(failures - 1, 0), 1000)


@given(policies, st.integers(1, 2000), draws)
def test_backoff_never_shrinks_with_failures(policy: RetryPolicy, failures: int, draw: float) -> None:
    assert backoff_seconds(policy, failures, draw) <= backoff_seconds(policy, failures + 1, draw)


def test_backoff_doubles_up_to_the_cap() -> None:
    policy = RetryPolicy(backoff_seconds=2, max_backoff_seconds=15)
    assert [backoff_seconds(policy, n, 0.5) for n in range(1, 6)] == [1, 2, 4, 7.5, 7.5]


def test_a_failure_is_retried_after_a_drawn_delay() -> None:
    decision = decide(DEFAULT, ErrorClass.TRANSIENT, attempt=2, refunded=0, max_attempts=3, draw=0.25)
    assert decision == Decision(True, 0.5, False, "transient on attempt 2 of 3")


def test_the_last_attempt_fails() -> None:
    decision = decide(DEFAULT, ErrorClass.TIMEOUT, attempt=3, refunded=0, max_attempts=3, draw=0.5)
    assert decision == Decision(False, 0.0, False, "timeout on the last of 3 attempts")


def test_refunded_attempts_do_not_count() -> None:
    assert decide(DEFAULT, ErrorClass.TIMEOUT, attempt=8, refunded=6, max_attempts=3, draw=0.5).delay_seconds == 1.0
    assert not decide(DEFAULT, ErrorClass.TIMEOUT, attempt=9, refunded=6, max_attempts=3, draw=0.5).retry


@pytest.mark.parametrize("error_class", sorted(set(ErrorClass) - RETRYABLE_CLASSES))
def test_other_classes_fail_at_once(error_class: ErrorClass) -> None:
    decision = decide(DEFAULT, error_class, attempt=1, refunded=0, max_attempts=100, draw=0.5)
    assert decision == Decision(False, 0.0, False, f"{error_class} is not worth another attempt")


def test_an_attempt_lost_with_its_agent_may_be_given_back() -> None:
    lost: dict[str, Any] = {"attempt": 1, "refunded": 0, "max_attempts": 1, "draw": 0.9}
    decision = decide(DEFAULT, ErrorClass.AGENT_LOST, **lost, refunds=MAX_REFUNDS - 1, may_refund=True)
    assert decision == Decision(True, 0.0, True, "the attempt does not count")
    assert not decide(DEFAULT, ErrorClass.AGENT_LOST, **lost, refunds=MAX_REFUNDS, may_refund=True).retry
    assert not decide(DEFAULT, ErrorClass.AGENT_LOST, **lost).retry
    assert not decide(DEFAULT, ErrorClass.TIMEOUT, **lost, may_refund=True).retry


def test_an_operators_retry_gives_the_refunds_back_too() -> None:
    decision = decide(
        DEFAULT, ErrorClass.AGENT_LOST, attempt=31, refunded=30, max_attempts=3, draw=0.5, may_refund=True
    )
    assert (decision.retry, decision.refund) == (True, True)


@given(policies, st.randoms(use_true_random=False))
def test_never_more_attempts_than_allowed(policy: RetryPolicy, rng: random.Random) -> None:
    attempt, refunded, charged = 0, 0, 0
    while True:
        attempt += 1
        decision = decide(
            policy,
            rng.choice(list(ErrorClass)),
            attempt,
            refunded,
            policy.max_attempts,
            rng.random(),
            refunds=refunded,
            may_refund=rng.random() < 0.5,
        )
        refunded += decision.refund
        charged += not decision.refund
        assert decision.retry or not decision.refund
        assert charged <= policy.max_attempts
        assert refunded <= MAX_REFUNDS
        if not decision.retry:
            return
        assert charged < policy.max_attempts


def mark(message: str, trace: str = "") -> str:
    return fingerprint("demo.x", "transient", message, trace)


numbers = st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
hex_ids = st.binary(min_size=8, max_size=32).map(bytes.hex)
addresses = st.integers(0, 2**64).map(hex)
uuids = st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())
times = st.datetimes().map(lambda time: time.isoformat()) | st.datetimes().map(
    lambda time: f"{time.replace(microsecond=0)},123"
)
quoted = st.text(st.characters(exclude_characters="'\"\n", exclude_categories=["Cs"])).map(lambda text: f"'{text}'")
temporary = st.text("abcxyz019_", min_size=8, max_size=8).map(lambda name: f"/tmp/tmp{name}/out.csv")


@pytest.mark.parametrize("kind", [numbers, hex_ids, addresses, uuids, times, quoted, temporary])
def test_what_varies_does_not_count(kind: st.SearchStrategy[str]) -> None:
    @given(kind, kind)
    def check(one: str, other: str) -> None:
        template = "ValueError: can't read {} (worker isn't ready): gave up on {}, sorry"
        assert mark(template.format(one, other)) == mark(template.format(other, one))
        assert mark(template.format(one, one)) == mark(template.format(other, other))

    check()


def test_other_words_types_and_classes_count() -> None:
    marks = {
        mark("connection refused"),
        mark("connection reset"),
        fingerprint("demo.y", "transient", "connection refused", ""),
        fingerprint("demo.x", "timeout", "connection refused", ""),
    }
    assert len(marks) == 4


@given(st.text(), st.text())
def test_a_fingerprint_is_16_hex_digits_of_anything(message: str, trace: str) -> None:
    assert re.fullmatch("[0-9a-f]{16}", fingerprint("\ud800", "x", message, trace))


def test_a_fingerprint_is_stable_over_processes() -> None:
    assert fingerprint("demo.x", "transient", f"no task {uuid.uuid4()} in 3 tries", "") == "5cba7064d75bc0a7"


def trace_of(source: str, start: int) -> str:
    """The traceback of a program whose functions begin `start` lines further down."""
    scope: dict[str, Any] = {}
    try:
        exec(compile("\n" * start + source, f"/srv/release-{start}/module.py", "exec"), scope)
    except Exception:
        return traceback.format_exc()
    raise AssertionError("the program did not fail")


OUTER = "def outer(n):\n    return inner(n) if n == 0 else outer(n - 1)\n"


def test_only_functions_of_a_traceback_count() -> None:
    one = trace_of(f"{OUTER}def inner(n):\n    return 1 / n\nouter(3)", 0)
    moved = trace_of(f"{OUTER}def inner(n):\n    return 1 / n\nouter(50)", 40)
    other = trace_of(f"{OUTER}def deeper(n):\n    return 1 / n\ninner = deeper\nouter(3)", 0)
    assert mark("division by zero", one) == mark("division by zero", moved)
    assert mark("division by zero", one) != mark("division by zero", other)
    assert mark("division by zero", one) != mark("division by zero")
