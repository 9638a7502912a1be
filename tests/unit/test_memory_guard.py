"""What is said of an attempt that took too much memory."""

from __future__ import annotations

import os

import pytest

from taskyard.worker.isolation.memory import MEBIBYTE, MemoryGuard


@pytest.mark.parametrize(("taken_bytes", "text"), [(64 * MEBIBYTE + 4096, "64.1 MiB"), (80 * MEBIBYTE, "80.0 MiB")])
def test_what_was_taken_is_more_than_the_limit_as_text_too(taken_bytes: int, text: str) -> None:
    guard = MemoryGuard(os.getpid(), 64)
    guard._highest_bytes = taken_bytes
    assert guard.is_exceeded
    assert guard.verdict.startswith("the memory limit of 64 MiB was exceeded: ")
    assert guard.verdict.endswith(f" took {text}")
